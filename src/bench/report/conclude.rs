//! From what was counted to what is reported.

use std::time::Duration;

use super::notes::notes;
use super::{
    Bar, Calls, Client, CodeCount, Pacing, Point, Quantiles, RateOver, Report, SCHEMA, Slice,
    Streams, Subject, Timeline, Traffic,
};
use crate::bench::dialogue::StreamTimes;
use crate::bench::load::{Model, Plan};
use crate::bench::stats::{End, Latencies, Outcome, Recorder};
use crate::bench::threshold::{Threshold, judge};
use crate::bench::timeline;
use crate::bench::validity;
use crate::bench::verdict::{Limit, Verdict, verdict};

/// Calls sent later than this were not sent when they were due.
const LATE: Duration = Duration::from_millis(1);
/// The bounds of the histogram's rows: 1, 2 and 5 times powers of ten.
const STEPS: [u64; 3] = [1, 2, 5];

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
            messages_sent: recorder.messages_sent,
            messages_received: recorder.messages_received,
            bytes_sent: recorder.bytes_sent,
            bytes_received: recorder.bytes_received,
        },
        latency: quantiles(&all),
        latency_ok: (failed > 0 && failed < completed).then(|| quantiles(&recorder.ok)),
        service_time: is_open.then(|| quantiles(&recorder.service)),
        streams: recorder
            .streams
            .as_ref()
            .map(|times| streams(times, recorder, calls_per_second)),
        histogram: histogram(&all),
        quantile_curve: quantile_curve(&all),
        timeline: timeline(&recorder.timeline),
        codes: codes(recorder),
        pacing: is_open.then(|| pacing(recorder)),
        responses: None,
        client: client(recorder, completed),
        server: None,
        host: None,
        verdict: Verdict {
            kind: Limit::Inconclusive,
            why: String::new(),
        },
        notes: Vec::new(),
        thresholds: Vec::new(),
        comparison: None,
        invalid: Vec::new(),
        subject,
    };
    report.notes = notes(&report);
    report.thresholds = thresholds
        .iter()
        .map(|threshold| judge(threshold, &report))
        .collect();
    report.invalid = validity::reasons(&report);
    report.verdict = verdict(&report);
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
        p99_999_us: at(0.99999),
        max_us: latencies.greatest().map(microseconds),
        mean_us: latencies.mean().map(microseconds),
        deviation_us: latencies.deviation().map(microseconds),
    }
}

/// Points that come closer to 1 in equal steps of `-log(1 - quantile)`, as far as there are calls to tell.
fn quantile_curve(latencies: &Latencies) -> Vec<Point> {
    /// Points for each halving of the calls that are left out.
    const STEPS: u32 = 4;
    let (Some(least), Some(greatest)) = (latencies.least(), latencies.greatest()) else {
        return Vec::new();
    };
    let mut points = vec![Point {
        quantile: 0.0,
        us: microseconds(least),
    }];
    for step in 1.. {
        let quantile = 1.0 - 0.5f64.powf(f64::from(step) / f64::from(STEPS));
        let Some(latency) = latencies.quantile(quantile) else {
            break;
        };
        points.push(Point {
            quantile: (quantile * 1e9).round() / 1e9,
            us: microseconds(latency),
        });
    }
    points.push(Point {
        quantile: 1.0 - 0.5 / latencies.count() as f64,
        us: microseconds(greatest),
    });
    points
}

fn timeline(counted: &timeline::Timeline) -> Timeline {
    let width = counted.width().as_secs_f64();
    let slices = counted.slices().iter().enumerate().map(|(index, slice)| {
        let at = |quantile| slice.quantile(quantile).map(microseconds);
        let is_any = slice.completed > 0;
        Slice {
            at_seconds: round(index as f64 * width),
            completed: slice.completed,
            failed: slice.failed,
            mean_us: is_any.then(|| round(slice.sum * 1e6 / slice.completed as f64)),
            p50_us: at(0.5),
            p90_us: at(0.9),
            p99_us: at(0.99),
            max_us: is_any.then(|| microseconds(slice.longest)),
            bins: slice
                .bins()
                .map(|(bin, count)| [bin as u64, count.into()])
                .collect(),
        }
    });
    Timeline {
        slice_seconds: width,
        slices: slices.collect(),
    }
}

fn streams(times: &StreamTimes, recorder: &Recorder, calls_per_second: f64) -> Streams {
    let per_call = calls_per_second / recorder.completed().max(1) as f64;
    Streams {
        messages_sent_per_second: round(recorder.messages_sent as f64 * per_call),
        messages_received_per_second: round(recorder.messages_received as f64 * per_call),
        first_message: quantiles(&times.first),
        gap: quantiles(&times.gap),
        echo: (times.echo.count() > 0).then(|| quantiles(&times.echo)),
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
