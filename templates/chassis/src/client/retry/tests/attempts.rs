//! What is made again, and when.

use tonic::Code;
use tower::ServiceExt;

use super::super::Idempotent;
use super::support::{Act, Balancer, code, config, end, fail, push_back, text, unary};
use crate::config;
use crate::middleware::testing::Ended;

#[tokio::test(start_paused = true)]
async fn a_call_that_failed_is_made_again_after_a_pause() {
    let script = [Act::Break, fail(Code::Unavailable), Act::Reply(Code::Ok)];
    let balancer = Balancer::new(script);
    let retry = balancer.under(&config());
    let response = retry.oneshot(unary(b"request")).await.expect("a response");
    let previous = text(response.headers(), "grpc-previous-rpc-attempts");
    assert_eq!(previous.as_deref(), Some("2"), "callers are told");

    let attempts = balancer.attempts();
    let previous: Vec<_> = attempts.iter().map(|it| it.previous.as_deref()).collect();
    assert_eq!(previous, [None, Some("1"), Some("2")]);
    assert!(attempts.iter().all(|it| it.request == ["request"]));
    let begins = balancer.begins();
    assert_eq!(begins[0], 0);
    assert!((80..=121).contains(&begins[1]), "{begins:?}");
    let second = begins[2] - begins[1];
    assert!((160..=241).contains(&second), "{begins:?}");
}

#[tokio::test(start_paused = true)]
async fn the_last_failure_is_the_one_that_is_told() {
    let balancer = Balancer::new([Act::Break, Act::Break, fail(Code::Unavailable)]);
    let ended = end(&balancer.under(&config()), unary(b"request")).await;
    let expected = Ended {
        messages: 0,
        code: Code::Unavailable,
        text: "as told".to_owned(),
    };
    assert_eq!(ended, expected);
    assert_eq!(balancer.count(), 3);
}

#[tokio::test(start_paused = true)]
async fn a_response_that_has_begun_is_final() {
    let balancer = Balancer::new([Act::Reply(Code::Unavailable)]);
    let ended = end(&balancer.under(&config()), unary(b"request")).await;
    assert_eq!((ended.messages, ended.code), (1, Code::Unavailable));
    assert_eq!(balancer.count(), 1);
}

#[tokio::test(start_paused = true)]
async fn other_codes_are_final_unless_they_are_configured() {
    let other = [Code::Internal, Code::Aborted, Code::DeadlineExceeded];
    for failure in other.into_iter().chain([Code::ResourceExhausted]) {
        let balancer = Balancer::new([fail(failure)]);
        assert_eq!(code(&balancer.under(&config())).await, failure);
    }
    let aborted = config::Retry {
        codes: config::RetryCode::new(Code::Aborted).into_iter().collect(),
        ..config()
    };
    let balancer = Balancer::new([fail(Code::Aborted), Act::Reply(Code::Ok)]);
    assert_eq!(code(&balancer.under(&aborted)).await, Code::Ok);
}

#[tokio::test(start_paused = true)]
async fn a_server_says_when_to_come_back_and_pauses_begin_anew() {
    let script = [
        fail(Code::Unavailable),
        push_back(Code::Unavailable, "7000"),
        fail(Code::Unavailable),
        Act::Reply(Code::Ok),
    ];
    let balancer = Balancer::new(script);
    let config = config::Retry {
        max_attempts: 4,
        ..config()
    };
    assert_eq!(code(&balancer.under(&config)).await, Code::Ok);
    let begins = balancer.begins();
    assert!(
        (7_000..=7_002).contains(&(begins[2] - begins[1])),
        "{begins:?}"
    );
    assert!((80..=122).contains(&(begins[3] - begins[2])), "{begins:?}");
}

#[tokio::test(start_paused = true)]
async fn a_server_says_that_one_need_not_come_back() {
    for text in ["-1", "soon"] {
        let balancer = Balancer::new([push_back(Code::Unavailable, text)]);
        assert_eq!(code(&balancer.under(&config())).await, Code::Unavailable);
    }
}

#[tokio::test(start_paused = true)]
async fn what_is_exhausted_is_asked_for_again_when_the_server_says_when() {
    let script = [
        push_back(Code::ResourceExhausted, "50"),
        Act::Reply(Code::Ok),
    ];
    let balancer = Balancer::new(script);
    assert_eq!(code(&balancer.under(&config())).await, Code::Ok);
    let begins = balancer.begins();
    assert!((50..=52).contains(&begins[1]), "{begins:?}");
    // What is not retryable does not become so.
    let balancer = Balancer::new([push_back(Code::Internal, "50")]);
    assert_eq!(code(&balancer.under(&config())).await, Code::Internal);
}

