//! Makes requests, in each of the ways.

use bytes::Bytes;
use http::{Request, StatusCode, uri::PathAndQuery};
use http_body_util::{BodyExt, Full};
use hyper::client::conn::{http1, http2};
use hyper_util::rt::{TokioExecutor, TokioIo};
use tokio::net::TcpStream;
use tokio::task::JoinSet;
use tonic::client::Grpc;
use tonic::transport::Endpoint;
use tonic_prost::ProstCodec;

use super::role::{METHOD, User};

/// How requests get to where they go.
#[derive(Debug, Clone, Copy)]
pub(crate) enum Way {
    Grpc,
    Http1,
    Http2,
    Route,
}

impl Way {
    pub(crate) fn name(self) -> &'static str {
        match self {
            Self::Grpc => "grpc",
            Self::Http1 => "http1",
            Self::Http2 => "http2",
            Self::Route => "route",
        }
    }
}

const BODY: &str = r#"{"name":"Ada Lovelace","email":"ada@example.com","created":"1767323045","active":true,"roles":["admin","author"]}"#;

/// Makes `calls` of them, `concurrency` at a time: over HTTP/1 on as many connections, else on one.
pub(crate) async fn calls(way: &str, address: &str, calls: usize, concurrency: usize) {
    let mut tasks = JoinSet::new();
    let each = calls / concurrency;
    match way {
        "grpc" => {
            let endpoint = Endpoint::from_shared(format!("http://{address}")).expect("a URI");
            let channel = endpoint
                .tcp_nodelay(true)
                .connect()
                .await
                .expect("a connection");
            for _ in 0..concurrency {
                let mut client = Grpc::new(channel.clone());
                tasks.spawn(async move {
                    let user = user();
                    for _ in 0..each {
                        client.ready().await.expect("a connection");
                        let codec = ProstCodec::<User, User>::default();
                        let path = PathAndQuery::from_static(METHOD);
                        let request = tonic::Request::new(user.clone());
                        let reply = client.unary(request, path, codec).await;
                        assert_eq!(reply.expect("a reply").get_ref(), &user);
                    }
                });
            }
        }
        "http2" => {
            let stream = TcpStream::connect(address).await.expect("a connection");
            stream.set_nodelay(true).expect("an option");
            let builder = http2::Builder::new(TokioExecutor::new());
            let handshake = builder.handshake(TokioIo::new(stream)).await;
            let (sender, connection) = handshake.expect("HTTP/2");
            tokio::spawn(connection);
            for _ in 0..concurrency {
                let mut sender = sender.clone();
                let uri = format!("http://{address}/v1/users/17");
                tasks.spawn(async move {
                    for _ in 0..each {
                        check(sender.send_request(request(&uri)).await).await;
                    }
                });
            }
        }
        other => {
            let path = match other {
                "route" => "/files/17",
                _ => "/v1/users/17",
            };
            for _ in 0..concurrency {
                let stream = TcpStream::connect(address).await.expect("a connection");
                stream.set_nodelay(true).expect("an option");
                let handshake = http1::handshake(TokioIo::new(stream)).await;
                let (mut sender, connection) = handshake.expect("HTTP/1");
                tokio::spawn(connection);
                tasks.spawn(async move {
                    for _ in 0..each {
                        sender.ready().await.expect("a connection");
                        check(sender.send_request(request(path)).await).await;
                    }
                });
            }
        }
    }
    while let Some(ended) = tasks.join_next().await {
        ended.expect("no panic");
    }
}

fn user() -> User {
    User {
        id: "17".to_owned(),
        name: "Ada Lovelace".to_owned(),
        email: "ada@example.com".to_owned(),
        created: 1_767_323_045,
        active: true,
        roles: vec!["admin".to_owned(), "author".to_owned()],
    }
}

fn request(uri: &str) -> Request<Full<Bytes>> {
    Request::put(uri)
        .header("host", "gateway")
        .header("content-type", "application/json")
        .body(Full::from(BODY))
        .expect("a request")
}

async fn check(response: hyper::Result<http::Response<hyper::body::Incoming>>) {
    let response = response.expect("a response");
    assert_eq!(response.status(), StatusCode::OK);
    let body = response.into_body().collect().await.expect("a body");
    assert!(body.to_bytes().len() > 90);
}
