//! What has happened to a saga, and how that is noted (pure).

use std::collections::BTreeMap;
use std::time::Duration;

use serde::{Deserialize, Serialize};
use serde_json::Value;

use super::Doing;
use crate::{Policy, Status};

/// The steps of a saga, as this program has them.
#[derive(Debug, Clone, Default)]
pub(crate) struct Plan {
    pub(crate) stages: Vec<Vec<PlannedStep>>,
}

/// A step, without what it does.
#[derive(Debug, Clone)]
pub(crate) struct PlannedStep {
    pub(crate) name: &'static str,
    pub(crate) policy: Policy,
}

impl Plan {
    pub(super) fn policy(&self, step: &str) -> Option<Policy> {
        let mut steps = self.stages.iter().flatten();
        steps.find(|it| it.name == step).map(|it| it.policy)
    }

    /// A step that `journal` knows and this program does not.
    pub(crate) fn unknown<'j>(&self, journal: &'j Journal) -> Option<&'j str> {
        let mut begun = journal.steps.keys();
        begun
            .find(|step| self.policy(step).is_none())
            .map(String::as_str)
    }
}

/// What has happened, as it is kept.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub(crate) struct Journal {
    pub(crate) status: Status,
    /// Those that have begun.
    pub(crate) steps: BTreeMap<String, Entry>,
    /// Why it is undone.
    pub(crate) error: Option<String>,
}

impl Default for Journal {
    fn default() -> Self {
        Self {
            status: Status::Running,
            steps: BTreeMap::new(),
            error: None,
        }
    }
}

/// What has happened to a step.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub(crate) struct Entry {
    pub(crate) state: State,
    /// Actions that have begun.
    pub(crate) attempts: u32,
    /// Whether one of them ended without saying if it had its effect.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub(crate) is_uncertain: bool,
    /// Compensations that have begun.
    #[serde(default)]
    pub(crate) undo_attempts: u32,
    /// Not before this time is it tried again: microseconds since 1970.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) retry_at: Option<i64>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) output: Option<Value>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) error: Option<String>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub(crate) enum State {
    Acting,
    Acted,
    Failed,
    Undoing,
    Undone,
    Stuck,
}

/// What has happened.
#[derive(Debug, Clone)]
pub(crate) enum Event {
    Began(Doing),
    Acted(Value),
    Undone,
    /// It may be tried again.
    Failed(Doing, String),
    /// It is no use to try again.
    Refused(Doing, String),
}

impl Entry {
    fn new() -> Self {
        Self {
            state: State::Acting,
            attempts: 0,
            is_uncertain: false,
            undo_attempts: 0,
            retry_at: None,
            output: None,
            error: None,
        }
    }

    /// Whether it had its effect, or may have had it.
    pub(super) fn needs_undo(&self) -> bool {
        match self.state {
            State::Acting | State::Acted | State::Undoing => true,
            State::Failed => self.is_uncertain,
            State::Undone | State::Stuck => false,
        }
    }
}

impl Journal {
    /// Notes that the saga is undone from now on.
    pub(crate) fn turn_back(&mut self) {
        self.status = Status::Compensating;
        for entry in self.steps.values_mut() {
            entry.retry_at = None;
        }
    }

    /// Has what is stuck undone again.
    pub(crate) fn retry_stuck(&mut self) {
        for entry in self.steps.values_mut() {
            if entry.state == State::Stuck {
                entry.state = State::Undoing;
                entry.retry_at = None;
            }
        }
        self.status = Status::Compensating;
    }

    /// Notes what has happened to `step`; `random`, from 0 to 1, spreads what is tried again.
    pub(crate) fn note(&mut self, plan: &Plan, step: &str, event: Event, now: i64, random: f64) {
        let policy = plan.policy(step).unwrap_or_default();
        let entry = self.steps.entry(step.to_owned()).or_insert_with(Entry::new);
        match event {
            Event::Began(Doing::Act) => {
                // There was one before, and either it failed or its process did.
                entry.is_uncertain |= entry.attempts > 0;
                entry.attempts += 1;
                entry.retry_at = None;
            }
            Event::Began(Doing::Undo) => {
                entry.state = State::Undoing;
                entry.undo_attempts += 1;
                entry.retry_at = None;
            }
            Event::Acted(output) => {
                entry.state = State::Acted;
                entry.output = Some(output);
                entry.error = None;
            }
            Event::Undone => {
                entry.state = State::Undone;
                entry.error = None;
            }
            Event::Failed(Doing::Act, error) => {
                entry.is_uncertain = true;
                if entry.attempts >= policy.attempts {
                    entry.state = State::Failed;
                    self.error.get_or_insert_with(|| format!("{step}: {error}"));
                } else {
                    let pause = pause(&policy, entry.attempts, random);
                    entry.retry_at = Some(now.saturating_add(pause));
                }
                entry.error = Some(error);
            }
            Event::Refused(Doing::Act, error) => {
                entry.state = State::Failed;
                self.error.get_or_insert_with(|| format!("{step}: {error}"));
                entry.error = Some(error);
            }
            Event::Failed(Doing::Undo, error) => {
                let pause = pause(&policy, entry.undo_attempts, random);
                entry.retry_at = Some(now.saturating_add(pause));
                entry.error = Some(error);
            }
            Event::Refused(Doing::Undo, error) => {
                entry.state = State::Stuck;
                entry.error = Some(error);
            }
        }
    }
}

/// The pause after so many attempts: doubled each time, up to a maximum, and between half of that and
/// all of it. In microseconds.
pub(super) fn pause(policy: &Policy, attempts: u32, random: f64) -> i64 {
    let doubled = 1_u32 << attempts.saturating_sub(1).min(20);
    let limit = policy.min_backoff.saturating_mul(doubled);
    let pause: Duration = limit.min(policy.max_backoff).mul_f64(0.5 + random / 2.0);
    i64::try_from(pause.as_micros()).unwrap_or(i64::MAX)
}
