//! `msvc bench --find-max`: bench after bench, up to the highest rate at which thresholds hold.

use std::sync::atomic::AtomicUsize;
use std::time::Duration;

use serde::Serialize;

use super::measure::{Bench, measure};
use super::output::write;
use super::{BenchArgs, BenchError};
use crate::bench::load::Model;
use crate::bench::report::{self, Report, Reports, grouped};
use crate::bench::search::Search;
use crate::bench::threshold::{Judged, Verdict};
use crate::bench::validity;
use crate::bench::verdict::KEPT_UP;
use crate::context::Context;
use crate::duration;
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
    report: Option<Reports>,
}

/// One rate that was tried.
#[derive(Serialize)]
struct Step {
    rate_per_second: f64,
    held: bool,
    /// Calls that ended, by the second.
    calls_per_second: f64,
    p50_us: Option<f64>,
    p99_us: Option<f64>,
    /// The share of the calls that failed.
    errors_percent: f64,
    /// What did not hold.
    why: Vec<String>,
}

pub(super) fn run(
    context: &Context,
    args: &BenchArgs,
    bench: &mut Bench,
    interrupts: &AtomicUsize,
) -> Result {
    let Some(first_rate) = bench.rate() else {
        unreachable!("a search is an open loop");
    };
    let mut search = Search::from(first_rate);
    let mut found = Found {
        schema: SCHEMA,
        highest_rate_per_second: None,
        steps: Vec::new(),
        ended: None,
        report: None,
    };
    let mut lowest = first_rate;
    let mut is_interrupted = false;
    while let Some(rate) = search.next() {
        bench.set_rate(rate);
        let report = measure(context, bench, interrupts)?;
        is_interrupted = report.whole().interrupted;
        found.ended = end(&report);
        if found.ended.is_some() {
            lowest = rate;
            break;
        }
        let why = breaches(&report);
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
        found.steps.push(step(rate, report.whole(), why));
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
            "\n{}\n  highest rate at which all holds: {} calls/s\n",
            knee(&found.steps),
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

fn step(rate_per_second: f64, report: &Report, why: Vec<String>) -> Step {
    let calls = &report.calls;
    Step {
        rate_per_second,
        held: why.is_empty(),
        calls_per_second: report.calls_per_second,
        p50_us: report.latency.p50_us,
        p99_us: report.latency.p99_us,
        errors_percent: calls.failed as f64 * 100.0 / calls.completed.max(1) as f64,
        why,
    }
}

/// What was tried, by the rate: where latencies bend upwards is what the service can take.
fn knee(steps: &[Step]) -> String {
    let mut steps: Vec<&Step> = steps.iter().collect();
    steps.sort_by(|one, other| one.rate_per_second.total_cmp(&other.rate_per_second));
    let row = |cells: [&str; 5], held: &str| {
        let cells: String = cells.iter().map(|cell| format!("{cell:>12}")).collect();
        format!("{cells}  {held}").trim_end().to_owned() + "\n"
    };
    let mut rows = row(["calls/s", "done/s", "p50", "p99", "errors"], "");
    for step in steps {
        let whole = |rate: f64| grouped(rate.round() as u64);
        let time = |us: Option<f64>| match us {
            Some(us) => duration::human(Duration::from_nanos((us * 1e3).round() as u64)),
            None => "–".to_owned(),
        };
        let cells = [
            &whole(step.rate_per_second),
            &whole(step.calls_per_second),
            &time(step.p50_us),
            &time(step.p99_us),
            &format!("{:.2} %", step.errors_percent),
        ];
        rows += &row(
            cells.map(String::as_str),
            if step.held { "held" } else { "too high" },
        );
    }
    rows
}

/// Why a search cannot go on after a bench.
fn end(reports: &Reports) -> Option<String> {
    let whole = reports.whole();
    let unknown = judged(reports).filter(|(_, judged)| judged.verdict == Verdict::Unknown);
    let client = [whole].into_iter().chain(reports.parts());
    if whole.interrupted {
        Some("interrupted".to_owned())
    } else if whole.vanished.is_some() {
        Some("the server was lost".to_owned())
    } else if let Some(why) = client.filter_map(validity::client_limit).next() {
        Some(why)
    } else if unknown.count() > 0 && whole.calls.unsent == 0 {
        Some("too few calls to tell whether the thresholds hold: add `--duration`".to_owned())
    } else {
        None
    }
}

/// All that was judged, and of which report.
fn judged(reports: &Reports) -> impl Iterator<Item = (&Report, &Judged)> {
    each(reports).flat_map(|report| report.thresholds.iter().map(move |judged| (report, judged)))
}

/// The reports of the methods of a mix and that of all of them, or the one that there is.
fn each(reports: &Reports) -> impl Iterator<Item = &Report> {
    let whole = reports.is_mixed().then(|| reports.whole());
    reports.parts().iter().chain(whole)
}

/// What did not hold.
fn breaches(reports: &Reports) -> Vec<String> {
    let of = |report: &Report| match &report.subject.name {
        Some(name) => format!("{name}: "),
        None => String::new(),
    };
    let broken = judged(reports).filter(|(_, judged)| judged.verdict != Verdict::Held);
    let mut breaches: Vec<String> = broken
        .map(|(report, judged)| format!("{}{} ({})", of(report), judged.threshold, judged.shown()))
        .collect();
    for report in each(reports) {
        let Model::Open {
            rate_per_second, ..
        } = report.model
        else {
            continue;
        };
        // Of the few calls of one method, one that is still to end would be many.
        let is_slow = std::ptr::eq(report, reports.whole())
            && report.calls_per_second < rate_per_second * KEPT_UP;
        if report.calls.unsent > 0 || is_slow {
            let done = grouped(report.calls_per_second.round() as u64);
            breaches.push(format!("{}it did {done} calls/s", of(report)));
        }
    }
    breaches
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_was_tried_is_shown_by_the_rate() {
        let step = |rate_per_second: f64, p99_us, held| Step {
            rate_per_second,
            held,
            calls_per_second: rate_per_second - 0.2,
            p50_us: Some(250.0),
            p99_us,
            errors_percent: 0.0,
            why: Vec::new(),
        };
        let steps = [
            step(1_000.0, Some(900.0), true),
            step(4_000.0, None, false),
            step(2_000.0, Some(1_250.0), true),
        ];
        let rows = knee(&steps);
        let rows: Vec<&str> = rows.lines().map(str::trim_start).collect();
        assert_eq!(
            rows,
            [
                "calls/s      done/s         p50         p99      errors",
                "1,000       1,000      250 µs      900 µs      0.00 %  held",
                "2,000       2,000      250 µs     1.25 ms      0.00 %  held",
                "4,000       4,000      250 µs           –      0.00 %  too high",
            ]
        );
    }
}
