//! What bounds retries: the budget, the deadline, patience, and whoever gives up.

use std::future::Future;
use std::pin::pin;
use std::sync::Arc;
use std::task::{Context, Waker};

use tokio::time::Instant;
use tonic::Code;
use tower::Service;

use super::support::{
    Act, Balancer, MILLI, code, config, end, fail, later, push_back, streaming, unary, with_timeout,
};
use crate::client::retry::{Idempotent, Shared};
use crate::config;

fn throttled(max_tokens: u32) -> config::Retry {
    config::Retry {
        throttle: config::RetryThrottle {
            max_tokens,
            ..config::RetryThrottle::default()
        },
        ..config()
    }
}

#[tokio::test(start_paused = true)]
async fn retries_end_when_too_much_fails_and_return_when_enough_succeeds() {
    let script = vec![fail(Code::Unavailable); 6];
    let balancer = Balancer::new(script);
    let retry = balancer.under(&throttled(10));
    // Four failures are retried: 3 + 2 attempts. The fifth leaves half of the tokens.
    assert_eq!(code(&retry).await, Code::Unavailable);
    assert_eq!(balancer.count(), 3);
    assert_eq!(code(&retry).await, Code::Unavailable);
    assert_eq!(balancer.count(), 5);
    assert_eq!(code(&retry).await, Code::Unavailable);
    assert_eq!(balancer.count(), 6, "not retried any more");

    let good = std::iter::repeat_n(Act::Reply(Code::Ok), 30);
    let script = [
        vec![fail(Code::Unavailable); 6],
        good.collect(),
        vec![fail(Code::Unavailable), Act::Reply(Code::Ok)],
    ];
    let balancer = Balancer::new(script.concat());
    let retry = balancer.under(&throttled(10));
    for _ in 0..3 {
        assert_eq!(code(&retry).await, Code::Unavailable);
    }
    // Clones share the budget: six are gone, three come back, the next failure takes one.
    for _ in 0..30 {
        assert_eq!(code(&retry.clone()).await, Code::Ok);
    }
    assert_eq!(code(&retry).await, Code::Ok, "retried again");
}

#[tokio::test(start_paused = true)]
async fn a_server_that_does_not_want_retries_costs_tokens_and_an_error_of_the_caller_none() {
    let script = [
        vec![fail(Code::InvalidArgument); 20],
        vec![fail(Code::Unavailable), Act::Reply(Code::Ok)],
        vec![push_back(Code::Internal, "-1"); 5],
        vec![fail(Code::Unavailable)],
    ];
    let balancer = Balancer::new(script.concat());
    let retry = balancer.under(&throttled(10));
    for _ in 0..20 {
        assert_eq!(code(&retry).await, Code::InvalidArgument);
    }
    assert_eq!(code(&retry).await, Code::Ok);
    for _ in 0..5 {
        assert_eq!(code(&retry).await, Code::Internal);
    }
    assert_eq!(code(&retry).await, Code::Unavailable, "throttled");
}

#[tokio::test(start_paused = true)]
async fn no_attempt_begins_that_the_deadline_would_pass_before() {
    let balancer = Balancer::new([later(930, fail(Code::Unavailable))]);
    let begin = Instant::now();
    let request = with_timeout(unary(b"request"), "1S");
    let ended = end(&balancer.under(&config()), request).await;
    assert_eq!(ended.code, Code::Unavailable, "it is told at once");
    assert!(begin.elapsed() < 935 * MILLI);
}

#[tokio::test(start_paused = true)]
async fn attempts_share_the_deadline() {
    let script = [push_back(Code::Unavailable, "250"), Act::Reply(Code::Ok)];
    let balancer = Balancer::new(script);
    let request = with_timeout(unary(b"request"), "1S");
    assert_eq!(
        end(&balancer.under(&config()), request).await.code,
        Code::Ok
    );
    let timeouts: Vec<_> = balancer
        .attempts()
        .into_iter()
        .map(|it| it.timeout)
        .collect();
    assert_eq!(timeouts[0].as_deref(), Some("1S"));
    let left = timeouts[1].as_deref().and_then(|it| it.strip_suffix('u'));
    let left: u64 = left
        .expect("a timeout in microseconds")
        .parse()
        .expect("a number");
    assert!((748_000..=750_000).contains(&left), "{left}");
}

