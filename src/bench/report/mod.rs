//! What a bench found, as data: this is the JSON that `msvc bench --format json` prints, documented here
//! field by field. Units are in the names.
//!
//! Pure: counts in, conclusions out.

mod csv;
mod text;

use std::time::Duration;

use serde::Serialize;

use crate::bench::load::{Arrivals, GIVE_UP, Model, Plan, Profile};
use crate::bench::stats::{End, Latencies, Outcome, Recorder, Sample};
use crate::bench::threshold::{Judged, Threshold, judge};
use crate::bench::validity::{self, BUSY_PERCENT};

pub use csv::csv;
pub use text::{grouped, text};

/// The version of this schema; it grows when a field goes or changes its meaning.
pub const SCHEMA: &str = "msvc.bench/2";

/// Calls sent later than this were not sent when they were due.
const LATE: Duration = Duration::from_millis(1);
/// The bounds of the histogram's rows: 1, 2 and 5 times powers of ten.
const STEPS: [u64; 3] = [1, 2, 5];

/// What is benched.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Subject {
    /// The target as the user named it.
    pub target: String,
    /// The addresses that it has.
    pub endpoints: Vec<String>,
    /// The method: `package.Service/Method`.
    pub method: String,
    /// Request messages a call.
    pub messages_per_call: u64,
    /// Bytes of request messages a call, with their prefixes; null where calls differ.
    pub bytes_per_call: Option<u64>,
    /// What random values in requests depend on; null where all requests are the same.
    pub seed: Option<u64>,
}

/// What a bench found.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Report {
    /// [`SCHEMA`].
    pub schema: &'static str,
    /// What was benched.
    #[serde(flatten)]
    pub subject: Subject,
    /// Who decided when calls started.
    pub model: Model,
    /// How the rate changed; null where it did not.
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
    /// The distribution of `latency`.
    pub histogram: Vec<Bar>,
    /// What calls ended with, by the number of the code.
    pub codes: Vec<CodeCount>,
    /// How well the schedule was kept; null in closed loops.
    pub pacing: Option<Pacing>,
    /// What the load generator itself took.
    pub client: Client,
    /// What to know before believing any of it.
    pub notes: Vec<String>,
    /// The thresholds that were asked for.
    pub thresholds: Vec<Judged>,
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

