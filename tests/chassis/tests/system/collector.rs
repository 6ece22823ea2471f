//! Collectors of traces, as the other ends of exporters.

use std::convert::Infallible;
use std::net::SocketAddr;
use std::sync::{Arc, Mutex};

use bytes::Bytes;
use chassis::{Services, testing};
use http::{HeaderMap, Request, Response, StatusCode};
use http_body_util::{BodyExt, Full};
use hyper::body::Incoming;
use hyper::service::service_fn;
use hyper_util::rt::TokioIo;
use opentelemetry_proto::tonic::collector::trace::v1::trace_service_server::{
    TraceService, TraceServiceServer,
};
use opentelemetry_proto::tonic::collector::trace::v1::{
    ExportTraceServiceRequest, ExportTraceServiceResponse,
};
use opentelemetry_proto::tonic::common::v1::KeyValue;
use opentelemetry_proto::tonic::common::v1::any_value::Value;
use opentelemetry_proto::tonic::trace::v1::Span;
use tokio::net::TcpListener;
use tokio::sync::mpsc::{UnboundedReceiver, UnboundedSender, unbounded_channel};
use tokio::task::{JoinHandle, JoinSet};
use tonic::Status;

/// Spans, with the name of the service that sent them.
pub(crate) type Spans = Arc<Mutex<Vec<(String, Span)>>>;

/// A collector that speaks OTLP/gRPC.
#[derive(Default)]
struct Collector {
    spans: Spans,
}

#[tonic::async_trait]
impl TraceService for Collector {
    async fn export(
        &self,
        request: tonic::Request<ExportTraceServiceRequest>,
    ) -> Result<tonic::Response<ExportTraceServiceResponse>, Status> {
        let spans = spans(request.into_inner());
        self.spans.lock().expect("no panic").extend(spans);
        Ok(tonic::Response::new(ExportTraceServiceResponse::default()))
    }
}

/// Serves one on `port`, or any if that is 0, and returns what it collects.
pub(crate) async fn grpc(port: u16) -> (testing::TestServer, Spans) {
    let collector = Collector::default();
    let spans = Arc::clone(&collector.spans);
    let services = Services::new(&[]).add(TraceServiceServer::new(collector));
    let address = ([127, 0, 0, 1], port).into();
    (testing::serve_at(address, services).await, spans)
}

/// The spans of a request, with the name of their service.
pub(crate) fn spans(request: ExportTraceServiceRequest) -> Vec<(String, Span)> {
    let mut spans = Vec::new();
    for resource in request.resource_spans {
        let attributes = resource.resource.map(|it| it.attributes);
        let name = text(&attributes.unwrap_or_default(), "service.name");
        let scopes = resource.scope_spans.into_iter();
        let all = scopes.flat_map(|scope| scope.spans);
        spans.extend(all.map(|span| (name.clone(), span)));
    }
    spans
}

/// The attribute `key`, as text; empty when there is none.
pub(crate) fn text(attributes: &[KeyValue], key: &str) -> String {
    let found = attributes.iter().find(|it| it.key == key);
    match found.and_then(|it| it.value.as_ref()?.value.as_ref()) {
        Some(Value::StringValue(text)) => text.clone(),
        Some(other) => format!("{other:?}"),
        None => String::new(),
    }
}

/// What was posted.
#[derive(Debug)]
pub(crate) struct Posted {
    pub(crate) path: String,
    pub(crate) headers: HeaderMap,
    pub(crate) body: Bytes,
}

/// A collector that is posted to.
pub(crate) struct HttpCollector {
    pub(crate) address: SocketAddr,
    pub(crate) posted: UnboundedReceiver<Posted>,
    task: JoinHandle<()>,
}

impl Drop for HttpCollector {
    fn drop(&mut self) {
        self.task.abort();
    }
}

impl HttpCollector {
    /// One on `port`, or any if that is 0, which answers with `statuses`, and with 200 after them.
    pub(crate) async fn start(port: u16, statuses: &[u16]) -> Self {
        let listener = TcpListener::bind(("127.0.0.1", port)).await;
        let listener = listener.expect("a free port");
        let address = listener.local_addr().expect("an address");
        let (sender, posted) = unbounded_channel();
        let statuses: Vec<u16> = statuses.iter().rev().copied().collect();
        let statuses = Arc::new(Mutex::new(statuses));
        let task = tokio::spawn(async move {
            // They end with the task.
            let mut connections = JoinSet::new();
            while let Ok((stream, _)) = listener.accept().await {
                let (sender, statuses) = (sender.clone(), Arc::clone(&statuses));
                let service = service_fn(move |request| {
                    let status = statuses.lock().expect("no panic").pop().unwrap_or(200);
                    answer(request, status, sender.clone())
                });
                let server = hyper::server::conn::http1::Builder::new();
                connections.spawn(server.serve_connection(TokioIo::new(stream), service));
            }
        });
        Self {
            address,
            posted,
            task,
        }
    }

    pub(crate) async fn next(&mut self) -> Posted {
        self.posted.recv().await.expect("it runs")
    }
}

async fn answer(
    request: Request<Incoming>,
    status: u16,
    sender: UnboundedSender<Posted>,
) -> Result<Response<Full<Bytes>>, Infallible> {
    let (head, body) = request.into_parts();
    let body = body.collect().await.expect("a body").to_bytes();
    let _ = sender.send(Posted {
        path: head.uri.path().to_owned(),
        headers: head.headers,
        body,
    });
    let mut response = Response::default();
    *response.status_mut() = StatusCode::from_u16(status).expect("a status");
    Ok(response)
}
