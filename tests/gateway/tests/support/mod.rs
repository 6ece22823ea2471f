//! A service that echoes, and a gateway in front of it.

#[path = "../../../support/ports.rs"]
mod ports;
pub(crate) mod process;

use std::convert::Infallible;
use std::future::Future;
use std::net::SocketAddr;
use std::path::Path;
use std::pin::Pin;
use std::sync::LazyLock;
use std::task::{Context, Poll};
use std::time::Duration;

use bytes::{BufMut, Bytes, BytesMut};
use chassis::Services;
use chassis::config::Config;
use chassis::testing::TestServer;
use gateway::{Settings, Upstream};
use http::{HeaderMap, HeaderValue, Request, Response};
use http_body::Frame;
use http_body_util::{BodyExt, StreamBody};
use prost_reflect::prost::Message as _;
use prost_reflect::{DescriptorPool, DynamicMessage, MessageDescriptor, Value};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;
use tonic::body::Body;
use tonic::codegen::Service;
use tonic::server::NamedService;
use tonic::{Code, Status};
use tonic_types::{ErrorDetails, StatusExt};

/// The descriptors of the service, as `msvc proto gen` writes them.
pub(crate) static DESCRIPTOR_SET: LazyLock<&'static [u8]> =
    LazyLock::new(|| descriptor_set(include_str!("echo.proto")).leak());

/// The descriptors of what `proto` says.
pub(crate) fn descriptor_set(proto: &str) -> Vec<u8> {
    let folder = tempfile::tempdir().expect("a folder");
    std::fs::write(folder.path().join("echo.proto"), proto).expect("written");
    let here = Path::new(env!("CARGO_MANIFEST_DIR"));
    let includes = [folder.path(), &here.join("../../templates/protos")];
    let mut compiler = protox::Compiler::new(includes).expect("the folders are there");
    compiler.include_imports(true).include_source_info(true);
    compiler.open_file("echo.proto").expect("it compiles");
    compiler.encode_file_descriptor_set()
}

pub(crate) static POOL: LazyLock<DescriptorPool> =
    LazyLock::new(|| DescriptorPool::decode(*DESCRIPTOR_SET).expect("it is valid"));

pub(crate) fn message() -> MessageDescriptor {
    let message = POOL.get_message_by_name("echo.v1.Message");
    message.expect("it is described")
}

/// The service.
#[derive(Debug, Clone)]
pub(crate) struct Echo;

impl NamedService for Echo {
    const NAME: &'static str = "echo.v1.Echo";
}

impl Service<Request<Body>> for Echo {
    type Response = Response<Body>;
    type Error = Infallible;
    type Future = Pin<Box<dyn Future<Output = Result<Response<Body>, Infallible>> + Send>>;

    fn poll_ready(&mut self, _: &mut Context<'_>) -> Poll<Result<(), Infallible>> {
        Poll::Ready(Ok(()))
    }

    fn call(&mut self, request: Request<Body>) -> Self::Future {
        Box::pin(async move {
            let streams = request.uri().path().ends_with("/Chat");
            let answered = match streams {
                true => Ok(chat(request)),
                false => answer(request).await,
            };
            Ok(answered.unwrap_or_else(Status::into_http))
        })
    }
}

pub(crate) fn framed(message: &[u8]) -> Bytes {
    let mut frame = BytesMut::new();
    frame.put_u8(0);
    frame.put_u32(message.len() as u32);
    frame.put_slice(message);
    frame.freeze()
}

fn trailers(status: &Status) -> Frame<Bytes> {
    let mut trailers = HeaderMap::new();
    status.add_header(&mut trailers).expect("a header");
    Frame::trailers(trailers)
}

fn respond(
    frames: impl http_body::Body<Data = Bytes, Error = Status> + Send + 'static,
) -> Response<Body> {
    let mut response = Response::new(Body::new(frames));
    let headers = response.headers_mut();
    headers.insert("content-type", HeaderValue::from_static("application/grpc"));
    headers.insert("x-echo", HeaderValue::from_static("yes"));
    response
}

/// Sends each message back when it comes.
fn chat(request: Request<Body>) -> Response<Body> {
    let body = request.into_body();
    let frames = futures_util::stream::unfold(Some(body), |body| async move {
        let mut body = body?;
        match body.frame().await {
            Some(Ok(frame)) => Some((Ok(frame), Some(body))),
            Some(Err(status)) => Some((Ok(trailers(&status)), None)),
            None => Some((Ok(trailers(&Status::ok(""))), None)),
        }
    });
    respond(StreamBody::new(frames))
}

