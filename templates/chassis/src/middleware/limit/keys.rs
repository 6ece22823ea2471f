//! A bucket for each client, in bounded memory.
//!
//! Buckets live in two generations. When the young one is full, or as old as a bucket takes to
//! fill up, it becomes the old one and the old one is forgotten; a bucket that is used moves to
//! the young one. So a bucket that has not been used for that long is gone, which loses nothing,
//! and when there are too many clients at a time, those go that were not seen for longest. One
//! that comes back begins with a full bucket.
//!
//! A client is kept as a hash, with a key that is drawn at random for each process: all are of one
//! size, whatever they send, and nobody can choose them so that they collide.

use std::collections::HashMap;
use std::hash::{BuildHasher, BuildHasherDefault, Hash, Hasher, RandomState};
use std::mem;
use std::sync::{Mutex, PoisonError};
use std::time::Duration;

use super::gcra::Quota;

/// Locks, each for its part of the clients, so that calls seldom meet at one.
const SHARDS: usize = 16;

/// The buckets of all clients.
#[derive(Debug)]
pub(super) struct Buckets {
    quota: Quota,
    /// Of one generation of one shard.
    max_keys: usize,
    hasher: RandomState,
    shards: [Mutex<Shard>; SHARDS],
}

#[derive(Debug, Default)]
struct Shard {
    young: Generation,
    old: Generation,
    /// When the young generation began.
    since: u64,
}

type Generation = HashMap<u64, u64, BuildHasherDefault<AlreadyHashed>>;

impl Buckets {
    /// At most about `max_keys` of them are kept.
    pub(super) fn new(quota: Quota, max_keys: u32) -> Self {
        Self {
            quota,
            max_keys: (max_keys as usize / (2 * SHARDS)).max(1),
            hasher: RandomState::new(),
            shards: Default::default(),
        }
    }

    /// As [`Quota::take`], in the bucket of `key`.
    pub(super) fn take(&self, key: impl Hash, now: u64) -> Result<(), Duration> {
        let hash = self.hasher.hash_one(key);
        // The map uses the low bits and the highest seven.
        let shard = &self.shards[(hash >> 32) as usize % SHARDS];
        let mut shard = shard.lock().unwrap_or_else(PoisonError::into_inner);
        let is_full = shard.young.len() >= self.max_keys && !shard.young.contains_key(&hash);
        let is_old = now.saturating_sub(shard.since) >= self.quota.refill();
        if is_full || is_old {
            shard.rotate(now);
        }
        let state = match shard.young.get(&hash) {
            Some(state) => *state,
            None => shard.old.remove(&hash).unwrap_or(0),
        };
        let taken = self.quota.take(state, now);
        shard.young.insert(hash, *taken.as_ref().unwrap_or(&state));
        taken.map(|_| ())
    }

    #[cfg(test)]
    fn len(&self) -> usize {
        let len = |shard: &Mutex<Shard>| {
            let shard = shard.lock().expect("not poisoned");
            shard.young.len() + shard.old.len()
        };
        self.shards.iter().map(len).sum()
    }
}

impl Shard {
    fn rotate(&mut self, now: u64) {
        self.old = mem::take(&mut self.young);
        self.since = now;
    }
}

/// Hands a hash through.
#[derive(Debug, Default)]
struct AlreadyHashed(u64);

impl Hasher for AlreadyHashed {
    fn write(&mut self, _: &[u8]) {
        unreachable!("only hashes are hashed")
    }

    fn write_u64(&mut self, hash: u64) {
        self.0 = hash;
    }

    fn finish(&self) -> u64 {
        self.0
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const SECOND: u64 = 1_000_000_000;

    fn buckets(burst: u32, max_keys: u32) -> Buckets {
        Buckets::new(Quota::new(1.0, burst).expect("a limit"), max_keys)
    }

    #[test]
    fn each_key_has_its_own_bucket() {
        let buckets = buckets(2, 1000);
        for key in ["a", "b"] {
            assert_eq!(buckets.take(key, 0), Ok(()), "{key}");
            assert_eq!(buckets.take(key, 0), Ok(()), "{key}");
            assert_eq!(buckets.take(key, 0), Err(Duration::from_secs(1)), "{key}");
        }
    }

    #[test]
    fn the_number_of_buckets_is_bounded_and_the_busy_ones_stay() {
        let buckets = buckets(1, 3200);
        assert_eq!(buckets.take("busy", 0), Ok(()));
        for other in 0..100_000 {
            assert_eq!(buckets.take(other, 0), Ok(()));
            assert!(buckets.take("busy", 0).is_err(), "{other}");
        }
        assert!(buckets.len() <= 3200 + SHARDS, "{}", buckets.len());
    }

    #[test]
    fn a_bucket_that_is_not_used_is_forgotten_once_it_is_full() {
        let buckets = buckets(10, 3200);
        for key in 0..1000 {
            assert_eq!(buckets.take(key, 0), Ok(()));
        }
        for second in (0..40).step_by(5) {
            // One key in each shard is enough to look after it.
            for key in 1000..1500 {
                assert!(buckets.take(key, second * SECOND).is_ok());
            }
        }
        assert_eq!(buckets.len(), 500);
    }

    #[test]
    fn a_bucket_moves_between_generations_with_its_state() {
        let buckets = buckets(3, 1000);
        for _ in 0..3 {
            assert_eq!(buckets.take("a", 0), Ok(()));
        }
        for tenth in 1..100 {
            let now = tenth * SECOND / 10;
            let expected = tenth % 10 == 0;
            assert_eq!(buckets.take("a", now).is_ok(), expected, "{tenth}");
        }
    }
}
