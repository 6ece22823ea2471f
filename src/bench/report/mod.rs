//! What a bench found, as data: this is the JSON that `msvc bench --format json` prints, documented here
//! field by field. Units are in the names.
//!
//! Pure: counts in, conclusions out.

mod charts;
mod conclude;
mod csv;
mod html;
mod junit;
mod mixed;
mod notes;
mod prometheus;
mod table;
mod text;

use serde::{Deserialize, Serialize};

use crate::bench::baseline::Comparison;
use crate::bench::dialogue::Talk;
use crate::bench::load::{Arrivals, Model, Profile};
use crate::bench::responses::Responses;
use crate::bench::stats::Sample;
use crate::bench::threshold::Judged;
use crate::bench::verdict::Verdict;

pub use conclude::conclude;
pub use csv::csv;
pub use html::html;
pub use junit::junit;
pub use mixed::{MIXED_SCHEMA, Mixed, Part, Reports};
pub use prometheus::prometheus;
pub use text::{grouped, text};

/// The version of this schema; it grows when a field goes or changes its meaning.
pub const SCHEMA: &str = "msvc.bench/3";

/// What is benched.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Subject {
    /// What a mix calls it; null where there is but one method.
    pub name: Option<String>,
    /// The target as the user named it.
    pub target: String,
    /// The addresses that it has.
    pub endpoints: Vec<String>,
    /// The method: `package.Service/Method`.
    pub method: String,
    /// Request messages a call; null for all calls of a mix.
    pub messages_per_call: Option<u64>,
    /// How they follow each other.
    pub messages: Talk,
    /// Bytes of request messages a call, with their prefixes; null where calls differ.
    pub bytes_per_call: Option<u64>,
    /// What random values in requests depend on; null where all requests are the same.
    pub seed: Option<u64>,
}

impl Subject {
    /// What it is called: the method, unless a mix has a name for it.
    pub fn title(&self) -> &str {
        self.name.as_deref().unwrap_or(&self.method)
    }
}

/// What a bench found of a method.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Report {
    /// [`SCHEMA`].
    pub schema: &'static str,
    /// What was benched.
    #[serde(flatten)]
    pub subject: Subject,
    /// Who decided when calls started.
    pub model: Model,
    /// How the rate or the number of callers changed; null where it did not.
    pub profile: Option<Profile>,
    /// How calls followed each other; null in closed loops.
    pub arrivals: Option<Arrivals>,
    /// How many connections there were.
    pub connections: usize,
    /// How many threads shared them.
    pub threads: usize,
    /// How long calls were made before the measurement.
    pub warm_up_seconds: f64,
    /// How long measured calls were to start; null: until there were enough.
    pub duration_seconds: Option<f64>,
    /// When a call was given up.
    pub timeout_seconds: f64,
    /// From the start of the measurement to its last answer.
    pub elapsed_seconds: f64,
    /// How long measured calls were sent; after that their answers were waited for.
    pub sending_seconds: f64,
    /// Whether the user ended it early.
    pub interrupted: bool,
    /// Why it ended early, if the server went away.
    pub vanished: Option<String>,
    /// The measured calls.
    pub calls: Calls,
    /// Calls that ended, by the second.
    pub calls_per_second: f64,
    /// Over which time that is.
    pub rate_over: RateOver,
    /// Messages and bytes of the measured calls.
    pub traffic: Traffic,
    /// From the (intended) start to the end of all calls, whatever they ended with.
    pub latency: Quantiles,
    /// The same for calls that ended with OK; null when all did or none.
    pub latency_ok: Option<Quantiles>,
    /// From the actual start to the end of all calls, which hides queueing; null in closed loops.
    pub service_time: Option<Quantiles>,
    /// When messages came, of calls that are streams; null for others, and where none came.
    pub streams: Option<Streams>,
    /// The distribution of `latency`.
    pub histogram: Vec<Bar>,
    /// The latencies that shares of the calls do not exceed, from none of them to all.
    pub quantile_curve: Vec<Point>,
    /// What became of calls over the time.
    pub timeline: Timeline,
    /// What calls ended with, by the number of the code.
    pub codes: Vec<CodeCount>,
    /// How well the schedule was kept; null in closed loops.
    pub pacing: Option<Pacing>,
    /// What was found in responses; null where nothing was looked for.
    pub responses: Option<Responses>,
    /// What the load generator itself took.
    pub client: Client,
    /// What the server took; null where its processes are not on this machine, or not known.
    pub server: Option<Server>,
    /// What others on this machine did; null where nothing tells.
    pub host: Option<Host>,
    /// What limited the bench.
    pub verdict: Verdict,
    /// What to know before believing any of it.
    pub notes: Vec<String>,
    /// The thresholds that were asked for.
    pub thresholds: Vec<Judged>,
    /// How it compares with an earlier bench; null where there is none.
    pub comparison: Option<Comparison>,
    /// Why none of it says anything of the service; empty when it does.
    pub invalid: Vec<String>,
}

