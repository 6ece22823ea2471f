//! How loaded an endpoint looks from here: how long its calls take, and how many are in flight.
//!
//! The latency is a peak-EWMA (finagle's `PeakEwma`): a sample above the estimate replaces it, one
//! below it moves it down by as much as the time since the last sample weighs against the decay
//! time. So it is quick to see that an endpoint became slow, and slow to believe that it is fast
//! again. Without samples it sinks, and the endpoint is tried again.

use std::sync::atomic::{AtomicU32, AtomicU64, Ordering};
use std::time::Duration;

use tokio::time::Instant;

/// What is known about an endpoint. Every access is atomic, none takes a lock.
#[derive(Debug)]
pub(in crate::client) struct Load {
    /// The latency in nanoseconds as the bits of an `f32`, and the tick of its last sample. As one
    /// value, so that both change together.
    estimate: AtomicU64,
    in_flight: AtomicU32,
    /// The tick of the last time that a call began or ended.
    touched_at: AtomicU32,
}

/// How loads are compared.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(in crate::client) struct Weighing {
    /// From when on ticks are counted.
    origin: Instant,
    /// One by the decay time in ticks.
    decay: f32,
    failure_penalty: Option<Duration>,
    /// In ticks.
    force_pick_after: Option<u32>,
}

/// A time, in units of 2^16 ns, of which 32 bits hold 78 hours. An endpoint that had no call for
/// that long may look as if it had one lately, until it gets one.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(in crate::client) struct Tick(u32);

const TICK_SHIFT: u32 = 16;

impl Weighing {
    pub(in crate::client) fn new(config: &crate::config::Balance, now: Instant) -> Self {
        let ticks = |duration: Duration| {
            u32::try_from(duration.as_nanos() >> TICK_SHIFT).unwrap_or(u32::MAX)
        };
        Self {
            origin: now,
            decay: 1.0 / ticks(config.decay.get()).max(1) as f32,
            failure_penalty: config.failure_penalty.non_zero(),
            force_pick_after: config.force_pick_after.non_zero().map(ticks),
        }
    }

    pub(in crate::client) fn tick(&self, now: Instant) -> Tick {
        let elapsed = now.saturating_duration_since(self.origin);
        Tick((elapsed.as_nanos() >> TICK_SHIFT) as u32)
    }

    /// The share of an estimate that is left after so many ticks.
    fn kept(&self, ticks: u32) -> f32 {
        let x = ticks as f32 * self.decay;
        match x < 0.03 {
            // What is looked at often is young: e^-x, off by less than a hundred-thousandth.
            true => 1.0 - x + x * x / 2.0,
            false => (-x).exp(),
        }
    }
}

#[derive(Debug, Clone, Copy)]
struct Estimate {
    nanos: f32,
    at: Tick,
}

impl Estimate {
    /// 0 stands for no sample yet.
    fn unpack(bits: u64) -> Option<Self> {
        let nanos = f32::from_bits((bits >> 32) as u32);
        let at = Tick(bits as u32);
        (nanos > 0.0).then_some(Self { nanos, at })
    }

    fn pack(self) -> u64 {
        u64::from(self.nanos.to_bits()) << 32 | u64::from(self.at.0)
    }

    /// The share of it that is left at `now`.
    fn kept(self, weighing: &Weighing, now: Tick) -> f32 {
        let elapsed = now.0.wrapping_sub(self.at.0);
        // A sample that is told late is no older than the last one.
        match elapsed > u32::MAX / 2 {
            true => 1.0,
            false => weighing.kept(elapsed),
        }
    }
}

impl Load {
    /// Of an endpoint that is there from the origin of `weighing` on.
    pub(in crate::client) fn new(weighing: &Weighing) -> Self {
        Self {
            estimate: AtomicU64::new(0),
            in_flight: AtomicU32::new(0),
            touched_at: AtomicU32::new(weighing.tick(Instant::now()).0),
        }
    }

