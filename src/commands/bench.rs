//! `msvc bench`: load-tests a method.

mod ending;
mod find_max;
mod measure;
mod mixed;
mod output;
mod prepare;
mod progress;
mod requests;
mod values;

use std::path::{Path, PathBuf};
use std::time::Duration;

use clap::{Args, ValueHint};
use clap_complete::engine::ArgValueCompleter;

use self::ending::{BenchError, end};
use self::measure::{Bench, count_interrupts, measure};
use self::output::{OutputFile, output_file};
use self::values::{Concurrency, GivenProfile, Limits, percent, positive, rate};
use crate::bench::baseline::{self, Baseline, BaselineError};
use crate::bench::engine::{Engine, Pacing};
use crate::bench::load::Arrivals;
use crate::bench::report;
use crate::bench::responses::{Expectation, Extraction};
use crate::bench::threshold::Threshold;
use crate::client::completion;
use crate::commands::rpc::{self, RpcArgs};
use crate::context::Context;
use crate::duration;
use crate::error::{IoContext as _, Result};

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
p99.9, p99.99, p99.999, max and mean (latencies), errors (the share of calls that failed) and rate (calls a second).

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
  msvc bench user-service GetUser -c ramp:1..100/30s
  msvc bench user-service @mix.toml --rate 1000 --threshold 'p99<20ms' --output mix.html
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
    /// `soak:100/1h`, `const:100/30s`, or `@FILE` of lines `seconds,rate`.
    #[arg(long, value_name = "PROFILE", conflicts_with = "concurrency")]
    profile: Option<GivenProfile>,
    /// In an open loop: how calls follow each other: `constant`, `poisson`, or `burst:N` for so many at once.
    #[arg(long, value_name = "HOW", default_value_t = Arrivals::Constant, requires = "open")]
    arrivals: Arrivals,
    /// Calls at a time: a closed loop [default: 50]; a number, or a profile such as `ramp:1..100/30s`.
    #[arg(short, long, value_name = "C|PROFILE")]
    concurrency: Option<Concurrency>,
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
    /// charts), .csv (a header and a row for each method), .xml (JUnit) or .prom (Prometheus); may be given
    /// several times.
    #[arg(long = "output", value_name = "FILE.{json,html,csv,xml,prom}", value_parser = output_file, value_hint = ValueHint::FilePath)]
    outputs: Vec<OutputFile>,
}

/// Runs `msvc bench`.
///
/// # Errors
/// When the target cannot be reached, the method is not known, the request is not what it takes, the
/// measurement is invalid, or a threshold is breached.
pub fn run(context: &Context, args: BenchArgs) -> Result {
    let mix = args.method.strip_prefix('@').map(Path::new);
    let baseline = args.baseline.as_ref();
    let baseline = baseline.map(|path| read_baseline(context, path, mix.is_some()));
    let baseline = baseline.transpose()?;
    let thresholds = match &args.find_max {
        Some(Limits(limits)) => limits,
        None => &args.thresholds,
    };
    let mut bench = match mix {
        Some(path) => mixed::prepare(context, &args, path, thresholds)?,
        None => {
            let profile = prepare::profile(context, &args)?;
            let prepared = prepare::prepare(context, &args, profile);
            Bench::of_one(rpc::block_on(prepared)?, thresholds)
        }
    };
    let interrupts = count_interrupts();
    if args.threads.is_none() {
        bench.choose_threads(&interrupts)?;
    }
    if args.find_max.is_some() {
        return find_max::run(context, &args, &mut bench, &interrupts);
    }
    let mut reports = measure(context, &mut bench, &interrupts)?;
    let is_valid = reports.parts().iter().all(|one| one.invalid.is_empty());
    if let (Some(baseline), Some(path), true) = (&baseline, &args.baseline, is_valid) {
        let shown = path.display().to_string();
        baseline::compare_all(baseline, &mut reports, &shown, args.baseline_limit)
            .map_err(|source| no_baseline(path, source))?;
    }
    output::write(context, &args, &reports)?;
    if context.printer.is_json() {
        context.printer.json(&reports)?;
    } else {
        context.printer.data(&report::text(&reports))?;
    }
    end(context, &reports)
}

fn read_baseline(context: &Context, path: &Path, is_mix: bool) -> Result<Vec<Baseline>> {
    let text = std::fs::read_to_string(context.directory.join(path)).when("read", path)?;
    let read = match is_mix {
        true => Baseline::read_mix(&text),
        false => Baseline::read(&text).map(|one| vec![one]),
    };
    Ok(read.map_err(|source| no_baseline(path, source))?)
}

fn no_baseline(path: &Path, source: BaselineError) -> BenchError {
    BenchError::Baseline {
        path: path.to_owned(),
        source,
    }
}
