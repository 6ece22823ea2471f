//! Which operations the spans that are kept are of.

use std::collections::BTreeMap;

/// What the name of an operation takes besides its length, about: in bytes.
const OVERHEAD: usize = 160;
/// The kinds of spans that there are, by their numbers.
const KINDS: usize = 6;

/// How many spans there are of each kind of each operation of each service.
#[derive(Debug, Default)]
pub(super) struct Operations {
    services: BTreeMap<String, BTreeMap<String, [usize; KINDS]>>,
    bytes: usize,
}

/// The place of a kind; one that is not known counts as not told.
fn place(kind: i32) -> usize {
    usize::try_from(kind)
        .ok()
        .filter(|it| *it < KINDS)
        .unwrap_or(0)
}

impl Operations {
    /// What they take, about: in bytes.
    pub fn bytes(&self) -> usize {
        self.bytes
    }

    pub fn add(&mut self, service: &str, name: &str, kind: i32) {
        let known = self.services.get_mut(service);
        if let Some(counts) = known.and_then(|names| names.get_mut(name)) {
            counts[place(kind)] += 1;
            return;
        }
        let names = self.services.entry(service.to_owned()).or_default();
        let mut counts = [0; KINDS];
        counts[place(kind)] = 1;
        names.insert(name.to_owned(), counts);
        self.bytes += name.len() + OVERHEAD;
    }

    pub fn remove(&mut self, service: &str, name: &str, kind: i32) {
        let Some(names) = self.services.get_mut(service) else {
            return;
        };
        let Some(counts) = names.get_mut(name) else {
            return;
        };
        counts[place(kind)] -= 1;
        if counts.iter().all(|count| *count == 0) {
            names.remove(name);
            self.bytes -= name.len() + OVERHEAD;
            if names.is_empty() {
                self.services.remove(service);
            }
        }
    }

    pub fn services(&self) -> impl Iterator<Item = &str> {
        self.services.keys().map(String::as_str)
    }

    /// The operations of a service, each with the number of its kind.
    pub fn of(&self, service: &str) -> impl Iterator<Item = (&str, i32)> {
        let names = self.services.get(service).into_iter().flatten();
        names.flat_map(|(name, counts)| {
            let kinds = (0..).zip(counts).filter(|(_, count)| **count > 0);
            kinds.map(|(kind, _)| (name.as_str(), kind))
        })
    }
}
