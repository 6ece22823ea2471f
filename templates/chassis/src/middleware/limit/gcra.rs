//! The generic cell rate algorithm (ITU-T I.371, annex A): a token bucket whose whole state is one
//! point in time, the "theoretical arrival time" at which the bucket would be full again. A state
//! in the past says the same as no state, so buckets can be forgotten without loss.
//!
//! Times are nanoseconds since whatever moment the caller counts from.

use std::sync::atomic::{AtomicU64, Ordering::Relaxed};
use std::time::Duration;

const NANOS_PER_SECOND: f64 = 1e9;

/// How many calls pass, and how unevenly they may come.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Quota {
    /// Between two calls at the full rate, in nanoseconds.
    interval: u64,
    /// How much earlier than that a call may come, in nanoseconds.
    tolerance: u64,
}

impl Quota {
    /// `rate` calls a second, up to `burst` of them at once. A `burst` of 0 is as many as come in a
    /// second, and at least one. `None` when `rate` is 0, which is no limit.
    pub(crate) fn new(rate: f64, burst: u32) -> Option<Self> {
        if rate <= 0.0 {
            return None;
        }
        // Casts from floats saturate. The interval is never 0, or nothing would ever be refused.
        let interval = ((NANOS_PER_SECOND / rate) as u64).max(1);
        let burst = match burst {
            0 => rate.ceil().max(1.0) as u64,
            burst => u64::from(burst),
        };
        Some(Self {
            interval,
            tolerance: interval.saturating_mul(burst - 1),
        })
    }

    /// One more call at `now`, in the bucket with `state`.
    ///
    /// # Errors
    /// How long to wait for one more to pass, when it does not.
    pub(crate) fn take(self, state: u64, now: u64) -> Result<u64, Duration> {
        let early = state.saturating_sub(now);
        if early > self.tolerance {
            return Err(Duration::from_nanos(early - self.tolerance));
        }
        Ok(state.max(now).saturating_add(self.interval))
    }

    /// The time in which an empty bucket fills up, in nanoseconds.
    pub(crate) fn refill(self) -> u64 {
        self.tolerance.saturating_add(self.interval)
    }
}

/// One bucket, for all.
#[derive(Debug)]
pub(crate) struct Bucket {
    quota: Quota,
    state: AtomicU64,
}

impl Bucket {
    pub(crate) fn new(quota: Quota) -> Self {
        Self {
            quota,
            state: AtomicU64::new(0),
        }
    }

    /// As [`Quota::take`].
    pub(crate) fn take(&self, now: u64) -> Result<(), Duration> {
        let mut state = self.state.load(Relaxed);
        loop {
            let next = self.quota.take(state, now)?;
            match (self.state).compare_exchange_weak(state, next, Relaxed, Relaxed) {
                Ok(_) => return Ok(()),
                Err(changed) => state = changed,
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const MILLISECOND: u64 = 1_000_000;

    /// What 10 calls a second in bursts of `burst` say to calls at these milliseconds: 0 when one
    /// passes, else the milliseconds to wait.
    fn waits(burst: u32, calls: &[u64]) -> Vec<u64> {
        let bucket = Bucket::new(Quota::new(10.0, burst).expect("a limit"));
        let wait = |at: &u64| match bucket.take(at * MILLISECOND) {
            Ok(()) => 0,
            Err(wait) => wait.as_nanos() as u64 / MILLISECOND,
        };
        calls.iter().map(wait).collect()
    }

    #[test]
    fn a_burst_passes_at_once_and_then_the_rate() {
        assert_eq!(
            waits(3, &[0, 0, 0, 0, 0, 99, 100, 100, 1000, 1000, 1000, 1000]),
            [0, 0, 0, 100, 100, 1, 0, 100, 0, 0, 0, 100]
        );
    }

    #[test]
    fn without_a_burst_calls_come_one_by_one() {
        assert_eq!(waits(1, &[0, 1, 99, 100, 150, 200]), [0, 99, 1, 0, 50, 0]);
    }

    #[test]
    fn what_is_refused_costs_nothing() {
        let mut calls = vec![0; 1000];
        calls.push(100);
        assert_eq!(waits(1, &calls).last(), Some(&0));
    }

    #[test]
    fn the_rate_holds_over_time_however_calls_come() {
        let bucket = Bucket::new(Quota::new(1000.0, 50).expect("a limit"));
        // A call every 10 µs for 10 s, in which 10,000 and a burst may pass.
        let passed = (0..1_000_000).filter(|call| bucket.take(call * 10_000).is_ok());
        assert_eq!(passed.count(), 10_000 + 49);
    }

    #[test]
    fn an_unset_burst_is_a_second_of_calls() {
        assert_eq!(Quota::new(2.5, 0), Quota::new(2.5, 3));
        assert_eq!(Quota::new(0.1, 0), Quota::new(0.1, 1));
        assert_eq!(Quota::new(0.0, 5), None);
    }

    #[test]
    fn extremes_neither_overflow_nor_let_everything_through() {
        let fast = Quota::new(f64::MAX, u32::MAX).expect("a limit");
        assert_eq!(fast.take(0, 0), Ok(1));
        let slow = Quota::new(f64::MIN_POSITIVE, u32::MAX).expect("a limit");
        assert_eq!(slow.take(0, 0), Ok(u64::MAX));
        assert_eq!(slow.take(u64::MAX, 0), Ok(u64::MAX), "the burst");
    }
}
