//! The key-value store: pure, every write has an index.

use std::collections::BTreeMap;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use serde_json::{Value, json};

/// The most entries that are kept: this is a store for development.
const MAX_ENTRIES: usize = 10_000;

/// All entries.
#[derive(Debug, Default)]
pub(super) struct Store {
    entries: BTreeMap<String, Entry>,
    /// The index of the latest write or delete.
    index: u64,
    /// The index of the latest delete.
    deleted: u64,
}

/// A value with its flags and indexes.
#[derive(Clone, Debug)]
pub(super) struct Entry {
    pub value: Vec<u8>,
    pub flags: u64,
    pub created: u64,
    pub modified: u64,
}

impl Store {
    /// Writes at `index`; false when `cas` is not the entry's index or the store is full.
    pub fn put(
        &mut self,
        key: &str,
        value: Vec<u8>,
        flags: u64,
        cas: Option<u64>,
        index: u64,
    ) -> bool {
        let old = self.entries.get(key);
        if cas.is_some_and(|cas| cas != old.map_or(0, |old| old.modified)) {
            return false;
        }
        if old.is_none() && self.entries.len() >= MAX_ENTRIES {
            return false;
        }
        let created = old.map_or(index, |old| old.created);
        if old.is_some_and(|old| old.value == value && old.flags == flags) {
            return true;
        }
        let entry = Entry {
            value,
            flags,
            created,
            modified: index,
        };
        self.entries.insert(key.to_owned(), entry);
        self.index = index;
        true
    }

    /// Deletes the key, or all keys with this prefix; false when `cas` does not match.
    pub fn delete(&mut self, key: &str, recurse: bool, cas: Option<u64>, index: u64) -> bool {
        if let (Some(cas), Some(old)) = (cas, self.entries.get(key))
            && cas != old.modified
        {
            return false;
        }
        let before = self.entries.len();
        self.entries
            .retain(|name, _| !(name == key || recurse && name.starts_with(key)));
        if self.entries.len() != before {
            self.index = index;
            self.deleted = index;
        }
        true
    }

    /// The entry, and the index to wait on.
    pub fn get(&self, key: &str) -> (Option<&Entry>, u64) {
        let entry = self.entries.get(key);
        (entry, entry.map_or(self.index, |entry| entry.modified))
    }

    /// All entries with this prefix as JSON, and the index to wait on.
    pub fn list(&self, prefix: &str) -> (Vec<Value>, u64) {
        let found: Vec<_> = self.with_prefix(prefix).collect();
        let newest = found.iter().map(|(_, entry)| entry.modified).max();
        let index = newest.map_or(self.index, |newest| newest.max(self.deleted));
        (
            found
                .iter()
                .map(|(key, entry)| entry.to_json(key))
                .collect(),
            index,
        )
    }

    /// The keys with this prefix, each cut after the first separator that follows the prefix.
    pub fn keys(&self, prefix: &str, separator: &str) -> (Vec<String>, u64) {
        let mut keys: Vec<String> = self
            .with_prefix(prefix)
            .map(|(key, _)| match key[prefix.len()..].find(separator) {
                Some(at) if !separator.is_empty() => {
                    key[..prefix.len() + at + separator.len()].to_owned()
                }
                _ => key.clone(),
            })
            .collect();
        keys.dedup();
        (keys, self.index)
    }

    fn with_prefix<'a>(&'a self, prefix: &'a str) -> impl Iterator<Item = (&'a String, &'a Entry)> {
        self.entries
            .range(prefix.to_owned()..)
            .take_while(move |(key, _)| key.starts_with(prefix))
    }
}

impl Entry {
    /// As the API shows it.
    pub fn to_json(&self, key: &str) -> Value {
        let value = (!self.value.is_empty()).then(|| STANDARD.encode(&self.value));
        json!({
            "LockIndex": 0, "Key": key, "Flags": self.flags, "Value": value,
            "CreateIndex": self.created, "ModifyIndex": self.modified,
        })
    }
}
