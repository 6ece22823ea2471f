//! An instance is killed: `kill -9`.

use std::time::Instant;

use tokio::task::JoinSet;

use super::load::{Load, Report};
use super::{CALLERS, config, connect, instances, show, show_reaction};
use crate::process::Service;
use crate::support::ProbeRequest;

/// Makes calls until one of them is held by the instance that hangs, kills it, and returns what
/// became of all of them.
async fn kill_what_hangs(config: &chassis::config::Config) -> Report {
    let [a, b, mut sick] = instances(&[("PROBE_ALWAYS", "hang")]);
    let servers = [a, b];
    let (held, mut is_held) = tokio::sync::oneshot::channel();
    let addresses = [&servers[0], &servers[1], &sick].map(|it| it.grpc.to_string());
    let target = format!("static:///{}", addresses.join(","));
    let channel = chassis::client::connect(&target, config).await;
    let client = crate::support::ProbeClient::new(channel.expect("a valid target"));
    // Reading the log of a process blocks.
    std::thread::spawn(move || {
        sick.wait_for("in the handler");
        let _ = held.send(sick);
    });
    let mut calls = JoinSet::new();
    let sick: Service = loop {
        let mut client = client.clone();
        calls.spawn(async move {
            let begin = Instant::now();
            (begin, client.unary(ProbeRequest::default()).await)
        });
        let pause = std::time::Duration::from_millis(5);
        match tokio::time::timeout(pause, &mut is_held).await {
            Ok(sick) => break sick.expect("it is sent"),
            Err(_) => continue,
        }
    };
    sick.signal("KILL");
    let mut report = Report::default();
    while let Some(result) = calls.join_next().await {
        let (begin, result) = result.expect("no panic");
        report.add(begin, result.map(|it| it.into_inner()));
    }
    report
}

#[tokio::test(flavor = "multi_thread")]
async fn calls_in_flight_at_a_killed_instance_are_made_again() {
    let report = kill_what_hangs(&config()).await;
    show("killed with calls in flight", &report);
    assert_eq!((&report.failures[..], report.cut), (&[][..], 0));
    assert!(report.retried > 0, "{report:?}");

    let mut config = config();
    config.client.retry.enabled = false;
    let report = kill_what_hangs(&config).await;
    show("the same without retries", &report);
    assert!(!report.failures.is_empty());
    assert_eq!(report.retried, 0);
}

/// Kills one of three under load: what became of the calls before, and of all.
async fn kill_one(config: &chassis::config::Config) -> [Report; 2] {
    let instances = instances(&[]);
    let client = connect(&instances, config).await;
    let mut load = Load::start(&client, CALLERS);
    load.reach(&["a", "b", "sick"]).await;
    load.calls(300).await;
    let before = load.so_far();
    instances[2].signal("KILL");
    let fault = Instant::now();
    load.calls(1_000).await;
    let report = load.end().await;
    show_reaction("killed under load", &report, fault);
    [before, report]
}

#[tokio::test(flavor = "multi_thread")]
async fn no_call_fails_when_one_of_three_is_killed_under_load() {
    let [before, report] = kill_one(&config()).await;
    show("killed under load", &report);
    assert_eq!(report.failures, [""; 0]);
    assert!(report.cut <= CALLERS, "{report:?}");
    // What it answered was on the way already, and no caller lost more than one call.
    let late = report.answered_by("sick") - before.answered_by("sick");
    assert!(late <= CALLERS, "{late} calls");
    assert!(report.retried <= CALLERS, "{} calls", report.retried);

    let mut config = config();
    config.client.retry.enabled = false;
    let [_, report] = kill_one(&config).await;
    show("the same without retries", &report);
    assert_eq!(report.retried, 0);
}
