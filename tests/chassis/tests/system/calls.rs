//! Calls of a server in its whole stack.

use std::time::Duration;

use chassis::config::{Config, NoSettings};
use chassis::testing::{self, TestServer};
use tokio_stream::StreamExt;
use tonic::transport::Channel;
use tonic::{Code, Request, Status};
use tonic_health::pb::HealthCheckRequest;
use tonic_health::pb::health_check_response::ServingStatus;
use tonic_health::pb::health_client::HealthClient;

use crate::support::{Behaviour, ProbeClient, ProbeRequest, ask, instance};

async fn server() -> (TestServer, ProbeClient<Channel>) {
    let server = testing::serve(instance("one")).await;
    let client = ProbeClient::new(server.channel());
    (server, client)
}

fn failed<T>(result: Result<T, Status>) -> (Code, String) {
    match result {
        Ok(_) => (Code::Ok, String::new()),
        Err(status) => (status.code(), status.message().to_owned()),
    }
}

#[tokio::test]
async fn all_four_kinds_of_calls_work() {
    let (_server, mut client) = server().await;
    let reply = client
        .unary(ProbeRequest::default())
        .await
        .expect("a reply");
    assert_eq!(reply.get_ref().instance, "one");

    let request = ProbeRequest {
        replies: 3,
        ..ProbeRequest::default()
    };
    let replies = client.server_stream(request).await.expect("replies");
    assert_eq!(
        replies
            .into_inner()
            .filter_map(Result::ok)
            .collect::<Vec<_>>()
            .await
            .len(),
        3
    );

    let requests = tokio_stream::iter(vec![ProbeRequest::default(); 4]);
    let reply = client.client_stream(requests).await.expect("a reply");
    assert_eq!(reply.get_ref().requests, 4);

    let requests = tokio_stream::iter(vec![ProbeRequest::default(); 5]);
    let replies = client.bidi(requests).await.expect("replies");
    assert_eq!(
        replies
            .into_inner()
            .filter_map(Result::ok)
            .collect::<Vec<_>>()
            .await
            .len(),
        5
    );
}

#[tokio::test]
async fn statuses_of_handlers_reach_the_caller() {
    let (_server, mut client) = server().await;
    let request = ask(Behaviour::Fail(Code::AlreadyExists as i32));
    let result = client.unary(request).await;
    assert_eq!(failed(result), (Code::AlreadyExists, "as told".to_owned()));
}

#[tokio::test]
async fn a_panic_is_internal_and_the_connection_goes_on() {
    let (_server, mut client) = server().await;
    let panic = ask(Behaviour::Panic("with secrets".to_owned()));
    let text = "the handler panicked".to_owned();
    assert_eq!(
        failed(client.unary(panic.clone()).await),
        (Code::Internal, text.clone())
    );

    let request = ProbeRequest {
        replies: 2,
        ..panic.clone()
    };
    let replies = client.server_stream(request).await.expect("replies");
    let mut replies = replies.into_inner();
    assert!(replies.message().await.is_ok());
    assert!(replies.message().await.is_ok());
    assert_eq!(
        failed(replies.message().await),
        (Code::Internal, text.clone())
    );

    let requests = tokio_stream::iter([ProbeRequest::default(), panic]);
    assert_eq!(
        failed(client.client_stream(requests).await),
        (Code::Internal, text)
    );
    assert!(client.unary(ProbeRequest::default()).await.is_ok());
}

#[tokio::test]
async fn the_server_ends_calls_at_their_deadline() {
    let server = testing::serve(instance("one")).await;
    // A client that sends the header and leaves the rest to the server.
    let mut config = Config::<NoSettings>::default();
    config.client.layers.deadline = false;
    let target = format!("static:///{}", server.address());
    let channel = chassis::client::connect(&target, &config).await;
    let mut client = ProbeClient::new(channel.expect("a valid target"));
    let with_timeout = |request: ProbeRequest| {
        let mut request = Request::new(request);
        request
            .metadata_mut()
            .insert("grpc-timeout", "500m".parse().expect("ASCII"));
        request
    };
    let hang = ask(Behaviour::Hang(true));
    let expected = (
        Code::DeadlineExceeded,
        "the deadline of the call has passed".to_owned(),
    );
    assert_eq!(
        failed(client.unary(with_timeout(hang.clone())).await),
        expected
    );

    let request = ProbeRequest { replies: 1, ..hang };
    let replies = client.server_stream(with_timeout(request)).await;
    let mut replies = replies.expect("replies").into_inner();
    assert!(replies.message().await.is_ok());
    assert_eq!(failed(replies.message().await), expected);
}

