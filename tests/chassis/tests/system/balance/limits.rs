//! Calls that are not made.

use tokio_stream::wrappers::ReceiverStream;
use tonic::Code;

use super::fleet::{Registry, call, config, metric, start};
use crate::support::{Behaviour, ProbeRequest, ask};

#[tokio::test]
async fn a_call_beyond_the_limit_on_calls_in_flight_fails_at_once() {
    let [a] = start().await;
    let registry = Registry::start().await;
    registry.set(&[(&a, &[])]);
    let mut config = config();
    config.client.max_in_flight = 2;
    let mut client = registry.client("bulkhead", config).await;
    let mut streams = Vec::new();
    for _ in 0..2 {
        let (requests, receiver) = tokio::sync::mpsc::channel::<ProbeRequest>(1);
        let replies = client.bidi(ReceiverStream::new(receiver)).await;
        streams.push((requests, replies.expect("a place")));
    }
    let metrics = || {
        ["in_flight", "rejected_total"]
            .map(|name| format!(r#"client_bulkhead_{name}{{target="consul:///bulkhead"}}"#))
            .map(|row| metric(&row))
    };
    assert_eq!(metrics(), [Some(2), Some(0)]);
    let status = client.unary(ProbeRequest::default()).await;
    let status = status.expect_err("no place is left");
    assert_eq!(status.code(), Code::ResourceExhausted);
    assert_eq!(
        status.message(),
        "2 calls to consul:///bulkhead are in flight, the most that there may be \
         (client.max_in_flight)"
    );
    assert_eq!(metrics(), [Some(2), Some(1)]);
    // The place is free when its response is dropped, or has ended.
    drop(streams.pop());
    for _ in 0..3 {
        assert_eq!(call(&mut client).await, "a");
    }
    assert_eq!(metrics(), [Some(1), Some(1)]);
}

#[tokio::test]
async fn a_method_that_fails_does_not_take_the_others_with_it() {
    let [a] = start().await;
    let registry = Registry::start().await;
    registry.set(&[(&a, &[])]);
    let mut config = config();
    config.client.breaker.per_method = true;
    let mut client = registry.client("per-method", config).await;
    for _ in 0..3 {
        let result = client.unary(ask(Behaviour::Fail(Code::Internal as i32)));
        assert_eq!(result.await.expect_err("as told").message(), "as told");
    }
    let status = client.unary(ProbeRequest::default()).await;
    let status = status.expect_err("its breaker is open");
    let address = a.server.address();
    assert_eq!(
        status.message(),
        format!(
            "no instance of consul:///per-method is ready: {address}: its circuit breaker is open"
        )
    );
    let replies = client.server_stream(ProbeRequest::default()).await;
    assert!(replies.is_ok());
}
