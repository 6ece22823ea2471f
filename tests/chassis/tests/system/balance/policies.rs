//! Which instance gets a call.

use std::sync::atomic::Ordering;

use chassis::config::BalancePolicy;

use super::fleet::{
    Instance, Registry, config, counts, metric, spread, start, wait_for_connections,
};
use crate::support::ProbeRequest;

#[tokio::test]
async fn weights_in_the_registry_are_honoured_and_change() {
    let [a, b, c] = start().await;
    let registry = Registry::start().await;
    let set = |weights: [&str; 3]| {
        let [of_a, of_b, of_c] = weights.map(|weight| [("weight", weight)]);
        registry.set(&[(&a, &of_a), (&b, &of_b), (&c, &of_c)]);
    };
    set(["5", "3", "1"]);
    let mut config = config();
    config.client.balance.policy = BalancePolicy::WeightedRoundRobin;
    let mut client = registry.client("weights", config).await;
    wait_for_connections("weights", 3).await;
    let expected = counts(&[("a", 50), ("b", 30), ("c", 10)]);
    assert_eq!(spread(&mut client, 90).await, expected);

    set(["1", "0", "1"]);
    let expected = counts(&[("a", 10), ("c", 10)]);
    // The news take a moment.
    while spread(&mut client, 20).await != expected {
        tokio::task::yield_now().await;
    }
    assert_eq!(spread(&mut client, 20).await, expected);
}

/// The calls that each of three instances gets of 400, by `p2c`, and the most that the last one may
/// get when it is much worse: a tenth, while the others are not measured, and one a second.
async fn by_two_choices(service: &str, instances: &[Instance; 3]) -> ([u64; 3], u64) {
    let registry = Registry::start().await;
    registry.set(&instances.each_ref().map(|it| (it, [].as_slice())));
    let mut config = config();
    config.client.balance.policy = BalancePolicy::P2c;
    config.client.breaker.enabled = false;
    let client = registry.client(service, config).await;
    wait_for_connections(service, 3).await;
    let begin = std::time::Instant::now();
    let callers = (0..4).map(|_| {
        let mut client = client.clone();
        tokio::spawn(async move {
            for _ in 0..100 {
                // One that is sick fails them.
                let _ = client.unary(ProbeRequest::default()).await;
            }
        })
    });
    let callers: Vec<_> = callers.collect();
    for caller in callers {
        caller.await.expect("no panic");
    }
    let most = 40 + begin.elapsed().as_secs();
    (instances.each_ref().map(Instance::calls), most)
}

#[tokio::test]
async fn two_choices_send_little_to_a_slow_instance() {
    let instances = start().await;
    instances[2].orders.delay.store(1_000, Ordering::Relaxed);
    let ([a, b, slow], most) = by_two_choices("slow", &instances).await;
    assert!((1..=most).contains(&slow), "{slow} of {most}");
    assert!(a > 0 && b > 0, "{a} {b}");
    assert_eq!(a + b + slow, 400);
}

#[tokio::test]
async fn two_choices_send_little_to_an_instance_that_fails_at_once() {
    let instances = start().await;
    instances[2].orders.sick.store(true, Ordering::Relaxed);
    let ([a, b, sick], most) = by_two_choices("sick", &instances).await;
    assert!((1..=most).contains(&sick), "{sick} of {most}");
    assert!(a > 0 && b > 0, "{a} {b}");
    assert!(a + b + sick >= 400, "{a} {b} {sick}");
}

#[tokio::test]
async fn any_instance_gets_calls_by_chance() {
    let instances = start::<3>().await;
    let registry = Registry::start().await;
    registry.set(&instances.each_ref().map(|it| (it, [].as_slice())));
    let mut config = config();
    config.client.balance.policy = BalancePolicy::Random;
    let mut client = registry.client("random", config).await;
    wait_for_connections("random", 3).await;
    let spread = spread(&mut client, 300).await;
    // 100 each; the deviation of a binomial distribution is 8.
    assert_eq!(spread.len(), 3);
    assert!(
        spread.values().all(|it| (40..160).contains(it)),
        "{spread:?}"
    );
    let picks = r#"client_picks_total{target="consul:///random",result="picked"}"#;
    assert_eq!(metric(picks), Some(300));
}
