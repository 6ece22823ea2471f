//! Where a call that failed is made again.

use std::sync::atomic::Ordering;

use chassis::config::{BalancePolicy, Hedging, RetryMethod};
use tonic::Code;

use super::fleet::{Registry, config, metric, start, wait_for_connections};
use crate::support::ProbeRequest;

const CALLS: u64 = 200;

/// Calls three instances, of which one is sick; every call may be made twice, and nothing else
/// keeps calls away from the sick one.
async fn one_of_three_is_sick(service: &str, policy: BalancePolicy, method: RetryMethod) {
    let instances = start::<3>().await;
    let registry = Registry::start().await;
    registry.set(&instances.each_ref().map(|it| (it, [].as_slice())));
    instances[2].orders.sick.store(true, Ordering::Relaxed);
    let mut config = config();
    config.client.balance.policy = policy;
    config.client.breaker.enabled = false;
    config.client.retry.throttle.enabled = false;
    config.client.retry.initial_backoff = chassis::config::Duration::from_millis(1);
    let name = "chassis.test.v1.Probe/Unary".to_owned();
    config.client.retry.methods.insert(name, method);
    let mut client = registry.client(service, config).await;
    wait_for_connections(service, 3).await;
    for _ in 0..CALLS {
        let reply = client.unary(ProbeRequest::default()).await;
        assert_eq!(reply.err().map(|it| it.code()), None);
    }
    let sick = instances[2].calls();
    assert!(sick > 0, "it was never called");
    let picks = format!(r#"client_picks_total{{target="consul:///{service}",result="picked"}}"#);
    assert_eq!(metric(&picks), Some((CALLS + sick) as i64));
}

fn twice() -> RetryMethod {
    RetryMethod {
        max_attempts: Some(2),
        ..RetryMethod::default()
    }
}

#[tokio::test]
async fn by_chance_no_second_attempt_goes_where_the_first_has_failed() {
    one_of_three_is_sick("tried-random", BalancePolicy::Random, twice()).await;
}

#[tokio::test]
async fn by_two_choices_no_second_attempt_goes_where_the_first_has_failed() {
    one_of_three_is_sick("tried-p2c", BalancePolicy::P2c, twice()).await;
}

#[tokio::test]
async fn in_turns_no_second_attempt_goes_where_the_first_has_failed() {
    one_of_three_is_sick("tried-turns", BalancePolicy::RoundRobin, twice()).await;
    one_of_three_is_sick("tried-weights", BalancePolicy::WeightedRoundRobin, twice()).await;
}

#[tokio::test]
async fn no_hedge_goes_where_another_attempt_has_failed() {
    let hedging = Hedging {
        max_attempts: 2,
        // After a failure, the next is made at once.
        delay: chassis::config::Duration::from_secs(60),
        ..Hedging::default()
    };
    let method = RetryMethod {
        hedging: Some(hedging),
        ..RetryMethod::default()
    };
    one_of_three_is_sick("tried-hedged", BalancePolicy::Random, method).await;
}

#[tokio::test]
async fn a_single_instance_is_tried_again() {
    let instances = start::<1>().await;
    let registry = Registry::start().await;
    registry.set(&[(&instances[0], &[])]);
    instances[0].orders.sick.store(true, Ordering::Relaxed);
    let mut config = config();
    config.client.breaker.enabled = false;
    config.client.retry.max_attempts = 3;
    config.client.retry.initial_backoff = chassis::config::Duration::from_millis(1);
    let mut client = registry.client("tried-single", config).await;
    let status = client
        .unary(ProbeRequest::default())
        .await
        .expect_err("it is sick");
    assert_eq!(
        (status.code(), status.message()),
        (Code::Unavailable, "sick")
    );
    assert_eq!(instances[0].calls(), 3);
}
