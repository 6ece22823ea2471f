//! Several attempts at a time.

use tokio::time::Instant;
use tonic::Code;

use super::super::Idempotent;
use super::support::{
    Act, Balancer, MILLI, code, config, end, fail, later, push_back, streaming, unary, with_timeout,
};
use crate::config;

/// Up to three attempts, 100 ms apart.
fn hedged() -> config::Retry {
    let mut config = config();
    let method = config::RetryMethod {
        hedging: Some(config::Hedging {
            max_attempts: 3,
            ..config::Hedging::default()
        }),
        ..config::RetryMethod::default()
    };
    config
        .methods
        .insert("user.v1.UserService".to_owned(), method);
    config
}

/// Which attempts were waited for until their end.
fn ended(balancer: &Balancer) -> Vec<bool> {
    balancer.attempts().iter().map(|it| it.ended).collect()
}

fn near(actual: &[u128], expected: &[u128]) -> bool {
    let near = |(actual, expected): (&u128, &u128)| actual.abs_diff(*expected) <= 4;
    actual.len() == expected.len() && actual.iter().zip(expected).all(near)
}

#[tokio::test(start_paused = true)]
async fn the_first_success_counts_and_the_others_are_cancelled() {
    let script = [
        later(500, Act::Reply(Code::Ok)),
        later(50, Act::Reply(Code::Ok)),
    ];
    let balancer = Balancer::new(script);
    let begin = Instant::now();
    assert_eq!(code(&balancer.under(&hedged())).await, Code::Ok);
    assert!(begin.elapsed() < 155 * MILLI);
    assert_eq!(ended(&balancer), [false, true]);
    let attempts = balancer.attempts();
    assert_eq!(attempts[1].previous.as_deref(), Some("1"));
    assert!(attempts.iter().all(|it| it.request == ["request"]));
}

#[tokio::test(start_paused = true)]
async fn a_quick_answer_leaves_nothing_to_hedge() {
    let balancer = Balancer::new([later(90, Act::Reply(Code::Ok))]);
    assert_eq!(code(&balancer.under(&hedged())).await, Code::Ok);
    tokio::time::sleep(1_000 * MILLI).await;
    assert_eq!(balancer.count(), 1);
}

#[tokio::test(start_paused = true)]
async fn attempts_follow_each_other_up_to_their_number() {
    let balancer = Balancer::new([Act::Hang, Act::Hang, later(700, Act::Reply(Code::Ok))]);
    assert_eq!(code(&balancer.under(&hedged())).await, Code::Ok);
    let begins = balancer.begins();
    assert!(near(&begins, &[0, 100, 200]), "{begins:?}");
}

#[tokio::test(start_paused = true)]
async fn a_failure_that_is_not_fatal_is_followed_at_once_and_another_ends_the_call() {
    let script = [
        later(30, fail(Code::Unavailable)),
        Act::Hang,
        later(10, Act::Reply(Code::Ok)),
    ];
    let balancer = Balancer::new(script);
    assert_eq!(code(&balancer.under(&hedged())).await, Code::Ok);
    let begins = balancer.begins();
    assert!(near(&begins, &[0, 30, 130]), "{begins:?}");

    let balancer = Balancer::new([Act::Hang, later(10, fail(Code::NotFound))]);
    assert_eq!(code(&balancer.under(&hedged())).await, Code::NotFound);
    assert_eq!(ended(&balancer), [false, true]);
}

#[tokio::test(start_paused = true)]
async fn when_all_have_failed_the_last_failure_is_told() {
    let script = [Act::Break, Act::Break, fail(Code::Unavailable)];
    let balancer = Balancer::new(script);
    let ended = end(&balancer.under(&hedged()), unary(b"request")).await;
    assert_eq!(
        (ended.code, ended.text.as_str()),
        (Code::Unavailable, "as told")
    );
    assert_eq!(balancer.count(), 3);
}

#[tokio::test(start_paused = true)]
async fn a_server_delays_the_next_attempt_or_forbids_it() {
    let script = [push_back(Code::Unavailable, "400"), Act::Reply(Code::Ok)];
    let balancer = Balancer::new(script);
    assert_eq!(code(&balancer.under(&hedged())).await, Code::Ok);
    let begins = balancer.begins();
    assert!(near(&begins, &[0, 400]), "{begins:?}");

    let balancer = Balancer::new([push_back(Code::Unavailable, "-1")]);
    assert_eq!(code(&balancer.under(&hedged())).await, Code::Unavailable);

    // What is in flight is still waited for.
    let script = [
        later(300, Act::Reply(Code::Ok)),
        push_back(Code::Unavailable, "-1"),
    ];
    let balancer = Balancer::new(script);
    assert_eq!(code(&balancer.under(&hedged())).await, Code::Ok);
    assert_eq!(balancer.count(), 2);
}

#[tokio::test(start_paused = true)]
async fn hedges_share_the_budget_and_the_deadline() {
    let config = config::Retry {
        throttle: config::RetryThrottle {
            max_tokens: 2,
            ..config::RetryThrottle::default()
        },
        ..hedged()
    };
    let script = [fail(Code::Unavailable), later(500, Act::Reply(Code::Ok))];
    let balancer = Balancer::new(script);
    let retry = balancer.under(&config);
    assert_eq!(
        code(&retry).await,
        Code::Unavailable,
        "half of the tokens is left"
    );
    assert_eq!(code(&retry).await, Code::Ok);
    assert_eq!(balancer.count(), 2, "no hedge");

    let balancer = Balancer::new([push_back(Code::Unavailable, "400")]);
    let request = with_timeout(unary(b"request"), "300m");
    let begin = Instant::now();
    let ended = end(&balancer.under(&hedged()), request).await;
    assert_eq!(ended.code, Code::Unavailable);
    assert!(begin.elapsed() < 5 * MILLI, "there is nothing to wait for");
}

