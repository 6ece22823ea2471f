//! Where the attempts of one call have been, so that the next one goes elsewhere.
//!
//! The layer that retries puts it into the extensions of each attempt, the balancer reads it and
//! notes its choice: neither has to know the other.

use std::net::SocketAddr;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

/// As many as attempts can have been before: five is the most that are made (gRFC A6,
/// "maxAttempts").
const MAX: usize = 4;

/// The endpoints that the attempts of a call were given to. Clones share it.
#[derive(Debug, Clone, Default)]
pub(super) struct Tried(Arc<Mutex<Addresses>>);

/// The last few addresses, in place.
#[derive(Debug, Default)]
pub(super) struct Addresses {
    list: [Option<SocketAddr>; MAX],
    /// How many there ever were.
    count: usize,
}

impl Tried {
    /// The addresses, for as long as one is chosen: attempts that are in flight together do not
    /// choose the same.
    pub(super) fn lock(&self) -> MutexGuard<'_, Addresses> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Addresses {
    pub(super) fn contains(&self, address: SocketAddr) -> bool {
        self.list.contains(&Some(address))
    }

    pub(super) fn is_empty(&self) -> bool {
        self.count == 0
    }

    /// Adds `address`, in the place of the oldest when there is no other.
    pub(super) fn add(&mut self, address: SocketAddr) {
        if !self.contains(address) {
            self.list[self.count % MAX] = Some(address);
            self.count += 1;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn address(port: u16) -> SocketAddr {
        SocketAddr::from(([127, 0, 0, 1], port))
    }

    #[test]
    fn the_last_four_are_known() {
        let mut addresses = Addresses::default();
        assert!(addresses.is_empty());
        for port in [1, 2, 2, 3, 4, 5, 6] {
            addresses.add(address(port));
        }
        let known: Vec<u16> = (1..=7)
            .filter(|&port| addresses.contains(address(port)))
            .collect();
        assert_eq!(known, [3, 4, 5, 6]);
        assert!(!addresses.is_empty());
    }

    #[test]
    fn clones_share_what_they_know() {
        let tried = Tried::default();
        tried.clone().lock().add(address(1));
        assert!(tried.lock().contains(address(1)));
    }
}
