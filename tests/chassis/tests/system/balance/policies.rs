//! Which instance gets a call.

use std::sync::atomic::Ordering;

use chassis::config::BalancePolicy;

use super::fleet::{Registry, call, config, counts, metric, spread, start, wait_for_connections};

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

#[tokio::test]
async fn two_choices_send_little_to_a_slow_instance() {
    let instances = start::<3>().await;
    instances[2].orders.delay.store(1_000, Ordering::Relaxed);
    let registry = Registry::start().await;
    registry.set(&instances.each_ref().map(|it| (it, [].as_slice())));
    let mut config = config();
    config.client.balance.policy = BalancePolicy::P2c;
    let client = registry.client("two-choices", config).await;
    wait_for_connections("two-choices", 3).await;

    let begin = std::time::Instant::now();
    let callers = (0..4).map(|_| {
        let mut client = client.clone();
        tokio::spawn(async move {
            for _ in 0..100 {
                call(&mut client).await;
            }
        })
    });
    let callers: Vec<_> = callers.collect();
    for caller in callers {
        caller.await.expect("no call failed");
    }
    let slow = instances[2].calls();
    // The first one tells how slow it is, and after that it is tried once a second.
    let most = 2 + begin.elapsed().as_secs();
    assert!((1..=most).contains(&slow), "{slow} of {most}");
    let others = [instances[0].calls(), instances[1].calls()];
    assert_eq!(others.iter().sum::<u64>(), 400 - slow);
    assert!(others.iter().all(|it| *it > 0), "{others:?}");
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
