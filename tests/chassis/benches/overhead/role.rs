//! What a process that is measured does.

use std::io::Write;
use std::net::TcpListener;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering::Relaxed};

use chassis::Services;
use chassis::config::Config;
use opentelemetry_proto::tonic::collector::trace::v1::trace_service_server::{
    TraceService, TraceServiceServer,
};
use opentelemetry_proto::tonic::collector::trace::v1::{
    ExportTraceServiceRequest, ExportTraceServiceResponse,
};
use prost::bytes::Bytes;
use tonic::body::Body;
use tonic::client::GrpcService;
use tonic::codegen::StdError;
use tonic::transport::{Endpoint, Server};
use tonic::{Request, Response, Status};

use super::cases::{self, CLIENTS, Case, SERVERS};
use super::{echo, option};

/// Takes spans and throws them away.
pub(crate) struct Collector;

impl Collector {
    pub(crate) fn service() -> TraceServiceServer<Self> {
        TraceServiceServer::new(Self)
    }
}

#[tonic::async_trait]
impl TraceService for Collector {
    async fn export(
        &self,
        _: Request<ExportTraceServiceRequest>,
    ) -> Result<Response<ExportTraceServiceResponse>, Status> {
        Ok(Response::new(ExportTraceServiceResponse::default()))
    }
}

/// Is the process that `role` and `arguments` ask for.
pub(crate) fn run(role: &str, arguments: &[String]) {
    let value = |name| option(arguments, name).expect("the parent says it");
    let find = |cases: &'static [Case]| {
        let case = cases.iter().find(|case| case.name == value("--case"));
        case.expect("a known case")
    };
    let runtime = tokio::runtime::Builder::new_multi_thread()
        .worker_threads(1)
        .enable_all()
        .build()
        .expect("a runtime");
    match role {
        "server" => {
            let address = free_address();
            match find(SERVERS).change {
                Some(change) => {
                    let config = cases::config(change, value("--collector"));
                    serve(&runtime, config, &address);
                }
                None => {
                    let address = address.parse().expect("an address");
                    let server = Server::builder().add_service(echo::Echo).serve(address);
                    runtime.spawn(server);
                }
            }
            while std::net::TcpStream::connect(&address).is_err() {
                std::thread::yield_now();
            }
            answer(&address);
            // Until the parent closes it.
            let _ = std::io::stdin().lines().count();
        }
        _ => {
            let server = value("--server");
            match find(CLIENTS).change {
                Some(change) => {
                    let config = cases::config(change, value("--collector"));
                    let target = format!("static:///{server}");
                    let channel = runtime.block_on(chassis::client::connect(&target, &config));
                    // Logs and traces are set up as in any service, and this one only makes calls.
                    serve(&runtime, config, &free_address());
                    obey(&runtime, channel.expect("a valid target"));
                }
                None => {
                    let endpoint = Endpoint::from_shared(format!("http://{server}"));
                    let endpoint = endpoint.expect("a valid address");
                    let channel = runtime.block_on(endpoint.connect());
                    obey(&runtime, channel.expect("a server"));
                }
            }
        }
    }
}

/// An address that nobody listens on.
fn free_address() -> String {
    let listener = TcpListener::bind("127.0.0.1:0").expect("a port");
    listener.local_addr().expect("an address").to_string()
}

fn serve(runtime: &tokio::runtime::Runtime, mut config: Config, address: &str) {
    let (_, port) = address.rsplit_once(':').expect("an address");
    config.server.port = port.parse().expect("a port");
    let services = Services::new(echo::descriptor_set()).add(echo::Echo);
    runtime.spawn(async {
        let result = chassis::serve(config, services).await;
        result.expect("the service starts");
    });
    while std::net::TcpStream::connect(address).is_err() {
        std::thread::yield_now();
    }
}

/// Makes the calls that the parent asks for.
fn obey<C>(runtime: &tokio::runtime::Runtime, channel: C)
where
    C: GrpcService<Body, Future: Send> + Clone + Send + Sync + 'static,
    C::Error: Into<StdError>,
    C::ResponseBody: http_body::Body<Data = Bytes, Error: Into<StdError>> + Send + 'static,
{
    answer("ready");
    for command in std::io::stdin().lines() {
        let command = command.expect("a parent");
        let (calls, concurrency) = command.split_once(' ').expect("two numbers");
        let left = Arc::new(AtomicUsize::new(calls.parse().expect("a number")));
        let callers: Vec<_> = (0..concurrency.parse().expect("a number"))
            .map(|_| {
                let (channel, left) = (channel.clone(), Arc::clone(&left));
                runtime.spawn(async move {
                    let take = |left: usize| left.checked_sub(1);
                    while left.fetch_update(Relaxed, Relaxed, take).is_ok() {
                        echo::call(&channel).await.expect("no call fails");
                    }
                })
            })
            .collect();
        runtime.block_on(async {
            for caller in callers {
                caller.await.expect("no panic");
            }
        });
        answer("done");
    }
}

fn answer(line: &str) {
    // A parent that is gone needs none.
    let _ = writeln!(std::io::stderr(), "{line}");
}
