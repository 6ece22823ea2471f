//! Tokens that have been verified, in bounded memory.
//!
//! Two generations, as for the buckets of clients (`limit/keys.rs`): when the young one is full it
//! becomes the old one. A token is known by its SHA-256, so a cache that leaks has no tokens.

use std::collections::HashMap;
use std::mem;
use std::sync::{Mutex, PoisonError};

use ring::digest::{SHA256, SHA256_OUTPUT_LEN, digest};

use super::Claims;

type Hash = [u8; SHA256_OUTPUT_LEN];

/// What good tokens say.
#[derive(Debug)]
pub(super) struct Cache {
    /// Of one generation.
    max: usize,
    generations: Mutex<Generations>,
}

#[derive(Debug, Default)]
struct Generations {
    young: HashMap<Hash, Claims>,
    old: HashMap<Hash, Claims>,
}

impl Cache {
    /// At most `max` tokens; 0 is none.
    pub(super) fn new(max: u32) -> Self {
        Self {
            max: max.div_ceil(2) as usize,
            generations: Mutex::default(),
        }
    }

    /// What is known of `token`, at `now` (in seconds since 1970).
    pub(super) fn get(&self, token: &str, now: u64, leeway: u64) -> Option<Claims> {
        if self.max == 0 {
            return None;
        }
        let hash = hash(token);
        let mut generations = self.lock();
        let claims = match generations.young.get(&hash) {
            Some(claims) => claims.clone(),
            None => {
                let claims = generations.old.remove(&hash)?;
                self.put(&mut generations, hash, claims.clone());
                claims
            }
        };
        if claims.expires_at().saturating_add(leeway) >= now {
            return Some(claims);
        }
        generations.young.remove(&hash);
        None
    }

    pub(super) fn insert(&self, token: &str, claims: Claims) {
        if self.max > 0 {
            self.put(&mut self.lock(), hash(token), claims);
        }
    }

    fn put(&self, generations: &mut Generations, hash: Hash, claims: Claims) {
        if generations.young.len() >= self.max {
            generations.old = mem::take(&mut generations.young);
        }
        generations.young.insert(hash, claims);
    }

    fn lock(&self) -> std::sync::MutexGuard<'_, Generations> {
        let generations = self.generations.lock();
        generations.unwrap_or_else(PoisonError::into_inner)
    }
}

fn hash(token: &str) -> Hash {
    let mut hash = [0; SHA256_OUTPUT_LEN];
    hash.copy_from_slice(digest(&SHA256, token.as_bytes()).as_ref());
    hash
}

#[cfg(test)]
mod tests {
    use serde_json::{Value, json};

    use super::*;

    fn claims(exp: u64) -> Claims {
        match json!({ "exp": exp }) {
            Value::Object(all) => Claims::new(all),
            _ => unreachable!("an object"),
        }
    }

    #[test]
    fn a_token_is_known_until_it_expires() {
        let cache = Cache::new(10);
        cache.insert("a", claims(1000));
        assert_eq!(cache.get("a", 1060, 60), Some(claims(1000)));
        assert_eq!(cache.get("b", 1060, 60), None);
        assert_eq!(cache.get("a", 1061, 60), None);
        assert_eq!(cache.get("a", 1000, 60), None, "forgotten");
    }

    #[test]
    fn the_number_of_tokens_is_bounded_and_the_busy_ones_stay() {
        let cache = Cache::new(10);
        cache.insert("busy", claims(1000));
        for token in 0..1000 {
            cache.insert(&token.to_string(), claims(1000));
            assert!(cache.get("busy", 0, 0).is_some(), "{token}");
            let generations = cache.lock();
            assert!(generations.young.len() + generations.old.len() <= 10);
        }
    }

    #[test]
    fn none_are_kept_when_none_are_wanted() {
        let cache = Cache::new(0);
        cache.insert("a", claims(1000));
        assert_eq!(cache.get("a", 0, 0), None);
    }
}
