//! A server with something in front of its calls.

use std::sync::Arc;

use chassis::config::Config;
use chassis::front::{Answer, Calls, Front};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;
use tonic::Code;
use tonic::body::Body;

use crate::support::{self, ProbeClient, ProbeRequest};

/// Answers `GET /hello` itself, makes a call of `GET /call` and of what is a call already, and
/// forwards calls to nowhere.
#[derive(Debug)]
struct Greeter;

impl Front for Greeter {
    fn answer(self: Arc<Self>, mut request: http::Request<Body>, calls: Calls) -> Answer {
        match request.uri().path() {
            "/hello" => Box::pin(async { http::Response::new(Body::new("hello".to_owned())) }),
            "/call" => {
                *request.uri_mut() = "/away.Away/Call".parse().expect("a path");
                calls.call(request)
            }
            _ => calls.call(request),
        }
    }

    fn forward(self: Arc<Self>, request: http::Request<Body>) -> Answer {
        let message = format!("forwarded {}", request.uri().path());
        Box::pin(async { tonic::Status::not_found(message).into_http() })
    }

    fn streams_responses(&self, _: &str) -> bool {
        false
    }

    fn has_method(&self, fits: &dyn Fn(&str) -> bool) -> bool {
        fits("/away.Away/Call")
    }
}

async fn raw(address: std::net::SocketAddr, request: &str) -> String {
    let mut stream = TcpStream::connect(address).await.expect("a connection");
    // In pieces: what the client speaks is not known by the first one.
    let (first, rest) = request.split_at(1);
    for piece in [first, rest] {
        stream.write_all(piece.as_bytes()).await.expect("written");
        stream.flush().await.expect("flushed");
    }
    let mut response = Vec::new();
    stream.read_to_end(&mut response).await.expect("a response");
    String::from_utf8(response).expect("UTF-8")
}

#[tokio::test]
async fn both_versions_of_http_are_answered_on_one_port() {
    let services = support::instance("a").behind(Arc::new(Greeter));
    let server = chassis::testing::serve(services).await;
    let answer = raw(
        server.address(),
        "GET /hello HTTP/1.1\r\nhost: a\r\nconnection: close\r\n\r\n",
    )
    .await;
    assert!(answer.starts_with("HTTP/1.1 200 OK\r\n"), "{answer}");
    assert!(answer.ends_with("\r\n\r\nhello"), "{answer}");

    let mut client = ProbeClient::new(server.channel());
    let reply = client.unary(ProbeRequest::default()).await;
    assert_eq!(reply.expect("its own").into_inner().instance, "a");
}

#[tokio::test]
async fn what_becomes_a_call_passes_through_the_limits() {
    let mut config: Config = Config::default();
    config.server.limits.max_in_flight = 1;
    let services = support::instance("a").behind(Arc::new(Greeter));
    let server = chassis::testing::serve_with(config, services).await;
    let request = "GET /call HTTP/1.1\r\nhost: a\r\nconnection: close\r\n\r\n";
    let answer = raw(server.address(), request).await.to_lowercase();
    let not_found = format!("grpc-status: {}\r\n", Code::NotFound as i32);
    assert!(answer.contains(&not_found), "{answer}");
    assert!(answer.contains("forwarded%20/away.away/call"), "{answer}");

    let mut client = ProbeClient::new(server.channel());
    let hangs = support::ask(support::Behaviour::Hang(true));
    let hanging = tokio::spawn(async move { client.unary(hangs).await });
    let refused = format!("grpc-status: {}\r\n", Code::ResourceExhausted as i32);
    // The call that hangs is on its way.
    while !raw(server.address(), request)
        .await
        .to_lowercase()
        .contains(&refused)
    {
        tokio::task::yield_now().await;
    }
    hanging.abort();
}
