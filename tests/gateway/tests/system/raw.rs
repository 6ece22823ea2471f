//! Bodies that are not JSON: `google.api.HttpBody`.

use std::convert::Infallible;
use std::future::Future;
use std::pin::Pin;
use std::sync::LazyLock;
use std::task::{Context, Poll};

use bytes::Bytes;
use chassis::Services;
use chassis::config::Config;
use chassis::testing::TestServer;
use gateway::{Settings, Upstream};
use http::{HeaderMap, HeaderValue, Request, Response};
use http_body::Frame;
use http_body_util::{BodyExt, StreamBody};
use prost::Message as _;
use serde_json::json;
use tonic::body::Body;
use tonic::codegen::Service;
use tonic::server::NamedService;
use tonic::{Code, Status};

use crate::support::{System, descriptor_set, framed};

const PROTO: &str = r#"
syntax = "proto3";
package files.v1;
import "google/api/annotations.proto";
import "google/api/httpbody.proto";

service Files {
  rpc Echo(google.api.HttpBody) returns (google.api.HttpBody);
  rpc Put(File) returns (File) {
    option (google.api.http) = { put: "/v1/files/{name}" body: "content" response_body: "content" };
  }
  // What it is asked with.
  rpc Describe(stream File) returns (google.api.HttpBody) {
    option (google.api.http) = { post: "/v1/files/{name}:describe" body: "content" };
  }
  // Some bytes, and then a code.
  rpc Get(File) returns (stream google.api.HttpBody) {
    option (google.api.http) = { get: "/v1/files/{name}" };
  }
}

message File {
  string name = 1;
  google.api.HttpBody content = 2;
  int32 pieces = 3;
  int32 fail_with = 4;
}
"#;

static DESCRIPTOR_SET: LazyLock<&'static [u8]> = LazyLock::new(|| descriptor_set(PROTO).leak());

#[derive(Clone, PartialEq, prost::Message)]
struct HttpBody {
    #[prost(string, tag = "1")]
    content_type: String,
    #[prost(bytes = "vec", tag = "2")]
    data: Vec<u8>,
}

#[derive(Clone, PartialEq, prost::Message)]
struct File {
    #[prost(string, tag = "1")]
    name: String,
    #[prost(message, optional, tag = "2")]
    content: Option<HttpBody>,
    #[prost(int32, tag = "3")]
    pieces: i32,
    #[prost(int32, tag = "4")]
    fail_with: i32,
}

#[derive(Debug, Clone)]
struct Files;

impl NamedService for Files {
    const NAME: &'static str = "files.v1.Files";
}

impl Service<Request<Body>> for Files {
    type Response = Response<Body>;
    type Error = Infallible;
    type Future = Pin<Box<dyn Future<Output = Result<Response<Body>, Infallible>> + Send>>;

    fn poll_ready(&mut self, _: &mut Context<'_>) -> Poll<Result<(), Infallible>> {
        Poll::Ready(Ok(()))
    }

    fn call(&mut self, request: Request<Body>) -> Self::Future {
        Box::pin(async move {
            let path = request.uri().path().to_owned();
            let body = request.into_body().collect().await.expect("a body");
            let requests = messages(&body.to_bytes());
            let (responses, end) = answer(path.rsplit('/').next().expect("a method"), requests);
            if responses.is_empty() && end.message() == "in the head" {
                return Ok(end.into_http());
            }
            let mut trailers = HeaderMap::new();
            end.add_header(&mut trailers).expect("a header");
            let mut frames: Vec<Result<Frame<Bytes>, Status>> = Vec::new();
            frames.extend(responses.iter().map(|it| Ok(Frame::data(framed(it)))));
            frames.push(Ok(Frame::trailers(trailers)));
            let frames = futures_util::stream::iter(frames);
            let mut response = Response::new(Body::new(StreamBody::new(frames)));
            let grpc = HeaderValue::from_static("application/grpc");
            response.headers_mut().insert("content-type", grpc);
            Ok(response)
        })
    }
}

fn messages(mut frames: &[u8]) -> Vec<Vec<u8>> {
    let mut messages = Vec::new();
    while let Some((prefix, rest)) = frames.split_at_checked(5) {
        let length = u32::from_be_bytes([prefix[1], prefix[2], prefix[3], prefix[4]]);
        let (message, rest) = rest.split_at(length as usize);
        messages.push(message.to_vec());
        frames = rest;
    }
    messages
}

fn answer(method: &str, requests: Vec<Vec<u8>>) -> (Vec<Vec<u8>>, Status) {
    let files = || {
        requests
            .iter()
            .map(|it| File::decode(&**it).expect("a file"))
    };
    let ok = Status::ok("");
    match method {
        "Describe" => {
            let mut text = String::new();
            for (at, file) in files().enumerate() {
                let content = file.content.expect("a body");
                if at == 0 {
                    text = format!("{} is {}: ", file.name, content.content_type);
                }
                text.push_str(std::str::from_utf8(&content.data).expect("a text"));
            }
            let (content_type, data) = ("text/plain".to_owned(), text.into_bytes());
            (vec![HttpBody { content_type, data }.encode_to_vec()], ok)
        }
        "Get" => {
            let file = files().next().expect("a file");
            let pieces = (0..file.pieces).map(|piece| HttpBody {
                content_type: if piece == 0 { "text/csv" } else { "" }.to_owned(),
                data: format!("{} {piece}\n", file.name).into_bytes(),
            });
            let pieces = pieces.map(|it| it.encode_to_vec()).collect();
            let end = match file.fail_with {
                0 if file.name == "head" => Status::ok("in the head"),
                0 => ok,
                code => Status::new(Code::from(code), "as told"),
            };
            (pieces, end)
        }
        _ => (requests, ok),
    }
}

