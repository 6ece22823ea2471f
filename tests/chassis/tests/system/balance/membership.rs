//! Which instances there are.

use chassis::config::Config;
use tokio_stream::wrappers::ReceiverStream;

use super::fleet::{
    Instance, Registry, call, config, counts, metric, spread, start, wait_for_connections,
};
use crate::support::ProbeRequest;

fn all(instances: &[Instance]) -> Vec<(&Instance, &[(&str, &str)])> {
    instances.iter().map(|it| (it, [].as_slice())).collect()
}

#[tokio::test]
async fn a_client_keeps_to_its_subset() {
    let instances = start::<5>().await;
    let registry = Registry::start().await;
    registry.set(&all(&instances));
    let mut config: Config = config();
    config.client.balance.subset_size = 2;
    let mut client = registry.client("subset", config).await;
    wait_for_connections("subset", 2).await;
    let spread = spread(&mut client, 20).await;
    assert_eq!(spread.values().collect::<Vec<_>>(), [&10, &10]);
}

#[tokio::test]
async fn an_instance_that_has_left_finishes_its_calls_and_gets_no_more() {
    let instances = start::<2>().await;
    let registry = Registry::start().await;
    registry.set(&all(&instances[..1]));
    let mut client = registry.client("leaving", config()).await;
    assert_eq!(call(&mut client).await, "a");
    let (requests, receiver) = tokio::sync::mpsc::channel(1);
    let replies = client.bidi(ReceiverStream::new(receiver)).await;
    let mut replies = replies.expect("replies").into_inner();

    registry.set(&all(&instances[1..]));
    while call(&mut client).await != "b" {
        tokio::task::yield_now().await;
    }
    assert_eq!(spread(&mut client, 20).await, counts(&[("b", 20)]));
    // The connection is no longer the client's, but the call goes on.
    wait_for_connections("leaving", 1).await;
    for _ in 0..3 {
        requests.send(ProbeRequest::default()).await.expect("open");
        let reply = replies.message().await.expect("no error");
        assert_eq!(reply.expect("a reply").instance, "a");
    }
    drop(requests);
    assert!(replies.message().await.expect("no error").is_none());
}

#[tokio::test]
async fn an_empty_answer_of_the_registry_changes_nothing() {
    let instances = start::<2>().await;
    let registry = Registry::start().await;
    registry.set(&all(&instances));
    let mut client = registry.client("emptied", config()).await;
    wait_for_connections("emptied", 2).await;
    registry.set(&[]);
    let expected = counts(&[("a", 10), ("b", 10)]);
    assert_eq!(spread(&mut client, 20).await, expected);
    // What comes next counts again, so the empty one had been read.
    registry.set(&all(&instances[..1]));
    wait_for_connections("emptied", 1).await;
    assert_eq!(spread(&mut client, 20).await, counts(&[("a", 20)]));
    let disconnected = r#"client_endpoints{target="consul:///emptied",state="disconnected"}"#;
    assert_eq!(metric(disconnected), Some(0));
}
