//! Outliers: endpoints that fail more than the others get no calls for a while (gRFC A50).
//!
//! Every `interval` the calls since the last time are compared. *Success rate* finds endpoints
//! whose share of successes is below the mean of all by more than `stdev_factor` deviations,
//! *failure percentage* those whose share of failures is above a limit. One that is ejected stays
//! away for `base_ejection` times how often it was ejected; each interval without makes that one
//! less. Where A50 counts every code but `OK` as a failure, this counts what is the server's fault,
//! as the circuit breakers do.
//!
//! When more than `panic_threshold` of the endpoints are ejected, none is treated so: what all
//! have in common is hardly their own fault (Envoy's panic threshold).

mod metrics;
mod sweep;

use tokio::time::Instant;

use crate::config;
pub(super) use metrics::Metrics;
use sweep::Host;
pub(super) use sweep::{Cause, Change};

/// What is remembered of an endpoint from one sweep to the next.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(super) struct Record {
    ejected_at: Option<Instant>,
    /// How often it was ejected lately.
    multiplier: u32,
}

impl Record {
    /// Whether it is to get no calls.
    pub(super) fn is_ejected(&self) -> bool {
        self.ejected_at.is_some()
    }
}

/// Compares endpoints by their successes and failures, and says which changed. `percent` gives
/// random numbers from 0 to 99.
pub(super) fn sweep<'a>(
    config: &config::Outlier,
    hosts: impl Iterator<Item = (&'a mut Record, (u32, u32))>,
    now: Instant,
    percent: impl FnMut() -> u8,
) -> Vec<(usize, Change)> {
    let host = |(record, (successes, failures))| Host {
        record,
        successes,
        failures,
    };
    let mut hosts: Vec<Host<'_>> = hosts.map(host).collect();
    sweep::sweep(config, &mut hosts, now, percent)
}

/// Whether so many are ejected that all get calls.
pub(super) fn is_panicking(config: &config::Outlier, ejected: usize, total: usize) -> bool {
    let threshold = usize::from(config.panic_threshold.get());
    ejected * 100 > threshold * total
}

#[cfg(test)]
mod tests;
