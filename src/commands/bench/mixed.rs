//! `msvc bench TARGET @FILE.toml`: several methods at once, each with its share of the load.
//!
//! Each method has a schedule or callers of its own, and connections: what is slow of one does not hold
//! up the others in the client, and what they do to each other happens in the service, where it belongs.

use std::path::{Path, PathBuf};
use std::sync::atomic::AtomicUsize;
use std::thread;

use serde::{Deserialize, Serialize};

use super::{BenchArgs, conclude, end, prepare, wish};
use crate::bench::engine::{self, Job};
use crate::bench::report::{self, Report, Subject, grouped};
use crate::commands::rpc;
use crate::context::Context;
use crate::error::{Diagnostic, Exit, IoContext as _, Result};

/// The version of the JSON.
const SCHEMA: &str = "msvc.bench.mixed/1";

/// A mix of calls.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct Mix {
    call: Vec<MixedCall>,
}

/// One of them.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct MixedCall {
    method: String,
    #[serde(default = "one")]
    weight: f64,
    data: Option<String>,
}

fn one() -> f64 {
    1.0
}

/// Why a mix is none.
#[derive(Debug, thiserror::Error)]
enum MixError {
    #[error("`{}` is no mix of calls", .path.display())]
    Malformed {
        path: PathBuf,
        #[source]
        source: toml_edit::de::Error,
    },
    #[error("`{option}` is not for a mix of calls: {instead}")]
    NotForMixes {
        option: &'static str,
        instead: &'static str,
    },
    #[error("`{}` has no call with a weight above 0", .0.display())]
    Empty(PathBuf),
}

impl Diagnostic for MixError {
    fn exit(&self) -> Exit {
        Exit::Usage
    }
}

/// What came of all of them.
#[derive(Serialize)]
struct Mixed {
    schema: &'static str,
    /// All calls that ended, by the second.
    calls_per_second: f64,
    /// A report for each method, in the order of the file.
    reports: Vec<Report>,
}

/// Benches the mix in a file.
pub(super) fn run(
    context: &Context,
    args: &BenchArgs,
    path: &Path,
    interrupts: &AtomicUsize,
) -> Result {
    check(args)?;
    let jobs = jobs(context, args, path)?;
    let outcomes = thread::scope(|scope| {
        let running: Vec<_> = jobs
            .into_iter()
            .map(|(job, subject)| {
                scope.spawn(move || {
                    let outcome = engine::run(job.clone(), |_| wish(interrupts));
                    outcome.map(|outcome| (job, subject, outcome))
                })
            })
            .collect();
        let ended = running.into_iter();
        let ended = ended.map(|thread| thread.join().expect("a bench does not panic"));
        ended.collect::<Result<Vec<_>, _>>()
    })?;
    let reports: Vec<Report> = outcomes
        .into_iter()
        .map(|(job, subject, outcome)| conclude(&job, subject, &outcome, &args.thresholds))
        .collect();
    let mixed = Mixed {
        schema: SCHEMA,
        calls_per_second: reports.iter().map(|report| report.calls_per_second).sum(),
        reports,
    };
    if context.printer.is_json() {
        context.printer.json(&mixed)?;
    } else {
        for report in &mixed.reports {
            context.printer.data(&report::text(report))?;
            context.printer.data("\n")?;
        }
        let rate = grouped(mixed.calls_per_second.round() as u64);
        context
            .printer
            .data(&format!("  all together: {rate} calls/s\n"))?;
    }
    // The first that failed says how.
    mixed
        .reports
        .iter()
        .try_for_each(|report| end(context, report))
}

/// Refuses what a mix has no use for, rather than to leave it out in silence.
fn check(args: &BenchArgs) -> Result<(), MixError> {
    let by_method = "each has its own in the file";
    let by_itself = "bench its methods by themselves";
    let refused = [
        (args.data.is_some(), "--data", by_method),
        (args.profile.is_some(), "--profile", by_itself),
        (args.find_max.is_some(), "--find-max", by_itself),
        (args.baseline.is_some(), "--baseline", by_itself),
        (
            !args.outputs.is_empty(),
            "--output",
            "`--format json` has all reports",
        ),
        (!args.expectations.is_empty(), "--expect", by_itself),
        (!args.extractions.is_empty(), "--extract", by_itself),
    ];
    match refused.into_iter().find(|(is_given, ..)| *is_given) {
        Some((_, option, instead)) => Err(MixError::NotForMixes { option, instead }),
        None => Ok(()),
    }
}

/// The bench of each call, with its share of the load.
fn jobs(context: &Context, args: &BenchArgs, path: &Path) -> Result<Vec<(Job, Subject)>> {
    let text = std::fs::read_to_string(context.directory.join(path)).when("read", path)?;
    let mix: Mix = toml_edit::de::from_str(&text).map_err(|source| MixError::Malformed {
        path: path.to_owned(),
        source,
    })?;
    let calls: Vec<MixedCall> = mix
        .call
        .into_iter()
        .filter(|call| call.weight > 0.0)
        .collect();
    let whole: f64 = calls.iter().map(|call| call.weight).sum();
    if calls.is_empty() || !whole.is_finite() {
        return Err(MixError::Empty(path.to_owned()).into());
    }
    let mut jobs = Vec::new();
    for call in calls {
        let share = call.weight / whole;
        let mut own = args.clone();
        own.method = call.method;
        own.data = call.data;
        own.rate = args.rate.map(|rate| rate * share);
        if args.rate.is_none() {
            let all = args.concurrency.unwrap_or(prepare::DEFAULT_CONCURRENCY) as f64;
            own.concurrency = Some(((all * share).round() as usize).max(1));
        }
        own.requests = args
            .requests
            .map(|calls| ((calls as f64 * share).round() as usize).max(1));
        jobs.push(rpc::block_on(prepare::prepare(context, &own))?);
    }
    Ok(jobs)
}
