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

mod journal;

use std::collections::BTreeSet;

use crate::Status;

pub(crate) use journal::{Entry, Event, Journal, Plan, PlannedStep, State};

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

#[cfg(test)]
mod model;
#[cfg(test)]
mod tests;
