//! Benches against earlier ones.

use std::time::Duration;

use serde_json::Value;

use crate::bench::{bench, protos, report};
use crate::support::Sandbox;
use crate::support::http2::{Answer, Http2Server};

/// Benches a server that takes its time; gives the exit code and the report.
fn benched(sandbox: &Sandbox, milliseconds: u64, args: &[&str]) -> (i32, Value) {
    let server = Http2Server::start(Answer::Late(Duration::from_millis(milliseconds)));
    let protos = protos();
    let load = ["SendMessage", "-d", "{}", "-c", "8", "--duration", "2s"];
    let protos = protos.iter().map(String::as_str);
    let args: Vec<&str> = load
        .into_iter()
        .chain(args.iter().copied())
        .chain(protos)
        .collect();
    report(sandbox, &server.address(), &args)
}

fn verdict(report: &Value, metric: &str) -> String {
    let metrics = report["comparison"]["metrics"].as_array().expect("metrics");
    let found = metrics.iter().find(|change| change["metric"] == metric);
    let found = found.unwrap_or_else(|| panic!("no {metric} in {metrics:?}"));
    found["verdict"].as_str().expect("a verdict").to_owned()
}

#[test]
fn what_became_worse_for_sure_fails_and_what_became_better_does_not() {
    let sandbox = Sandbox::new();
    let (exit, _) = benched(&sandbox, 20, &["--output", "fast.json"]);
    assert_eq!(exit, 0);
    let args = [
        "--baseline",
        "fast.json",
        "--output",
        "slow.json",
        "--output",
        "slow.html",
    ];
    let (exit, report) = benched(&sandbox, 60, &args);
    assert_eq!(exit, 1, "{report:#}");
    assert_eq!(verdict(&report, "p50"), "worse");
    assert_eq!(verdict(&report, "rate"), "worse");
    assert_eq!(verdict(&report, "errors"), "same");
    let page = std::fs::read_to_string(sandbox.path().join("slow.html")).expect("written");
    assert!(page.contains("<h3>Compared with fast.json</h3>"));
    let (exit, report) = benched(&sandbox, 20, &["--baseline", "slow.json"]);
    assert_eq!(exit, 0, "{report:#}");
    assert_eq!(verdict(&report, "p50"), "better");
    // Too short to tell anything: neither better nor worse.
    let (exit, report) = benched(&sandbox, 20, &["--baseline", "fast.json", "-n", "100"]);
    assert_eq!(exit, 4, "{report:#}");
    assert_eq!(verdict(&report, "p50"), "inconclusive");
}

#[test]
fn a_baseline_that_is_none_is_told() {
    let sandbox = Sandbox::new();
    let wrong = |name: &str, text: &str| {
        std::fs::write(sandbox.path().join(name), text).expect("writable");
        bench(&sandbox, "127.0.0.1:1", &["X", "--baseline", name])
    };
    insta::assert_snapshot!(wrong("a.json", "{}"), @r"
    exit: 2
    --- stderr ---
    error: `a.json` cannot be compared with
      caused by: it is no report of a bench: it has no `schema`
    ");
    insta::assert_snapshot!(wrong("b.json", r#"{"schema": "msvc.bench/2"}"#), @r"
    exit: 2
    --- stderr ---
    error: `b.json` cannot be compared with
      caused by: it is a report of `msvc.bench/2`, not of `msvc.bench/3`
    ");
}