async fn system() -> System {
    let services = Services::new(&DESCRIPTOR_SET).add(Files);
    let echo = chassis::testing::serve(services).await;
    let settings = Settings {
        services: vec![Upstream {
            target: format!("static:///{}", echo.address()),
            names: vec!["files.v1.Files".to_owned()],
        }],
        ..Settings::default()
    };
    let config: Config = Config::default();
    let services = gateway::services(&config, settings, &DESCRIPTOR_SET).await;
    let services = services.expect("the gateway has what it needs");
    let gateway: TestServer = chassis::testing::serve_with(config, services).await;
    System { gateway, echo }
}

/// What comes back of a request of its own connection: its head, in small letters, and its body.
async fn send(system: &System, head: &str, body: &[u8]) -> (String, Vec<u8>) {
    let length = body.len();
    let head =
        format!("{head}\r\nhost: gateway\r\nconnection: close\r\ncontent-length: {length}\r\n\r\n");
    let response = system.raw(&[head.as_bytes(), body].concat()).await;
    let end = response.windows(4).position(|it| it == b"\r\n\r\n");
    let (head, body) = response.split_at(end.expect("a head") + 4);
    let head = String::from_utf8_lossy(head).to_ascii_lowercase();
    (head, body.to_vec())
}

#[tokio::test]
async fn a_body_is_passed_on_as_it_is_with_its_type() {
    let system = system().await;
    let image = b"\x00\xff\r\n{not json";
    let ask = "POST /files.v1.Files/Echo HTTP/1.1\r\ncontent-type: image/png";
    let (head, body) = send(&system, ask, image).await;
    assert!(head.starts_with("http/1.1 200 "), "{head}");
    assert!(head.contains("\r\ncontent-type: image/png\r\n"), "{head}");
    assert_eq!(body, image);
    // Without a type it is bytes.
    let (head, body) = send(&system, "POST /files.v1.Files/Echo HTTP/1.1", image).await;
    let bytes = "\r\ncontent-type: application/octet-stream\r\n";
    assert!(head.contains(bytes), "{head}");
    assert_eq!(body, image);
}

#[tokio::test]
async fn a_field_may_be_the_body() {
    let system = system().await;
    let ask = "PUT /v1/files/a?pieces=7 HTTP/1.1\r\ncontent-type: text/csv; header=absent";
    let (head, body) = send(&system, ask, b"1,2").await;
    let of_type = "\r\ncontent-type: text/csv; header=absent\r\n";
    assert!(head.contains(of_type), "{head}");
    assert_eq!(body, b"1,2");
}

#[tokio::test]
async fn the_pieces_of_a_body_are_a_stream_of_requests() {
    let system = system().await;
    let ask = "POST /v1/files/a:describe HTTP/1.1\r\ncontent-type: text/csv";
    let (_, body) = send(&system, ask, &[b'x'; 300_000]).await;
    let text = String::from_utf8(body).expect("a text");
    assert_eq!(text, format!("a is text/csv: {}", "x".repeat(300_000)));
    let (_, body) = send(&system, ask, b"").await;
    assert_eq!(body, b"a is text/csv: ");
}

#[tokio::test]
async fn the_bodies_of_a_stream_are_one() {
    let system = system().await;
    let reply = system.get("/v1/files/a?pieces=2").await;
    assert_eq!(reply.header("content-type"), Some("text/csv"));
    assert_eq!(reply.body, "a 0\na 1\n");
    assert_eq!(system.get("/v1/files/a").await.body, "");
    let reply = system.get("/v1/files/head").await;
    assert_eq!((reply.status, &*reply.body), (200, ""));
    // It fails before there is anything, and in the midst of it.
    let reply = system.get("/v1/files/a?failWith=5").await;
    let error = json!({"code": 404, "status": "NOT_FOUND", "message": "as told"});
    assert_eq!(
        (reply.status, reply.json()),
        (404, json!({ "error": error }))
    );
    let ask = "GET /v1/files/a?pieces=1&fail_with=5 HTTP/1.1\r\nhost: gateway\r\n";
    let response = system
        .raw(format!("{ask}connection: close\r\n\r\n").as_bytes())
        .await;
    let response = String::from_utf8_lossy(&response);
    assert!(!response.ends_with("\r\n0\r\n\r\n"), "{response}");
    assert!(!response.contains("as told"), "{response}");
}

#[tokio::test]
async fn a_page_sends_no_bodies_that_its_browser_does_not_ask_about() {
    let system = system().await;
    let ask = "POST /files.v1.Files/Echo HTTP/1.1\r\norigin: https://evil.example\r\n";
    let (head, _) = send(&system, &format!("{ask}content-type: text/plain"), b"a").await;
    assert!(head.starts_with("http/1.1 415 "), "{head}");
}

#[tokio::test]
async fn the_document_says_that_they_are_bytes() {
    let system = system().await;
    let document = system.get("/openapi.json").await.json();
    let bytes = json!({ "*/*": { "schema": { "type": "string", "format": "binary" } } });
    let put = &document["paths"]["/v1/files/{name}"]["put"];
    assert_eq!(put["requestBody"]["content"], bytes);
    assert_eq!(put["responses"]["200"]["content"], bytes);
}
