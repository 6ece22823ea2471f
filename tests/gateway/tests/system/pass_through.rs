//! gRPC and gRPC-Web through the gateway.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use futures_util::{StreamExt, stream};
use http::{HeaderMap, Request};
use http_body::Frame;
use http_body_util::{BodyExt, Full, StreamBody};
use prost_reflect::prost::Message;
use prost_reflect::{DynamicMessage, Value};
use tokio::task::JoinSet;
use tonic::Status;
use tonic::body::Body;
use tonic::transport::server::TcpIncoming;
use tonic::transport::{Endpoint, Server};
use tower::{Service, ServiceExt};

use crate::support::{Echo, System, framed, message, system, system_with};

fn asking(fields: &[(&str, Value)]) -> Vec<u8> {
    let mut message = DynamicMessage::new(message());
    for (name, value) in fields {
        message.set_field_by_name(name, value.clone());
    }
    message.encode_to_vec()
}

/// A call by a client of gRPC: messages, and the status.
async fn call(system: &System, path: &str, request: &[u8]) -> (Vec<u8>, Option<Status>, HeaderMap) {
    let request = Request::post(path)
        .header("content-type", "application/grpc")
        .header("te", "trailers")
        .header("x-mine", "1")
        .body(Body::new(Full::from(framed(request))))
        .expect("a request");
    let response = system.gateway.channel().oneshot(request).await;
    let (parts, body) = response.expect("a response").into_parts();
    let body = body.collect().await.expect("a body");
    let status = body.trailers().and_then(Status::from_header_map);
    let status = status.or_else(|| Status::from_header_map(&parts.headers));
    (body.to_bytes().to_vec(), status, parts.headers)
}

#[tokio::test]
async fn grpc_passes_as_it_is() {
    let system = system().await;
    let request = asking(&[("text", Value::String("a".to_owned()))]);
    let (reply, status, headers) = call(&system, "/echo.v1.Echo/Get", &request).await;
    assert_eq!(status.map(|it| it.code()), Some(tonic::Code::Ok));
    assert_eq!(reply, framed(&request));
    assert_eq!(headers["x-echo"], "yes");
    assert!(headers.contains_key("x-request-id"));

    let fails = asking(&[("fail_with", Value::I32(5))]);
    let (_, status, _) = call(&system, "/echo.v1.Echo/Get", &fails).await;
    let status = status.expect("a status");
    assert_eq!(
        (status.code(), status.message()),
        (tonic::Code::NotFound, "as told")
    );

    let streams = asking(&[("replies", Value::I32(3))]);
    let (replies, _, _) = call(&system, "/echo.v1.Echo/List", &streams).await;
    assert_eq!(replies.len(), 3 * 5 + 2 * 2 + 3 * streams.len());
}

#[tokio::test]
async fn what_is_not_named_is_not_there_for_grpc_either() {
    let system = system().await;
    for path in ["/echo.v1.Hidden/Get", "/echo.v1.Echo/Nothing", "/x"] {
        let (_, status, _) = call(&system, path, &[]).await;
        let code = status.map(|it| it.code());
        assert_eq!(code, Some(tonic::Code::Unimplemented), "{path}");
    }
    // Its own health is.
    let (_, status, _) = call(&system, "/grpc.health.v1.Health/Check", &[]).await;
    assert_eq!(status.map(|it| it.code()), Some(tonic::Code::Ok));
}

#[tokio::test]
async fn grpc_needs_http2() {
    let system = system().await;
    let request = Request::post("/echo.v1.Echo/Get").header("content-type", "application/grpc");
    let reply = system
        .send(request.body(String::new()).expect("a request"))
        .await;
    assert_eq!(reply.status, 505);
}

/// The answer to a browser: the content type and the frames.
async fn web(system: &System, content_type: &str, body: Vec<u8>) -> (String, Vec<u8>) {
    let mut request = format!(
        "POST /echo.v1.Echo/Get HTTP/1.1\r\nhost: a\r\nconnection: close\r\n\
         content-type: {content_type}\r\ncontent-length: {}\r\n\r\n",
        body.len()
    )
    .into_bytes();
    request.extend(body);
    let answer = system.raw(&request).await;
    let end = answer
        .windows(4)
        .position(|it| it == b"\r\n\r\n")
        .expect("a head");
    let head = String::from_utf8(answer[..end].to_vec()).expect("ASCII");
    let line = head.lines().find(|line| line.starts_with("content-type: "));
    let content_type = line.expect("a type")["content-type: ".len()..].to_owned();
    let mut chunks = &answer[end + 4..];
    let mut body = Vec::new();
    // Chunked, since nobody knows the length before.
    while let Some(at) = chunks.windows(2).position(|it| it == b"\r\n") {
        let size = std::str::from_utf8(&chunks[..at]).expect("a size");
        let size = usize::from_str_radix(size, 16).expect("a size");
        body.extend(&chunks[at + 2..at + 2 + size]);
        chunks = &chunks[at + 2 + size + 2..];
    }
    (content_type, body)
}

