//! `msvc bench` against real servers, against servers that stop, die and lie, and against things that
//! are no servers.

use std::io::{BufRead as _, BufReader};
use std::process::{Child, Output, Stdio};
use std::time::{Duration, Instant};

use h2::Reason;
use serde_json::{Value, json};

use crate::support::Sandbox;
use crate::support::chat::{self, ChatProcess, ChatServer};
use crate::support::http2::{Answer, EMPTY_MESSAGE, Http2Server, Manners};
use crate::support::stubs::{self, RawServer};

/// A request for `SendMessage` that succeeds.
pub const HELLO: &str = r#"{"message": {"room": "lobby", "author": "ada", "text": "hello"}}"#;

/// The arguments that name the chat's protos, for servers without reflection.
pub fn protos() -> [String; 4] {
    let folder = chat::proto_folder();
    let proto = folder.join(chat::PROTO);
    [
        "--proto".to_owned(),
        proto.display().to_string(),
        "-I".to_owned(),
        folder.display().to_string(),
    ]
}

/// Runs `msvc bench ADDRESS …`.
pub fn output(sandbox: &Sandbox, address: &str, args: &[&str]) -> Output {
    let head = ["bench", address];
    let mut command = sandbox.command(head.iter().chain(args));
    command.output().expect("msvc starts")
}

/// Runs `msvc bench ADDRESS …`; the address reads `[SERVER]` in the result.
pub fn bench(sandbox: &Sandbox, address: &str, args: &[&str]) -> String {
    let shown = sandbox.render(output(sandbox, address, args));
    shown.replace(address, "[SERVER]")
}

/// Runs `msvc bench ADDRESS … --format json`; gives the exit code and the report.
pub fn report(sandbox: &Sandbox, address: &str, args: &[&str]) -> (i32, Value) {
    let args: Vec<&str> = args.iter().copied().chain(["--format", "json"]).collect();
    parse(&output(sandbox, address, &args))
}

fn parse(output: &Output) -> (i32, Value) {
    let report = serde_json::from_slice(&output.stdout).unwrap_or_else(|error| {
        panic!("{error}: {output:?}");
    });
    (output.status.code().expect("an exit code"), report)
}

/// The same against a server without reflection.
pub fn report_with_protos(address: &str, args: &[&str]) -> (i32, Value) {
    let protos = protos();
    let args: Vec<&str> = args
        .iter()
        .copied()
        .chain(protos.iter().map(String::as_str))
        .collect();
    report(&Sandbox::new(), address, &args)
}

/// Codes with counts and messages, in short.
pub fn codes(report: &Value) -> Value {
    let codes = report["codes"].as_array().expect("codes");
    let each = codes.iter().map(|code| {
        let samples = code["samples"].as_array().expect("samples").iter();
        let samples: Vec<&Value> = samples.map(|sample| &sample["message"]).collect();
        json!([code["name"], code["count"], samples])
    });
    each.collect()
}

pub fn number(value: &Value) -> f64 {
    value
        .as_f64()
        .unwrap_or_else(|| panic!("{value} is no number"))
}

/// Waits until the bench tells how it goes, which it does while it measures; then sends it Ctrl-C.
fn interrupt_at_first_progress(child: &mut Child) -> String {
    let mut said = BufReader::new(child.stderr.as_mut().expect("piped"));
    let mut line = String::new();
    said.read_line(&mut line).expect("it tells how it goes");
    let pid = rustix::process::Pid::from_child(child);
    rustix::process::kill_process(pid, rustix::process::Signal::INT).expect("it runs");
    line
}

