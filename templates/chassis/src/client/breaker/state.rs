//! The states of a breaker and how they follow each other: no clock, no lock, no I/O.

use std::time::Duration;

use tokio::time::Instant;
use tonic::Code;

use super::window::{Totals, Window};
use super::{BreakerState, is_failure};

/// When breakers open and close.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct Rules {
    pub(super) window: Duration,
    pub(super) min_requests: u32,
    pub(super) failure_ratio: f64,
    /// `None` is off.
    pub(super) consecutive_failures: Option<u32>,
    /// `None` is off.
    pub(super) slow_call: Option<SlowCall>,
    pub(super) open_for: Duration,
    pub(super) probes: u32,
}

#[derive(Debug, Clone, Copy, PartialEq)]
pub(super) struct SlowCall {
    pub(super) duration: Duration,
    pub(super) ratio: f64,
}

/// How a call ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Outcome {
    Success,
    /// A success, but slow.
    Slow,
    /// It failed, slow or not.
    Failure {
        slow: bool,
    },
    /// It says nothing about the endpoint.
    Neutral,
}

/// A state and its number: calls remember in which one they began.
#[derive(Debug)]
pub(super) struct State {
    generation: u64,
    phase: Phase,
}

#[derive(Debug)]
enum Phase {
    Closed {
        window: Box<Window>,
        consecutive_failures: u32,
    },
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
pub(super) struct Change {
    pub(super) from: BreakerState,
    pub(super) to: BreakerState,
    /// What was in the window when it opened.
    pub(super) totals: Totals,
}

impl State {
    pub(super) fn new(rules: &Rules, now: Instant) -> Self {
        Self {
            generation: 0,
            phase: Phase::closed(rules, now),
        }
    }

    pub(super) fn generation(&self) -> u64 {
        self.generation
    }

    /// The generation of a call that is let through, if it is.
    pub(super) fn acquire(&mut self, rules: &Rules, now: Instant) -> (Option<u64>, Option<Change>) {
        let change = match &self.phase {
            Phase::Open { until } if *until <= now => Some(self.half_open(now)),
            // Probes that never end must not keep it half-open for ever.
            Phase::HalfOpen { since, issued, .. }
                if *issued >= rules.probes && *since + rules.open_for <= now =>
            {
                self.half_open(now);
                None
            }
            _ => None,
        };
        let permitted = match &mut self.phase {
            Phase::Closed { .. } => true,
            Phase::Open { .. } => false,
            Phase::HalfOpen { issued, .. } if *issued < rules.probes => {
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
        rules: &Rules,
        generation: u64,
        outcome: Outcome,
        now: Instant,
    ) -> Option<Change> {
        if generation != self.generation {
            return None;
        }
        match (&mut self.phase, outcome) {
            (Phase::Open { .. }, _) | (Phase::Closed { .. }, Outcome::Neutral) => None,
            (
                Phase::Closed {
                    window,
                    consecutive_failures,
                },
                outcome,
            ) => {
                window.add(outcome, now);
                *consecutive_failures = match outcome {
                    Outcome::Failure { .. } => consecutive_failures.saturating_add(1),
                    _ => 0,
                };
                let consecutive = *consecutive_failures;
                if outcome == Outcome::Success {
                    return None;
                }
                let totals = window.totals(now);
                rules
                    .are_broken(outcome, totals, consecutive)
                    .then(|| self.open(rules, now, totals))
            }
            (Phase::HalfOpen { issued, .. }, Outcome::Neutral) => {
                *issued -= 1;
                None
            }
            (Phase::HalfOpen { succeeded, .. }, Outcome::Success) => {
                *succeeded += 1;
                (*succeeded >= rules.probes).then(|| self.close(rules, now))
            }
            (Phase::HalfOpen { issued, .. }, Outcome::Slow | Outcome::Failure { .. }) => {
                let totals = Totals {
                    requests: *issued,
                    failures: u32::from(outcome != Outcome::Slow),
                    slow: u32::from(outcome != Outcome::Failure { slow: false }),
                };
                Some(self.open(rules, now, totals))
            }
        }
    }

    /// Goes on by the rules `new` where it went by `old`.
    pub(super) fn change(&mut self, old: &Rules, new: &Rules, now: Instant) {
        match &mut self.phase {
            Phase::Closed { window, .. } if old.window != new.window => {
                **window = Window::new(new.window, now);
            }
            Phase::Open { until } => {
                let since = until.checked_sub(old.open_for).unwrap_or(now);
                *until = since + new.open_for;
            }
            // Those that are under way say nothing about another number of them.
            Phase::HalfOpen { .. } if old.probes != new.probes => {
                self.half_open(now);
            }
            Phase::Closed { .. } | Phase::HalfOpen { .. } => {}
        }
    }

    fn open(&mut self, rules: &Rules, now: Instant, totals: Totals) -> Change {
        let until = now + rules.open_for;
        self.enter(Phase::Open { until }, totals)
    }

    fn half_open(&mut self, now: Instant) -> Change {
        let phase = Phase::HalfOpen {
            since: now,
            issued: 0,
            succeeded: 0,
        };
        self.enter(phase, Totals::default())
    }

    fn close(&mut self, rules: &Rules, now: Instant) -> Change {
        self.enter(Phase::closed(rules, now), Totals::default())
    }

    fn enter(&mut self, phase: Phase, totals: Totals) -> Change {
        let from = std::mem::replace(&mut self.phase, phase).state();
        self.generation += 1;
        Change {
            from,
            to: self.phase.state(),
            totals,
        }
    }
}

impl Phase {
    fn closed(rules: &Rules, now: Instant) -> Self {
        Self::Closed {
            window: Box::new(Window::new(rules.window, now)),
            consecutive_failures: 0,
        }
    }

    fn state(&self) -> BreakerState {
        match self {
            Self::Closed { .. } => BreakerState::Closed,
            Self::Open { .. } => BreakerState::Open,
            Self::HalfOpen { .. } => BreakerState::HalfOpen,
        }
    }
}

impl Rules {
    /// What a call that ended with `code` says; its response began, or it ended without one, after
    /// `took`, where that was measured.
    pub(super) fn outcome(&self, code: Code, took: Option<Duration>) -> Outcome {
        let slow_call = self.slow_call;
        let slow = slow_call.is_some_and(|rule| took.is_some_and(|took| took > rule.duration));
        match code {
            Code::Cancelled => Outcome::Neutral,
            code if is_failure(code) => Outcome::Failure { slow },
            _ if slow => Outcome::Slow,
            _ => Outcome::Success,
        }
    }

    /// Whether a closed breaker opens at a call that failed or was slow.
    fn are_broken(&self, outcome: Outcome, totals: Totals, consecutive_failures: u32) -> bool {
        let is_enough = totals.requests >= self.min_requests;
        let share = |count: u32| f64::from(count) / f64::from(totals.requests);
        let failed = matches!(outcome, Outcome::Failure { .. });
        let slow = matches!(outcome, Outcome::Slow | Outcome::Failure { slow: true });
        let by_failures = failed && is_enough && share(totals.failures) >= self.failure_ratio;
        let by_row = failed
            && self
                .consecutive_failures
                .is_some_and(|limit| consecutive_failures >= limit);
        let by_slowness = slow
            && is_enough
            && self
                .slow_call
                .is_some_and(|rule| share(totals.slow) >= rule.ratio);
        by_failures || by_row || by_slowness
    }
}
