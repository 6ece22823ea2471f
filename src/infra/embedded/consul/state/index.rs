//! The indexes that blocking queries wait on: one of each table and one of each service, as in
//! Consul, so that a change wakes only those whom it concerns.

use std::collections::BTreeMap;

/// The index of the write that made the node, its check and the service `consul`.
pub(super) const FIRST: u64 = 2;

/// The index of the latest write to each part of the catalog.
#[derive(Debug)]
pub(super) struct Indexes {
    pub nodes: u64,
    pub services: u64,
    pub checks: u64,
    by_service: BTreeMap<String, u64>,
    /// When a service last lost its last instance: what stands for all services that are not
    /// there, so that whoever waits for one that goes is woken without a trace being kept of each.
    extinction: Option<u64>,
}

impl Default for Indexes {
    fn default() -> Self {
        Self {
            nodes: FIRST,
            services: FIRST,
            checks: FIRST,
            by_service: BTreeMap::new(),
            extinction: None,
        }
    }
}

impl Indexes {
    /// An instance of the service or one of its checks was written.
    pub fn touch_service(&mut self, name: &str, index: u64) {
        self.by_service.insert(name.to_owned(), index);
    }

    /// What concerns the node concerns all its services.
    pub fn touch_all_services(&mut self, index: u64) {
        self.by_service.values_mut().for_each(|at| *at = index);
    }

    /// The last instance of the service went.
    pub fn remove_service(&mut self, name: &str, index: u64) {
        self.by_service.remove(name);
        self.extinction = Some(index);
    }

    /// The index of a query for one service; with `checks` where no service ever went.
    pub fn of_service(&self, name: &str, checks: bool) -> u64 {
        let known = self.by_service.get(name).copied().or(self.extinction);
        known.unwrap_or_else(|| {
            let table = if checks { self.checks } else { 0 };
            self.nodes.max(self.services).max(table)
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_service_has_its_own_index_until_it_goes() {
        let mut indexes = Indexes {
            services: 7,
            checks: 8,
            ..Indexes::default()
        };
        assert_eq!(indexes.of_service("a", true), 8);
        assert_eq!(indexes.of_service("a", false), 7);
        indexes.touch_service("a", 9);
        indexes.touch_service("b", 10);
        assert_eq!(indexes.of_service("a", true), 9);
        indexes.touch_all_services(11);
        assert_eq!(indexes.of_service("a", true), 11);
        indexes.remove_service("a", 12);
        assert_eq!(indexes.of_service("a", true), 12);
        assert_eq!(indexes.of_service("never there", true), 12);
        assert_eq!(indexes.of_service("b", true), 11);
    }
}
