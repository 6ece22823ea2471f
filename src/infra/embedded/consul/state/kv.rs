//! The key-value store: every write has an index, and a key may be locked by a session.

use std::collections::BTreeMap;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use serde_json::{Value, json};

use super::Refusal;

/// The most that keys and values may take together, in bytes: this is a store for development.
pub(super) const MAX_TOTAL: usize = 64 * 1024 * 1024;
/// What an entry takes beside its key and value, in bytes: about its size in memory.
const ENTRY_OVERHEAD: usize = 128;
/// The most deleted keys that are remembered. Consul forgets them after 15 minutes instead.
const MAX_TOMBSTONES: usize = 10_000;

/// All entries.
#[derive(Debug, Default)]
pub(in super::super) struct Store {
    entries: BTreeMap<String, Entry>,
    /// The bytes that the entries take.
    total: usize,
    /// The index of the latest write or delete.
    index: u64,
    /// The indexes of deletes, so that watchers of a prefix learn of them.
    tombstones: BTreeMap<String, u64>,
    /// The latest index of a forgotten tombstone; it counts for all prefixes.
    forgotten: u64,
}

/// A value with its flags, lock and indexes.
#[derive(Clone, Debug, Default, PartialEq)]
pub(in super::super) struct Entry {
    pub value: Vec<u8>,
    pub flags: u64,
    /// The session that holds the lock.
    session: Option<String>,
    /// How often it was locked.
    lock_index: u64,
    created: u64,
    modified: u64,
}

/// The condition of a write.
#[derive(Clone, Debug, PartialEq)]
pub(in super::super) enum Condition {
    None,
    /// The entry has this index; zero: there is none.
    Index(u64),
    /// The session gets or has the lock.
    Acquire(String),
    /// The session gives up the lock it has.
    Release(String),
}

impl Store {
    /// Writes at `index`; false when the condition does not hold.
    pub fn put(
        &mut self,
        key: &str,
        (value, flags): (Vec<u8>, u64),
        condition: &Condition,
        index: u64,
    ) -> Result<bool, Refusal> {
        let old = self.entries.get(key);
        let holder = old.and_then(|old| old.session.as_ref());
        let mut entry = Entry {
            value,
            flags,
            session: holder.cloned(),
            lock_index: 0,
            created: old.map_or(index, |old| old.created),
            modified: index,
        };
        let count = old.map_or(0, |old| old.lock_index);
        match condition {
            // Consul forgets here how often the key was locked, yet not by whom.
            Condition::None => {}
            Condition::Index(wanted) => {
                if *wanted != old.map_or(0, |old| old.modified) {
                    return Ok(false);
                }
            }
            Condition::Acquire(session) => {
                if holder.is_some_and(|holder| holder != session) {
                    return Ok(false);
                }
                entry.lock_index = count + u64::from(holder.is_none());
                entry.session = Some(session.clone());
            }
            Condition::Release(session) => {
                if holder != Some(session) {
                    return Ok(false);
                }
                entry.lock_index = count;
                entry.session = None;
            }
        }
        if let Some(old) = old {
            entry.modified = old.modified;
            if entry == *old {
                return Ok(true);
            }
            entry.modified = index;
        }
        let size = |entry: &Entry| key.len() + entry.value.len() + ENTRY_OVERHEAD;
        let total = self.total - old.map_or(0, size) + size(&entry);
        if total > MAX_TOTAL {
            return Err(Refusal::Failed(format!(
                "the store of the embedded registry, which is for development, is full: \
                 it keeps {MAX_TOTAL} bytes"
            )));
        }
        self.total = total;
        self.entries.insert(key.to_owned(), entry);
        self.index = index;
        Ok(true)
    }

    /// Deletes the key; false when `cas` does not match.
    pub fn delete(&mut self, key: &str, cas: Option<u64>, index: u64) -> bool {
        let Some(old) = self.entries.get(key) else {
            return true;
        };
        if cas.is_some_and(|cas| cas != old.modified) {
            return false;
        }
        self.remove(key, index);
        true
    }

