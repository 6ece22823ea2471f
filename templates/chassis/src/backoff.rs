//! Waiting between attempts that fail: exponentially longer, and never all clients at once.

use std::time::Duration;

/// Back-off with full jitter over the upper half: each delay is between half of the current limit
/// and the limit, which doubles up to a maximum ("Exponential Backoff And Jitter", AWS
/// Architecture Blog, 2015, "equal jitter").
///
/// ```
/// use std::time::Duration;
///
/// let mut backoff = chassis::backoff::Backoff::new(Duration::from_millis(100), Duration::from_secs(30));
/// assert!(backoff.delay() <= Duration::from_millis(100));
/// assert!(backoff.delay() <= Duration::from_millis(200));
/// ```
#[derive(Debug)]
pub struct Backoff {
    limit: Duration,
    max: Duration,
    min: Duration,
}

impl Backoff {
    /// Delays from `min` up to `max`.
    #[must_use]
    pub fn new(min: Duration, max: Duration) -> Self {
        Self {
            limit: min,
            max,
            min,
        }
    }

    /// The delay before the next attempt.
    pub fn delay(&mut self) -> Duration {
        let delay = self.limit.mul_f64(0.5 + random() / 2.0);
        self.limit = (self.limit * 2).min(self.max);
        delay
    }

    /// After a success, the next failure is a first one.
    pub fn reset(&mut self) {
        self.limit = self.min;
    }
}

/// A number from 0 up to 1. Not for secrets.
#[must_use]
pub fn random() -> f64 {
    use std::hash::{BuildHasher, RandomState};
    // Each `RandomState` has keys of its own.
    let bits = RandomState::new().hash_one(0_u8) >> 11;
    bits as f64 / (1_u64 << 53) as f64
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn delays_double_up_to_the_maximum_and_begin_again() {
        let mut backoff = Backoff::new(Duration::from_millis(100), Duration::from_secs(1));
        for limit in [100, 200, 400, 800, 1000, 1000] {
            let limit = Duration::from_millis(limit);
            let delay = backoff.delay();
            assert!(
                delay >= limit / 2 && delay <= limit,
                "{delay:?} of {limit:?}"
            );
        }
        backoff.reset();
        assert!(backoff.delay() <= Duration::from_millis(100));
    }

    #[test]
    fn random_numbers_differ_and_are_in_range() {
        let numbers: Vec<f64> = (0..100).map(|_| random()).collect();
        assert!(numbers.iter().all(|number| (0.0..1.0).contains(number)));
        assert!(numbers.windows(2).any(|pair| pair[0] != pair[1]));
    }
}
