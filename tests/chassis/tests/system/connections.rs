//! Clients that do not behave, on raw sockets.

use std::net::SocketAddr;

use bytes::Bytes;
use chassis::config::{self, Config, NoSettings, PerSecond};
use chassis::{client, testing};
use h2::client::SendRequest;
use http::{HeaderMap, Request, Response};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;
use tokio::sync::mpsc;
use tokio::task::JoinHandle;
use tokio_stream::wrappers::ReceiverStream;

use crate::support::{Behaviour, ProbeClient, ProbeRequest, ask, instance};

const UNARY: &str = "/chassis.test.v1.Probe/Unary";
const SHORT: config::Duration = config::Duration::from_millis(50);
const PREFACE: &[u8] = b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n\0\0\0\x04\0\0\0\0\0";

fn config(change: impl FnOnce(&mut config::Server)) -> Config {
    let mut config = Config::<NoSettings>::default();
    change(&mut config.server);
    config
}

async fn tcp(address: SocketAddr) -> TcpStream {
    let stream = TcpStream::connect(address).await;
    stream.expect("the server listens")
}

/// Reads until the server closes the connection, orderly or not.
async fn closed(stream: &mut TcpStream) {
    let _ = stream.read_to_end(&mut Vec::new()).await;
}

type Driver = JoinHandle<Result<(), h2::Error>>;

/// A raw HTTP/2 connection, and the task that ends with it.
async fn h2(address: SocketAddr) -> (SendRequest<Bytes>, Driver) {
    let (sender, connection) = h2::client::handshake(tcp(address).await)
        .await
        .expect("an HTTP/2 connection");
    (sender, tokio::spawn(connection))
}

