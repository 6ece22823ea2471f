//! A circuit breaker: an endpoint that keeps failing is left alone for a while.
//!
//! *Closed*, calls pass, and their outcomes are kept for the length of a sliding window. When at
//! least `min_requests` of them ended, and at least `failure_ratio` of them failed, it *opens*: no
//! call passes for `open_for`. Then, *half-open*, it lets a few probes through: when all of them
//! succeed it closes, when one fails it opens again. (Nygard, "Release It!", 2007; defaults as in
//! resilience4j and Polly, but quicker to trip for services with few calls.)
//!
//! It also opens, where that is configured, when enough calls failed one after the other, and when
//! too many were slow: a server that only hangs is as bad as one that fails (both as in
//! resilience4j). How long a call took is counted to the beginning of its response: a stream that
//! is long is not slow. In half-open, a slow probe is one that failed.
//!
//! When the rules are changed, a breaker stays in its state, with what it knows: an open one is open
//! for as long as the new rules say. What was kept of a window with another length is forgotten, and
//! probes begin anew when there are to be more or fewer.
//!
//! Only outcomes that are the server's fault are failures: see [`is_failure`]. An outcome counts
//! only for the state in which its call began: late results of an earlier one are ignored.

mod change;
mod methods;
mod metrics;
mod state;
mod window;

use std::net::SocketAddr;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use tokio::time::Instant;
use tonic::Code;

use crate::config;
use metrics::Metrics;
use state::{Change, Rules, SlowCall, State};

pub use change::{BreakerChange, BreakerState, on_breaker_change};
pub(super) use methods::{Breakers, Permit};

/// Whether `code` is the server's fault. Codes by which a server that works well answers requests
/// that it cannot fulfil are not, nor is a call that its caller cancelled.
pub(crate) fn is_failure(code: Code) -> bool {
    matches!(
        code,
        Code::Unknown
            | Code::DeadlineExceeded
            | Code::Internal
            | Code::Unavailable
            | Code::DataLoss
    )
}

/// What the breakers of a channel have in common, as it is configured now.
#[derive(Debug, Clone)]
pub(super) struct Settings {
    service: Service,
    rules: Rules,
    per_method: bool,
}

/// Whom the breakers of a channel are about.
#[derive(Debug, Clone)]
struct Service {
    target: Arc<str>,
    metrics: Metrics,
}

impl Settings {
    /// For the breakers of the channel to `target`.
    pub(super) fn new(target: &str, config: &config::Breaker) -> Self {
        let slow_call = config.slow_call_duration.non_zero();
        Self {
            rules: Rules {
                window: config.window.get(),
                min_requests: config.min_requests.max(1),
                failure_ratio: config.failure_ratio.get(),
                consecutive_failures: Some(config.consecutive_failures).filter(|&it| it > 0),
                slow_call: slow_call.map(|duration| SlowCall {
                    duration,
                    ratio: config.slow_call_ratio.get(),
                }),
                open_for: config.open_for.get(),
                probes: config.probes.max(1),
            },
            per_method: config.per_method,
            service: Service {
                target: target.into(),
                metrics: Metrics::of(target),
            },
        }
    }

    /// Whether breakers want to know how long calls take.
    pub(super) fn measures(&self) -> bool {
        self.rules.slow_call.is_some()
    }
}

/// A breaker in front of an endpoint, or a method of it.
#[derive(Debug)]
struct Breaker {
    service: Service,
    address: SocketAddr,
    method: Option<Arc<str>>,
    ruled: Mutex<Ruled>,
    /// The generation of the state while it is closed, else [`NOT_CLOSED`]: a call that passes a
    /// closed breaker takes no lock.
    closed: AtomicU64,
}

const NOT_CLOSED: u64 = u64::MAX;

/// A state, and what it goes by.
#[derive(Debug)]
struct Ruled {
    rules: Rules,
    state: State,
}

impl Breaker {
    fn new(service: Service, rules: Rules, address: SocketAddr, method: Option<&str>) -> Arc<Self> {
        let state = State::new(&rules, Instant::now());
        Arc::new(Self {
            closed: AtomicU64::new(state.generation()),
            ruled: Mutex::new(Ruled { rules, state }),
            method: method.map(Arc::from),
            service,
            address,
        })
    }

    /// Goes by other rules from now on.
    fn change(&self, rules: &Rules, now: Instant) {
        let mut ruled = self.lock();
        let Ruled { rules: old, state } = &mut *ruled;
        if old != rules {
            state.change(old, rules, now);
            *old = rules.clone();
        }
    }

    /// Lets a call through, or not: the generation that it begins in, which must be told with its
    /// outcome.
    fn acquire(&self) -> Option<u64> {
        let generation = self.closed.load(Ordering::Acquire);
        if generation != NOT_CLOSED {
            return Some(generation);
        }
        let mut ruled = self.lock();
        let Ruled { rules, state } = &mut *ruled;
        let (permitted, change) = state.acquire(rules, Instant::now());
        self.note(ruled, change);
        permitted
    }

    /// Whether calls are refused now.
    fn is_open(&self) -> bool {
        self.closed.load(Ordering::Acquire) == NOT_CLOSED
    }

    /// A call that began in `generation` ended with `code`; its response began, or it ended without
    /// one, after `took`, where that was measured.
    fn record(&self, generation: u64, code: Code, took: Option<Duration>, now: Instant) {
        let mut ruled = self.lock();
        let Ruled { rules, state } = &mut *ruled;
        let change = state.record(rules, generation, rules.outcome(code, took), now);
        self.note(ruled, change);
    }

    /// Makes a change of state known.
    fn note(&self, ruled: MutexGuard<'_, Ruled>, change: Option<Change>) {
        let Some(Change { from, to, totals }) = change else {
            return;
        };
        let number = ruled.state.generation();
        let open_for = ruled.rules.open_for;
        let closed = match to {
            BreakerState::Closed => number,
            BreakerState::Open | BreakerState::HalfOpen => NOT_CLOSED,
        };
        self.closed.store(closed, Ordering::Release);
        self.service.metrics.changed(from, to);
        drop(ruled);
        let (service, endpoint) = (&*self.service.target, self.address);
        let method = self.method.as_deref();
        match to {
            BreakerState::Open => tracing::warn!(
                service,
                %endpoint,
                method,
                failures = totals.failures,
                slow = totals.slow,
                requests = totals.requests,
                ?open_for,
                "circuit breaker opened"
            ),
            BreakerState::HalfOpen => {
                tracing::info!(service, %endpoint, method, "circuit breaker half-open");
            }
            BreakerState::Closed => {
                tracing::info!(service, %endpoint, method, "circuit breaker closed");
            }
        }
        change::tell(&BreakerChange {
            target: Arc::clone(&self.service.target),
            endpoint,
            method: self.method.clone(),
            from,
            to,
            number,
        });
    }

    fn lock(&self) -> MutexGuard<'_, Ruled> {
        self.ruled.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Drop for Breaker {
    fn drop(&mut self) {
        if self.is_open() {
            self.service.metrics.gone();
        }
    }
}

#[cfg(test)]
mod model;
#[cfg(test)]
mod tests;
