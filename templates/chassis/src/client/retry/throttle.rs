//! The budget for retries: a bucket of tokens, shared by all calls of a channel (gRFC A6,
//! "Throttling Retry Attempts and Hedged RPCs").
//!
//! When a service is in trouble, retries would be more of what it has too much of. Each failure
//! takes a token, each success brings a part of one back, and nothing is retried while the bucket
//! is not more than half full.

use std::sync::Arc;
use std::sync::atomic::{AtomicU32, Ordering};

use crate::config::RetryThrottle;

/// A6 allows for three decimal places.
const PER_TOKEN: u32 = 1000;

#[derive(Debug)]
pub(super) struct Throttle {
    enabled: bool,
    /// In thousandths of a token, as the others.
    tokens: AtomicU32,
    max: u32,
    per_success: u32,
}

impl Throttle {
    pub(super) fn new(config: &RetryThrottle) -> Self {
        let max = config.max_tokens.saturating_mul(PER_TOKEN);
        Self {
            enabled: config.enabled,
            tokens: AtomicU32::new(max),
            max,
            per_success: (config.token_ratio.get() * f64::from(PER_TOKEN)).round() as u32,
        }
    }

    /// By other settings, as full as this is (A6 leaves it open; gRPC Core does so). It is this one
    /// when they are the same, which the calls under way count on.
    pub(super) fn renewed(self: &Arc<Self>, config: &RetryThrottle) -> Arc<Self> {
        let new = Self::new(config);
        let rules = |it: &Self| (it.enabled, it.max, it.per_success);
        if rules(&new) == rules(self) {
            return Arc::clone(self);
        }
        if self.max > 0 {
            let tokens = u64::from(self.tokens.load(Ordering::Relaxed));
            let share = tokens * u64::from(new.max) / u64::from(self.max);
            // No more than `max`, which fits.
            new.tokens.store(share as u32, Ordering::Relaxed);
        }
        Arc::new(new)
    }

    /// Counts a success. When nothing has failed this only reads, so that the calls of many
    /// threads do not wait for each other.
    pub(super) fn success(&self) {
        let tokens = self.tokens.load(Ordering::Relaxed);
        if tokens < self.max {
            self.change(|tokens| tokens.saturating_add(self.per_success).min(self.max));
        }
    }

    /// Counts a failure.
    pub(super) fn failure(&self) {
        self.change(|tokens| tokens.saturating_sub(PER_TOKEN));
    }

    /// Whether another attempt may be made.
    pub(super) fn allows(&self) -> bool {
        !self.enabled || self.tokens.load(Ordering::Relaxed) > self.max / 2
    }

    fn change(&self, change: impl Fn(u32) -> u32) {
        let change = |tokens| Some(change(tokens));
        // The change is never refused.
        let _ = self
            .tokens
            .fetch_update(Ordering::Relaxed, Ordering::Relaxed, change);
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::config::Ratio;

    fn throttle(max_tokens: u32, share: f64) -> Throttle {
        Throttle::new(&RetryThrottle {
            enabled: true,
            max_tokens,
            token_ratio: Ratio::new(share).expect("a ratio"),
        })
    }

    /// How many failures in a row it allows a retry after.
    fn allowed(throttle: &Throttle) -> usize {
        (0..)
            .take_while(|_| {
                throttle.failure();
                throttle.allows()
            })
            .count()
    }

    #[test]
    fn the_upper_half_of_the_tokens_is_there_for_retries() {
        assert_eq!(allowed(&throttle(10, 0.1)), 4);
        assert_eq!(allowed(&throttle(200, 0.1)), 99);
    }

    #[test]
    fn successes_bring_tokens_back_but_no_more_than_there_were() {
        let throttle = throttle(10, 0.1);
        allowed(&throttle);
        for _ in 0..10 {
            assert!(!throttle.allows() || throttle.tokens.load(Ordering::Relaxed) > 5_000);
            throttle.success();
        }
        assert_eq!(throttle.tokens.load(Ordering::Relaxed), 6_000);
        assert_eq!(allowed(&throttle), 0, "the one that came back");
        (0..1_000).for_each(|_| throttle.success());
        assert_eq!(throttle.tokens.load(Ordering::Relaxed), 10_000);
        assert_eq!(allowed(&throttle), 4);
    }

    #[test]
    fn an_endless_outage_leaves_no_debt() {
        let throttle = throttle(10, 1.0);
        (0..1_000).for_each(|_| throttle.failure());
        (0..6).for_each(|_| throttle.success());
        assert!(throttle.allows());
    }

    #[test]
    fn by_other_settings_it_is_as_full_as_it_was() {
        let before = Arc::new(throttle(10, 0.1));
        (0..4).for_each(|_| before.failure());
        let settings = |max_tokens| RetryThrottle {
            enabled: true,
            max_tokens,
            token_ratio: Ratio::TENTH,
        };
        assert!(Arc::ptr_eq(&before.renewed(&settings(10)), &before));
        let larger = before.renewed(&settings(1_000));
        assert_eq!(larger.tokens.load(Ordering::Relaxed), 600_000);
        assert_eq!(allowed(&larger), 99);
        let none = larger.renewed(&settings(0));
        assert!(!none.allows());
        assert_eq!(allowed(&none.renewed(&settings(10))), 4, "nothing was lost");
    }

    #[test]
    fn turned_off_it_allows_everything() {
        let throttle = Throttle::new(&RetryThrottle {
            enabled: false,
            max_tokens: 0,
            token_ratio: Ratio::ZERO,
        });
        throttle.failure();
        assert!(throttle.allows());
    }
}
