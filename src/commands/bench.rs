//! `msvc bench`: load-tests a method.

mod find_max;
mod mixed;
mod prepare;
mod progress;
mod requests;

use std::path::{Path, PathBuf};
use std::str::FromStr;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use clap::{Args, ValueHint};
use clap_complete::engine::ArgValueCompleter;

use crate::bench::baseline::{self, Baseline, BaselineError, Comparison};
use crate::bench::engine::{self, Engine, Job, Pacing, Phase, Wish};
use crate::bench::host::Watch;
use crate::bench::load::{Arrivals, HIGHEST_RATE, LOWEST_RATE, Profile, ProfileError};
use crate::bench::report::{self, Report, Subject};
use crate::bench::responses::{Expectation, Extraction, PathError};
use crate::bench::stats::Outcome;
use crate::bench::threshold::{Threshold, ThresholdError, Verdict};
use crate::bench::verdict;
use crate::client::completion;
use crate::commands::rpc::{self, RpcArgs};
use crate::context::Context;
use crate::duration;
use crate::error::{Diagnostic, Exit, IoContext as _, Result, Silent};

/// Arguments of `msvc bench`.
#[derive(Args, Clone, Debug)]
#[command(group(clap::ArgGroup::new("open").args(["rate", "profile", "find_max"]).multiple(true)))]
#[command(after_help = "\
With `--rate` the load is an open loop: calls start by an absolute schedule whatever the server does, and \
latency counts from the intended start, so that a server that stalls is charged for every call that it \
delays. Without it the load is a closed loop: callers wait for their answers, and latency excludes the \
queueing that a slow server causes.

Methods that take a stream are sent all messages of `-d` in each call, at once; `--messages`, \
`--message-interval` and `--ping-pong` say otherwise.

