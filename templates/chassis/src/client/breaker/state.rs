//! The states of a breaker and how they follow each other: no clock, no lock, no I/O.

use tokio::time::Instant;

use super::window::Window;
use super::{Outcome, Settings};

/// A state and its number: calls remember in which one they began.
#[derive(Debug)]
pub(super) struct State {
    generation: u64,
    phase: Phase,
}

#[derive(Debug)]
enum Phase {
    Closed(Window),
    Open {
        until: Instant,
    },
    HalfOpen {
        since: Instant,
        issued: u32,
        succeeded: u32,
    },
}

/// A change of state.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Change {
    Closed,
    Opened {
        failures: u32,
        requests: u32,
        /// Not from half-open.
        from_closed: bool,
    },
    HalfOpened,
}

impl State {
    pub(super) fn new(settings: &Settings) -> Self {
        Self {
            generation: 0,
            phase: Phase::Closed(Window::new(settings.window, Instant::now())),
        }
    }

    pub(super) fn generation(&self) -> u64 {
        self.generation
    }

    /// The generation of a call that is let through, if it is.
    pub(super) fn acquire(
        &mut self,
        settings: &Settings,
        now: Instant,
    ) -> (Option<u64>, Option<Change>) {
        let change = match &self.phase {
            Phase::Open { until } if *until <= now => Some(self.half_open(now)),
            // Probes that never end must not keep it half-open for ever.
            Phase::HalfOpen { since, issued, .. }
                if *issued >= settings.probes && *since + settings.open_for <= now =>
            {
                self.half_open(now);
                None
            }
            _ => None,
        };
        let permitted = match &mut self.phase {
            Phase::Closed(_) => true,
            Phase::Open { .. } => false,
            Phase::HalfOpen { issued, .. } if *issued < settings.probes => {
                *issued += 1;
                true
            }
            Phase::HalfOpen { .. } => false,
        };
        (permitted.then_some(self.generation), change)
    }

    /// Takes the outcome of a call that began in `generation`.
    pub(super) fn record(
        &mut self,
        settings: &Settings,
        generation: u64,
        outcome: Outcome,
        now: Instant,
    ) -> Option<Change> {
        if generation != self.generation {
            return None;
        }
        match (&mut self.phase, outcome) {
            (Phase::Closed(_), Outcome::Neutral) | (Phase::Open { .. }, _) => None,
            (Phase::Closed(window), Outcome::Success) => {
                window.add(false, now);
                None
            }
            (Phase::Closed(window), Outcome::Failure) => {
                window.add(true, now);
                let (requests, failures) = window.totals(now);
                let is_enough = requests >= settings.min_requests;
                let ratio = f64::from(failures) / f64::from(requests);
                if is_enough && ratio >= settings.failure_ratio {
                    return Some(self.open(settings, now, failures, requests));
                }
                None
            }
            (Phase::HalfOpen { issued, .. }, Outcome::Neutral) => {
                *issued -= 1;
                None
            }
            (Phase::HalfOpen { succeeded, .. }, Outcome::Success) => {
                *succeeded += 1;
                (*succeeded >= settings.probes).then(|| self.close(settings, now))
            }
            (Phase::HalfOpen { issued, .. }, Outcome::Failure) => {
                let requests = *issued;
                Some(self.open(settings, now, 1, requests))
            }
        }
    }

    fn open(&mut self, settings: &Settings, now: Instant, failures: u32, requests: u32) -> Change {
        let from_closed = matches!(self.phase, Phase::Closed(_));
        self.enter(Phase::Open {
            until: now + settings.open_for,
        });
        Change::Opened {
            failures,
            requests,
            from_closed,
        }
    }

    fn half_open(&mut self, now: Instant) -> Change {
        self.enter(Phase::HalfOpen {
            since: now,
            issued: 0,
            succeeded: 0,
        });
        Change::HalfOpened
    }

    fn close(&mut self, settings: &Settings, now: Instant) -> Change {
        self.enter(Phase::Closed(Window::new(settings.window, now)));
        Change::Closed
    }

    fn enter(&mut self, phase: Phase) {
        self.generation += 1;
        self.phase = phase;
    }
}
