//! Three processes, of which one dies or stands still: which calls fail, with and without what is
//! there against it.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU32, Ordering};

use chassis::client::{self, Channel};
use chassis::config::{Config, Duration, Percent};

use super::fleet::{config, metric, wait_until};
use crate::process::Service;
use crate::support::{ProbeClient, ProbeRequest};

struct Three {
    services: [Service; 3],
    target: String,
}

impl Three {
    fn start() -> Self {
        let services = ["a", "b", "c"].map(|name| Service::start(&[("PROBE_INSTANCE", name)]));
        let addresses = services.each_ref().map(|it| it.grpc.to_string());
        let target = format!("static:///{}", addresses.join(","));
        Self { services, target }
    }

    fn metric(&self, name: &str, labels: &str) -> Option<i64> {
        metric(&format!(r#"{name}{{target="{}"{labels}}}"#, self.target))
    }

    /// A client that is connected to all.
    async fn client(&self, config: &Config) -> ProbeClient<Channel> {
        let channel = client::connect(&self.target, config).await;
        let connected = || self.metric("client_endpoints", r#",state="connected""#);
        wait_until(|| connected() == Some(3)).await;
        ProbeClient::new(channel.expect("a valid target"))
    }
}

/// How often each instance answered, and how many calls failed, as `failed`.
async fn spread(client: &mut ProbeClient<Channel>, calls: usize) -> BTreeMap<String, usize> {
    let mut spread = BTreeMap::new();
    for _ in 0..calls {
        let instance = match client.unary(ProbeRequest::default()).await {
            Ok(reply) => reply.into_inner().instance,
            Err(_) => "failed".to_owned(),
        };
        *spread.entry(instance).or_default() += 1;
    }
    spread
}

fn counts(expected: &[(&str, usize)]) -> BTreeMap<String, usize> {
    let expected = expected
        .iter()
        .map(|(name, count)| (name.to_string(), *count));
    expected.collect()
}

/// Calls to an instance that stands still fail after that long; others answer far sooner.
fn impatient() -> Config {
    let mut config = config();
    config.client.response_timeout = Duration::from_secs(2);
    config.client.breaker.enabled = false;
    config
}

#[tokio::test(flavor = "multi_thread")]
async fn only_calls_in_flight_are_lost_when_an_instance_is_killed() {
    const CALLERS: u32 = 8;
    let three = Three::start();
    let mut client = three.client(&config()).await;
    let stop = Arc::new(AtomicBool::new(false));
    let (calls, failures) = (Arc::new(AtomicU32::new(0)), Arc::new(AtomicU32::new(0)));
    let callers: Vec<_> = (0..CALLERS)
        .map(|_| {
            let (mut client, stop) = (client.clone(), Arc::clone(&stop));
            let (calls, failures) = (Arc::clone(&calls), Arc::clone(&failures));
            tokio::spawn(async move {
                while !stop.load(Ordering::Relaxed) {
                    let result = client.unary(ProbeRequest::default()).await;
                    failures.fetch_add(u32::from(result.is_err()), Ordering::Relaxed);
                    calls.fetch_add(1, Ordering::Relaxed);
                }
            })
        })
        .collect();
    let so_far = || calls.load(Ordering::Relaxed);
    wait_until(|| so_far() >= 300).await;
    three.services[0].signal("KILL");
    let before = so_far();
    wait_until(|| so_far() >= before + 600).await;
    stop.store(true, Ordering::Relaxed);
    for caller in callers {
        caller.await.expect("no panic");
    }
    let failures = failures.load(Ordering::Relaxed);
    // Each caller has one call in flight.
    assert!(failures <= CALLERS, "{failures} failed");
    let expected = counts(&[("b", 50), ("c", 50)]);
    assert_eq!(spread(&mut client, 100).await, expected);
}

#[tokio::test(flavor = "multi_thread")]
async fn without_breaker_and_ejection_every_third_call_fails_when_an_instance_stands_still() {
    let three = Three::start();
    let mut client = three.client(&impatient()).await;
    three.services[0].signal("STOP");
    let expected = counts(&[("b", 4), ("c", 4), ("failed", 4)]);
    assert_eq!(spread(&mut client, 12).await, expected);
}

#[tokio::test(flavor = "multi_thread")]
async fn the_breaker_ends_the_failures_when_an_instance_stands_still() {
    let three = Three::start();
    let mut config = impatient();
    config.client.breaker.enabled = true;
    let mut client = three.client(&config).await;
    three.services[0].signal("STOP");
    // As many as `min_requests`, for it had no other calls.
    assert_eq!(spread(&mut client, 9).await["failed"], 3);
    // Its calls are spread over both of the others.
    let expected = counts(&[("b", 30), ("c", 30)]);
    assert_eq!(spread(&mut client, 60).await, expected);
}

#[tokio::test(flavor = "multi_thread")]
async fn ejection_ends_the_failures_when_an_instance_stands_still() {
    let three = Three::start();
    let mut config = impatient();
    let outlier = &mut config.client.outlier;
    outlier.enabled = true;
    outlier.interval = Duration::from_secs(1);
    outlier.base_ejection = Duration::from_secs(3600);
    outlier.success_rate.enabled = false;
    outlier.failure_percentage.threshold = Percent::of(50);
    outlier.failure_percentage.min_hosts = 3;
    outlier.failure_percentage.request_volume = 1;
    let mut client = three.client(&config).await;
    three.services[0].signal("STOP");
    let ejected = || three.metric("client_endpoints_ejected", "");
    while ejected() != Some(1) {
        spread(&mut client, 1).await;
    }
    let expected = counts(&[("b", 50), ("c", 50)]);
    assert_eq!(spread(&mut client, 100).await, expected);
}
