//! A circuit breaker: an endpoint that keeps failing is left alone for a while.
//!
//! *Closed*, calls pass, and their outcomes are kept for the length of a sliding window. When at
//! least `min_requests` of them ended, and at least `failure_ratio` of them failed, it *opens*: no
//! call passes for `open_for`. Then, *half-open*, it lets a few probes through: when all of them
//! succeed it closes, when one fails it opens again. (Nygard, "Release It!", 2007; defaults as in
//! resilience4j and Polly, but quicker to trip for services with few calls.)
//!
//! Only outcomes that are the server's fault are failures: see [`is_failure`]. An outcome counts
//! only for the state in which its call began: late results of an earlier one are ignored.

mod metrics;
mod state;
mod window;

use std::fmt;
use std::net::SocketAddr;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use tokio::time::Instant;
use tonic::Code;

use super::target::Target;
use crate::config;
use crate::middleware::observe::Observer;
use metrics::Metrics;
use state::{Change, State};

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

/// When breakers open and close.
#[derive(Debug, Clone)]
pub(super) struct Settings {
    target: Arc<str>,
    window: Duration,
    min_requests: u32,
    failure_ratio: f64,
    open_for: Duration,
    probes: u32,
    metrics: Metrics,
}

impl Settings {
    pub(super) fn new(target: &Target, config: &config::Breaker) -> Self {
        let target: Arc<str> = target.to_string().into();
        Self {
            window: config.window.get(),
            min_requests: config.min_requests.max(1),
            failure_ratio: config.failure_ratio.get(),
            open_for: config.open_for.get(),
            probes: config.probes.max(1),
            metrics: Metrics::of(&target),
            target,
        }
    }
}

/// The breaker of one endpoint.
#[derive(Debug)]
pub(super) struct Breaker {
    settings: Settings,
    address: SocketAddr,
    state: Mutex<State>,
    /// The generation of the state while it is closed, else [`NOT_CLOSED`]: a call that passes a
    /// closed breaker takes no lock.
    closed: AtomicU64,
}

const NOT_CLOSED: u64 = u64::MAX;

impl Breaker {
    pub(super) fn new(settings: Settings, address: SocketAddr) -> Arc<Self> {
        let state = State::new(&settings);
        Arc::new(Self {
            closed: AtomicU64::new(state.generation()),
            state: Mutex::new(state),
            settings,
            address,
        })
    }

    /// Lets a call through, or not.
    pub(super) fn acquire(self: &Arc<Self>) -> Option<Permit> {
        let mut generation = self.closed.load(Ordering::Acquire);
        if generation == NOT_CLOSED {
            let mut state = self.lock();
            let (permitted, change) = state.acquire(&self.settings, Instant::now());
            self.note(&state, change);
            generation = permitted?;
        }
        Some(Permit {
            breaker: Arc::clone(self),
            generation,
            open: true,
        })
    }

    /// Whether calls are refused now.
    pub(super) fn is_open(&self) -> bool {
        self.closed.load(Ordering::Acquire) == NOT_CLOSED
    }

    fn record(&self, generation: u64, outcome: Outcome) {
        let mut state = self.lock();
        let change = state.record(&self.settings, generation, outcome, Instant::now());
        self.note(&state, change);
    }

    /// Makes a change of state known.
    fn note(&self, state: &State, change: Option<Change>) {
        let Some(change) = change else {
            return;
        };
        let closed = match change {
            Change::Closed => state.generation(),
            Change::Opened { .. } | Change::HalfOpened => NOT_CLOSED,
        };
        self.closed.store(closed, Ordering::Release);
        self.settings.metrics.changed(change);
        let (service, endpoint) = (&*self.settings.target, self.address);
        match change {
            Change::Opened {
                failures, requests, ..
            } => tracing::warn!(
                service,
                %endpoint,
                failures,
                requests,
                open_for = ?self.settings.open_for,
                "circuit breaker opened"
            ),
            Change::HalfOpened => tracing::info!(service, %endpoint, "circuit breaker half-open"),
            Change::Closed => tracing::info!(service, %endpoint, "circuit breaker closed"),
        }
    }

    fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Drop for Breaker {
    fn drop(&mut self) {
        if self.is_open() {
            self.settings.metrics.gone();
        }
    }
}

/// How a call ended, for a breaker.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Outcome {
    Success,
    Failure,
    /// It says nothing about the endpoint.
    Neutral,
}

/// A call that a breaker has let through. It gives its place back when it is dropped.
pub(super) struct Permit {
    breaker: Arc<Breaker>,
    generation: u64,
    /// Not yet recorded.
    open: bool,
}

impl Permit {
    fn record(&mut self, outcome: Outcome) {
        if std::mem::replace(&mut self.open, false) {
            self.breaker.record(self.generation, outcome);
        }
    }
}

impl Observer for Permit {
    fn finish(mut self, code: Code) {
        self.record(match code {
            Code::Cancelled => Outcome::Neutral,
            code if is_failure(code) => Outcome::Failure,
            _ => Outcome::Success,
        });
    }
}

impl Drop for Permit {
    fn drop(&mut self) {
        self.record(Outcome::Neutral);
    }
}

impl fmt::Debug for Permit {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Permit")
            .field("endpoint", &self.breaker.address)
            .field("generation", &self.generation)
            .finish_non_exhaustive()
    }
}

#[cfg(test)]
mod tests;