async fn answer(request: Request<Body>) -> Result<Response<Body>, Status> {
    let streams = request.uri().path().ends_with("/List");
    let metadata = request.headers().clone();
    let body = request.into_body().collect().await?.to_bytes();
    let mut messages = Vec::new();
    let mut rest = &body[..];
    while let Some((prefix, after)) = rest.split_at_checked(5) {
        let length = u32::from_be_bytes([prefix[1], prefix[2], prefix[3], prefix[4]]) as usize;
        messages.push(after[..length].to_vec());
        rest = &after[length..];
    }
    let decode = |bytes: &[u8]| DynamicMessage::decode(message(), bytes).expect("a message");
    let mut reply = decode(messages.last().map_or(&[], |it| it));
    if messages.len() != 1 {
        let count = Value::I32(messages.len() as i32);
        reply.set_field_by_name("number", count);
    }
    let number = |name: &str| reply.get_field_by_name(name).and_then(|it| it.as_i32());
    let truth = |name: &str| reply.get_field_by_name(name).and_then(|it| it.as_bool());
    if truth("hang") == Some(true) {
        std::future::pending::<()>().await;
    }
    if truth("speak_nonsense") == Some(true) {
        let frames = vec![Ok(Frame::data(Bytes::from_static(b"\0\0\0\0\x05ab")))];
        return Ok(respond(StreamBody::new(futures_util::stream::iter(frames))));
    }
    let mut end = Status::ok("");
    match (number("fail_with"), number("retry_after")) {
        (Some(code @ 1..), Some(seconds @ 1..)) => {
            let details = ErrorDetails::with_retry_info(Some(Duration::from_secs(seconds as u64)));
            end = Status::with_error_details(Code::from(code), "later", details);
        }
        (Some(code @ 1..), _) => end = Status::new(Code::from(code), "as told"),
        _ => {}
    }
    let replies = number("replies").unwrap_or_default();
    if truth("tell_metadata") == Some(true) {
        let mut texts: Vec<Value> = metadata
            .iter()
            .map(|(name, value)| format!("{name}: {}", value.to_str().unwrap_or_default()))
            .map(Value::String)
            .collect();
        texts.sort_by(|a, b| a.as_str().cmp(&b.as_str()));
        reply.set_field_by_name("texts", Value::List(texts));
    }
    let mut frames = Vec::new();
    let messages = if streams { replies } else { 1 };
    for at in 0..messages {
        if end.code() != Code::Ok && !streams {
            return Err(end);
        }
        if streams {
            reply.set_field_by_name("number", Value::I32(at));
        }
        frames.push(Ok(Frame::data(framed(&reply.encode_to_vec()))));
    }
    frames.push(Ok(trailers(&end)));
    Ok(respond(StreamBody::new(futures_util::stream::iter(frames))))
}

/// A gateway, and the service behind it.
pub(crate) struct System {
    pub(crate) gateway: TestServer,
    pub(crate) echo: TestServer,
}

/// What the gateway is told.
pub(crate) fn settings(echo: SocketAddr) -> Settings {
    Settings {
        services: vec![Upstream {
            target: format!("static:///{echo}"),
            names: vec!["echo.v1.Echo".to_owned()],
        }],
        ..Settings::default()
    }
}

/// A gateway as `change` has it.
pub(crate) async fn system_with(change: impl FnOnce(&mut Config, &mut Settings)) -> System {
    let echo = chassis::testing::serve(Services::new(&DESCRIPTOR_SET).add(Echo)).await;
    let mut settings = settings(echo.address());
    let mut config: Config = Config::default();
    change(&mut config, &mut settings);
    let services = gateway::services(&config, settings, &DESCRIPTOR_SET).await;
    let services = services.expect("the gateway has what it needs");
    let gateway = chassis::testing::serve_with(config, services).await;
    System { gateway, echo }
}

pub(crate) async fn system() -> System {
    system_with(|_, _| {}).await
}

/// What came back.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct Reply {
    pub(crate) status: u16,
    pub(crate) headers: HeaderMap,
    pub(crate) body: String,
}

impl Reply {
    pub(crate) fn json(&self) -> serde_json::Value {
        serde_json::from_str(&self.body).expect(&self.body)
    }

    pub(crate) fn header(&self, name: &str) -> Option<&str> {
        self.headers.get(name)?.to_str().ok()
    }
}

impl System {
    /// Sends `bytes` on a connection of their own, and reads until it is closed.
    pub(crate) async fn raw(&self, bytes: &[u8]) -> Vec<u8> {
        let stream = TcpStream::connect(self.gateway.address()).await;
        let mut stream = stream.expect("a connection");
        stream.write_all(bytes).await.expect("written");
        let mut response = Vec::new();
        // A connection that is reset has said what it had to say.
        let _ = stream.read_to_end(&mut response).await;
        response
    }

    /// A request over HTTP/1.
    pub(crate) async fn send(&self, request: Request<String>) -> Reply {
        let stream = TcpStream::connect(self.gateway.address()).await;
        let stream = hyper_util::rt::TokioIo::new(stream.expect("a connection"));
        let handshake = hyper::client::conn::http1::handshake(stream).await;
        let (mut sender, connection) = handshake.expect("a client");
        let connection = tokio::spawn(connection);
        let (mut parts, body) = request.into_parts();
        if !parts.headers.contains_key("host") {
            parts
                .headers
                .insert("host", HeaderValue::from_static("gateway"));
        }
        let response = sender.send_request(Request::from_parts(parts, body)).await;
        let (parts, body) = response.expect("a response").into_parts();
        let body = body.collect().await.expect("a body").to_bytes();
        connection.abort();
        Reply {
            status: parts.status.as_u16(),
            headers: parts.headers,
            body: String::from_utf8(body.to_vec()).expect("UTF-8"),
        }
    }

    pub(crate) async fn get(&self, path: &str) -> Reply {
        self.ask("GET", path, "").await
    }

    pub(crate) async fn ask(&self, method: &str, path: &str, body: &str) -> Reply {
        let request = Request::builder().method(method).uri(path);
        self.send(request.body(body.to_owned()).expect("a request"))
            .await
    }
}
