//! Values in memory, bounded (pure: the time is passed in).

use std::collections::{BTreeMap, HashMap};

use tokio::time::Instant;

/// Values until they are too old, and as many as there is room for.
#[derive(Debug)]
pub(super) struct Memory<V> {
    capacity: usize,
    slots: HashMap<String, Slot<V>>,
    /// Keys by when they were wanted last; the number grows with each that is.
    by_use: BTreeMap<u64, String>,
    uses: u64,
}

#[derive(Debug)]
struct Slot<V> {
    /// `None` is that there is no value.
    value: Option<V>,
    expires_at: Instant,
    last_use: u64,
}

impl<V: Clone> Memory<V> {
    pub(super) fn new(capacity: u32) -> Self {
        Self {
            capacity: capacity.max(1) as usize,
            slots: HashMap::new(),
            by_use: BTreeMap::new(),
            uses: 0,
        }
    }

    pub(super) fn len(&self) -> usize {
        self.slots.len()
    }

    pub(super) fn get(&mut self, key: &str, now: Instant) -> Option<Option<V>> {
        let slot = self.slots.get_mut(key)?;
        if slot.expires_at <= now {
            self.remove(key);
            return None;
        }
        self.uses += 1;
        // Its key moves on with it.
        if let Some(key) = self.by_use.remove(&slot.last_use) {
            self.by_use.insert(self.uses, key);
        }
        slot.last_use = self.uses;
        Some(slot.value.clone())
    }

    /// Whether another one had to give way.
    pub(super) fn insert(
        &mut self,
        key: &str,
        value: Option<V>,
        now: Instant,
        expires_at: Instant,
    ) -> bool {
        self.remove(key);
        let evicted = self.slots.len() >= self.capacity && self.make_room(now);
        self.uses += 1;
        let slot = Slot {
            value,
            expires_at,
            last_use: self.uses,
        };
        self.by_use.insert(self.uses, key.to_owned());
        self.slots.insert(key.to_owned(), slot);
        evicted
    }

    pub(super) fn remove(&mut self, key: &str) {
        if let Some(slot) = self.slots.remove(key) {
            self.by_use.remove(&slot.last_use);
        }
    }

    /// Drops the one that was not wanted for longest; whether it was still good.
    fn make_room(&mut self, now: Instant) -> bool {
        let oldest = self.by_use.pop_first();
        let slot = oldest.and_then(|(_, key)| self.slots.remove(&key));
        slot.is_some_and(|slot| slot.expires_at > now)
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;

    #[test]
    fn what_was_not_wanted_for_longest_gives_way() {
        let (now, mut memory) = (Instant::now(), Memory::new(2));
        let later = now + Duration::from_secs(1);
        assert!(!memory.insert("a", Some(1), now, later));
        assert!(!memory.insert("b", None, now, later));
        assert_eq!(memory.get("a", now), Some(Some(1)));
        assert!(memory.insert("c", Some(3), now, later));
        assert_eq!(memory.get("b", now), None);
        assert_eq!(memory.get("a", now), Some(Some(1)));
        assert_eq!(memory.len(), 2);
        // The same key takes no more room.
        assert!(!memory.insert("a", Some(4), now, later));
        assert_eq!(memory.get("c", now), Some(Some(3)));
        memory.remove("c");
        assert!(!memory.insert("d", Some(5), now, later));
        assert_eq!((memory.len(), memory.by_use.len()), (2, 2));
    }

    #[test]
    fn what_is_too_old_is_gone() {
        let (now, mut memory) = (Instant::now(), Memory::new(2));
        memory.insert("a", Some(1), now, now + Duration::from_secs(1));
        assert_eq!(
            memory.get("a", now + Duration::from_millis(999)),
            Some(Some(1))
        );
        assert_eq!(memory.get("a", now + Duration::from_secs(1)), None);
        assert_eq!((memory.len(), memory.by_use.len()), (0, 0));
    }
}
