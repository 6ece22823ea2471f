//! `msvc bench --find-max`: bench after bench, up to the highest rate at which thresholds hold.

use std::sync::atomic::AtomicUsize;

use serde::Serialize;

use super::{BenchArgs, BenchError, measure, write};
use crate::bench::engine::Job;
use crate::bench::load::Model;
use crate::bench::report::{self, Report, Subject, grouped};
use crate::bench::search::Search;
use crate::bench::threshold::{Threshold, Verdict};
use crate::bench::validity;
use crate::bench::verdict::KEPT_UP;
use crate::context::Context;
use crate::error::{Diagnostic as _, Exit, Result, Silent};

/// The version of the JSON.
const SCHEMA: &str = "msvc.bench.find-max/1";

/// What a search found.
#[derive(Serialize)]
struct Found {
    schema: &'static str,
    /// The highest rate that held.
    highest_rate_per_second: Option<f64>,
    /// What was tried.
    steps: Vec<Step>,
    /// Why the search ended early.
    ended: Option<String>,
    /// The bench at the highest rate that held.
    report: Option<Report>,
}

/// One rate that was tried.
#[derive(Serialize)]
struct Step {
    rate_per_second: f64,
    held: bool,
    /// What did not hold.
    why: Vec<String>,
}

pub(super) fn run(
    context: &Context,
    args: &BenchArgs,
    (mut job, subject): (Job, Subject),
    (limits, interrupts): (&[Threshold], &AtomicUsize),
) -> Result {
    let Model::Open {
        rate_per_second,
        max_in_flight,
    } = job.plan.model
    else {
        unreachable!("a search is an open loop");
    };
    let mut search = Search::from(rate_per_second);
    let mut found = Found {
        schema: SCHEMA,
        highest_rate_per_second: None,
        steps: Vec::new(),
        ended: None,
        report: None,
    };
    let mut lowest = rate_per_second;
    let mut is_interrupted = false;
    while let Some(rate) = search.next() {
        job.plan.model = Model::Open {
            rate_per_second: rate,
            max_in_flight,
        };
        let report = measure(context, (&mut job, subject.clone()), limits, interrupts)?;
        is_interrupted = report.interrupted;
        found.ended = end(&report);
        if found.ended.is_some() {
            lowest = rate;
            break;
        }
        let why = breaches(&report, rate);
        search.tell(why.is_empty());
        let verdict = match (why.is_empty(), search.next() == Some(rate)) {
            (true, _) => "held".to_owned(),
            (false, true) => format!(
                "{}; once more, for it may have been a hiccup",
                why.join(", ")
            ),
            (false, false) => why.join(", "),
        };
        let shown = format!("{} calls/s: {verdict}", grouped(rate.round() as u64));
        context.printer.step("Tried", shown);
        lowest = lowest.min(rate);
        found.steps.push(Step {
            rate_per_second: rate,
            held: why.is_empty(),
            why,
        });
        if search.highest() == Some(rate) {
            found.report = Some(report);
        }
    }
    found.highest_rate_per_second = search.highest();
    if let Some(report) = &found.report {
        write(context, args, report)?;
    }
    if context.printer.is_json() {
        context.printer.json(&found)?;
    } else if let Some(report) = &found.report {
        context.printer.data(&report::text(report))?;
        let rate = search.highest().unwrap_or_default().round() as u64;
        let line = format!(
            "\n  highest rate at which all holds: {} calls/s\n",
            grouped(rate)
        );
        context.printer.data(&line)?;
    }
    let error = match (found.ended, search.highest()) {
        (Some(_), _) if is_interrupted => return Err(Silent(Exit::Interrupted).into()),
        (Some(why), _) => BenchError::Ended { rate: lowest, why },
        (None, Some(_)) => return Ok(()),
        (None, None) => BenchError::NoRate(lowest),
    };
    match context.printer.is_json() {
        true => Err(Silent(error.exit()).into()),
        false => Err(error.into()),
    }
}

/// Why a search cannot go on after a bench.
fn end(report: &Report) -> Option<String> {
    let unknown = report.thresholds.iter();
    let unknown = unknown
        .filter(|judged| judged.verdict == Verdict::Unknown)
        .count();
    if report.interrupted {
        Some("interrupted".to_owned())
    } else if report.vanished.is_some() {
        Some("the server was lost".to_owned())
    } else if let Some(why) = validity::client_limit(report) {
        Some(why)
    } else if unknown > 0 && report.calls.unsent == 0 {
        Some("too few calls to tell whether the thresholds hold: add `--duration`".to_owned())
    } else {
        None
    }
}

/// What did not hold.
fn breaches(report: &Report, rate: f64) -> Vec<String> {
    let judged = report.thresholds.iter();
    let mut breaches: Vec<String> = judged
        .filter(|judged| judged.verdict != Verdict::Held)
        .map(|judged| format!("{} ({})", judged.threshold, judged.shown()))
        .collect();
    if report.calls.unsent > 0 || report.calls_per_second < rate * KEPT_UP {
        let done = grouped(report.calls_per_second.round() as u64);
        breaches.push(format!("it did {done} calls/s"));
    }
    breaches
}
