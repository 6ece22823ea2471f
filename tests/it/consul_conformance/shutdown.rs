//! The end of the embedded registry.

use std::pin::pin;

use msvc::infra::embedded::consul;

use super::agents::{Side, within_deadline};

#[tokio::test]
async fn blocked_queries_are_answered_when_the_registry_stops() {
    let registry = consul::start(([127, 0, 0, 1], 0).into())
        .await
        .expect("the registry starts");
    let side = Side::new("embedded", registry.address());
    let index = side.index("kv/k").await;
    let path = format!("kv/k?index={index}&wait=10m");
    let mut query = pin!(side.ask("GET", &path, ""));
    // It is sent before another is answered on a connection of its own.
    tokio::select! {
        biased;
        answer = &mut query => panic!("it does not block: {answer:?}"),
        other = side.ask("GET", "status/leader", "") => assert_eq!(other.status, 200),
    }
    drop(registry);
    let answer = within_deadline("the answer", query).await;
    // Closed before it was read, or answered as if the wait were over.
    assert!([0, 404].contains(&answer.status), "{answer:?}");
}