    /// Deletes all keys with this prefix.
    pub fn delete_all(&mut self, prefix: &str, index: u64) {
        let keys: Vec<String> = self
            .with_prefix(prefix)
            .map(|(key, _)| key.clone())
            .collect();
        for key in keys {
            self.remove(&key, index);
        }
    }

    fn remove(&mut self, key: &str, index: u64) {
        let Some(old) = self.entries.remove(key) else {
            return;
        };
        self.total -= key.len() + old.value.len() + ENTRY_OVERHEAD;
        self.index = index;
        self.tombstones.insert(key.to_owned(), index);
        if self.tombstones.len() > MAX_TOMBSTONES {
            self.forgotten = index;
            self.tombstones.clear();
        }
    }

    /// Ends the locks of a session, whose keys are returned.
    pub fn end_session(&mut self, session: &str, delete: bool, index: u64) -> Vec<String> {
        let held = self.entries.iter_mut();
        let held = held.filter(|(_, entry)| entry.session.as_deref() == Some(session));
        let mut keys = Vec::new();
        for (key, entry) in held {
            entry.session = None;
            entry.modified = index;
            self.index = index;
            keys.push(key.clone());
        }
        if delete {
            keys.iter().for_each(|key| self.remove(key, index));
        }
        keys
    }

    /// The entry, and the index to wait on.
    pub fn get(&self, key: &str) -> (Option<&Entry>, u64) {
        let entry = self.entries.get(key);
        (entry, entry.map_or(self.index, |entry| entry.modified))
    }

    /// All entries with this prefix as JSON, and the index to wait on.
    pub fn list(&self, prefix: &str) -> (Vec<Value>, u64) {
        let found = self.with_prefix(prefix);
        let found = found.map(|(key, entry)| entry.to_json(key)).collect();
        (found, self.index_of(prefix))
    }

    /// The keys with this prefix, each cut after the first separator that follows the prefix, and
    /// the index to wait on.
    pub fn keys(&self, prefix: &str, separator: &str) -> (Vec<String>, u64) {
        let cut = |key: &String| match key[prefix.len()..].find(separator) {
            Some(at) if !separator.is_empty() => {
                key[..prefix.len() + at + separator.len()].to_owned()
            }
            _ => key.clone(),
        };
        let mut keys: Vec<_> = self.with_prefix(prefix).map(|(key, _)| cut(key)).collect();
        keys.dedup();
        (keys, self.index_of(prefix))
    }

    /// The latest write or delete below the prefix or, when nothing ever was there, anywhere.
    fn index_of(&self, prefix: &str) -> u64 {
        let written = self.with_prefix(prefix).map(|(_, entry)| entry.modified);
        let deleted = below(&self.tombstones, prefix).map(|(_, index)| *index);
        match written.chain(deleted).max() {
            Some(index) => index.max(self.forgotten),
            None => self.index,
        }
    }

    fn with_prefix<'a>(&'a self, prefix: &'a str) -> impl Iterator<Item = (&'a String, &'a Entry)> {
        below(&self.entries, prefix)
    }
}

fn below<'a, T>(
    map: &'a BTreeMap<String, T>,
    prefix: &'a str,
) -> impl Iterator<Item = (&'a String, &'a T)> {
    map.range::<str, _>((
        std::ops::Bound::Included(prefix),
        std::ops::Bound::Unbounded,
    ))
    .take_while(move |(key, _)| key.starts_with(prefix))
}

