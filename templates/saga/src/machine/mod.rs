//! What a saga does next (pure): its journal and what is going on in, a decision out.
//!
//! ```text
//! stage 1 → stage 2 → … → completed
//!    │         │ a step fails for good
//!    ▼         ▼
//! undo 1  ←  undo 2   → compensated, or stuck when an undo says that it never will succeed
//! ```
//!
//! The steps of a stage go on side by side, the stages one after another. What has begun is noted
//! down before it begins, so that a journal that outlives its process never knows less than what has
//! happened: a step that has begun and not ended may have had its effect or not. It is acted again,
//! with the same key, or undone.

use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use serde::{Deserialize, Serialize};
use serde_json::Value;

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
    fn policy(&self, step: &str) -> Option<Policy> {
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

/// The two things that can be done about a step.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Doing {
    Act,
    Undo,
}

impl Doing {
    pub(crate) fn name(self) -> &'static str {
        match self {
            Self::Act => "action",
            Self::Undo => "compensation",
        }
    }
}

/// What is to be done now.
#[derive(Debug, PartialEq)]
pub(crate) enum Decision {
    /// To begin with these, as far as they are not going on.
    Start(Doing, Vec<&'static str>),
    /// To wait until one of those that go on ends, or until this time: microseconds since 1970.
    Wait(Option<i64>),
    /// To undo, from now on.
    TurnBack,
    /// It has ended like this.
    Finish(Status),
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

/// What is to be done now, when the steps in `going_on` are being acted or undone in this process.
pub(crate) fn decide(
    plan: &Plan,
    journal: &Journal,
    going_on: &BTreeSet<&'static str>,
    now: i64,
) -> Decision {
    match journal.status {
        Status::Running => forward(plan, journal, going_on, now),
        Status::Compensating => backward(plan, journal, going_on, now),
        status => Decision::Finish(status),
    }
}

fn forward(
    plan: &Plan,
    journal: &Journal,
    going_on: &BTreeSet<&'static str>,
    now: i64,
) -> Decision {
    let is = |step: &PlannedStep, state| {
        let entry = journal.steps.get(step.name);
        entry.is_some_and(|it| it.state == state)
    };
    let is_done = |stage: &&Vec<PlannedStep>| stage.iter().all(|it| is(it, State::Acted));
    let Some(stage) = plan.stages.iter().find(|it| !is_done(it)) else {
        return Decision::Finish(Status::Completed);
    };
    if stage.iter().any(|it| is(it, State::Failed)) {
        // What goes on is not cut: how it ends is better known than not.
        return match going_on.is_empty() {
            true => Decision::TurnBack,
            false => Decision::Wait(None),
        };
    }
    let open = stage.iter().filter(|it| !is(it, State::Acted));
    ready(Doing::Act, open, journal, going_on, now)
}

fn backward(
    plan: &Plan,
    journal: &Journal,
    going_on: &BTreeSet<&'static str>,
    now: i64,
) -> Decision {
    let is_open = |step: &&PlannedStep| journal.steps.get(step.name).is_some_and(Entry::needs_undo);
    let is_stuck = |it: &Entry| it.state == State::Stuck;
    let stages = plan.stages.iter().rev();
    let stage = stages.map(|it| it.iter().filter(is_open).collect::<Vec<_>>());
    match stage.into_iter().find(|open| !open.is_empty()) {
        // Whatever is before it waits for somebody who looks after it.
        _ if journal.steps.values().any(is_stuck) => match going_on.is_empty() {
            true => Decision::Finish(Status::Stuck),
            false => Decision::Wait(None),
        },
        Some(open) => ready(Doing::Undo, open.into_iter(), journal, going_on, now),
        None => Decision::Finish(Status::Compensated),
    }
}

/// Those of `open` that can begin now; or when the next one can.
fn ready<'p>(
    doing: Doing,
    open: impl Iterator<Item = &'p PlannedStep>,
    journal: &Journal,
    going_on: &BTreeSet<&'static str>,
    now: i64,
) -> Decision {
    let (mut start, mut next) = (Vec::new(), None::<i64>);
    for step in open.filter(|step| !going_on.contains(step.name)) {
        let retry_at = journal.steps.get(step.name).and_then(|it| it.retry_at);
        match retry_at.filter(|at| *at > now) {
            None => start.push(step.name),
            Some(at) => next = Some(next.map_or(at, |next| next.min(at))),
        }
    }
    match start.is_empty() {
        true => Decision::Wait(next),
        false => Decision::Start(doing, start),
    }
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
    fn needs_undo(&self) -> bool {
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
fn pause(policy: &Policy, attempts: u32, random: f64) -> i64 {
    let doubled = 1_u32 << attempts.saturating_sub(1).min(20);
    let limit = policy.min_backoff.saturating_mul(doubled);
    let pause: Duration = limit.min(policy.max_backoff).mul_f64(0.5 + random / 2.0);
    i64::try_from(pause.as_micros()).unwrap_or(i64::MAX)
}

#[cfg(test)]
mod model;
#[cfg(test)]
mod tests;
