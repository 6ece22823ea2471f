//! What a bench keeps in memory.

#![cfg(target_os = "linux")]

use std::process::{Command, Stdio};
use std::time::Duration;

use msvc::bench::dialogue::Talk;
use msvc::bench::load::{Arrivals, Model, Plan};
use msvc::bench::report::{self, Reports, Subject, conclude};
use msvc::bench::stats::{End, Ended, Outcome, Recorder};
use msvc::code::Code;

use crate::bench::HELLO;
use crate::support::Sandbox;
use crate::support::chat::ChatServer;

/// More than this, in kB, a bench never has of its own.
const LIMIT: u64 = 30 << 10;

/// The memory of its own, in kB, that a process has now.
fn memory(process: u32) -> u64 {
    let status = std::fs::read_to_string(format!("/proc/{process}/status")).unwrap_or_default();
    let line = status
        .lines()
        .find_map(|line| line.strip_prefix("RssAnon:"));
    let figure = line.and_then(|line| line.split_whitespace().next()?.parse().ok());
    figure.unwrap_or(0)
}

/// The most memory of its own, in kB, that a process with these arguments has had while it ran.
fn most_memory(sandbox: &Sandbox, args: &[&str]) -> u64 {
    let mut child = sandbox
        .command(args)
        .stdout(Stdio::null())
        .stderr(Stdio::null())
        .spawn()
        .expect("msvc starts");
    let mut most = 0;
    while child.try_wait().expect("it is ours").is_none() {
        most = most.max(memory(child.id()));
        std::thread::sleep(Duration::from_millis(5));
    }
    assert!(child.wait().expect("it ended").success());
    most
}

#[test]
fn memory_does_not_grow_with_the_calls() {
    let (sandbox, server) = (Sandbox::new(), ChatServer::start());
    let address = server.address();
    let bench = |calls| {
        let args = [
            "bench",
            &address,
            "SendMessage",
            "-d",
            HELLO,
            "-c",
            "100",
            "-n",
            calls,
        ];
        most_memory(&sandbox, &args)
    };
    let (few, many) = (bench("5000"), bench("100000"));
    assert!(many < LIMIT, "{many} kB");
    // Twenty times as many calls: what is kept of each would be seen.
    assert!(many < few + 2_048, "{few} kB, {many} kB");
}

/// What two workers keep of calls of a whole day, whose latencies are anything from a microsecond to an hour at
/// any time of it, and whatever fails says something else.
fn day() -> Recorder {
    const CALLS: u64 = 400_000;
    let mut whole = Recorder::default();
    for worker in 0..2 {
        let mut recorder = Recorder::default();
        for number in 0..CALLS {
            // Multiples of an irrational number are everywhere and in no order.
            let place = |factor: f64| ((number * 2 + worker) as f64 * factor).fract();
            let at = Duration::from_secs_f64(86_400.0 * number as f64 / CALLS as f64);
            let latency = Duration::from_secs_f64(1e-6 * 3.6e9f64.powf(place(0.618_033_988_7)));
            let failed = number % 10 == 0;
            let ended = Ended {
                code: Code::new(if failed { number / 10 % 17 } else { 0 }),
                message: format!("{number}: {}", "no ".repeat(300)),
                messages: 1,
                bytes: 100,
            };
            recorder.record(latency, &ended);
            recorder.timeline.record(at, latency, failed);
            recorder.service.record(latency / 2);
            recorder.lateness.record(latency / 1_000);
            let streams = recorder.streams.get_or_insert_default();
            streams.first.record(latency);
            streams.gap.record(latency);
            streams.echo.record(latency);
        }
        recorder.window = Duration::from_secs(86_400);
        recorder.ended_in_window = CALLS;
        whole.add(&recorder);
    }
    whole
}

/// Run by itself by the test below, for other tests have memory of their own.
#[test]
#[ignore = "a part of `memory_does_not_grow_with_the_hours`"]
#[expect(clippy::print_stdout, reason = "the test that runs it reads it")]
fn a_day_of_calls() {
    let mine = || memory(std::process::id());
    let before = mine();
    let mut most = 0;
    let mut look = || most = mine().max(most);
    let outcome = Outcome {
        recorder: day(),
        elapsed: Duration::from_secs(86_400),
        end: End::Planned,
    };
    look();
    let plan = Plan {
        number: 0,
        model: Model::Open {
            rate_per_second: 10.0,
            max_in_flight: 10_000,
        },
        profile: None,
        arrivals: Arrivals::Constant,
        connections: 2,
        threads: 2,
        warm_up: Duration::ZERO,
        duration: Some(Duration::from_secs(86_400)),
        calls: None,
        timeout: Duration::from_secs(3_600),
    };
    let subject = Subject {
        name: None,
        target: "user-service".to_owned(),
        endpoints: vec!["127.0.0.1:50051".to_owned()],
        method: "user.v1.UserService/GetUser".to_owned(),
        messages_per_call: Some(1),
        messages: Talk::AtOnce,
        bytes_per_call: Some(10),
        seed: None,
    };
    let reports = Reports::one(conclude(subject, &plan, &outcome, &[]));
    look();
    assert_eq!(reports.whole().calls.completed, 800_000);
    assert!(reports.whole().timeline.slices.len() > 128);
    for render in [
        report::text,
        report::json,
        report::html,
        report::csv,
        report::junit,
        report::prometheus,
    ] {
        let text = render(&reports);
        look();
        assert!(!text.is_empty());
    }
    println!("memory: {} kB", most - before);
}

#[test]
fn memory_does_not_grow_with_the_hours() {
    let myself = std::env::current_exe().expect("it runs");
    let output = Command::new(myself)
        .args([
            "--exact",
            "bench_memory::a_day_of_calls",
            "--ignored",
            "--nocapture",
        ])
        .output()
        .expect("it starts");
    let said = String::from_utf8_lossy(&output.stdout);
    let figure = said.lines().find_map(|line| line.split_once("memory: "));
    let figure = figure.and_then(|(_, figure)| figure.strip_suffix(" kB")?.parse().ok());
    let most: u64 = figure.unwrap_or_else(|| panic!("{output:?}"));
    assert!((1_000..LIMIT).contains(&most), "{most} kB");
}