#[tokio::test(start_paused = true)]
async fn streams_are_not_hedged() {
    let balancer = Balancer::new([later(500, Act::Reply(Code::Ok))]);
    let (sender, receiver) = tokio::sync::mpsc::channel(1);
    sender
        .send(bytes::Bytes::from_static(b"one"))
        .await
        .expect("open");
    let retry = balancer.under(&hedged());
    let budget = super::super::budget(&retry.shared);
    let send = async move {
        tokio::time::sleep(300 * MILLI).await;
        assert_eq!(budget.used(), 3, "no handler may see it");
        drop(sender);
    };
    let receiver = tokio_stream::wrappers::ReceiverStream::new(receiver);
    let (ended, ()) = tokio::join!(end(&retry, streaming(receiver)), send);
    assert_eq!(ended.code, Code::Ok);
    assert_eq!(balancer.count(), 1);
}

#[tokio::test(start_paused = true)]
async fn hedges_do_not_wait_for_an_instance_one_after_the_other() {
    let balancer = Balancer::new([Act::NotReady]);
    assert_eq!(code(&balancer.under(&hedged())).await, Code::Unavailable);
    assert_eq!(balancer.count(), 1);

    let balancer = Balancer::new([later(500, Act::Reply(Code::Ok)), Act::NotReady]);
    assert_eq!(code(&balancer.under(&hedged())).await, Code::Ok);
    let tried: Vec<_> = balancer.attempts().iter().map(|it| it.tried).collect();
    assert_eq!(
        tried,
        [1, 2],
        "the first is not given up, and nothing follows"
    );
}

/// The method of the tests, which may be done twice.
fn idempotent() -> Idempotent {
    Idempotent::only("user.v1.UserService/GetUser")
}

#[tokio::test(start_paused = true)]
async fn what_may_be_done_twice_is_asked_for_elsewhere_at_half_of_its_time() {
    let script = [Act::Hang, Act::Hang, Act::Reply(Code::Ok)];
    let balancer = Balancer::new(script);
    let retry = balancer.described(&config(), &idempotent());
    let call = with_timeout(unary(b"request"), "4S");
    assert_eq!(end(&retry, call).await.code, Code::Ok);
    assert!(
        near(&balancer.begins(), &[0, 2_000, 3_000]),
        "{:?}",
        balancer.begins()
    );
    // Without a deadline, `client.response_timeout` is what there is.
    let balancer = Balancer::new([Act::Hang, Act::Reply(Code::Ok)]);
    let retry = balancer.described(&config(), &idempotent());
    assert_eq!(code(&retry).await, Code::Ok);
    assert!(
        near(&balancer.begins(), &[0, 5_000]),
        "{:?}",
        balancer.begins()
    );
}

#[tokio::test(start_paused = true)]
async fn what_may_be_done_twice_survives_an_instance_that_starts_as_other_calls_do() {
    let script = [
        fail(Code::Unavailable),
        fail(Code::Unavailable),
        Act::Reply(Code::Ok),
    ];
    let balancer = Balancer::new(script);
    let retry = balancer.described(&config(), &idempotent());
    assert_eq!(code(&retry).await, Code::Ok);
    let begins = balancer.begins();
    assert!((80..=122).contains(&begins[1]), "{begins:?}");
    let second = begins[2] - begins[1];
    assert!((160..=242).contains(&second), "{begins:?}");

    // A server that says when to come back is heard, and the pauses begin anew.
    let script = [
        fail(Code::Unavailable),
        push_back(Code::Unavailable, "30"),
        fail(Code::Unavailable),
        Act::Reply(Code::Ok),
    ];
    let balancer = Balancer::new(script);
    let mut config = config();
    config.max_attempts = 4;
    let retry = balancer.described(&config, &idempotent());
    assert_eq!(code(&retry).await, Code::Ok);
    let begins = balancer.begins();
    assert!((30..=32).contains(&(begins[2] - begins[1])), "{begins:?}");
    assert!((80..=122).contains(&(begins[3] - begins[2])), "{begins:?}");
}

#[tokio::test(start_paused = true)]
async fn a_slow_answer_of_the_first_counts_as_well() {
    let script = [later(2_500, Act::Reply(Code::Ok)), Act::Hang];
    let balancer = Balancer::new(script);
    let retry = balancer.described(&config(), &idempotent());
    let call = with_timeout(unary(b"request"), "4S");
    assert_eq!(end(&retry, call).await.code, Code::Ok);
    assert_eq!(ended(&balancer), [true, false]);
}

#[tokio::test(start_paused = true)]
async fn asking_elsewhere_costs_of_the_budget() {
    let mut config = config();
    config.throttle.max_tokens = 2;
    config.throttle.token_ratio = config::Ratio::ZERO;
    let script = [later(2_500, Act::Reply(Code::Ok)), Act::Hang];
    let balancer = Balancer::new(script);
    let retry = balancer.described(&config, &idempotent());
    let call = || with_timeout(unary(b"request"), "4S");
    assert_eq!(end(&retry, call()).await.code, Code::Ok);
    assert_eq!(balancer.count(), 2);
    balancer.add(later(2_500, Act::Reply(Code::Ok)));
    assert_eq!(end(&retry, call()).await.code, Code::Ok);
    assert_eq!(balancer.count(), 3, "nothing is left of the budget");
}
