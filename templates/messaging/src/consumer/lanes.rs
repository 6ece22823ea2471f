//! Order by key: of messages with the same key, one is handled and the others wait.

use std::collections::{HashMap, VecDeque};

use super::run::Held;

/// The keys of which a message is being handled, each with those that wait for it.
#[derive(Default)]
pub(super) struct Lanes(HashMap<String, VecDeque<Held>>);

impl Lanes {
    /// Returns the message if it may be handled now, and keeps it if it has to wait.
    pub(super) fn enter(&mut self, held: Held) -> Option<Held> {
        let Some(key) = held.incoming.message.key() else {
            return Some(held);
        };
        if let Some(lane) = self.0.get_mut(key) {
            lane.push_back(held);
            return None;
        }
        self.0.insert(key.to_owned(), VecDeque::new());
        Some(held)
    }

    /// The next message of a key of which one is done with.
    pub(super) fn leave(&mut self, key: &str) -> Option<Held> {
        let next = self.0.get_mut(key)?.pop_front();
        if next.is_none() {
            self.0.remove(key);
        }
        next
    }

    /// All that wait for a key, in their order; the key is free then.
    pub(super) fn give_up(&mut self, key: &str) -> VecDeque<Held> {
        self.0.remove(key).unwrap_or_default()
    }
}
