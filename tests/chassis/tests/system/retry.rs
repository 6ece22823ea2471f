//! Retries over real connections.

use std::net::SocketAddr;

use chassis::client::{self, Channel};
use chassis::config::{Config, Hedging, NoSettings, RetryMethod};
use chassis::testing::{self, TestServer};
use prost::Message;
use prost_types::method_options::IdempotencyLevel;
use prost_types::{FileDescriptorSet, MethodOptions};
use tokio::sync::mpsc;
use tokio_stream::wrappers::ReceiverStream;
use tonic::{Code, Request};

use crate::support::{
    Behaviour, DESCRIPTOR_SET, ProbeApi, ProbeClient, ProbeReply, ProbeRequest, ask, free_port,
    instance, services,
};

fn config() -> Config {
    Config::<NoSettings>::default()
}

/// An instance whose unary calls do this, whatever they ask for.
async fn always(behaviour: Behaviour) -> TestServer {
    testing::serve(services(ProbeApi {
        always: Some(behaviour),
        ..ProbeApi::default()
    }))
    .await
}

async fn connect(servers: &[&TestServer], config: &Config) -> ProbeClient<Channel> {
    let addresses: Vec<String> = servers.iter().map(|it| it.address().to_string()).collect();
    let target = format!("static:///{}", addresses.join(","));
    let channel = client::connect(&target, config).await;
    ProbeClient::new(channel.expect("a valid target"))
}

/// The first call that took more than one attempt.
async fn retried(client: &mut ProbeClient<Channel>) -> ProbeReply {
    retried_within(client, std::time::Duration::from_secs(20)).await
}

async fn retried_within(
    client: &mut ProbeClient<Channel>,
    timeout: std::time::Duration,
) -> ProbeReply {
    loop {
        let mut request = Request::new(ProbeRequest::default());
        request.set_timeout(timeout);
        let reply = client.unary(request).await.expect("a reply").into_inner();
        if reply.metadata.contains_key("grpc-previous-rpc-attempts") {
            return reply;
        }
    }
}

#[tokio::test]
async fn what_one_instance_refuses_another_answers_in_the_time_that_is_left() {
    let good = testing::serve(instance("good")).await;
    let bad = always(Behaviour::Fail(Code::Unavailable as i32)).await;
    let mut client = connect(&[&good, &bad], &config()).await;
    let reply = retried(&mut client).await;
    assert_eq!(reply.instance, "good");
    // The pause before it is at least 40 ms.
    let left = reply.remaining_ms.expect("a deadline");
    assert!(left <= 19_960, "{left}");
}

#[tokio::test]
async fn a_request_stream_goes_on_at_another_instance() {
    let first = testing::serve(instance("first")).await;
    let address = SocketAddr::from(([127, 0, 0, 1], free_port()));
    let target = format!("static:///{},{address}", first.address());
    let channel = client::connect(&target, &config()).await;
    let mut client = ProbeClient::new(channel.expect("a valid target"));
    let (requests, receiver) = mpsc::channel(1);
    let requests_of_call = ReceiverStream::new(receiver);
    let call = tokio::spawn(async move { client.client_stream(requests_of_call).await });
    // When the fifth has its place, the fourth is on its connection.
    for _ in 0..5 {
        requests.send(ProbeRequest::default()).await.expect("open");
    }
    let _second = testing::serve_at(address, instance("second")).await;
    drop(first);
    requests.send(ProbeRequest::default()).await.expect("open");
    drop(requests);
    let reply = call.await.expect("no panic").expect("a reply").into_inner();
    assert_eq!((reply.instance.as_str(), reply.requests), ("second", 6));
    let previous = reply.metadata.get("grpc-previous-rpc-attempts");
    assert_eq!(previous.map(String::as_str), Some("1"));
}

#[tokio::test]
async fn a_response_that_has_begun_is_not_made_again() {
    let server = testing::serve(instance("one")).await;
    let other = testing::serve(instance("other")).await;
    let mut client = connect(&[&server, &other], &config()).await;
    let request = ProbeRequest {
        replies: 1,
        ..ask(Behaviour::Hang(true))
    };
    let replies = client.server_stream(request).await;
    let mut replies = replies.expect("replies").into_inner();
    assert!(replies.message().await.expect("no error").is_some());
    drop((server, other));
    let status = replies.message().await.expect_err("it is cut");
    assert_eq!(status.code(), Code::Unavailable, "{status:?}");
}

#[tokio::test]
async fn a_hedged_call_does_not_wait_for_an_instance_that_hangs() {
    let good = testing::serve(instance("good")).await;
    let hangs = always(Behaviour::Hang(true)).await;
    let mut config = config();
    let method = RetryMethod {
        hedging: Some(Hedging {
            max_attempts: 5,
            ..Hedging::default()
        }),
        ..RetryMethod::default()
    };
    let name = "chassis.test.v1.Probe/Unary".to_owned();
    config.client.retry.methods.insert(name, method);
    let mut client = connect(&[&good, &hangs], &config).await;
    assert_eq!(retried(&mut client).await.instance, "good");
}

/// The descriptors, in which `Unary` has no side effects.
fn described() -> Vec<u8> {
    let mut set = FileDescriptorSet::decode(DESCRIPTOR_SET).expect("valid");
    let services = set.file.iter_mut().flat_map(|it| &mut it.service);
    let mut methods = services.flat_map(|it| &mut it.method);
    let unary = methods.find(|it| it.name() == "Unary");
    unary.expect("there is one").options = Some(MethodOptions {
        idempotency_level: Some(IdempotencyLevel::NoSideEffects.into()),
        ..MethodOptions::default()
    });
    set.encode_to_vec()
}

#[tokio::test]
async fn what_has_no_side_effects_is_answered_in_time_although_a_handler_hangs() {
    let good = testing::serve(instance("good")).await;
    let bad = always(Behaviour::Hang(true)).await;
    let target = format!("static:///{},{}", good.address(), bad.address());
    let channel = client::connect_described(&target, &config(), &described()).await;
    let mut client = ProbeClient::new(channel.expect("a valid target"));
    let timeout = std::time::Duration::from_secs(2);
    let reply = retried_within(&mut client, timeout).await;
    assert_eq!(reply.instance, "good");
    let left = reply.remaining_ms.expect("a deadline");
    assert!(left <= 1_000, "{left}");
}

#[tokio::test]
async fn descriptors_that_are_none_are_refused() {
    let result = client::connect_described("static:///127.0.0.1:1", &config(), b"none").await;
    assert!(matches!(result, Err(chassis::Error::Descriptors(_))));
}