    pub(super) fn begin(&self) {
        self.in_flight.fetch_add(1, Ordering::Relaxed);
    }

    pub(super) fn end(&self) {
        self.in_flight.fetch_sub(1, Ordering::Relaxed);
    }

    /// The latency times the calls in flight and the one that would come; the lower the better.
    ///
    /// An endpoint without a sample gets one call at once, and no more before that has told how
    /// long it takes (as in finagle): neither does all traffic rush to a new instance, nor none.
    pub(in crate::client) fn cost(&self, weighing: &Weighing, now: Tick) -> f32 {
        let in_flight = self.in_flight.load(Ordering::Relaxed);
        match Estimate::unpack(self.estimate.load(Ordering::Relaxed)) {
            Some(estimate) => {
                let nanos = estimate.nanos * estimate.kept(weighing, now);
                nanos * (in_flight as f32 + 1.0)
            }
            None if in_flight == 0 => 0.0,
            None => f32::MAX,
        }
    }

    /// Whether this had nothing to do for so long that it must be picked now. It says so to one
    /// caller. (An instance that takes long would else be due again when it has just answered, and a
    /// client with few calls would make most of them there.)
    pub(in crate::client) fn is_starved(&self, weighing: &Weighing, now: Tick) -> bool {
        let Some(limit) = weighing.force_pick_after else {
            return false;
        };
        let touched_at = self.touched_at.load(Ordering::Relaxed);
        let elapsed = now.0.wrapping_sub(touched_at);
        // Another thread may have picked it a little after `now`.
        (limit..u32::MAX / 2).contains(&elapsed)
            && self.in_flight.load(Ordering::Relaxed) == 0
            && self
                .touched_at
                .compare_exchange(touched_at, now.0, Ordering::Relaxed, Ordering::Relaxed)
                .is_ok()
    }

    /// This is going to get a call.
    pub(in crate::client) fn picked(&self, now: Tick) {
        self.touched_at.store(now.0, Ordering::Relaxed);
    }

    /// A call has ended.
    pub(super) fn ended(&self, weighing: &Weighing, now: Instant) {
        let now = weighing.tick(now);
        self.touched_at.store(now.0, Ordering::Relaxed);
    }

    /// The response of a call began after `took`.
    pub(in crate::client) fn responded(&self, weighing: &Weighing, took: Duration, now: Instant) {
        self.sample(weighing, took, now, true);
    }

    /// A call failed after `took`.
    pub(super) fn failed(&self, weighing: &Weighing, took: Duration, now: Instant) {
        let penalty = weighing.failure_penalty.unwrap_or_default();
        self.sample(weighing, took.max(penalty), now, true);
    }

    /// A call was given up after `took`: it would have taken longer.
    pub(super) fn given_up(&self, weighing: &Weighing, took: Duration, now: Instant) {
        self.sample(weighing, took, now, false);
    }

    /// Takes a sample; one below the estimate only if it `may_lower` it.
    fn sample(&self, weighing: &Weighing, took: Duration, now: Instant, may_lower: bool) {
        let at = weighing.tick(now);
        // Not 0, which is no sample.
        let sample = (took.as_nanos() as f32).max(1.0);
        let next = |bits| {
            let peak = Estimate { nanos: sample, at };
            let Some(last) = Estimate::unpack(bits) else {
                return Some(peak.pack());
            };
            let kept = last.kept(weighing, at);
            let nanos = last.nanos * kept;
            if sample >= nanos {
                return Some(peak.pack());
            }
            let weight = 1.0 - kept;
            let average = Estimate {
                nanos: nanos + sample * weight,
                at,
            };
            (may_lower && weight > 0.0).then(|| average.pack())
        };
        // Without a change there is nothing to store.
        let _ = self
            .estimate
            .fetch_update(Ordering::Relaxed, Ordering::Relaxed, next);
    }
}

#[cfg(test)]
mod tests;