/// Calls `Unary {}` with `headers`.
async fn call(
    sender: &mut SendRequest<Bytes>,
    headers: &[(&'static str, &str)],
) -> Response<HeaderMap> {
    let mut request = Request::post(format!("http://localhost{UNARY}"))
        .header("content-type", "application/grpc")
        .header("te", "trailers");
    for (name, value) in headers {
        request = request.header(*name, *value);
    }
    let request = request.body(()).expect("a request");
    let (response, mut body) = sender.send_request(request, false).expect("open");
    let _ = body.send_data(Bytes::from_static(&[0; 5]), true);
    let (head, mut body) = response.await.expect("a response").into_parts();
    while let Some(data) = body.data().await {
        data.expect("data");
    }
    let trailers = body.trailers().await.expect("an end");
    let trailers = trailers.unwrap_or_else(|| head.headers.clone());
    Response::from_parts(head, trailers)
}

fn grpc_status(response: &Response<HeaderMap>) -> (&str, &str) {
    let text = |name: &str| {
        let value = response.body().get(name);
        value.map_or("", |value| value.to_str().expect("ASCII"))
    };
    (text("grpc-status"), text("grpc-message"))
}

#[tokio::test]
async fn a_client_that_does_not_finish_what_it_begins_is_cut() {
    // Long enough for the client of this test, which does finish, on a machine that is busy.
    let limit = config::Duration::from_millis(500);
    let config = config(|server| {
        server.connections.handshake_timeout = limit;
        server.connections.frame_timeout = limit;
    });
    let server = testing::serve_with(config, instance("one")).await;
    let half_headers = [PREFACE, &[0, 0, 9, 1, 4, 0, 0, 0, 1, 0x82]].concat();
    let no_end_of_headers = [PREFACE, &[0, 0, 1, 1, 0, 0, 0, 0, 1, 0x82]].concat();
    let mut streams = Vec::new();
    for begun in [
        &b""[..],
        b"PRI",
        &PREFACE[..24],
        &half_headers,
        &no_end_of_headers,
    ] {
        let mut stream = tcp(server.address()).await;
        stream.write_all(begun).await.expect("open");
        streams.push(stream);
    }
    for stream in &mut streams {
        closed(stream).await;
    }
    // One that has said everything may be silent.
    let mut client = ProbeClient::new(server.channel());
    assert!(client.unary(ProbeRequest::default()).await.is_ok());
}

#[tokio::test]
async fn connections_above_the_limit_are_closed_at_once() {
    let config = config(|server| server.connections.max = 2);
    let server = testing::serve_with(config, instance("one")).await;
    // The client of the test has one of the two.
    let (mut sender, driver) = h2(server.address()).await;
    let second = call(&mut sender, &[]).await;
    assert_eq!(grpc_status(&second), ("0", ""));
    closed(&mut tcp(server.address()).await).await;

    drop(sender);
    driver.await.expect("no panic").expect("an orderly end");
    // The place is free when the server has seen the end.
    loop {
        let connected = h2::client::handshake(tcp(server.address()).await).await;
        let Ok((mut sender, connection)) = connected else {
            continue;
        };
        let driver = tokio::spawn(connection);
        let Ok(ready) = sender.clone().ready().await else {
            continue;
        };
        sender = ready;
        let request = Request::post(format!("http://localhost{UNARY}")).body(());
        let sent = sender.send_request(request.expect("a request"), true);
        let Ok((response, _)) = sent else { continue };
        if response.await.is_ok() {
            break;
        }
        driver.abort();
    }
}

#[tokio::test]
async fn an_old_connection_gets_goaway_and_finishes_its_calls() {
    let config = config(|server| {
        server.connections.max_age = config::Duration::from_millis(200);
    });
    let server = testing::serve_with(config, instance("one")).await;
    // The server may end a connection just when a call is sent on it. That call was not looked at:
    // this client sends it again, the one of the test server does not.
    let target = format!("static:///{}", server.address());
    let channel = client::connect(&target, &Config::<NoSettings>::default()).await;
    let mut client = ProbeClient::new(channel.expect("a valid target"));
    let (requests, receiver) = mpsc::channel(1);
    let replies = client.bidi(ReceiverStream::new(receiver)).await;
    let mut replies = replies.expect("replies").into_inner();

    // A connection without calls ends at once.
    let (_sender, driver) = h2(server.address()).await;
    driver.await.expect("no panic").expect("an orderly end");
    // This one is older than that, give or take a tenth, and has a call.
    for _ in 0..3 {
        requests.send(ProbeRequest::default()).await.expect("open");
        assert!(replies.message().await.expect("no error").is_some());
    }
    drop(requests);
    assert!(replies.message().await.expect("no error").is_none());
    // The client makes a new connection.
    assert!(client.unary(ProbeRequest::default()).await.is_ok());
}

#[tokio::test]
async fn calls_that_outlive_the_grace_of_their_connection_are_cut() {
    let config = config(|server| {
        server.connections.max_age = SHORT;
        server.connections.max_age_grace = SHORT;
    });
    let server = testing::serve_with(config, instance("one")).await;
    let mut client = ProbeClient::new(server.channel());
    let hang = client.unary(ask(Behaviour::Hang(true))).await;
    assert!(hang.is_err());
}

#[tokio::test]
async fn a_flood_of_resets_ends_the_connection() {
    let config = config(|server| {
        server.connections.resets.rate = PerSecond::new(0.001).expect("a rate");
        server.connections.resets.burst = 10;
    });
    let server = testing::serve_with(config, instance("one")).await;
    let (mut sender, driver) = h2(server.address()).await;
    loop {
        let Ok(ready) = sender.clone().ready().await else {
            break;
        };
        sender = ready;
        let request = Request::post(format!("http://localhost{UNARY}"));
        let request = request.header("content-type", "application/grpc").body(());
        match sender.send_request(request.expect("a request"), false) {
            Ok((_response, mut body)) => body.send_reset(h2::Reason::CANCEL),
            Err(_) => break,
        }
        tokio::task::yield_now().await;
    }
    let _ = driver.await.expect("no panic");
    let mut client = ProbeClient::new(server.channel());
    let other = client.unary(ProbeRequest::default()).await;
    assert!(other.is_ok(), "other connections go on");
}

#[tokio::test]
async fn metadata_above_the_limit_is_refused_and_the_connection_goes_on() {
    let server = testing::serve(instance("one")).await;
    let (mut sender, _driver) = h2(server.address()).await;
    let large = "x".repeat(17 * 1024);
    let response = call(&mut sender, &[("x-large", &large)]).await;
    assert_eq!(response.status(), 431);
    let response = call(&mut sender, &[("x-large", &large[..8 * 1024])]).await;
    assert_eq!(grpc_status(&response), ("0", ""));
}

#[tokio::test]
async fn a_malformed_timeout_is_refused_and_a_malformed_trace_is_not() {
    let server = testing::serve(instance("one")).await;
    let (mut sender, _driver) = h2(server.address()).await;
    for timeout in ["", "1", "S", "-1S", "1.5S", "123456789S", "1S1S"] {
        let response = call(&mut sender, &[("grpc-timeout", timeout)]).await;
        let (code, message) = grpc_status(&response);
        assert_eq!(code, "3", "{timeout}: {message}");
        assert!(message.starts_with("malformed%20grpc-timeout"), "{message}");
    }
    for parent in ["", "00", "ff-0-0-0", "00-zz-00f067aa0ba902b7-01"] {
        let response = call(&mut sender, &[("traceparent", parent)]).await;
        assert_eq!(grpc_status(&response), ("0", ""), "{parent}");
    }
}

#[tokio::test]
async fn an_oversized_message_is_refused_at_its_length() {
    let config = config(|server| server.max_request_size = config::Size::from_kib(1));
    let server = testing::serve_with(config, instance("one")).await;
    let (mut sender, _driver) = h2(server.address()).await;
    let request = Request::post(format!("http://localhost{UNARY}"));
    let request = request.header("content-type", "application/grpc").body(());
    let sent = sender.send_request(request.expect("a request"), false);
    let (response, mut body) = sent.expect("open");
    // Five bytes are enough: 4 GiB are announced, and nothing is sent.
    let prefix = Bytes::from_static(&[0, 255, 255, 255, 255]);
    body.send_data(prefix, false).expect("open");
    let response = response.await.expect("a response");
    let status = response.headers().get("grpc-status");
    assert_eq!(status.expect("a status"), "8");
    let message = response.headers().get("grpc-message");
    assert_eq!(
        message.expect("a message"),
        "a%20message%20of%204294967295%20bytes%20is%20above%20the%20limit%20of%201024%20bytes"
    );
}