#[tokio::test(start_paused = true)]
async fn turned_off_for_all_or_for_a_method_calls_are_made_once() {
    let off = config::Retry {
        enabled: false,
        ..config()
    };
    let balancer = Balancer::new([fail(Code::Unavailable)]);
    assert_eq!(code(&balancer.under(&off)).await, Code::Unavailable);

    let mut config = config();
    let method = config::RetryMethod {
        enabled: Some(false),
        ..config::RetryMethod::default()
    };
    let name = "user.v1.UserService/GetUser".to_owned();
    config.methods.insert(name, method);
    let balancer = Balancer::new([fail(Code::Unavailable)]);
    assert_eq!(code(&balancer.under(&config)).await, Code::Unavailable);
}

#[tokio::test(start_paused = true)]
async fn attempts_know_where_the_others_have_been() {
    let script = [Act::Break, fail(Code::Unavailable), Act::Reply(Code::Ok)];
    let balancer = Balancer::new(script);
    assert_eq!(code(&balancer.under(&config())).await, Code::Ok);
    let tried: Vec<_> = balancer.attempts().iter().map(|it| it.tried).collect();
    assert_eq!(tried, [1, 2, 3]);
}

#[tokio::test(start_paused = true)]
async fn a_call_waits_for_an_instance_only_once() {
    let balancer = Balancer::new([Act::Break, Act::NotReady]);
    let ended = end(&balancer.under(&config()), unary(b"request")).await;
    let expected = Ended {
        messages: 0,
        code: Code::Unavailable,
        text: "no instance is ready".to_owned(),
    };
    assert_eq!(ended, expected);
    assert_eq!(balancer.count(), 2, "one attempt is left");
}

#[tokio::test(start_paused = true)]
async fn what_no_handler_has_seen_is_sent_again_at_once_and_does_not_count() {
    let script = [
        Act::Unseen,
        fail(Code::Unavailable),
        Act::Unseen,
        Act::Reply(Code::Ok),
    ];
    let balancer = Balancer::new(script);
    assert_eq!(code(&balancer.under(&config())).await, Code::Ok);
    let attempts = balancer.attempts();
    let previous: Vec<_> = attempts.iter().map(|it| it.previous.as_deref()).collect();
    assert_eq!(previous, [None, None, Some("1"), Some("1")]);
    assert!(attempts[1].millis < 5 && attempts[3].millis < attempts[2].millis + 5);
    assert!(attempts.iter().all(|it| it.request == ["request"]));

    // Where nothing is made again as well.
    let mut config = config();
    config.max_attempts = 1;
    let balancer = Balancer::new([Act::Unseen, fail(Code::Unavailable)]);
    assert_eq!(code(&balancer.under(&config)).await, Code::Unavailable);
    assert_eq!(balancer.count(), 2);
    // But not without end.
    let balancer = Balancer::new([const { Act::Unseen }; 3]);
    assert_eq!(code(&balancer.under(&config)).await, Code::Unavailable);
    assert_eq!(balancer.count(), 3);
}

#[tokio::test(start_paused = true)]
async fn what_no_handler_has_seen_once_too_often_is_retried_like_other_failures() {
    let script = [Act::Unseen, Act::Unseen, Act::Unseen, Act::Reply(Code::Ok)];
    let balancer = Balancer::new(script);
    assert_eq!(code(&balancer.under(&config())).await, Code::Ok);
    let attempts = balancer.attempts();
    let previous: Vec<_> = attempts.iter().map(|it| it.previous.as_deref()).collect();
    assert_eq!(previous, [None, None, None, Some("1")]);
    let pause = attempts[3].millis - attempts[2].millis;
    assert!((80..=122).contains(&pause), "{pause}");

    // Two that do not count, and the three attempts that there are.
    let balancer = Balancer::new([const { Act::Unseen }; 5]);
    assert_eq!(code(&balancer.under(&config())).await, Code::Unavailable);
    assert_eq!(balancer.count(), 5);
}

#[tokio::test(start_paused = true)]
async fn a_hedged_call_that_no_handler_has_seen_is_sent_again_at_once() {
    let balancer = Balancer::new([Act::Unseen, Act::Reply(Code::Ok)]);
    let known = Idempotent::only("user.v1.UserService/GetUser");
    assert_eq!(code(&balancer.described(&config(), &known)).await, Code::Ok);
    assert!(balancer.begins()[1] < 5, "{:?}", balancer.begins());
}
