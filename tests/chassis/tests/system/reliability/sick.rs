//! An instance is there, and does not work: it hangs (`SIGSTOP`), or it refuses everything.

use chassis::config::Duration;

use super::load::Load;
use super::{CALLERS, config, connect, instances, show, wary};

/// Stops one of three under load; every call must succeed.
async fn stop_one(what: &str, config: &chassis::config::Config) {
    let instances = instances(&[]);
    let client = connect(&instances, config).await;
    let mut load = Load::start(&client, CALLERS);
    load.reach(&["a", "b", "sick"]).await;
    load.calls(300).await;
    instances[2].signal("STOP");
    load.calls(1_000).await;
    let report = load.end().await;
    show(what, &report);
    assert_eq!(report.failures, [""; 0]);
    assert!(report.cut <= CALLERS, "{report:?}");
    assert!(report.retried > 0, "{report:?}");
}

#[tokio::test(flavor = "multi_thread")]
async fn no_call_fails_when_one_of_three_hangs_and_attempts_are_limited() {
    let mut config = wary();
    config.client.retry.attempt_timeout = Duration::from_millis(500);
    // For a response that had begun.
    config.client.keep_alive_interval = Duration::from_secs(1);
    config.client.keep_alive_timeout = Duration::from_secs(1);
    stop_one("stopped, with client.retry.attempt_timeout", &config).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn no_call_fails_when_one_of_three_hangs_and_connections_are_probed() {
    let mut config = wary();
    config.client.keep_alive_interval = Duration::from_millis(200);
    config.client.keep_alive_timeout = Duration::from_millis(500);
    stop_one("stopped, with client.keep_alive_interval", &config).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn no_call_fails_when_one_of_three_refuses_everything() {
    let instances = instances(&[("PROBE_ALWAYS", "unavailable")]);
    let client = connect(&instances, &config()).await;
    let mut load = Load::start(&client, CALLERS);
    load.reach(&["a", "b"]).await;
    load.calls(1_000).await;
    let report = load.end().await;
    show("one answers UNAVAILABLE", &report);
    assert_eq!((&report.failures[..], report.cut), (&[][..], 0));
    assert_eq!(report.answered_by("sick"), 0);
    // Its breaker opens after three failures, with what was in flight then.
    assert!((1..=3 + CALLERS).contains(&report.retried), "{report:?}");
}
