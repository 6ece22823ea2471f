//! Reports to test with.

mod figures;
mod json;
mod mixed;
mod page;
mod text;

use std::time::Duration;

use super::*;
use crate::bench::load::Plan;
use crate::bench::random::SplitMix;
use crate::bench::stats::{End, Ended, Latencies, Outcome, Recorder};
use crate::bench::threshold::judge;
use crate::code::Code;

fn subject() -> Subject {
    Subject {
        target: "user-service".to_owned(),
        endpoints: vec!["127.0.0.1:50051".to_owned()],
        method: "user.v1.UserService/GetUser".to_owned(),
        name: None,
        messages_per_call: Some(1),
        messages: Talk::AtOnce,
        bytes_per_call: Some(7),
        seed: None,
    }
}

fn plan(model: Model) -> Plan {
    Plan {
        number: 0,
        model,
        profile: None,
        arrivals: Arrivals::default(),
        connections: 1,
        threads: 1,
        warm_up: Duration::from_secs(1),
        duration: Some(Duration::from_secs(10)),
        calls: None,
        timeout: Duration::from_secs(10),
    }
}

/// 12,000 calls from 100 µs to 12.1 ms, every 1,000th of which fails.
fn recorder() -> Recorder {
    let mut recorder = Recorder::default();
    for index in 0..12_000u64 {
        let ended = Ended {
            code: if index % 1_000 == 999 {
                Code::UNAVAILABLE
            } else {
                Code::OK
            },
            message: "the connection was lost".to_owned(),
            messages: 1,
            bytes: 20,
        };
        let latency = Duration::from_micros(100 + index);
        recorder.record(latency, &ended);
        let failed = ended.code != Code::OK;
        recorder.timeline.record(Duration::ZERO, latency, failed);
        recorder.service.record(latency / 2);
        recorder.lateness.record(Duration::from_micros(index / 10));
    }
    recorder.messages_sent = 12_000;
    recorder.bytes_sent = 12_000 * 7;
    recorder.cpu = Duration::from_millis(9_500);
    recorder.window = Duration::from_secs(10);
    recorder.ended_in_window = 12_000;
    recorder.busiest = 0.95;
    recorder
}

/// A bench of 20 seconds, 2,000 calls each, whose latencies are about `factor` milliseconds; `noise` is by how
/// much those of a slice of time may differ from those of others.
pub(in crate::bench) fn timed_report(seed: u64, factor: f64, noise: f64) -> Report {
    let mut random = SplitMix::new(seed);
    let mut uniform = move || (random.next() >> 11) as f64 / (1u64 << 53) as f64;
    let mut recorder = Recorder::default();
    for slice in 0..200u32 {
        let shift = 1.0 + noise * (uniform() - 0.5);
        for call in 0..200u32 {
            let at = Duration::from_millis(100) * slice + Duration::from_micros(500) * call;
            let latency = Duration::from_secs_f64(factor * shift * (0.5 + uniform()) / 1e3);
            let is_failed = call == 7 && slice % 10 == 0;
            let ended = Ended {
                code: if is_failed {
                    Code::UNAVAILABLE
                } else {
                    Code::OK
                },
                message: "it is <down>".to_owned(),
                messages: 1,
                bytes: 20,
            };
            recorder.record(latency, &ended);
            recorder.timeline.record(at, latency, is_failed);
        }
    }
    recorder.window = Duration::from_secs(20);
    recorder.ended_in_window = 40_000;
    let outcome = Outcome {
        recorder,
        elapsed: Duration::from_secs(20),
        end: End::Planned,
    };
    let model = Model::Closed { concurrency: 2 };
    conclude(subject(), &plan(model), &outcome, &[])
}

/// Of the calls of [`recorder`], 1,200 a second of them.
pub(in crate::bench) fn open_report() -> Report {
    let model = Model::Open {
        rate_per_second: 1_200.0,
        max_in_flight: 10_000,
    };
    let outcome = Outcome {
        recorder: recorder(),
        elapsed: Duration::from_secs(10),
        end: End::Planned,
    };
    conclude(subject(), &plan(model), &outcome, &[])
}

/// A report as people read it.
fn shown(report: &Report) -> String {
    super::text(&Reports::one(report.clone()))
}
