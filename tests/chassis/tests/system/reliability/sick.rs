//! An instance is there, and does not work: it hangs (`SIGSTOP`), or it refuses everything.

use std::time::Instant;

use chassis::config::Duration;

use super::load::{Load, Report};
use super::{CALLERS, config, connect, instances, show, show_reaction, wary};

/// Stops one of three under `load`; every call must succeed, and in the end none may go there.
async fn stop_one(what: &str, config: &chassis::config::Config) -> Report {
    let instances = instances(&[]);
    let client = connect(&instances, config).await;
    let mut load = Load::start(&client, CALLERS);
    load.reach(&["a", "b", "sick"]).await;
    load.calls(300).await;
    instances[2].signal("STOP");
    let fault = Instant::now();
    load.calls(1_000).await;
    let report = load.end().await;
    show(what, &report);
    show_reaction(what, &report, fault);
    assert_eq!(report.failures, [""; 0]);
    assert!(report.cut <= CALLERS, "{report:?}");
    assert!(report.retried > 0, "{report:?}");
    report
}

#[tokio::test(flavor = "multi_thread")]
async fn no_call_fails_when_one_of_three_hangs() {
    let report = stop_one("stopped", &config()).await;
    assert!(report.retried <= CALLERS, "{report:?}");
}

#[tokio::test(flavor = "multi_thread")]
async fn no_call_fails_when_one_of_three_hangs_whose_callers_do_not_wait() {
    let instances = instances(&[]);
    let client = connect(&instances, &config()).await;
    let mut load = Load::steady(&client);
    load.reach(&["a", "b", "sick"]).await;
    load.calls(300).await;
    instances[2].signal("STOP");
    let fault = Instant::now();
    // Until what it held is made again, and for a while after.
    while load.so_far().retried == 0 {
        load.calls(10).await;
    }
    load.calls(300).await;
    let quiet = Instant::now();
    load.calls(300).await;
    let report = load.end().await;
    show("stopped, under a steady load", &report);
    show_reaction("stopped, under a steady load", &report, fault);
    assert_eq!(report.failures, [""; 0]);
    let late = report.lost.iter().filter(|begin| **begin > quiet);
    assert_eq!(late.count(), 0, "some went there still");
}

#[tokio::test(flavor = "multi_thread")]
async fn an_instance_that_hung_gets_calls_when_it_goes_on() {
    let mut config = config();
    config.client.breaker.enabled = false;
    let instances = instances(&[]);
    let client = connect(&instances, &config).await;
    let mut load = Load::start(&client, CALLERS);
    load.reach(&["a", "b", "sick"]).await;
    instances[2].signal("STOP");
    while load.so_far().retried == 0 {
        load.calls(10).await;
    }
    instances[2].signal("CONT");
    let before = load.so_far().answered_by("sick");
    while load.so_far().answered_by("sick") == before {
        load.calls(10).await;
    }
    let report = load.end().await;
    show("stopped, and going on", &report);
    assert_eq!(report.failures, [""; 0]);
}

#[tokio::test(flavor = "multi_thread")]
async fn no_call_fails_when_one_of_three_hangs_and_attempts_are_limited() {
    let mut config = wary();
    config.client.retry.attempt_timeout = Duration::from_millis(500);
    stop_one("stopped, with client.retry.attempt_timeout", &config).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn no_call_fails_when_one_of_three_refuses_everything() {
    let instances = instances(&[("PROBE_ALWAYS", "unavailable")]);
    let fault = Instant::now();
    let client = connect(&instances, &config()).await;
    let mut load = Load::start(&client, CALLERS);
    load.reach(&["a", "b"]).await;
    load.calls(1_000).await;
    let report = load.end().await;
    show("one answers UNAVAILABLE", &report);
    show_reaction("one answers UNAVAILABLE", &report, fault);
    assert_eq!((&report.failures[..], report.cut), (&[][..], 0));
    assert_eq!(report.answered_by("sick"), 0);
    // Its breaker opens after three failures, with what was in flight then.
    assert!((1..=3 + CALLERS).contains(&report.retried), "{report:?}");
}