#[tokio::test(start_paused = true)]
async fn an_attempt_that_hangs_is_given_up_for_another_where_that_is_configured() {
    let config = config::Retry {
        attempt_timeout: config::Duration::from_millis(200),
        ..config()
    };
    let balancer = Balancer::new([Act::Hang, Act::Reply(Code::Ok)]);
    assert_eq!(code(&balancer.under(&config)).await, Code::Ok);
    let begins = balancer.begins();
    assert!((200..=202).contains(&begins[1]), "{begins:?}");

    // The last one has all the time there is.
    let balancer = Balancer::new([Act::Hang, Act::Hang, later(5_000, Act::Reply(Code::Ok))]);
    assert_eq!(code(&balancer.under(&config)).await, Code::Ok);
    let ended: Vec<_> = balancer.attempts().iter().map(|it| it.ended).collect();
    assert_eq!(ended, [false, false, true]);

    // How long a stream takes is up to its sender.
    let balancer = Balancer::new([Act::Hang]);
    let retry = balancer.under(&config);
    let call = end(&retry, streaming(tokio_stream::pending()));
    assert!(tokio::time::timeout(10_000 * MILLI, call).await.is_err());
    assert_eq!(balancer.count(), 1);
}

#[tokio::test(start_paused = true)]
async fn whoever_gives_up_in_a_pause_leaves_nothing_behind() {
    let balancer = Balancer::new([Act::Early(1, Box::new(fail(Code::Unavailable)))]);
    let mut retry = balancer.under(&config());
    let budget = super::super::budget(&retry.shared);
    let held = Arc::new(());
    let gone = Arc::downgrade(&held);
    let pieces = endless(held);
    {
        let mut call = pin!(retry.call(streaming(pieces)));
        let mut context = Context::from_waker(Waker::noop());
        while balancer.attempts().iter().all(|it| !it.ended) {
            assert!(call.as_mut().poll(&mut context).is_pending());
        }
        assert!(
            call.as_mut().poll(&mut context).is_pending(),
            "in its pause"
        );
        assert_eq!(budget.used(), 5);
        assert!(gone.upgrade().is_some());
    }
    assert_eq!(budget.used(), 0);
    assert!(gone.upgrade().is_none(), "the request is dropped");
    tokio::time::sleep(1_000 * MILLI).await;
    assert_eq!(balancer.count(), 1);
}

#[tokio::test(start_paused = true)]
async fn changed_settings_hold_for_calls_that_begin_then_with_what_was_learned() {
    let balancer = Balancer::new((0..20).map(|_| fail(Code::Unavailable)));
    let settings = |max_attempts, enabled| config::Client {
        retry: config::Retry {
            enabled,
            max_attempts,
            ..throttled(10)
        },
        ..config::Client::default()
    };
    let retry = balancer.under(&settings(2, true).retry);
    let set = |config: &config::Client| {
        let before = (**retry.shared.load()).clone();
        let idempotent = Idempotent::default();
        retry
            .shared
            .set(Shared::new(config, &idempotent, before.as_deref()));
    };
    let attempts = async || {
        let before = balancer.count();
        assert_eq!(end(&retry, unary(b"")).await.code, Code::Unavailable);
        balancer.count() - before
    };
    assert_eq!(attempts().await, 2);
    set(&settings(3, true));
    // The budget is that of before: half of it is gone by then.
    assert_eq!((attempts().await, attempts().await), (3, 1));
    set(&settings(3, false));
    assert_eq!(attempts().await, 1);
    set(&settings(3, true));
    assert_eq!(attempts().await, 3, "a new budget");
}

/// A piece, and then nothing for ever; it holds on to `held`.
fn endless(held: Arc<()>) -> impl tokio_stream::Stream<Item = bytes::Bytes> + Send + 'static {
    use tokio_stream::StreamExt;
    let first = tokio_stream::once(bytes::Bytes::from_static(b"piece"));
    first.chain(tokio_stream::pending()).map(move |piece| {
        let _held = &held;
        piece
    })
}