/// Measured calls.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
pub struct Calls {
    /// Those that ended.
    pub completed: u64,
    /// Those of them that ended with OK.
    pub ok: u64,
    /// Those of them that ended with anything else.
    pub failed: u64,
    /// Those that were due, up to when the bench was broken off, and never sent.
    pub unsent: u64,
    /// Those in flight when the bench was broken off; they are in no other figure.
    pub abandoned: u64,
    /// How often a call was sent again because the server had not taken it; not counted as failed.
    pub resent: u64,
    /// Connections that ended during the bench.
    pub connections_lost: u64,
    /// Those that waited in the client because the server allowed no more at a time on its connections.
    pub limited: u64,
}

/// What the server took while calls were made.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Server {
    /// Its processes.
    pub processes: Vec<u32>,
    /// How many processors it used on average.
    pub cores: f64,
    /// Its processor time for a million calls; null without calls.
    pub cpu_seconds_per_million_calls: Option<f64>,
}

/// What others did while calls were made.
#[derive(Clone, Copy, Debug, PartialEq, Serialize)]
pub struct Host {
    /// For how long a probe did nothing but look at the clock.
    pub spun_seconds: f64,
    /// The share of that in which the system took it to be running, and it was not: others on the host.
    pub stolen_percent: f64,
    /// The share of that in which other threads of this system had its processor.
    pub preempted_percent: f64,
    /// The share of the processor time that the host says it gave to others; null where it does not say.
    pub steal_percent: Option<f64>,
}

/// Renders what a bench found as a JSON document for a file.
pub fn json(reports: &Reports) -> String {
    let mut text = serde_json::to_string_pretty(reports).expect("reports serialize");
    text.push('\n');
    text
}

/// The time that calls a second are counted over.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum RateOver {
    /// The time in which measured calls were sent, and the calls that ended in it: the wait for
    /// stragglers is no part of it.
    Sending,
    /// The time up to the last answer, and all measured calls: of so few or so long calls, too many
    /// ended after the last one was sent.
    Elapsed,
}

/// Messages and bytes.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
pub struct Traffic {
    /// Request messages of completed calls.
    pub messages_sent: u64,
    /// Response messages.
    pub messages_received: u64,
    /// Bytes of request messages with their prefixes.
    pub bytes_sent: u64,
    /// Bytes of response messages with their prefixes.
    pub bytes_received: u64,
}

/// A distribution in microseconds. A quantile is null when there are too few calls to tell it: p99.9
/// needs 1,000.
#[derive(Clone, Copy, Debug, PartialEq, Serialize)]
pub struct Quantiles {
    /// How many calls.
    pub count: u64,
    /// The shortest.
    pub min_us: Option<f64>,
    /// Half of all calls took no longer.
    pub p50_us: Option<f64>,
    /// 75 of 100 calls took no longer.
    pub p75_us: Option<f64>,
    /// 90 of 100 calls took no longer.
    pub p90_us: Option<f64>,
    /// 95 of 100 calls took no longer.
    pub p95_us: Option<f64>,
    /// 99 of 100 calls took no longer.
    pub p99_us: Option<f64>,
    /// 999 of 1,000 calls took no longer.
    pub p99_9_us: Option<f64>,
    /// 9,999 of 10,000 calls took no longer.
    pub p99_99_us: Option<f64>,
    /// 99,999 of 100,000 calls took no longer.
    pub p99_999_us: Option<f64>,
    /// The longest.
    pub max_us: Option<f64>,
    /// The mean.
    pub mean_us: Option<f64>,
    /// The standard deviation.
    pub deviation_us: Option<f64>,
}