impl Entry {
    /// As the API shows it.
    pub fn to_json(&self, key: &str) -> Value {
        let value = (!self.value.is_empty()).then(|| STANDARD.encode(&self.value));
        let mut shown = json!({
            "LockIndex": self.lock_index, "Key": key, "Flags": self.flags, "Value": value,
            "CreateIndex": self.created, "ModifyIndex": self.modified,
        });
        if let Some(session) = &self.session {
            shown["Session"] = session.as_str().into();
        }
        shown
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn put(store: &mut Store, key: &str, value: &str, condition: &Condition, index: u64) -> bool {
        store
            .put(key, (value.into(), 0), condition, index)
            .expect("room")
    }

    #[test]
    fn a_write_of_what_is_there_keeps_the_index() {
        let mut store = Store::default();
        assert!(put(&mut store, "a", "1", &Condition::None, 5));
        assert!(put(&mut store, "a", "1", &Condition::None, 6));
        assert_eq!(store.get("a").1, 5);
        assert!(!put(&mut store, "a", "2", &Condition::Index(4), 7));
        assert!(put(&mut store, "a", "2", &Condition::Index(5), 7));
        assert_eq!(store.get("a").1, 7);
    }

    #[test]
    fn a_prefix_has_the_index_of_what_was_written_or_deleted_below_it() {
        let mut store = Store::default();
        put(&mut store, "p/a", "1", &Condition::None, 2);
        put(&mut store, "q", "1", &Condition::None, 3);
        assert_eq!(store.keys("p/", ""), (vec!["p/a".to_owned()], 2));
        assert_eq!(store.list("nothing").1, 3);
        assert!(store.delete("p/a", None, 4));
        assert_eq!(store.keys("p/", ""), (vec![], 4));
        store.delete_all("", 5);
        assert_eq!((store.list("p/").1, store.list("q").1), (4, 5));
        assert_eq!(store.get("q"), (None, 5));
    }

    #[test]
    fn one_session_holds_a_lock() {
        let mut store = Store::default();
        let acquire = |session: &str| Condition::Acquire(session.to_owned());
        let release = |session: &str| Condition::Release(session.to_owned());
        assert!(!put(&mut store, "k", "", &release("one"), 1));
        assert!(put(&mut store, "k", "", &acquire("one"), 2));
        assert!(!put(&mut store, "k", "", &acquire("two"), 3));
        assert!(put(&mut store, "k", "x", &acquire("one"), 4));
        assert_eq!(store.get("k").0.map(|entry| entry.lock_index), Some(1));
        assert!(put(&mut store, "k", "x", &release("one"), 5));
        assert!(put(&mut store, "k", "x", &acquire("two"), 6));
        assert_eq!(store.get("k").0.map(|entry| entry.lock_index), Some(2));
        assert_eq!(store.end_session("two", false, 7), ["k"]);
        assert_eq!(
            store.get("k").0.and_then(|entry| entry.session.clone()),
            None
        );
        assert!(put(&mut store, "k", "x", &acquire("one"), 8));
        assert_eq!(store.end_session("one", true, 9), ["k"]);
        assert_eq!(store.get("k"), (None, 9));
    }

    #[test]
    fn a_full_store_says_so_and_has_room_again_after_deletes() {
        let mut store = Store::default();
        let half = vec![0; MAX_TOTAL / 2];
        let put = |store: &mut Store, key: &str, index| {
            store.put(key, (half.clone(), 0), &Condition::None, index)
        };
        assert_eq!(put(&mut store, "a", 1), Ok(true));
        assert!(matches!(put(&mut store, "b", 2), Err(Refusal::Failed(_))));
        assert_eq!(put(&mut store, "a", 3), Ok(true));
        store.delete_all("a", 4);
        assert_eq!(put(&mut store, "b", 5), Ok(true));
    }

    #[test]
    fn forgotten_deletes_count_for_all_prefixes() {
        let mut store = Store::default();
        put(&mut store, "kept", "", &Condition::None, 1);
        for index in 2..=u64::try_from(MAX_TOMBSTONES).expect("small") + 2 {
            let key = format!("gone/{index}");
            put(&mut store, &key, "", &Condition::None, index);
            store.delete(&key, None, index);
        }
        assert!(store.tombstones.is_empty());
        assert_eq!(store.list("kept").1, 10_002);
    }
}
