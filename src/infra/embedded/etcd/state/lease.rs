//! Leases: who holds which keys, and until when.

use std::collections::{BTreeMap, BTreeSet};
use std::time::{Duration, Instant};

use super::refusal::Refusal;

/// The shortest lease, in seconds: etcd's, with its usual time-out of an election.
const SHORTEST: i64 = 2;
/// The longest lease, in seconds: etcd's.
const LONGEST: i64 = 9_000_000_000;
/// The most leases that are kept.
const MOST: usize = 100_000;

#[derive(Debug)]
struct Lease {
    /// In seconds.
    ttl: i64,
    expires: Instant,
    keys: BTreeSet<Vec<u8>>,
}

impl Lease {
    fn expiry(ttl: i64, now: Instant) -> Instant {
        now + Duration::from_secs(ttl.unsigned_abs())
    }
}

/// What is left of a lease.
#[derive(Debug, PartialEq, Eq)]
pub struct Remaining {
    /// Whole seconds.
    pub seconds: i64,
    /// What it was granted for, in seconds.
    pub granted: i64,
    /// What it holds.
    pub keys: Vec<Vec<u8>>,
}

/// The leases that there are.
#[derive(Debug, Default)]
pub struct Leases {
    by_id: BTreeMap<i64, Lease>,
    of_key: BTreeMap<Vec<u8>, i64>,
    expiries: BTreeSet<(Instant, i64)>,
}

impl Leases {
    /// Grants a lease, and tells for how many seconds.
    ///
    /// # Errors
    /// When it is there already or would last too long.
    pub fn grant(&mut self, id: i64, ttl: i64, now: Instant) -> Result<i64, Refusal> {
        if ttl > LONGEST {
            return Err(Refusal::TtlTooLarge);
        }
        if self.by_id.contains_key(&id) {
            return Err(Refusal::LeaseExists);
        }
        if self.by_id.len() >= MOST {
            return Err(Refusal::NoSpace);
        }
        let ttl = ttl.max(SHORTEST);
        let expires = Lease::expiry(ttl, now);
        self.expiries.insert((expires, id));
        let keys = BTreeSet::new();
        self.by_id.insert(id, Lease { ttl, expires, keys });
        Ok(ttl)
    }

    pub fn exists(&self, id: i64) -> bool {
        self.by_id.contains_key(&id)
    }

    /// Begins its time anew, and tells it in seconds; none when there is no such lease.
    pub fn keep_alive(&mut self, id: i64, now: Instant) -> Option<i64> {
        let lease = self.by_id.get_mut(&id)?;
        self.expiries.remove(&(lease.expires, id));
        lease.expires = Lease::expiry(lease.ttl, now);
        self.expiries.insert((lease.expires, id));
        Some(lease.ttl)
    }

    /// What is left of it at a time; none when there is no such lease.
    pub fn remaining(&self, id: i64, now: Instant) -> Option<Remaining> {
        let lease = self.by_id.get(&id)?;
        let left = lease.expires.saturating_duration_since(now).as_secs();
        Some(Remaining {
            seconds: i64::try_from(left).unwrap_or(i64::MAX),
            granted: lease.ttl,
            keys: lease.keys.iter().cloned().collect(),
        })
    }

    /// All ids, those that end first before the others.
    pub fn ids(&self) -> impl Iterator<Item = i64> {
        self.expiries.iter().map(|(_, id)| *id)
    }

    /// When the next one ends.
    pub fn next_expiry(&self) -> Option<Instant> {
        self.expiries.first().map(|(at, _)| *at)
    }

    /// A lease whose time is over.
    pub fn expired(&self, now: Instant) -> Option<i64> {
        let (at, id) = self.expiries.first()?;
        (*at <= now).then_some(*id)
    }

    /// Ends a lease, and tells the keys that it held; none when there is no such lease.
    pub fn remove(&mut self, id: i64) -> Option<BTreeSet<Vec<u8>>> {
        let lease = self.by_id.remove(&id)?;
        self.expiries.remove(&(lease.expires, id));
        for key in &lease.keys {
            self.of_key.remove(key);
        }
        Some(lease.keys)
    }

    /// The lease `id` holds the key from now on, and no other does; 0 is none.
    pub fn attach(&mut self, key: &[u8], id: i64) {
        self.detach(key);
        if let Some(lease) = self.by_id.get_mut(&id) {
            lease.keys.insert(key.to_vec());
            self.of_key.insert(key.to_vec(), id);
        }
    }

    /// No lease holds the key any more.
    pub fn detach(&mut self, key: &[u8]) {
        let id = self.of_key.remove(key);
        if let Some(lease) = id.and_then(|id| self.by_id.get_mut(&id)) {
            lease.keys.remove(key);
        }
    }
}