/// When messages of streams came.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Streams {
    /// Request messages by the second, at the rate of the calls.
    pub messages_sent_per_second: f64,
    /// Response messages by the second, at the rate of the calls.
    pub messages_received_per_second: f64,
    /// From the sending of a call to its first response message.
    pub first_message: Quantiles,
    /// From one response message of a call to the next.
    pub gap: Quantiles,
    /// From a request message to the response message with the same number; null where all request
    /// messages are sent at once.
    pub echo: Option<Quantiles>,
}

/// One row of the histogram.
#[derive(Clone, Copy, Debug, PartialEq, Serialize)]
pub struct Bar {
    /// Calls that took longer than this …
    pub above_us: f64,
    /// … and no longer than this.
    pub up_to_us: f64,
    /// How many.
    pub count: u64,
}

/// A quantile.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
pub struct Point {
    /// The share of the calls, from 0 to 1, that took no longer …
    pub quantile: f64,
    /// … than this.
    pub us: f64,
}

/// What became of calls over the time.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Timeline {
    /// How long each slice is.
    pub slice_seconds: f64,
    /// The slices, one after the other, from the start of the measurement.
    pub slices: Vec<Slice>,
}

/// The calls that were due in a slice of time, whenever they ended. Its quantiles are exact to 4.4 %.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Slice {
    /// When it begins.
    pub at_seconds: f64,
    /// Calls that ended.
    pub completed: u64,
    /// Calls that ended with anything but OK.
    pub failed: u64,
    /// The mean of their latencies.
    pub mean_us: Option<f64>,
    /// Half of the calls took no longer.
    pub p50_us: Option<f64>,
    /// 90 of 100 calls took no longer.
    pub p90_us: Option<f64>,
    /// 99 of 100 calls took no longer.
    pub p99_us: Option<f64>,
    /// None took longer.
    pub max_us: Option<f64>,
    /// Bins of latencies that are not empty, and their counts. Bin 0 has those below 1 µs; bin `1 + 16 o + w`
    /// those from `2^o (1 + w / 16)` µs up to the next.
    pub bins: Vec<[u64; 2]>,
}

/// How many calls ended with a code.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct CodeCount {
    /// The code's number.
    pub code: u8,
    /// The code's name.
    pub name: &'static str,
    /// How many calls.
    pub count: u64,
    /// The first messages that it came with.
    pub samples: Vec<Sample>,
}

/// How well the schedule was kept.
#[derive(Clone, Copy, Debug, PartialEq, Serialize)]
pub struct Pacing {
    /// Calls that were sent more than a millisecond after they were due, though none were held back.
    pub late: u64,
    /// Half of the calls that were not held back were sent no later than this.
    pub lateness_p50_us: Option<f64>,
    /// 99 of 100 were sent no later than this.
    pub lateness_p99_us: Option<f64>,
    /// None was sent later than this.
    pub lateness_max_us: Option<f64>,
    /// Calls that were due while too many were in flight, for `--max-in-flight` or for the server, and
    /// waited.
    pub held_back: u64,
}

/// What the load generator itself took.
#[derive(Clone, Copy, Debug, PartialEq, Serialize)]
pub struct Client {
    /// Processor time of the threads that make calls.
    pub cpu_seconds: f64,
    /// The same for a million calls; null without calls.
    pub cpu_seconds_per_million_calls: Option<f64>,
    /// How busy the busiest of these threads was while it sent calls, in percent of the time.
    pub busiest_thread_percent: f64,
}

#[cfg(test)]
pub(in crate::bench) mod tests;