/// Renders a report as a JSON document for a file.
pub fn json(report: &Report) -> String {
    let mut text = serde_json::to_string_pretty(report).expect("reports serialize");
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
    /// The longest.
    pub max_us: Option<f64>,
    /// The mean.
    pub mean_us: Option<f64>,
    /// The standard deviation.
    pub deviation_us: Option<f64>,
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

/// Concludes.
pub fn conclude(
    subject: Subject,
    plan: &Plan,
    outcome: &Outcome,
    thresholds: &[Threshold],
) -> Report {
    let Outcome {
        recorder,
        elapsed,
        end,
    } = outcome;
    let completed = recorder.completed();
    let failed = recorder.failures();
    let all = recorder.all();
    let is_open = matches!(plan.model, Model::Open { .. });
    let elapsed_seconds = elapsed.as_secs_f64();
    let (calls_per_second, rate_over) = rate(recorder, *elapsed);
    let mut report = Report {
        schema: SCHEMA,
        model: plan.model,
        profile: plan.profile.clone(),
        arrivals: is_open.then_some(plan.arrivals),
        connections: plan.connections,
        threads: plan.threads,
        warm_up_seconds: plan.warm_up.as_secs_f64(),
        duration_seconds: plan.duration.map(|duration| duration.as_secs_f64()),
        timeout_seconds: plan.timeout.as_secs_f64(),
        elapsed_seconds,
        sending_seconds: recorder.window.as_secs_f64(),
        interrupted: *end == End::Interrupted,
        vanished: match end {
            End::Vanished(why) => Some(why.clone()),
            End::Planned | End::Interrupted => None,
        },
        calls: Calls {
            completed,
            ok: completed - failed,
            failed,
            unsent: recorder.unsent,
            abandoned: recorder.abandoned,
            resent: recorder.resent,
            connections_lost: recorder.connections_lost,
            limited: recorder.limited,
        },
        calls_per_second,
        rate_over,
        traffic: Traffic {
            messages_sent: completed * subject.messages_per_call,
            messages_received: recorder.messages_received,
            bytes_sent: recorder.bytes_sent,
            bytes_received: recorder.bytes_received,
        },
        latency: quantiles(&all),
        latency_ok: (failed > 0 && failed < completed).then(|| quantiles(&recorder.ok)),
        service_time: is_open.then(|| quantiles(&recorder.service)),
        histogram: histogram(&all),
        codes: codes(recorder),
        pacing: is_open.then(|| pacing(recorder)),
        client: client(recorder, completed),
        notes: Vec::new(),
        thresholds: Vec::new(),
        invalid: Vec::new(),
        subject,
    };
    report.notes = notes(&report);
    report.thresholds = thresholds
        .iter()
        .map(|threshold| judge(threshold, &report))
        .collect();
    report.invalid = validity::reasons(&report);
    report
}

/// Calls a second, and over which time.
fn rate(recorder: &Recorder, elapsed: Duration) -> (f64, RateOver) {
    /// The share of the calls that must end while calls are sent, for that time to be typical.
    const TYPICAL: f64 = 0.9;
    let completed = recorder.completed() as f64;
    let (ended, window) = (recorder.ended_in_window as f64, recorder.window);
    if !window.is_zero() && ended > 0.0 && ended >= completed * TYPICAL {
        return (round(ended / window.as_secs_f64()), RateOver::Sending);
    }
    let rate = if elapsed.is_zero() {
        0.0
    } else {
        completed / elapsed.as_secs_f64()
    };
    (round(rate), RateOver::Elapsed)
}

/// Three decimals are more than anyone measures.
fn round(value: f64) -> f64 {
    (value * 1e3).round() / 1e3
}

fn microseconds(duration: Duration) -> f64 {
    round(duration.as_nanos() as f64 / 1e3)
}

fn quantiles(latencies: &Latencies) -> Quantiles {
    let at = |quantile| latencies.quantile(quantile).map(microseconds);
    Quantiles {
        count: latencies.count(),
        min_us: latencies.least().map(microseconds),
        p50_us: at(0.5),
        p75_us: at(0.75),
        p90_us: at(0.9),
        p95_us: at(0.95),
        p99_us: at(0.99),
        p99_9_us: at(0.999),
        p99_99_us: at(0.9999),
        max_us: latencies.greatest().map(microseconds),
        mean_us: latencies.mean().map(microseconds),
        deviation_us: latencies.deviation().map(microseconds),
    }
}

/// Rows from that of the shortest call to that of the longest, empty ones between them included.
fn histogram(latencies: &Latencies) -> Vec<Bar> {
    let (Some(least), Some(greatest)) = (latencies.least(), latencies.greatest()) else {
        return Vec::new();
    };
    let mut bars = Vec::new();
    let (mut below, mut counted) = (Duration::ZERO, 0);
    let mut power = Duration::from_micros(1);
    loop {
        for step in STEPS {
            let bound = power * step as u32;
            let count_up_to = if bound >= greatest {
                latencies.count()
            } else {
                latencies.count_up_to(bound)
            };
            if bound >= least || count_up_to > 0 {
                bars.push(Bar {
                    above_us: microseconds(below),
                    up_to_us: microseconds(bound),
                    count: count_up_to - counted,
                });
            }
            if bound >= greatest {
                return bars;
            }
            (below, counted) = (bound, count_up_to);
        }
        power *= 10;
    }
}

fn codes(recorder: &Recorder) -> Vec<CodeCount> {
    let each = recorder.codes().into_iter();
    each.map(|(code, count, samples)| CodeCount {
        code: code.number(),
        name: code.name(),
        count,
        samples: samples.to_vec(),
    })
    .collect()
}

fn pacing(recorder: &Recorder) -> Pacing {
    let lateness = &recorder.lateness;
    Pacing {
        late: lateness.count() - lateness.count_up_to(LATE),
        lateness_p50_us: lateness.quantile(0.5).map(microseconds),
        lateness_p99_us: lateness.quantile(0.99).map(microseconds),
        lateness_max_us: lateness.greatest().map(microseconds),
        held_back: recorder.held_back,
    }
}

fn client(recorder: &Recorder, completed: u64) -> Client {
    let cpu = recorder.cpu.as_secs_f64();
    Client {
        cpu_seconds: round(cpu),
        cpu_seconds_per_million_calls: (completed > 0).then(|| round(cpu * 1e6 / completed as f64)),
        busiest_thread_percent: round(recorder.busiest * 100.0),
    }
}

fn notes(report: &Report) -> Vec<String> {
    let mut notes = Vec::new();
    if let Some(why) = &report.vanished {
        notes.push(format!(
            "ended early: the server went away and did not come back within {} ({why})",
            crate::duration::exact(GIVE_UP)
        ));
    }
    if report.interrupted {
        notes.push("ended early: interrupted".to_owned());
    }
    if report.client.busiest_thread_percent > BUSY_PERCENT {
        notes.push(format!(
            "the client was the limit: its busiest thread was {:.0} % busy; on a machine with idle cores add \
             `--threads N --connections N`",
            report.client.busiest_thread_percent
        ));
    }
    let completed = report.calls.completed;
    if let Some(pacing) = &report.pacing {
        let kept = completed.saturating_sub(pacing.held_back);
        // One call in a hundred is what p99 shows.
        if pacing.late * 100 > kept {
            notes.push(format!(
                "the client was late: {} calls were sent more than 1 ms after they were due; it or the \
                 machine was too busy",
                grouped(pacing.late)
            ));
        }
        let held_back = pacing.held_back - report.calls.limited;
        if held_back > 0 {
            notes.push(format!(
                "{} calls waited to be sent because too many were in flight (`--max-in-flight`); their \
                 latency counts from when they were due",
                grouped(held_back)
            ));
        }
    }
    if report.calls.limited > 0 {
        notes.push(format!(
            "{} calls waited to be sent because the server allows no more at a time on a connection \
             (SETTINGS_MAX_CONCURRENT_STREAMS); add `--connections N`",
            grouped(report.calls.limited)
        ));
    }
    // What a bench that was broken off did not come to says nothing of the server.
    if report.calls.unsent > 0 && !report.interrupted && report.vanished.is_none() {
        notes.push(format!(
            "{} calls were due and never sent: the server did not keep up with the rate, and latencies \
             would be longer with them",
            grouped(report.calls.unsent)
        ));
    }
    if report.calls.abandoned > 0 {
        notes.push(format!(
            "{} calls were still in flight at the end; they are in none of the figures",
            grouped(report.calls.abandoned)
        ));
    }
    if report.calls.connections_lost > 0 {
        notes.push(format!(
            "connections that ended during the bench: {}; calls sent again because the server had not taken \
             them: {}",
            grouped(report.calls.connections_lost),
            grouped(report.calls.resent)
        ));
    }
    notes
}

#[cfg(test)]
pub(in crate::bench) mod tests;
