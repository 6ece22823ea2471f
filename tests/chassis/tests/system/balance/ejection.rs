//! Instances that fail more than the others.

use std::sync::atomic::Ordering;

use chassis::config::{Config, Duration, Percent};

use super::fleet::{
    Registry, config, counts, metric, spread, start, wait_for_connections, wait_until,
};
use crate::support::{ProbeClient, ProbeRequest};

/// Without circuit breakers, and with little needed to eject an instance.
fn with_outliers(base_ejection: Duration) -> Config {
    let mut config = config();
    config.client.breaker.enabled = false;
    let outlier = &mut config.client.outlier;
    outlier.enabled = true;
    outlier.interval = Duration::from_millis(100);
    outlier.base_ejection = base_ejection;
    outlier.success_rate.enabled = false;
    outlier.failure_percentage.threshold = Percent::of(50);
    outlier.failure_percentage.min_hosts = 3;
    // However slow the machine is, each instance has a call in most intervals.
    outlier.failure_percentage.request_volume = 1;
    config
}

fn ejected(service: &str) -> Option<i64> {
    metric(&format!(
        r#"client_endpoints_ejected{{target="consul:///{service}"}}"#
    ))
}

/// Calls, with whatever result, until `done`.
async fn call_until(
    client: &mut ProbeClient<chassis::client::Channel>,
    mut done: impl FnMut() -> bool,
) {
    while !done() {
        let _ = client.unary(ProbeRequest::default()).await;
    }
}

#[tokio::test]
async fn an_instance_that_fails_gets_no_more_calls() {
    let instances = start::<3>().await;
    let [_, b, _] = &instances;
    b.orders.sick.store(true, Ordering::Relaxed);
    let registry = Registry::start().await;
    registry.set(&instances.each_ref().map(|it| (it, [].as_slice())));
    let an_hour = Duration::from_secs(3600);
    let mut client = registry.client("ejected", with_outliers(an_hour)).await;
    wait_for_connections("ejected", 3).await;
    call_until(&mut client, || ejected("ejected") == Some(1)).await;

    let before = b.calls();
    let expected = counts(&[("a", 150), ("c", 150)]);
    assert_eq!(spread(&mut client, 300).await, expected);
    assert_eq!(b.calls(), before);
    let ejections =
        r#"client_ejections_total{target="consul:///ejected",cause="failure_percentage"}"#;
    assert_eq!(metric(ejections), Some(1));

    // What is ejected is still better than nothing.
    b.orders.sick.store(false, Ordering::Relaxed);
    let [a, b, c] = instances;
    a.server.shutdown().await;
    c.server.shutdown().await;
    wait_for_connections("ejected", 1).await;
    assert_eq!(spread(&mut client, 10).await, counts(&[("b", 10)]));
    drop((b, client));
    wait_until(|| ejected("ejected") == Some(0)).await;
}

#[tokio::test]
async fn an_instance_that_is_well_again_gets_calls_again() {
    let instances = start::<3>().await;
    let [_, b, _] = &instances;
    b.orders.sick.store(true, Ordering::Relaxed);
    let registry = Registry::start().await;
    registry.set(&instances.each_ref().map(|it| (it, [].as_slice())));
    let soon = Duration::from_millis(200);
    let mut client = registry.client("returning", with_outliers(soon)).await;
    wait_for_connections("returning", 3).await;
    call_until(&mut client, || ejected("returning") == Some(1)).await;

    b.orders.sick.store(false, Ordering::Relaxed);
    call_until(&mut client, || ejected("returning") == Some(0)).await;
    let expected = counts(&[("a", 10), ("b", 10), ("c", 10)]);
    assert_eq!(spread(&mut client, 30).await, expected);
}

#[tokio::test]
async fn when_most_are_ejected_all_get_calls() {
    let instances = start::<3>().await;
    for instance in &instances[1..] {
        instance.orders.sick.store(true, Ordering::Relaxed);
    }
    let registry = Registry::start().await;
    registry.set(&instances.each_ref().map(|it| (it, [].as_slice())));
    let mut config = with_outliers(Duration::from_secs(3600));
    config.client.outlier.max_ejection_percent = Percent::of(100);
    let mut client = registry.client("panicking", config).await;
    wait_for_connections("panicking", 3).await;
    call_until(&mut client, || ejected("panicking") == Some(2)).await;

    for instance in &instances[1..] {
        instance.orders.sick.store(false, Ordering::Relaxed);
    }
    let expected = counts(&[("a", 10), ("b", 10), ("c", 10)]);
    assert_eq!(spread(&mut client, 30).await, expected);
}