#[tokio::test]
async fn handlers_know_the_time_that_is_left() {
    let (_server, mut client) = server().await;
    let reply = client
        .unary(ProbeRequest::default())
        .await
        .expect("a reply");
    let left = reply
        .get_ref()
        .remaining_ms
        .expect("the server's own limit");
    assert!(left <= 60_000, "{left}");

    let mut request = Request::new(ProbeRequest::default());
    request.set_timeout(Duration::from_secs(5));
    let reply = client.unary(request).await.expect("a reply");
    let left = reply.get_ref().remaining_ms.expect("the caller's deadline");
    assert!(left <= 5_000, "{left}");

    let request = ProbeRequest {
        replies: 1,
        ..ProbeRequest::default()
    };
    let mut replies = client
        .server_stream(request)
        .await
        .expect("replies")
        .into_inner();
    let reply = replies.message().await.expect("no error").expect("a reply");
    assert_eq!(reply.remaining_ms, None, "a stream has no limit by default");
}

#[tokio::test]
async fn a_request_above_the_limit_is_refused() {
    let (_server, mut client) = server().await;
    let request = ProbeRequest {
        payload: vec![0; 4 * 1024 * 1024],
        ..ProbeRequest::default()
    };
    let (code, text) = failed(client.unary(request).await);
    assert_eq!(code, Code::ResourceExhausted);
    assert!(
        text.starts_with("a message of 4194309 bytes is above the limit of 4194304"),
        "{text}"
    );
}

#[tokio::test]
async fn what_is_not_there_is_unimplemented() {
    let server = testing::serve(instance("one")).await;
    let mut grpc = tonic::client::Grpc::new(server.channel());
    for (path, text) in [
        ("/no.Such/Method", "unknown service `no.Such`"),
        ("/chassis.test.v1.Probe/Nothing", ""),
    ] {
        grpc.ready().await.expect("connected");
        let codec = tonic_prost::ProstCodec::<ProbeRequest, ProbeRequest>::default();
        let request = Request::new(ProbeRequest::default());
        let result = grpc
            .unary(request, path.parse().expect("a path"), codec)
            .await;
        assert_eq!(
            failed(result),
            (Code::Unimplemented, text.to_owned()),
            "{path}"
        );
    }
}

#[tokio::test]
async fn every_service_has_its_health() {
    let (server, _) = server().await;
    let mut health = HealthClient::new(server.channel());
    for service in ["", "chassis.test.v1.Probe"] {
        let request = HealthCheckRequest {
            service: service.to_owned(),
        };
        let response = health.check(request).await.expect("known");
        assert_eq!(
            response.get_ref().status(),
            ServingStatus::Serving,
            "{service}"
        );
    }
    let request = HealthCheckRequest {
        service: "no.Such".to_owned(),
    };
    assert_eq!(failed(health.check(request).await).0, Code::NotFound);
}

#[tokio::test]
async fn reflection_lists_what_is_served_in_both_versions() {
    const SERVED: [&str; 4] = [
        "chassis.test.v1.Probe",
        "grpc.health.v1.Health",
        "grpc.reflection.v1.ServerReflection",
        "grpc.reflection.v1alpha.ServerReflection",
    ];
    let (server, _) = server().await;
    macro_rules! listed {
        ($version:ident) => {{
            use tonic_reflection::pb::$version::ServerReflectionRequest;
            use tonic_reflection::pb::$version::server_reflection_client::ServerReflectionClient;
            use tonic_reflection::pb::$version::server_reflection_request::MessageRequest;
            use tonic_reflection::pb::$version::server_reflection_response::MessageResponse;

            let mut client = ServerReflectionClient::new(server.channel());
            let request = tokio_stream::once(ServerReflectionRequest {
                host: String::new(),
                message_request: Some(MessageRequest::ListServices(String::new())),
            });
            let responses = client
                .server_reflection_info(request)
                .await
                .expect("served");
            let response = responses.into_inner().message().await.expect("no error");
            match response.and_then(|response| response.message_response) {
                Some(MessageResponse::ListServicesResponse(list)) => {
                    let names = list.service.into_iter().map(|service| service.name);
                    names.collect::<Vec<String>>()
                }
                other => panic!("{other:?}"),
            }
        }};
    }
    assert_eq!(listed!(v1), SERVED);
    assert_eq!(listed!(v1alpha), SERVED);
}

#[tokio::test]
async fn every_layer_can_be_switched_off() {
    let mut config = Config::<NoSettings>::default();
    config.server.layers = chassis::config::ServerLayers {
        trace: false,
        log: false,
        metrics: false,
        deadline: false,
        catch_panic: false,
    };
    let server = testing::serve_with(config, instance("one")).await;
    let mut client = ProbeClient::new(server.channel());
    let reply = client
        .unary(ProbeRequest::default())
        .await
        .expect("a reply");
    assert_eq!(reply.get_ref().remaining_ms, None);
}
