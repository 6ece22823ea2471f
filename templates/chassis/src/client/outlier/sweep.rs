//! One comparison of all endpoints: no clock, no lock, no I/O.

use std::time::Duration;

use tokio::time::Instant;

use super::Record;
use crate::config;

/// An endpoint and its calls since the last sweep.
pub(super) struct Host<'a> {
    pub(super) record: &'a mut Record,
    pub(super) successes: u32,
    pub(super) failures: u32,
}

/// What happened to an endpoint.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(in crate::client) enum Change {
    Ejected {
        cause: Cause,
        for_at_least: Duration,
    },
    Returned,
}

/// Which algorithm found it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(in crate::client) enum Cause {
    SuccessRate,
    FailurePercentage,
}

impl Host<'_> {
    fn requests(&self) -> u64 {
        u64::from(self.successes) + u64::from(self.failures)
    }

    fn success_rate(&self) -> f64 {
        f64::from(self.successes) / self.requests() as f64
    }
}

/// A sweep as gRFC A50 has it ("Outlier Detection Behavior"), with the number of the endpoint for
/// each change.
pub(super) fn sweep(
    config: &config::Outlier,
    hosts: &mut [Host<'_>],
    now: Instant,
    percent: impl FnMut() -> u8,
) -> Vec<(usize, Change)> {
    let mut sweep = Sweep {
        config,
        hosts,
        now,
        percent,
        changes: Vec::new(),
    };
    if config.success_rate.enabled {
        sweep.by_success_rate();
    }
    if config.failure_percentage.enabled {
        sweep.by_failure_percentage();
    }
    sweep.age();
    sweep.changes
}

/// How long an endpoint is ejected that was ejected `multiplier` times.
fn ejection_time(config: &config::Outlier, multiplier: u32) -> Duration {
    let base = config.base_ejection.get();
    base.saturating_mul(multiplier)
        .min(config.max_ejection.get().max(base))
}

struct Sweep<'s, 'h, R> {
    config: &'s config::Outlier,
    hosts: &'s mut [Host<'h>],
    now: Instant,
    percent: R,
    changes: Vec<(usize, Change)>,
}

impl<R: FnMut() -> u8> Sweep<'_, '_, R> {
    fn by_success_rate(&mut self) {
        let config = &self.config.success_rate;
        let volume = u64::from(config.request_volume.max(1));
        let rates = self.hosts.iter().filter(|host| host.requests() >= volume);
        let rates: Vec<f64> = rates.map(Host::success_rate).collect();
        if rates.is_empty() || rates.len() < config.min_hosts {
            return;
        }
        let count = rates.len() as f64;
        let mean = rates.iter().sum::<f64>() / count;
        let variance = rates.iter().map(|rate| (rate - mean).powi(2)).sum::<f64>() / count;
        let limit = mean - variance.sqrt() * f64::from(config.stdev_factor) / 1000.0;
        let enforcement = config.enforcement_percent.get();
        for index in 0..self.hosts.len() {
            if self.is_enough() {
                return;
            }
            let host = &self.hosts[index];
            if host.requests() >= volume && host.success_rate() < limit {
                self.eject(index, enforcement, Cause::SuccessRate);
            }
        }
    }

    fn by_failure_percentage(&mut self) {
        let config = &self.config.failure_percentage;
        if self.hosts.len() < config.min_hosts {
            return;
        }
        let volume = u64::from(config.request_volume.max(1));
        let limit = u64::from(config.threshold.get());
        let enforcement = config.enforcement_percent.get();
        for index in 0..self.hosts.len() {
            if self.is_enough() {
                return;
            }
            let host = &self.hosts[index];
            let is_above = u64::from(host.failures) * 100 > limit * host.requests();
            if host.requests() >= volume && is_above {
                self.eject(index, enforcement, Cause::FailurePercentage);
            }
        }
    }

    /// Whether no more may be ejected. With none ejected, one may always be.
    fn is_enough(&self) -> bool {
        let ejected = self.hosts.iter().filter(|host| host.record.is_ejected());
        let ejected = ejected.count();
        let max = usize::from(self.config.max_ejection_percent.get());
        ejected > 0 && ejected * 100 >= max * self.hosts.len()
    }

    fn eject(&mut self, index: usize, enforcement: u8, cause: Cause) {
        let record = &mut self.hosts[index].record;
        // One that is away already has the results of calls that began before.
        if record.is_ejected() || (self.percent)() >= enforcement {
            return;
        }
        record.ejected_at = Some(self.now);
        record.multiplier = record.multiplier.saturating_add(1);
        let for_at_least = ejection_time(self.config, record.multiplier);
        let change = Change::Ejected {
            cause,
            for_at_least,
        };
        self.changes.push((index, change));
    }

    /// Lets those return whose time is over; what the others did is a little more forgiven.
    fn age(&mut self) {
        for (index, host) in self.hosts.iter_mut().enumerate() {
            let record = &mut *host.record;
            match record.ejected_at {
                None => record.multiplier = record.multiplier.saturating_sub(1),
                Some(at) if at + ejection_time(self.config, record.multiplier) <= self.now => {
                    record.ejected_at = None;
                    self.changes.push((index, Change::Returned));
                }
                Some(_) => {}
            }
        }
    }
}
