//! What the processes do.

use std::convert::Infallible;
use std::future::Future;
use std::io::{BufRead, Write};
use std::net::SocketAddr;
use std::pin::Pin;
use std::task::{Context, Poll};

use chassis::config::{Config, Secret};
use gateway::{Route, Settings, Upstream};
use http::{Request, Response};
use http_body_util::{BodyExt, Full};
use hyper_util::rt::TokioIo;
use tokio::net::TcpListener;
use tonic::body::Body;
use tonic::server::{NamedService, UnaryService};
use tonic::transport::Server;
use tonic::transport::server::TcpIncoming;
use tonic::{Status, codegen};
use tonic_prost::ProstCodec;

use super::driver;
use super::option;

/// What is sent each way: about 100 bytes.
#[derive(Clone, PartialEq, prost::Message)]
pub(crate) struct User {
    #[prost(string, tag = "1")]
    pub(crate) id: String,
    #[prost(string, tag = "2")]
    pub(crate) name: String,
    #[prost(string, tag = "3")]
    pub(crate) email: String,
    #[prost(int64, tag = "4")]
    pub(crate) created: i64,
    #[prost(bool, tag = "5")]
    pub(crate) active: bool,
    #[prost(string, repeated, tag = "6")]
    pub(crate) roles: Vec<String>,
}

const PROTO: &str = r#"
syntax = "proto3";
package bench.v1;
import "google/api/annotations.proto";
service Users {
  rpc Update(User) returns (User) {
    option (google.api.http) = { put: "/v1/users/{id}" body: "*" };
  }
}
message User {
  string id = 1;
  string name = 2;
  string email = 3;
  int64 created = 4;
  bool active = 5;
  repeated string roles = 6;
}
"#;

/// The path of the method.
pub(crate) const METHOD: &str = "/bench.v1.Users/Update";

pub(crate) fn run(role: &str, arguments: &[String]) {
    let runtime = tokio::runtime::Builder::new_multi_thread()
        .worker_threads(1)
        .enable_all()
        .build()
        .expect("a runtime");
    runtime.block_on(async {
        match role {
            "server" => server().await,
            "files" => files().await,
            "gateway" => gateway(arguments).await,
            "client" => client(&runtime).await,
            other => panic!("no role is called {other}"),
        }
    });
}

fn tell(line: &str) {
    let mut error = std::io::stderr();
    writeln!(error, "{line}").expect("somebody reads");
}

async fn listen() -> TcpListener {
    let listener = TcpListener::bind("127.0.0.1:0").await.expect("a port");
    let address = listener.local_addr().expect("an address");
    tell(&address.to_string());
    listener
}

/// The service, as tonic serves it.
async fn server() {
    let incoming = TcpIncoming::from(listen().await).with_nodelay(Some(true));
    let server = Server::builder().add_service(Users);
    server
        .serve_with_incoming(incoming)
        .await
        .expect("it serves");
}

#[derive(Clone)]
struct Users;

impl NamedService for Users {
    const NAME: &'static str = "bench.v1.Users";
}

struct Echo;

impl UnaryService<User> for Echo {
    type Response = User;
    type Future = codegen::BoxFuture<tonic::Response<User>, Status>;

    fn call(&mut self, request: tonic::Request<User>) -> Self::Future {
        Box::pin(async move { Ok(tonic::Response::new(request.into_inner())) })
    }
}

impl codegen::Service<Request<Body>> for Users {
    type Response = Response<Body>;
    type Error = Infallible;
    type Future = Pin<Box<dyn Future<Output = Result<Response<Body>, Infallible>> + Send>>;

    fn poll_ready(&mut self, _: &mut Context<'_>) -> Poll<Result<(), Infallible>> {
        Poll::Ready(Ok(()))
    }

    fn call(&mut self, request: Request<Body>) -> Self::Future {
        Box::pin(async move {
            let codec = ProstCodec::<User, User>::default();
            Ok(tonic::server::Grpc::new(codec).unary(Echo, request).await)
        })
    }
}

/// A server of HTTP/1, for the route.
async fn files() {
    let listener = listen().await;
    loop {
        let (stream, _) = listener.accept().await.expect("a connection");
        stream.set_nodelay(true).expect("an option");
        let service = hyper::service::service_fn(|request: Request<hyper::body::Incoming>| async {
            let body = request.into_body().collect().await?.to_bytes();
            Ok::<_, hyper::Error>(Response::new(Full::new(body)))
        });
        let connection = hyper::server::conn::http1::Builder::new();
        tokio::spawn(connection.serve_connection(TokioIo::new(stream), service));
    }
}

async fn gateway(arguments: &[String]) {
    let folder = tempfile::tempdir().expect("a folder");
    std::fs::write(folder.path().join("bench.proto"), PROTO).expect("written");
    let protos = concat!(env!("CARGO_MANIFEST_DIR"), "/../../templates/protos");
    let includes = [folder.path(), std::path::Path::new(protos)];
    let mut compiler = protox::Compiler::new(includes).expect("the folders are there");
    compiler
        .include_imports(true)
        .open_file("bench.proto")
        .expect("it compiles");
    let descriptors: &[u8] = compiler.encode_file_descriptor_set().leak();

    let kind = option(arguments, "--kind").expect("a kind");
    let target = |name| format!("static:///{}", option(arguments, name).expect("an address"));
    let settings = Settings {
        services: vec![Upstream {
            target: target("--server"),
            names: vec!["bench.v1.Users".to_owned()],
        }],
        routes: vec![Route {
            name: "files".to_owned(),
            path: "/files".to_owned(),
            target: target("--files"),
            strip: false,
        }],
        ..Settings::default()
    };
    let mut config: Config = Config::default();
    config.server.host = "127.0.0.1".to_owned();
    config.server.port = {
        // It is given back for the gateway to take.
        let free = std::net::TcpListener::bind("127.0.0.1:0").expect("a port");
        free.local_addr().expect("an address").port()
    };
    config.admin.enabled = false;
    config.server.auth.secret = Some(Secret::new("a".repeat(32)));
    if kind != "full" {
        config.server.layers.log = false;
    }
    if kind == "plain" {
        let (server, client) = (&mut config.server.layers, &mut config.client.layers);
        (server.trace, server.metrics, server.deadline) = (false, false, false);
        server.catch_panic = false;
        (client.trace, client.metrics, client.deadline) = (false, false, false);
    }
    let address = SocketAddr::from(([127, 0, 0, 1], config.server.port));
    let serving = tokio::spawn(gateway::serve(config, settings, descriptors));
    while tokio::net::TcpStream::connect(address).await.is_err() {
        tokio::task::yield_now().await;
    }
    tell(&address.to_string());
    serving.await.expect("no panic").expect("it serves");
}

/// Makes calls as it is told, by lines of the way, the address, how many and how many at a time.
async fn client(runtime: &tokio::runtime::Runtime) {
    tell("ready");
    let handle = runtime.handle().clone();
    let read = std::thread::spawn(move || {
        for line in std::io::stdin().lock().lines() {
            let line = line.expect("UTF-8");
            let words: Vec<&str> = line.split(' ').collect();
            let [way, address, calls, concurrency] = words[..] else {
                panic!("{line}");
            };
            let number = |text: &str| text.parse().expect("a number");
            let calls = driver::calls(way, address, number(calls), number(concurrency));
            handle.block_on(calls);
            tell("done");
        }
    });
    tokio::task::spawn_blocking(move || read.join())
        .await
        .expect("no panic")
        .expect("no panic");
}