#[test]
fn every_call_is_counted_for_all_four_kinds() {
    let (sandbox, server) = (Sandbox::new(), ChatServer::start());
    for (method, data, sent, received) in [
        ("SendMessage", HELLO, 1, 1),
        ("WatchRoom", r#"{"room": "lobby", "limit": 3}"#, 1, 3),
        (
            "ImportMessages",
            r#"{"message": {"room": "a", "text": "1"}} {"message": {"room": "b", "text": "2"}}"#,
            2,
            1,
        ),
        (
            "Chat",
            r#"{"enter": {"room": "lobby", "author": "ada"}} {"say": "hello"}"#,
            2,
            3,
        ),
    ] {
        let args = [
            method,
            "-d",
            data,
            "--requests",
            "500",
            "--connections",
            "3",
            "--threads",
            "2",
        ];
        let (exit, report) = report(&sandbox, &server.address(), &args);
        assert_eq!(exit, 0, "{report:#}");
        assert_eq!(codes(&report), json!([["OK", 500, []]]), "{method}");
        assert_eq!(report["traffic"]["messages_sent"], 500 * sent, "{method}");
        assert_eq!(
            report["traffic"]["messages_received"],
            500 * received,
            "{method}"
        );
        assert_eq!(report["latency"]["count"], 500, "{method}");
        assert_eq!(report["calls"]["connections_lost"], 0, "{method}");
        assert_eq!(
            report["model"],
            json!({ "kind": "closed", "concurrency": 50 })
        );
    }
}

#[test]
fn large_responses_get_through() {
    let (sandbox, server) = (Sandbox::new(), ChatServer::start());
    let args = [
        "WatchRoom",
        "-d",
        r#"{"room": "large"}"#,
        "-n",
        "20",
        "-c",
        "4",
    ];
    let (_, report) = report(&sandbox, &server.address(), &args);
    assert_eq!(codes(&report), json!([["OK", 20, []]]));
    assert_eq!(report["traffic"]["messages_received"], 160);
    assert!(number(&report["traffic"]["bytes_received"]) > 160.0 * f64::from(1 << 20));
}

#[test]
fn the_report_reads_like_this() {
    let (sandbox, server) = (Sandbox::new(), ChatServer::start());
    let args = ["SendMessage", "-d", HELLO, "--requests", "100"];
    let shown = bench(&sandbox, &server.address(), &args);
    let (before, bars) = shown.split_once("asked less\n").expect("a table");
    let after = bars.split_once("\n\n").expect("a histogram").1;
    // Whether the client was the limit of so short a bench is a matter of the machine.
    let after = after.split_once("\n\n").map_or(after, |(codes, _)| codes);
    insta::with_settings!({ filters => [
        (r"in [\d.]+ \w+", "in [TIME]"),
        (r"rate .*", "rate [RATE]"),
        (r"\([\d.]+ \w+/s\)", "([RATE])"),
        (r"client .*", "client [CPU]"),
        // So short a bench may be over before the server was looked at twice.
        (r"\n +server {2,}.*", ""),
        // Columns are aligned on the right: the shorter the time, the wider what stands before it.
        (r" +(± )?[\d.]+ (ns|µs|ms|s)\n", " $1[TIME]\n"),
    ] }, {
        insta::assert_snapshot!(format!("{before}asked less\n{after}"), @r"
        exit: 0
        --- stdout ---
        chat.v1.ChatService/SendMessage at [SERVER]
        closed loop: 50 calls at a time, on 1 connection by 1 thread

          calls      100 in [TIME]
          rate [RATE]
          sent       100 messages, 2.6 kB ([RATE])
          received   100 messages, 3.6 kB ([RATE])
          client [CPU]

                        latency*
          min [TIME]
          p50 [TIME]
          p75 [TIME]
          p90 [TIME]
          p95 [TIME]
          p99 [TIME]
          p99.9                –
          p99.99               –
          p99.999              –
          max [TIME]
          mean [TIME]
         ± [TIME]
          * closed loop: latency excludes queueing, for a slow server is asked less
          OK (0)                            100
        ");
    });
}

#[test]
fn an_open_loop_keeps_its_schedule() {
    let (sandbox, server) = (Sandbox::new(), ChatServer::start());
    let args = [
        "SendMessage",
        "-d",
        HELLO,
        "--rate",
        "400",
        "--duration",
        "1s",
        "--warm-up",
        "500ms",
        "--output",
        "report.json",
    ];
    let (exit, report) = report(&sandbox, &server.address(), &args);
    assert_eq!(exit, 0, "{report:#}");
    let calls = &report["calls"];
    assert_eq!(
        number(&calls["completed"]) + number(&calls["unsent"]),
        400.0
    );
    assert_eq!(report["latency"]["count"], report["service_time"]["count"]);
    assert!(number(&report["latency"]["mean_us"]) >= number(&report["service_time"]["mean_us"]));
    assert!(number(&report["elapsed_seconds"]) > 0.9, "{report:#}");
    assert_eq!(report["sending_seconds"], 1.0, "{report:#}");
    let written = std::fs::read(sandbox.path().join("report.json")).expect("written");
    assert_eq!(
        serde_json::from_slice::<Value>(&written).expect("JSON"),
        report
    );
}

#[test]
fn a_report_is_written_as_csv_by_the_name_of_its_file() {
    let (sandbox, server) = (Sandbox::new(), ChatServer::start());
    let args = ["SendMessage", "-d", HELLO, "-n", "100"];
    let args = [&args[..], &["--output", "report.csv"]].concat();
    let (exit, report) = report(&sandbox, &server.address(), &args);
    assert_eq!(exit, 0, "{report:#}");
    let written = std::fs::read_to_string(sandbox.path().join("report.csv")).expect("written");
    let rows: Vec<Vec<&str>> = written
        .lines()
        .map(|line| line.split(',').collect())
        .collect();
    let [names, fields] = &rows[..] else {
        panic!("{written}");
    };
    let of = |name| names.iter().position(|column| *column == name);
    let field = |name| fields[of(name).unwrap_or_else(|| panic!("no {name}: {written}"))];
    assert_eq!(field("completed"), "100");
    assert_eq!(
        field("p50_us"),
        report["latency"]["p50_us"]
            .to_string()
            .trim_end_matches(".0")
    );
    assert_eq!(field("p99_9_us"), "");
}

#[test]
fn calls_wait_where_too_many_are_in_flight() {
    let server = Http2Server::start(Answer::Nothing);
    let args = [
        "SendMessage",
        "--rate",
        "200",
        "--duration",
        "1s",
        "--timeout",
        "300ms",
        "--max-in-flight",
        "10",
    ];
    let (exit, report) = report_with_protos(&server.address(), &args);
    assert_eq!(exit, 4);
    assert!(number(&report["pacing"]["held_back"]) >= 10.0, "{report:#}");
    assert!(number(&report["calls"]["unsent"]) > 100.0, "{report:#}");
    assert_eq!(codes(&report)[0][0], "DEADLINE_EXCEEDED");
    assert_eq!(codes(&report)[0][2], json!(["no answer within 300ms"]));
}

#[test]
fn a_bench_without_success_is_invalid_and_gives_a_hint() {
    let (sandbox, server) = (Sandbox::new(), ChatServer::start());
    let args = ["SendMessage", "-d", "{}", "-n", "10"];
    let output = output(&sandbox, &server.address(), &args);
    assert_eq!(output.status.code(), Some(4));
    let said = String::from_utf8_lossy(&output.stderr).replace(&server.address(), "[SERVER]");
    insta::assert_snapshot!(said, @r"
    error: the measurement is invalid: not one of 10 calls succeeded
    hint: `msvc call [SERVER] chat.v1.ChatService/SendMessage -d …` shows what is wrong with one of them
    ");
}

#[test]
fn an_interrupt_of_the_warm_up_leaves_nothing_to_report() {
    let (sandbox, server) = (Sandbox::new(), ChatServer::start());
    let address = server.address();
    let args = ["bench", &address, "SendMessage", "-d", HELLO];
    let load = ["--rate", "20", "--warm-up", "10m", "--format", "json"];
    let mut child = sandbox
        .command(args.into_iter().chain(load))
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .expect("msvc starts");
    let progress = interrupt_at_first_progress(&mut child);
    let (exit, report) = parse(&child.wait_with_output().expect("it ends"));
    assert_eq!(exit, 4, "{progress}");
    assert_eq!(report["calls"]["completed"], 0);
    assert_eq!(
        report["invalid"],
        json!(["it was interrupted before a measured call ended"])
    );
}

#[test]
fn thresholds_decide_how_a_bench_ends() {
    let (sandbox, server) = (Sandbox::new(), ChatServer::start());
    let held = ["--threshold", "p50<1h", "--threshold", "errors<=0%"];
    let args = ["SendMessage", "-d", HELLO, "-n", "100"];
    let all: Vec<&str> = args.iter().chain(&held).copied().collect();
    let (exit, report) = report(&sandbox, &server.address(), &all);
    assert_eq!(exit, 0, "{report:#}");
    let p50 = &report["latency"]["p50_us"];
    assert_eq!(
        report["thresholds"],
        json!([
            {"threshold": "p50<1h", "measured": p50, "unit": "us", "verdict": "held"},
            {"threshold": "errors<=0%", "measured": 0.0, "unit": "percent", "verdict": "held"},
        ])
    );
    let breached = ["--threshold", "errors>0%", "--threshold", "p50<1h"];
    let all: Vec<&str> = args.iter().chain(&breached).copied().collect();
    let output = output(&sandbox, &server.address(), &all);
    assert_eq!(output.status.code(), Some(1), "{output:?}");
    let shown = String::from_utf8_lossy(&output.stdout);
    assert!(
        shown.contains("\n  threshold  errors>0%          breached   0.000 %\n"),
        "{shown}"
    );
    let said = String::from_utf8_lossy(&output.stderr);
    insta::assert_snapshot!(said, @"error: thresholds breached: `errors>0%` (0.000 %)");
}

#[test]
fn a_threshold_that_too_few_calls_tell_makes_a_bench_invalid() {
    let (sandbox, server) = (Sandbox::new(), ChatServer::start());
    let args = [
        "SendMessage",
        "-d",
        HELLO,
        "-n",
        "10",
        "--threshold",
        "p99<1h",
    ];
    let (exit, report) = report(&sandbox, &server.address(), &args);
    assert_eq!(exit, 4, "{report:#}");
    assert_eq!(
        report["invalid"],
        json!(["10 calls are too few to tell whether `p99<1h` holds"])
    );
}

#[test]
fn what_servers_answer_is_told_apart() {
    let unary: &[&str] = &["SendMessage", "-n", "20", "-c", "2"];
    let two: &[u8] = &[0, 0, 0, 0, 0, 0, 0, 0, 0, 0];
    let cases = [
        (Answer::Trailers(EMPTY_MESSAGE, "0"), json!(["OK", 20, []])),
        (
            Answer::Trailers(EMPTY_MESSAGE, "99"),
            json!(["UNKNOWN", 20, []]),
        ),
        (
            Answer::Trailers(b"", "0"),
            json!([
                "INTERNAL",
                20,
                ["the server sent 0 responses where there is exactly one"]
            ]),
        ),
        (
            Answer::Trailers(two, "0"),
            json!([
                "INTERNAL",
                20,
                ["the server sent 2 responses where there is exactly one"]
            ]),
        ),
        (
            Answer::Trailers(&[0, 0, 0, 0, 9, 1], "0"),
            json!([
                "INTERNAL",
                20,
                ["the response ended in the middle of a message"]
            ]),
        ),
        (
            Answer::Trailers(&[1, 0, 0, 0, 0], "0"),
            json!([
                "INTERNAL",
                20,
                ["a response is compressed, which was not asked for"]
            ]),
        ),
        (
            Answer::Trailers(b"hello", "0"),
            json!(["INTERNAL", 20, ["a response has the unknown flag 104"]]),
        ),
        (
            Answer::TrailersOnly("7", "not%20you"),
            json!(["PERMISSION_DENIED", 20, ["not you"]]),
        ),
        (
            Answer::NoStatus,
            json!(["UNKNOWN", 20, ["the server sent no grpc-status"]]),
        ),
        (
            Answer::Http(503),
            json!([
                "UNAVAILABLE",
                20,
                ["the server answered with HTTP status 503 Service Unavailable"]
            ]),
        ),
        (
            Answer::Reset(Reason::INTERNAL_ERROR),
            json!([
                "INTERNAL",
                20,
                ["the server reset the stream: unexpected internal error encountered"]
            ]),
        ),
        (
            Answer::Reset(Reason::ENHANCE_YOUR_CALM),
            json!([
                "RESOURCE_EXHAUSTED",
                20,
                ["the server reset the stream: detected excessive load generating behavior"]
            ]),
        ),
    ];
    for (answer, expected) in cases {
        let server = Http2Server::start(answer);
        let (_, report) = report_with_protos(&server.address(), unary);
        assert_eq!(codes(&report)[0], expected, "{answer:?}");
        assert_eq!(server.calls(), 20, "{answer:?}");
    }
}

#[test]
fn a_refused_call_is_sent_again_and_then_given_up() {
    let server = Http2Server::start(Answer::Reset(Reason::REFUSED_STREAM));
    let (exit, report) =
        report_with_protos(&server.address(), &["SendMessage", "-n", "20", "-c", "2"]);
    assert_eq!(exit, 4);
    let message =
        "the server reset the stream: refused stream before processing any application logic";
    assert_eq!(codes(&report), json!([["UNAVAILABLE", 20, [message]]]));
    assert_eq!(report["calls"]["resent"], 40);
    assert_eq!(server.calls(), 60);
}

#[test]
fn a_server_that_goes_away_gracefully_loses_no_call() {
    let server = Http2Server::start(Manners {
        answer: Answer::Trailers(EMPTY_MESSAGE, "0"),
        calls_per_connection: Some(100),
        max_streams: None,
    });
    let (exit, report) = report_with_protos(
        &server.address(),
        &["SendMessage", "-n", "1000", "-c", "10"],
    );
    assert_eq!(exit, 0);
    assert_eq!(codes(&report), json!([["OK", 1000, []]]));
    assert!(
        number(&report["calls"]["connections_lost"]) >= 5.0,
        "{report:#}"
    );
}

#[test]
fn a_server_that_limits_streams_is_respected() {
    let server = Http2Server::start(Manners {
        answer: Answer::Trailers(EMPTY_MESSAGE, "0"),
        calls_per_connection: None,
        max_streams: Some(3),
    });
    let (exit, report) = report_with_protos(
        &server.address(),
        &["SendMessage", "-n", "1000", "-c", "50"],
    );
    assert_eq!(exit, 0);
    assert_eq!(codes(&report), json!([["OK", 1000, []]]));
    assert!(number(&report["calls"]["limited"]) >= 47.0, "{report:#}");
    let notes = report["notes"].to_string();
    assert!(notes.contains("SETTINGS_MAX_CONCURRENT_STREAMS"), "{notes}");
}

#[test]
fn calls_that_the_server_does_not_take_yet_are_not_charged_to_it() {
    let server = Http2Server::start(Manners {
        answer: Answer::Nothing,
        calls_per_connection: None,
        max_streams: Some(2),
    });
    let args = ["SendMessage", "--timeout", "300ms", "--connections", "2"];
    let open = ["--rate", "100", "--duration", "1s"];
    let (exit, report) = report_with_protos(&server.address(), &[&args[..], &open].concat());
    assert_eq!(exit, 4, "{report:#}");
    // Four at a time for 300 ms each: the server has seen every call that is said to have timed out.
    let calls = &report["calls"];
    assert!(
        number(&calls["completed"]) <= server.calls() as f64,
        "{report:#}"
    );
    assert_eq!(
        number(&calls["completed"]) + number(&calls["unsent"]),
        100.0,
        "{report:#}"
    );
    let limited = number(&calls["limited"]);
    assert!(limited > 0.0, "{report:#}");
    assert_eq!(report["pacing"]["held_back"], limited, "{report:#}");
}

#[test]
fn the_wait_for_a_straggler_is_no_part_of_the_rate() {
    let server = Http2Server::start(Answer::NothingAtFirst);
    let load = ["--rate", "100", "--duration", "2s", "--timeout", "6s"];
    let args = [&["SendMessage"], &load[..]].concat();
    let (_, report) = report_with_protos(&server.address(), &args);
    assert!(number(&report["elapsed_seconds"]) >= 6.0, "{report:#}");
    assert_eq!(report["sending_seconds"], 2.0, "{report:#}");
    assert_eq!(report["rate_over"], "sending", "{report:#}");
    let rate = number(&report["calls_per_second"]);
    assert!((50.0..=100.0).contains(&rate), "{report:#}");
}

#[test]
fn a_server_that_stops_is_charged_for_every_call_that_it_delays() {
    let (sandbox, server) = (Sandbox::new(), ChatProcess::start());
    let child = sandbox
        .command([
            "bench",
            server.address(),
            "SendMessage",
            "-d",
            HELLO,
            "--rate",
            "200",
            "--duration",
            "4s",
            "--format",
            "json",
        ])
        .stdout(Stdio::piped())
        .stderr(Stdio::null())
        .spawn()
        .expect("msvc starts");
    std::thread::sleep(Duration::from_millis(1_500));
    server.freeze();
    std::thread::sleep(Duration::from_secs(1));
    server.thaw();
    let (exit, report) = parse(&child.wait_with_output().expect("msvc ends"));
    assert_eq!(exit, 0, "{report:#}");
    assert_eq!(codes(&report), json!([["OK", 800, []]]));
    // A quarter of all calls is due while the server stands; 1 of 100 is the slowest 1 of 25 of those.
    let p99 = number(&report["latency"]["p99_us"]);
    assert!((700_000.0..2_000_000.0).contains(&p99), "{report:#}");
    let p50 = number(&report["latency"]["p50_us"]);
    assert!(p50 < 100_000.0, "{report:#}");
}

#[test]
fn a_server_that_dies_and_comes_back_is_used_again() {
    let (sandbox, mut server) = (Sandbox::new(), ChatProcess::start());
    let address = server.address().to_owned();
    let child = sandbox
        .command([
            "bench",
            &address,
            "SendMessage",
            "-d",
            HELLO,
            "--rate",
            "100",
            "--duration",
            "6s",
            "--format",
            "json",
        ])
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .expect("msvc starts");
    std::thread::sleep(Duration::from_millis(1_500));
    server.kill();
    std::thread::sleep(Duration::from_millis(500));
    let _server = ChatProcess::start_on(server.port());
    let output = child.wait_with_output().expect("msvc ends");
    let (exit, report) = parse(&output);
    assert_eq!(exit, 0, "{report:#}");
    let calls = &report["calls"];
    assert_eq!(
        number(&calls["completed"]) + number(&calls["unsent"]),
        600.0
    );
    let names: Vec<&Value> = report["codes"]
        .as_array()
        .expect("codes")
        .iter()
        .map(|code| &code["name"])
        .collect();
    assert_eq!(names, ["OK", "UNAVAILABLE"], "{report:#}");
    assert!(number(&calls["ok"]) > 200.0, "{report:#}");
    assert!(number(&calls["connections_lost"]) >= 1.0, "{report:#}");
    let said = String::from_utf8_lossy(&output.stderr);
    assert!(said.contains("calls/s"), "{said}");
}

#[test]
fn a_server_that_vanishes_ends_the_bench() {
    let (sandbox, mut server) = (Sandbox::new(), ChatProcess::start());
    let child = sandbox
        .command([
            "bench",
            server.address(),
            "SendMessage",
            "-d",
            HELLO,
            "-c",
            "3",
            "--duration",
            "10m",
            "-q",
        ])
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .expect("msvc starts");
    std::thread::sleep(Duration::from_secs(1));
    server.kill();
    let output = child.wait_with_output().expect("msvc ends");
    assert_eq!(output.status.code(), Some(4), "{output:?}");
    let shown = String::from_utf8_lossy(&output.stdout).replace(server.address(), "[SERVER]");
    let note = "note: ended early: the server went away and did not come back within 10s \
        (cannot connect to [SERVER]: Connection refused (os error 111))";
    assert!(shown.contains(note), "{shown}");
    assert!(shown.contains("UNAVAILABLE (14)"), "{shown}");
}

#[test]
fn an_interrupt_ends_the_measurement_and_prints_what_there_is() {
    let (sandbox, server) = (Sandbox::new(), ChatServer::start());
    let child = sandbox
        .command([
            "bench",
            &server.address(),
            "SendMessage",
            "-d",
            HELLO,
            "--duration",
            "10m",
            "-q",
        ])
        .stdout(Stdio::piped())
        .spawn()
        .expect("msvc starts");
    std::thread::sleep(Duration::from_millis(1_500));
    let pid = rustix::process::Pid::from_child(&child);
    rustix::process::kill_process(pid, rustix::process::Signal::INT).expect("it runs");
    let output = child.wait_with_output().expect("it ends");
    assert_eq!(output.status.code(), Some(130), "{output:?}");
    let shown = String::from_utf8_lossy(&output.stdout);
    assert!(shown.contains("\n  OK (0) "), "{shown}");
    assert!(
        shown.ends_with("  note: ended early: interrupted\n"),
        "{shown}"
    );
}

#[test]
fn an_interrupted_open_loop_does_not_count_calls_that_were_not_yet_due() {
    let (sandbox, server) = (Sandbox::new(), ChatServer::start());
    let address = server.address();
    let args = ["bench", &address, "SendMessage", "-d", HELLO];
    let load = ["--rate", "20", "--duration", "10m", "--format", "json"];
    let mut child = sandbox
        .command(args.into_iter().chain(load))
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .expect("msvc starts");
    let progress = interrupt_at_first_progress(&mut child);
    let (exit, report) = parse(&child.wait_with_output().expect("it ends"));
    assert_eq!(exit, 130, "{progress}");
    // It is 12,000 calls in all; up to the first line of progress, after 5 s, 100 were due.
    let calls = &report["calls"];
    assert!(number(&calls["unsent"]) < 1_000.0, "{report:#}");
    assert!(number(&calls["ok"]) > 0.0, "{report:#}");
    let notes = report["notes"].to_string();
    assert!(notes.contains("ended early: interrupted"), "{notes}");
    assert!(!notes.contains("never sent"), "{notes}");
}

#[test]
fn a_server_that_never_answers_does_not_hold_up_an_interrupt() {
    let server = Http2Server::start(Answer::Nothing);
    let (sandbox, protos) = (Sandbox::new(), protos());
    let address = server.address();
    let head = [
        "bench",
        &address,
        "SendMessage",
        "--duration",
        "10m",
        "--format",
        "json",
    ];
    let child = sandbox
        .command(head.into_iter().chain(protos.iter().map(String::as_str)))
        .stdout(Stdio::piped())
        .stderr(Stdio::null())
        .spawn()
        .expect("msvc starts");
    std::thread::sleep(Duration::from_secs(1));
    let begun = Instant::now();
    let pid = rustix::process::Pid::from_child(&child);
    rustix::process::kill_process(pid, rustix::process::Signal::INT).expect("it runs");
    let (exit, report) = parse(&child.wait_with_output().expect("it ends"));
    assert!(begun.elapsed() < Duration::from_secs(5));
    assert_eq!(exit, 4);
    assert_eq!(report["calls"]["abandoned"], 50);
    assert_eq!(report["calls"]["completed"], 0);
    assert_eq!(
        report["invalid"],
        json!(["it was interrupted before a measured call ended"])
    );
}

#[test]
fn what_is_no_grpc_server_is_told_before_the_bench() {
    let sandbox = Sandbox::new();
    let nothing = format!("127.0.0.1:{}", stubs::dead_port());
    insta::assert_snapshot!(bench(&sandbox, &nothing, &["SendMessage"]), @r"
    exit: 3
    --- stderr ---
    error: cannot connect to [SERVER]
      caused by: Connection refused (os error 111)
    hint: nothing listens there: start the server, or check the port
    ");
    let http = RawServer::that_says(b"HTTP/1.1 400 Bad Request\r\ncontent-length: 0\r\n\r\n");
    insta::assert_snapshot!(bench(&sandbox, &http.address(), &["SendMessage"]), @r"
    exit: 3
    --- stderr ---
    error: [SERVER] does not speak gRPC: it answered in HTTP/1
    hint: is this the port of the gRPC server, not of its HTTP endpoint?
    ");
}

#[test]
fn a_server_that_lies_in_its_frames_ends_the_bench_in_time() {
    // SETTINGS, then: DATA on a stream that nobody opened; a frame larger than allowed; a WINDOW_UPDATE
    // of zero; HEADERS with an HPACK index that nobody gave.
    let lies: [&'static [u8]; 4] = [
        &[0, 0, 0, 4, 0, 0, 0, 0, 0, 0, 0, 1, 0, 1, 0, 0, 0, 9, 0xff],
        &[
            0, 0, 0, 4, 0, 0, 0, 0, 0, 0xff, 0xff, 0xff, 0, 0, 0, 0, 0, 1, 0,
        ],
        &[
            0, 0, 0, 4, 0, 0, 0, 0, 0, 0, 0, 4, 8, 0, 0, 0, 0, 0, 0, 0, 0, 0,
        ],
        &[0, 0, 0, 4, 0, 0, 0, 0, 0, 0, 0, 1, 1, 5, 0, 0, 0, 1, 0xff],
    ];
    for lie in lies {
        let server = RawServer::that_says(lie);
        let begun = Instant::now();
        let args = [
            "SendMessage",
            "--duration",
            "1s",
            "--timeout",
            "1s",
            "-c",
            "2",
        ];
        let (exit, report) = report_with_protos(&server.address(), &args);
        assert!(begun.elapsed() < Duration::from_secs(20), "{lie:?}");
        // Whether the lie is noticed before the first call is a matter of timing.
        match exit {
            4 => assert_eq!(report["calls"]["ok"], 0, "{report:#}"),
            3 => assert!(report["error"]["message"].is_string(), "{report:#}"),
            _ => panic!("exit code {exit}: {report:#}"),
        }
    }
}

#[test]
fn what_is_wrong_with_the_arguments_is_shown() {
    let (sandbox, server) = (Sandbox::new(), ChatServer::start());
    let address = server.address();
    insta::assert_snapshot!(bench(&sandbox, &address, &["SendMessage", "--rate", "10", "-c", "2"]), @r"
    exit: 2
    --- stderr ---
    error: the argument '--rate <R>' cannot be used with '--concurrency <C|PROFILE>'

    Usage: msvc bench --rate <R> <TARGET> <METHOD>

    For more information, try '--help'.
    ");
    insta::assert_snapshot!(bench(&sandbox, &address, &["SendMessage", "--rate", "0"]), @r"
    exit: 2
    --- stderr ---
    error: invalid value '0' for '--rate <R>': expected a rate from 0.001 to 10000000

    For more information, try '--help'.
    ");
    insta::assert_snapshot!(bench(&sandbox, &address, &["SendMessage", "--rate", "1e-20", "-n", "2"]), @r"
    exit: 2
    --- stderr ---
    error: invalid value '1e-20' for '--rate <R>': expected a rate from 0.001 to 10000000

    For more information, try '--help'.
    ");
    insta::assert_snapshot!(bench(&sandbox, &address, &["SendMessage", "--threshold", "error<1%"]), @r"
    exit: 2
    --- stderr ---
    error: invalid value 'error<1%' for '--threshold <EXPR>': there is no metric `error`: did you mean `errors`?

    For more information, try '--help'.
    ");
    insta::assert_snapshot!(bench(&sandbox, &address, &["SendMessage", "--output", "report.pdf"]), @r"
    exit: 2
    --- stderr ---
    error: invalid value 'report.pdf' for '--output <FILE.{json,html,csv,xml,prom}>': reports are written as `.json`, `.html`, `.csv`, `.xml` or `.prom`

    For more information, try '--help'.
    ");
    insta::assert_snapshot!(bench(&sandbox, &address, &["SendMesage"]), @r"
    exit: 2
    --- stderr ---
    error: [SERVER] has no method `SendMesage`
    hint: did you mean `chat.v1.ChatService/SendMessage`?
    ");
    insta::assert_snapshot!(bench(&sandbox, &address, &["SendMessage", "-d", "{} {}"]), @r"
    exit: 2
    --- stderr ---
    error: `chat.v1.ChatService/SendMessage` takes one request, but there are 2
    ");
    insta::assert_snapshot!(bench(&sandbox, &address, &["SendMessage", "-d", r#"{"mesage": {}}"#]), @r#"
    exit: 2
    --- stderr ---
    error: -d:1:2: `chat.v1.SendMessageRequest` has no field `mesage`
       |
     1 | {"mesage": {}}
       |  ^^^^^^^^
     = help: did you mean `message`?
    "#);
}