Placeholders in `-d` and in the values of `-H` stand for something else in every call: {{seq}}, {{seq FIRST}}, \
{{uuid}}, {{randomInt LEAST GREATEST}}, {{randomString LENGTH}}, {{randomChoice A B …}}, {{now}}, {{now millis}}, \
{{column NAME}} of `--rows`, {{env NAME}}; {{\"text\"}} is text. They may stand in strings or by themselves.

The report is printed on stdout, progress on stderr. Ctrl-C ends the measurement and prints what there is.

Calls that fail are results; `--threshold` says how many may. Its metrics are min, p50, p75, p90, p95, p99, \
p99.9, p99.99, max and mean (latencies), errors (the share of calls that failed) and rate (calls a second).

Exit codes: 1 when a threshold is breached, a response not as expected or a baseline not kept, 3 when the target cannot be reached at the start, 4 when the \
measurement is invalid (no measured call ended or succeeded, the server was lost, the client was the limit, \
too few calls to tell a threshold, or a change from the baseline), 130 after Ctrl-C, when there is anything to report.

Examples:
  msvc bench user-service user.v1.UserService/GetUser -d '{\"id\": 1}' --duration 30s
  msvc bench user-service GetUser -d '{\"id\": 1}' --rate 2000 --warm-up 5s
  msvc bench user-service GetUser --profile 'ramp:100..2000/1m' --arrivals poisson
  msvc bench user-service GetUser --find-max 'p99<5ms,errors<0.1%' --warm-up 2s
  msvc bench localhost:50051 GetUser -d @request.json --concurrency 200 --connections 4
  msvc bench user-service GetUser -d '{\"id\": {{randomInt 1 1000}}}' -H 'x-request-id: {{uuid}}'
  msvc bench chat-service Chat -d @talk.jsonl --messages 100 --ping-pong -c 20
  msvc bench user-service GetUser --rate 500 --threshold 'p99<5ms' --threshold 'errors<0.1%'
  msvc bench user-service @mix.toml --rate 1000 --threshold 'p99<20ms'
  msvc bench user-service GetUser -c 20 --duration 30s --output before.json --output before.html
  msvc bench user-service GetUser -c 20 --duration 30s --baseline before.json")]
pub struct BenchArgs {
    #[command(flatten)]
    rpc: RpcArgs,
    /// The method: `pkg.Service/Method`, or less of it where that is unambiguous; `@FILE.toml` for several at
    /// once.
    #[arg(value_name = "METHOD", add = ArgValueCompleter::new(completion::workspace_methods))]
    method: String,
    /// The request: JSON, `@FILE`, or `-` for stdin, with placeholders such as `{{uuid}}`; without it a
    /// message with a value for every field.
    #[arg(short, long, value_name = "JSON|@FILE|-")]
    data: Option<String>,
    /// Request messages of a call, for methods that take a stream: those of `-d` in turn [default: each once].
    #[arg(long, value_name = "N", value_parser = positive)]
    messages: Option<usize>,
    /// Send the messages of a call at this distance rather than all at once.
    #[arg(long, value_name = "DURATION", value_parser = duration::parse_positive, conflicts_with = "ping_pong")]
    message_interval: Option<Duration>,
    /// Send each message of a call when the one before was answered, for methods that stream both ways.
    #[arg(long)]
    ping_pong: bool,
    /// The rows that `{{column NAME}}` reads, in turn: FILE.csv with a header, or FILE.jsonl.
    #[arg(long, value_name = "FILE", value_hint = ValueHint::FilePath)]
    rows: Option<PathBuf>,
    /// What random values in requests depend on: the same seed gives the same requests [default: another
    /// one every time].
    #[arg(long, value_name = "N")]
    seed: Option<u64>,
    /// Calls a second, from 0.001 to 10000000: an open loop.
    #[arg(long, value_name = "R", value_parser = rate, conflicts_with_all = ["concurrency", "profile"])]
    rate: Option<f64>,
    /// Calls a second that change: `ramp:100..500/30s`, `step:100,200,400/10s`, `spike:100..500/2s@10s`,
    /// `soak:100/1h`, or `@FILE` of lines `seconds,rate`.
    #[arg(long, value_name = "PROFILE", conflicts_with = "concurrency")]
    profile: Option<GivenProfile>,
    /// In an open loop: how calls follow each other: `constant`, `poisson`, or `burst:N` for so many at once.
    #[arg(long, value_name = "HOW", default_value_t = Arrivals::Constant, requires = "open")]
    arrivals: Arrivals,
    /// Calls at a time: a closed loop [default: 50].
    #[arg(short, long, value_name = "C", value_parser = positive)]
    concurrency: Option<usize>,
    /// Connections to spread the calls over [default: one for each instance of the target].
    #[arg(long, value_name = "N", value_parser = positive)]
    connections: Option<usize>,
    /// Threads that make calls, no more than there are connections [default: 1; with --warm-up, more
    /// where one is not enough and cores are idle].
    #[arg(long, value_name = "N", value_parser = positive)]
    threads: Option<usize>,
    /// How long measured calls start [default: 10s, with --requests: until they are done].
    #[arg(long, value_name = "DURATION", value_parser = duration::parse_positive)]
    duration: Option<Duration>,
    /// How many calls to measure [default: as many as the time allows].
    #[arg(short = 'n', long, value_name = "N", value_parser = positive)]
    requests: Option<usize>,
    /// Make calls for this time before the measurement.
    #[arg(long, value_name = "DURATION", value_parser = duration::parse, default_value = "0")]
    warm_up: Duration,
    /// Give up a call after this time, which the server is told as the call's deadline.
    #[arg(long, value_name = "DURATION", value_parser = duration::parse_positive, default_value = "10s")]
    timeout: Duration,
    /// In an open loop: hold back calls while so many are in flight [default: 10000].
    #[arg(long, value_name = "N", value_parser = positive, requires = "open")]
    max_in_flight: Option<usize>,
    /// In an open loop: how calls are waited for.
    #[arg(long, value_enum, default_value_t, requires = "open")]
    pacing: Pacing,
    /// Compress the requests, once and for all, and take compressed responses.
    #[arg(long)]
    gzip: bool,
    /// What speaks HTTP/2.
    #[arg(long, value_enum, default_value_t)]
    engine: Engine,
    /// What must hold, such as `p99<5ms`, `errors<0.1%` or `rate>1000`; may be given several times.
    #[arg(long = "threshold", value_name = "EXPR")]
    thresholds: Vec<Threshold>,
    /// Compare with the bench in this report, FILE.json, of the same load: fails when something became worse
    /// for sure and by more than `--baseline-limit`.
    #[arg(long, value_name = "FILE", value_hint = ValueHint::FilePath)]
    baseline: Option<PathBuf>,
    /// A change by no more than this, in percent, is none.
    #[arg(long, value_name = "PERCENT", value_parser = percent, default_value = "5%", requires = "baseline")]
    baseline_limit: f64,
    /// The server's process, to tell what it takes; may be given several times [default: those that listen where
    /// the target is, on this machine].
    #[arg(long = "pid", value_name = "PID")]
    pids: Vec<u32>,
    /// Look for the highest rate at which these hold, such as `p99<5ms,errors<0.1%`: bench after bench of
    /// `--duration` (5s), from `--rate` (100) on.
    #[arg(long, value_name = "EXPRS", conflicts_with_all = ["concurrency", "profile", "requests", "thresholds", "baseline"])]
    find_max: Option<Limits>,
    /// What must hold of responses, such as `user.id==7`, `total>0` or `tags~new`; may be given several times.
    /// One of `--sample` calls is looked at.
    #[arg(long = "expect", value_name = "EXPR")]
    expectations: Vec<Expectation>,
    /// A value of responses to count, such as `region=user.address.region`; may be given several times.
    #[arg(long = "extract", value_name = "[NAME=]FIELD")]
    extractions: Vec<Extraction>,
    /// Look at the response to one of so many calls, for `--expect` and `--extract`.
    #[arg(long, value_name = "N", value_parser = positive, default_value = "100")]
    sample: usize,
    /// Write the report to this file as well, in the form that its name ends with: .json, .html (a page with
    /// charts), .csv (a header and one row), .xml (JUnit) or .prom (Prometheus); may be given several times.
    #[arg(long = "output", value_name = "FILE.{json,html,csv,xml,prom}", value_parser = output_file, value_hint = ValueHint::FilePath)]
    outputs: Vec<OutputFile>,
}

fn rate(text: &str) -> Result<f64, String> {
    let value: f64 = text.parse().map_err(|_| "not a number".to_owned())?;
    if (LOWEST_RATE..=HIGHEST_RATE).contains(&value) {
        Ok(value)
    } else {
        Err(format!(
            "expected a rate from {LOWEST_RATE} to {HIGHEST_RATE}"
        ))
    }
}

fn percent(text: &str) -> Result<f64, String> {
    let number = text.strip_suffix('%').unwrap_or(text).trim().parse().ok();
    number
        .filter(|percent| (0.0..=1e6).contains(percent))
        .ok_or_else(|| "expected a share such as `5%`".to_owned())
}

/// Several thresholds at once.
#[derive(Clone, Debug)]
struct Limits(Vec<Threshold>);

impl FromStr for Limits {
    type Err = ThresholdError;

    fn from_str(text: &str) -> Result<Self, ThresholdError> {
        let each = text.split(',').map(|limit| limit.trim().parse());
        each.collect::<Result<_, _>>().map(Self)
    }
}

/// A profile, or the file that has it.
#[derive(Clone, Debug)]
enum GivenProfile {
    Known(Profile),
    File(PathBuf),
}

impl FromStr for GivenProfile {
    type Err = ProfileError;

    fn from_str(text: &str) -> Result<Self, ProfileError> {
        match text.strip_prefix('@') {
            Some(path) => Ok(Self::File(path.into())),
            None => text.parse().map(Self::Known),
        }
    }
}

/// A file for the report; its extension says how it is written.
#[derive(Clone, Debug)]
struct OutputFile {
    path: PathBuf,
    render: fn(&Report) -> String,
}

fn output_file(text: &str) -> Result<OutputFile, String> {
    let path = PathBuf::from(text);
    let extension = path.extension().and_then(|extension| extension.to_str());
    let render: fn(&Report) -> String = match extension {
        Some("json") => report::json,
        Some("html") => report::html,
        Some("csv") => report::csv,
        Some("xml") => report::junit,
        Some("prom") => report::prometheus,
        _ => {
            return Err(
                "reports are written as `.json`, `.html`, `.csv`, `.xml` or `.prom`".to_owned(),
            );
        }
    };
    Ok(OutputFile { path, render })
}

fn positive(text: &str) -> Result<usize, String> {
    /// More threads, connections or calls at a time than this are a slip.
    const HIGHEST: usize = 1_000_000_000;
    match text.parse() {
        Ok(value @ 1..=HIGHEST) => Ok(value),
        _ => Err(format!("expected a number from 1 to {HIGHEST}")),
    }
}

/// Why a bench that was made is a failure.
#[derive(Debug, thiserror::Error)]
enum BenchError {
    #[error("the measurement is invalid: {}", .reasons.join("; "))]
    Invalid {
        reasons: Vec<String>,
        hint: Option<String>,
    },
    #[error("thresholds breached: {}", .0.join(", "))]
    Breached(Vec<String>),
    #[error("`{}` cannot be compared with", .path.display())]
    Baseline {
        path: PathBuf,
        #[source]
        source: BaselineError,
    },
    #[error("it became worse: {}", .0.join(", "))]
    Worse(Vec<String>),
    #[error("it cannot be told whether it became worse: {}; a longer bench may tell", .0.join(", "))]
    Untold(Vec<String>),
    #[error("responses of {failed} of {sampled} calls are not what was expected: {}", .unmet.join(", "))]
    Unexpected {
        failed: u64,
        sampled: u64,
        unmet: Vec<String>,
    },
    #[error("`{given}` cannot be found in responses")]
    Path {
        given: String,
        #[source]
        source: PathError,
    },
    #[error("there is no rate at which they hold: not even {0} calls/s")]
    NoRate(f64),
    #[error("the search ended at {rate} calls/s: {why}")]
    Ended { rate: f64, why: String },
    #[error("`{}` is no profile", .path.display())]
    Profile {
        path: PathBuf,
        #[source]
        source: ProfileError,
    },
}

impl Diagnostic for BenchError {
    fn hint(&self) -> Option<String> {
        match self {
            Self::Invalid { hint, .. } => hint.clone(),
            Self::Breached(_)
            | Self::Baseline { .. }
            | Self::Worse(_)
            | Self::Untold(_)
            | Self::Unexpected { .. }
            | Self::Path { .. }
            | Self::NoRate(_)
            | Self::Ended { .. }
            | Self::Profile { .. } => None,
        }
    }

    fn exit(&self) -> Exit {
        match self {
            Self::Invalid { .. } => Exit::Inconclusive,
            Self::Ended { .. } | Self::Untold(_) => Exit::Inconclusive,
            Self::Breached(_) | Self::Worse(_) | Self::Unexpected { .. } | Self::NoRate(_) => {
                Exit::Failed
            }
            Self::Profile { .. } | Self::Path { .. } | Self::Baseline { .. } => Exit::Usage,
        }
    }
}

/// Runs `msvc bench`.
///
/// # Errors
/// When the target cannot be reached, the method is not known, the request is not what it takes, the
/// measurement is invalid, or a threshold is breached.
pub fn run(context: &Context, args: BenchArgs) -> Result {
    let baseline = args
        .baseline
        .as_ref()
        .map(|path| read_baseline(context, path));
    let baseline = baseline.transpose()?;
    if let Some(path) = args.method.strip_prefix('@') {
        return mixed::run(context, &args, Path::new(path), &count_interrupts());
    }
    let (mut job, subject) = rpc::block_on(prepare::prepare(context, &args))?;
    let interrupts = count_interrupts();
    if args.threads.is_none() {
        job = engine::choose_threads(job, |_| wish(&interrupts))?;
    }
    if let Some(Limits(limits)) = &args.find_max {
        return find_max::run(context, &args, (job, subject), (limits, &interrupts));
    }
    let mut report = measure(context, (&mut job, subject), &args.thresholds, &interrupts)?;
    if let (Some(baseline), Some(path)) = (&baseline, &args.baseline)
        && report.invalid.is_empty()
    {
        let shown = path.display().to_string();
        let comparison = baseline::compare(baseline, &report, &shown, args.baseline_limit);
        report.comparison = Some(comparison.map_err(|source| BenchError::Baseline {
            path: path.clone(),
            source,
        })?);
    }
    write(context, &args, &report)?;
    if context.printer.is_json() {
        context.printer.json(&report)?;
    } else {
        context.printer.data(&report::text(&report))?;
    }
    end(context, &report)
}

fn read_baseline(context: &Context, path: &Path) -> Result<Baseline> {
    let text = std::fs::read_to_string(context.directory.join(path)).when("read", path)?;
    let baseline = Baseline::read(&text).map_err(|source| BenchError::Baseline {
        path: path.to_owned(),
        source,
    })?;
    Ok(baseline)
}

/// What the user wishes, by how often there was a Ctrl-C.
fn wish(interrupts: &AtomicUsize) -> Wish {
    match interrupts.load(Ordering::Relaxed) {
        0 => Wish::GoOn,
        1 => Wish::Stop,
        _ => Wish::Abort,
    }
}

/// Makes the calls and concludes.
fn measure(
    context: &Context,
    (job, subject): (&mut Job, Subject),
    thresholds: &[Threshold],
    interrupts: &AtomicUsize,
) -> Result<Report> {
    let plan = job.plan.clone();
    let mut watch = Watch::start(job.server_processes.clone());
    let mut progress = progress::Progress::new(context, &subject, &plan);
    let outcome = engine::run(job.clone(), |now| {
        watch.tick(now.phase == Phase::Measuring);
        progress.show(now);
        wish(interrupts)
    });
    progress.clear();
    let outcome = outcome?;
    // Another bench makes other requests.
    job.first_number = outcome.recorder.next_number.max(job.first_number);
    let mut report = conclude(job, subject, &outcome, thresholds);
    (report.host, report.server) = watch.finish(report.calls_per_second);
    report.verdict = verdict::verdict(&report);
    Ok(report)
}

/// What came of a bench, as far as it is known by itself.
fn conclude(job: &Job, subject: Subject, outcome: &Outcome, thresholds: &[Threshold]) -> Report {
    let mut report = report::conclude(subject, &job.plan, outcome, thresholds);
    if let Some(checks) = &job.checks {
        report.responses = Some(outcome.recorder.findings.conclude(checks.every));
    }
    report
}

/// Writes a report where it was asked for.
fn write(context: &Context, args: &BenchArgs, report: &Report) -> Result {
    for OutputFile { path, render } in &args.outputs {
        let path = context.directory.join(path);
        std::fs::write(&path, render(report)).when("write", &path)?;
    }
    Ok(())
}

/// How a bench that was reported ends.
fn end(context: &Context, report: &Report) -> Result {
    if report.interrupted && report.calls.completed > 0 {
        return Err(Silent(Exit::Interrupted).into());
    }
    let breached = report
        .thresholds
        .iter()
        .filter(|judged| judged.verdict == Verdict::Breached);
    let breached: Vec<String> = breached
        .map(|judged| format!("`{}` ({})", judged.threshold, judged.shown()))
        .collect();
    let error = if !report.invalid.is_empty() {
        BenchError::Invalid {
            reasons: report.invalid.clone(),
            hint: (report.calls.completed > 0 && report.calls.ok == 0).then(|| {
                let Subject { target, method, .. } = &report.subject;
                format!("`msvc call {target} {method} -d …` shows what is wrong with one of them")
            }),
        }
    } else if !breached.is_empty() {
        BenchError::Breached(breached)
    } else if let Some(responses) = report.responses.as_ref().filter(|found| found.failed > 0) {
        BenchError::Unexpected {
            failed: responses.failed,
            sampled: responses.sampled,
            unmet: responses
                .unmet
                .iter()
                .map(|unmet| format!("`{}`", unmet.expectation))
                .collect(),
        }
    } else if let Some(error) = report.comparison.as_ref().and_then(regression) {
        error
    } else {
        return Ok(());
    };
    if context.printer.is_json() {
        // There is one document on stdout, and it has said it.
        return Err(Silent(error.exit()).into());
    }
    Err(error.into())
}

/// What a comparison fails with: what became worse, or else what cannot be told.
fn regression(comparison: &Comparison) -> Option<BenchError> {
    let named = |wanted: baseline::Verdict| -> Vec<String> {
        let metrics = comparison.metrics.iter();
        let found = metrics.filter(|change| change.verdict == wanted);
        let shown =
            |change: &baseline::Change| format!("{} by {:+.1}", change.metric, change.change);
        found.map(shown).collect()
    };
    let worse = named(baseline::Verdict::Worse);
    let untold = named(baseline::Verdict::Inconclusive);
    match (worse.is_empty(), untold.is_empty()) {
        (false, _) => Some(BenchError::Worse(worse)),
        (true, false) => Some(BenchError::Untold(untold)),
        (true, true) => None,
    }
}

/// Counts Ctrl-C from now on; they no longer end the process.
fn count_interrupts() -> Arc<AtomicUsize> {
    let count = Arc::new(AtomicUsize::new(0));
    let counted = Arc::clone(&count);
    let listen = async move {
        while tokio::signal::ctrl_c().await.is_ok() {
            counted.fetch_add(1, Ordering::Relaxed);
        }
    };
    // Without a thread to listen, Ctrl-C ends the process as it always does.
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build();
    if let Ok(runtime) = runtime {
        std::thread::spawn(move || runtime.block_on(listen));
    }
    count
}