#[tokio::test]
async fn browsers_get_trailers_as_a_frame() {
    let system = system().await;
    let request = asking(&[("text", Value::String("a".to_owned()))]);
    let frame = framed(&request).to_vec();
    let mut expected = frame.clone();
    expected.extend(b"\x80\0\0\0\x10grpc-status: 0\r\n");
    let (content_type, body) = web(&system, "application/grpc-web+proto", frame.clone()).await;
    assert_eq!(content_type, "application/grpc-web+proto");
    assert_eq!(body, expected);

    let text = STANDARD.encode(&frame).into_bytes();
    let (content_type, body) = web(&system, "application/grpc-web-text", text).await;
    assert_eq!(content_type, "application/grpc-web-text+proto");
    // Each frame has padding of its own.
    let text = String::from_utf8(body).expect("ASCII");
    let pieces = text.split_inclusive('=').collect::<Vec<_>>();
    let mut decoded = Vec::new();
    let mut group = String::new();
    for piece in pieces {
        group.push_str(piece);
        if group.len().is_multiple_of(4) {
            decoded.extend(STANDARD.decode(&group).expect("base64"));
            group.clear();
        }
    }
    if !group.is_empty() {
        decoded.extend(STANDARD.decode(&group).expect("base64"));
    }
    assert_eq!(decoded, expected);
}

/// Clients and services of others are around gateways too. A client of tonic ends a request with a
/// frame that is empty, and a server of tonic ends connections with many empty frames that end nothing.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn many_calls_at_a_time_pass_from_a_client_of_tonic_to_a_server_of_tonic() {
    const AT_A_TIME: usize = 32;
    const CALLS_OF_EACH: usize = 50;
    let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await;
    let listener = listener.expect("a port");
    let address = listener.local_addr().expect("an address");
    let accepted = Arc::<AtomicUsize>::default();
    let incoming = TcpIncoming::from(listener).inspect({
        let accepted = Arc::clone(&accepted);
        move |_| {
            accepted.fetch_add(1, Ordering::Relaxed);
        }
    });
    let server = Server::builder().add_service(Echo);
    let serving = tokio::spawn(server.serve_with_incoming(incoming));
    let system = system_with(|_, settings| {
        settings.services[0].target = format!("static:///{address}");
    });
    let system = system.await;
    let endpoint = format!("http://{}", system.gateway.address());
    let endpoint = Endpoint::from_shared(endpoint).expect("a URI");
    let channel = endpoint.connect().await.expect("a connection");
    let mut tasks = JoinSet::new();
    for _ in 0..AT_A_TIME {
        let mut channel = channel.clone();
        tasks.spawn(async move {
            let sent = framed(&asking(&[("text", Value::String("a".to_owned()))]));
            for _ in 0..CALLS_OF_EACH {
                let frames = stream::iter([Ok::<_, Status>(Frame::data(sent.clone()))]);
                let request = Request::post("/echo.v1.Echo/Get")
                    .header("content-type", "application/grpc")
                    .header("te", "trailers")
                    .body(Body::new(StreamBody::new(frames)))
                    .expect("a request");
                let channel = channel.ready().await.expect("a connection");
                let response = channel.call(request).await.expect("a response");
                let (parts, body) = response.into_parts();
                let body = body.collect().await.expect("a body");
                let status = body.trailers().and_then(Status::from_header_map);
                let status = status.or_else(|| Status::from_header_map(&parts.headers));
                let status = status.expect("a status");
                assert_eq!(status.code(), tonic::Code::Ok, "{status}");
                assert_eq!(body.to_bytes(), sent);
            }
        });
    }
    while let Some(ended) = tasks.join_next().await {
        ended.expect("all are answered");
    }
    let connections = accepted.load(Ordering::Relaxed);
    assert_eq!(connections, 1, "the server has not ended one");
    serving.abort();
}
