//! `msvc bench`: when calls are sent, by how many threads, and how many a service can take.

use std::time::Duration;

use serde_json::json;

use crate::bench::{HELLO, bench, codes, number, protos, report, report_with_protos};
use crate::support::Sandbox;
use crate::support::chat::ChatServer;
use crate::support::http2::{Answer, Http2Server, Manners};
use crate::support::script::{self, Script};

#[test]
fn the_rate_follows_a_profile_and_calls_follow_each_other_as_asked() {
    let (sandbox, server) = (Sandbox::new(), ChatServer::start());
    let rows = "seconds,rate\n0,100\n1,300\n1.5,300\n";
    std::fs::write(sandbox.path().join("load.csv"), rows).expect("writable");
    for (profile, arrivals, calls) in [
        ("@load.csv", "constant", 350),
        ("step:100,0,200/500ms", "burst:25", 150),
    ] {
        let load = ["--profile", profile, "--arrivals", arrivals];
        let args = [&["SendMessage", "-d", HELLO][..], &load].concat();
        let (exit, report) = report(&sandbox, &server.address(), &args);
        assert_eq!(exit, 0, "{report:#}");
        assert_eq!(codes(&report), json!([["OK", calls, []]]));
        assert_eq!(report["duration_seconds"], 1.5, "{report:#}");
        assert_eq!(report["arrivals"], arrivals);
    }
    let random = ["--rate", "400", "--duration", "1s", "--arrivals", "poisson"];
    let args = [&["SendMessage", "-d", HELLO][..], &random].concat();
    let (_, report) = report(&sandbox, &server.address(), &args);
    // Random, and the same every time.
    assert_eq!(codes(&report), json!([["OK", 438, []]]));
    std::fs::write(sandbox.path().join("load.csv"), "0,100\n0,300\n").expect("writable");
    insta::assert_snapshot!(bench(&sandbox, &server.address(), &["SendMessage", "--profile", "@load.csv"]), @r"
    exit: 2
    --- stderr ---
    error: `load.csv` is no profile
      caused by: line 2 is not `seconds,rate`, with the seconds growing
    ");
    insta::assert_snapshot!(bench(&sandbox, &server.address(), &["SendMessage", "--arrivals", "poisson"]), @r"
    exit: 2
    --- stderr ---
    error: the following required arguments were not provided:
      <--rate <R>|--profile <PROFILE>|--find-max <EXPRS>>

    Usage: msvc bench --arrivals <HOW> <--rate <R>|--profile <PROFILE>|--find-max <EXPRS>> <TARGET> <METHOD>

    For more information, try '--help'.
    ");
}

#[test]
fn the_number_of_callers_follows_a_profile() {
    let server = Http2Server::start(Answer::Late(Duration::from_millis(20)));
    for engine in ["native", "h2"] {
        let load = |profile| {
            let args = ["SendMessage", "-c", profile, "--engine", engine];
            let (exit, report) = report_with_protos(&server.address(), &args);
            assert_eq!(exit, 0, "{report:#}");
            assert_eq!(report["profile"], profile);
            assert_eq!(report["duration_seconds"], 1.0);
            assert_eq!(report["model"], json!({"kind": "closed", "concurrency": 8}));
            let slices = report["timeline"]["slices"].as_array().expect("slices");
            assert!((6..=10).contains(&slices.len()), "{report:#}");
            let half = |half: &[serde_json::Value]| -> f64 {
                half.iter().map(|slice| number(&slice["completed"])).sum()
            };
            (half(&slices[..5]), half(&slices[5..]))
        };
        // Nobody makes more than 25 calls in half a second, and those who come or go do so within 10 ms.
        let (before, after) = load("step:2,8/500ms");
        assert!(before <= 2.0 * 26.0, "{engine}: {before}, then {after}");
        assert!(after > before * 1.5, "{engine}: {before}, then {after}");
        let (before, after) = load("step:8,1/500ms");
        // A pause of the machine at the change lets the eight finish one call more.
        assert!(
            after <= 26.0 + 2.0 * 8.0,
            "{engine}: {before}, then {after}"
        );
        assert!(before > after * 1.5, "{engine}: {before}, then {after}");
    }
    let shown = bench(
        &Sandbox::new(),
        &server.address(),
        &["SendMessage", "-c", "wave:1..2/3s"],
    );
    let problem = "error: invalid value 'wave:1..2/3s' for '--concurrency <C|PROFILE>': expected `const:100/30s`";
    assert!(shown.contains(problem), "{shown}");
}

#[test]
fn the_highest_rate_that_holds_is_found() {
    // One call at a time, of at least 10 ms each: no more than 100 a second.
    let server = Http2Server::start(Manners {
        answer: Answer::Late(Duration::from_millis(10)),
        calls_per_connection: None,
        max_streams: Some(1),
    });
    let args = ["SendMessage", "--find-max", "p50<150ms,errors<1%"];
    let load = ["--rate", "10", "--duration", "500ms"];
    let (exit, found) = report_with_protos(&server.address(), &[&args[..], &load].concat());
    assert_eq!(exit, 0, "{found:#}");
    let highest = number(&found["highest_rate_per_second"]);
    assert!((10.0..=130.0).contains(&highest), "{found:#}");
    assert_eq!(found["report"]["model"]["rate_per_second"], highest);
    let steps = found["steps"].as_array().expect("steps");
    let first = &steps[0];
    let first = json!([first["rate_per_second"], first["held"], first["why"]]);
    assert_eq!(first, json!([10.0, true, []]), "{found:#}");
    for step in steps {
        assert!(number(&step["p50_us"]) >= 10_000.0, "{step:#}");
        assert_eq!(step["errors_percent"], 0.0, "{step:#}");
    }
    let breached = steps.iter().filter(|step| step["held"] == false);
    assert!(breached.count() >= 2, "{found:#}");
}

#[test]
fn where_no_rate_holds_that_is_said() {
    let server = Http2Server::start(Answer::TrailersOnly("14", "no"));
    let (sandbox, protos) = (Sandbox::new(), protos());
    let args = [
        "SendMessage",
        "-d",
        "{}",
        "--find-max",
        "errors<1%",
        "--rate",
        "4",
    ];
    let args = [&args[..], &["--duration", "300ms"]].concat();
    let args: Vec<&str> = args
        .into_iter()
        .chain(protos.iter().map(String::as_str))
        .collect();
    insta::assert_snapshot!(bench(&sandbox, &server.address(), &args), @r"
    exit: 1
    --- stderr ---
           Tried 4 calls/s: errors<1% (100.000 %); once more, for it may have been a hiccup
           Tried 4 calls/s: errors<1% (100.000 %)
           Tried 2 calls/s: errors<1% (100.000 %); once more, for it may have been a hiccup
           Tried 2 calls/s: errors<1% (100.000 %)
           Tried 1 calls/s: errors<1% (100.000 %); once more, for it may have been a hiccup
           Tried 1 calls/s: errors<1% (100.000 %)
    error: there is no rate at which they hold: not even 1 calls/s
    ");
}

#[test]
fn a_server_that_takes_no_calls_lets_them_time_out() {
    let server = script::serve(Script {
        // SETTINGS_MAX_CONCURRENT_STREAMS.
        settings: &[(3, 0)],
        ..Script::default()
    });
    for load in [["-n", "20"], ["--rate", "50"]] {
        let args = ["SendMessage", "--timeout", "300ms", "--duration", "1s"];
        let (exit, report) = report_with_protos(&server.address(), &[&args[..], &load].concat());
        assert_eq!(exit, 4, "{report:#}");
        assert_eq!(codes(&report)[0][0], "DEADLINE_EXCEEDED", "{report:#}");
        assert_eq!(codes(&report)[0][2], json!(["no answer within 300ms"]));
    }
}

#[test]
fn calls_may_be_waited_for_without_sleep() {
    let (sandbox, server) = (Sandbox::new(), ChatServer::start());
    let load = ["--rate", "300", "-n", "300", "--pacing", "precise"];
    let args = [&["SendMessage", "-d", HELLO][..], &load].concat();
    let (exit, report) = report(&sandbox, &server.address(), &args);
    assert_eq!(exit, 0, "{report:#}");
    assert_eq!(codes(&report), json!([["OK", 300, []]]));
    let shown = bench(
        &sandbox,
        &server.address(),
        &["SendMessage", "--pacing", "precise"],
    );
    assert!(shown.contains("--rate <R>"), "{shown}");
}

#[test]
fn a_trial_in_the_warm_up_is_in_no_figure() {
    let (sandbox, server) = (Sandbox::new(), ChatServer::start());
    let load = ["--rate", "100", "-n", "50", "--warm-up", "400ms"];
    let more = ["--connections", "3"];
    let args = [&["SendMessage", "-d", HELLO][..], &load, &more].concat();
    let (exit, report) = report(&sandbox, &server.address(), &args);
    assert_eq!(exit, 0, "{report:#}");
    assert_eq!(codes(&report), json!([["OK", 50, []]]));
    // So few calls are no work for more.
    assert_eq!(report["threads"], 1, "{report:#}");
}
