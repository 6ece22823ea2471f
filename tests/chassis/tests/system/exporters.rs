//! Traces on the wire, and what becomes of them and of calls when the collector does not work.

use std::net::TcpListener;

use opentelemetry_proto::tonic::collector::trace::v1::ExportTraceServiceRequest;
use opentelemetry_proto::tonic::trace::v1::Span;
use prost::Message;
use serde_json::Value;

use crate::collector::{self, HttpCollector, text};
use crate::process::Service;
use crate::support::{Behaviour, ask, free_port};

const OTLP_HTTP: (&str, &str) = ("APP_TRACING__PROTOCOL", "http");
const OTLP_GRPC: (&str, &str) = ("APP_TRACING__PROTOCOL", "grpc");
const ZIPKIN: (&str, &str) = ("APP_TRACING__EXPORTER", "zipkin");

/// Spans are sent as soon as there are any, and not every five seconds.
const AT_ONCE: (&str, &str) = ("OTEL_BSP_SCHEDULE_DELAY", "10");

const METHOD: &str = "chassis.test.v1.Probe/Unary";

async fn call(service: &Service) {
    let mut client = service.client().await;
    let reply = client.unary(ask(Behaviour::Hang(false))).await;
    reply.expect("a reply");
}

/// The value of a metric of `service`.
fn metric(service: &Service, name: &str) -> f64 {
    let (_, text) = service.get("/metrics");
    let line = text.lines().find_map(|line| line.strip_prefix(name));
    let value = line.unwrap_or_else(|| panic!("no {name} in {text}"));
    value.trim().parse().expect("a number")
}

#[tokio::test(flavor = "multi_thread")]
async fn spans_go_over_http_with_their_resource_headers_and_exceptions() {
    let mut collector = HttpCollector::start(0, &[]).await;
    let endpoint = format!("http://{}", collector.address);
    let mut service = Service::start(&[
        ("OTEL_EXPORTER_OTLP_ENDPOINT", &endpoint),
        ("OTEL_EXPORTER_OTLP_PROTOCOL", "http/protobuf"),
        ("OTEL_EXPORTER_OTLP_HEADERS", "authorization=Bearer%20x"),
        ("OTEL_SERVICE_NAME", "users"),
        ("OTEL_RESOURCE_ATTRIBUTES", "zone=a"),
    ]);
    let mut client = service.client().await;
    let panic = ask(Behaviour::Panic("on demand".to_owned()));
    client.unary(panic).await.expect_err("a panic");
    drop(client);
    service.signal("TERM");
    assert!(service.wait().success());

    let posted = collector.next().await;
    assert_eq!(posted.path, "/v1/traces");
    assert_eq!(posted.headers["content-type"], "application/x-protobuf");
    assert_eq!(posted.headers["authorization"], "Bearer x");
    let request = ExportTraceServiceRequest::decode(posted.body).expect("OTLP");
    let resource = request.resource_spans[0].resource.as_ref();
    let resource = &resource.expect("a resource").attributes;
    assert_eq!(text(resource, "service.version"), "1.2.3");
    assert_eq!(text(resource, "zone"), "a");
    let spans = collector::spans(request);
    let [(name, span)] = &spans[..] else {
        panic!("one span: {spans:#?}");
    };
    assert_eq!((name.as_str(), span.name.as_str()), ("users", METHOD));
    assert_eq!(outcome(span), ["INTERNAL", "INTERNAL", "127.0.0.1"]);
    let names = span.events.iter().map(|event| event.name.as_str());
    assert_eq!(names.collect::<Vec<_>>(), ["in the handler", "exception"]);
    let event = &span.events[1];
    assert_eq!(text(&event.attributes, "exception.type"), "panic");
    assert_eq!(text(&event.attributes, "exception.message"), "on demand");
    assert!(text(&event.attributes, "code.file.path").ends_with("support/mod.rs"));
}

fn outcome(span: &Span) -> [String; 3] {
    [
        "rpc.response.status_code",
        "error.type",
        "network.peer.address",
    ]
    .map(|key| text(&span.attributes, key))
}

#[tokio::test(flavor = "multi_thread")]
async fn spans_go_to_zipkin_as_json() {
    let mut collector = HttpCollector::start(0, &[]).await;
    let endpoint = format!("http://{}", collector.address);
    let mut service = Service::start(&[ZIPKIN, ("APP_TRACING__ENDPOINT", &endpoint)]);
    call(&service).await;
    service.signal("TERM");
    assert!(service.wait().success());
    let posted = collector.next().await;
    assert_eq!(posted.path, "/api/v2/spans");
    assert_eq!(posted.headers["content-type"], "application/json");
    let spans: Value = serde_json::from_slice(&posted.body).expect("JSON");
    let spans = spans.as_array().expect("a list");
    let [span] = &spans[..] else {
        panic!("one span: {spans:#?}");
    };
    assert_eq!(span["name"], METHOD);
    assert_eq!(span["kind"], "SERVER");
    assert_eq!(span["localEndpoint"]["serviceName"], "probe");
    assert_eq!(span["tags"]["rpc.response.status_code"], "OK");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_batch_is_sent_again_when_the_collector_is_busy_and_not_when_it_refuses() {
    let mut collector = HttpCollector::start(0, &[503, 200, 400]).await;
    let endpoint = format!("http://{}", collector.address);
    let mut service = Service::start(&[OTLP_HTTP, ("APP_TRACING__ENDPOINT", &endpoint), AT_ONCE]);
    call(&service).await;
    let first = collector.next().await;
    assert_eq!(first.body, collector.next().await.body);
    call(&service).await;
    assert_ne!(first.body, collector.next().await.body);
    let line =
        service.wait_for("traces are not exported, and will be lost until the collector answers");
    assert_eq!(line["fields"]["error"], "the answer is 400 Bad Request");
    assert_eq!(metric(&service, "trace_spans_exported_total"), 1.0);
    let failed = "trace_spans_dropped_total{reason=\"export_failed\"}";
    assert_eq!(metric(&service, failed), 1.0);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_collector_that_hangs_slows_no_call_and_what_has_no_room_is_counted() {
    for protocol in [OTLP_GRPC, OTLP_HTTP, ZIPKIN] {
        // Connections to it are accepted by the system, and that is all.
        let hung = TcpListener::bind("127.0.0.1:0").expect("a free port");
        let endpoint = format!("http://{}", hung.local_addr().expect("an address"));
        let service = Service::start(&[
            protocol,
            ("APP_TRACING__ENDPOINT", &endpoint),
            ("APP_TRACING__EXPORT_TIMEOUT", "1h"),
            ("APP_TRACING__MAX_QUEUE_SIZE", "2"),
            AT_ONCE,
        ]);
        // At most one batch of two is on its way, and two spans wait.
        for _ in 0..10 {
            call(&service).await;
        }
        let full = "trace_spans_dropped_total{reason=\"queue_full\"}";
        assert!(metric(&service, full) >= 6.0, "{protocol:?}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn the_end_does_not_wait_for_a_collector_that_hangs() {
    for protocol in [OTLP_GRPC, OTLP_HTTP, ZIPKIN] {
        let hung = TcpListener::bind("127.0.0.1:0").expect("a free port");
        let endpoint = format!("http://{}", hung.local_addr().expect("an address"));
        let mut service = Service::start(&[
            protocol,
            ("APP_TRACING__ENDPOINT", &endpoint),
            ("APP_TRACING__EXPORT_TIMEOUT", "100ms"),
        ]);
        call(&service).await;
        service.signal("TERM");
        assert!(service.wait().success(), "{protocol:?}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_collector_that_dies_is_said_once_and_so_is_its_return() {
    const GONE: &str = "traces are not exported, and will be lost until the collector answers";
    for protocol in [OTLP_GRPC, OTLP_HTTP, ZIPKIN] {
        let port = free_port();
        let endpoint = format!("http://127.0.0.1:{port}");
        let mut service = Service::start(&[
            protocol,
            ("APP_TRACING__ENDPOINT", &endpoint),
            ("APP_TRACING__EXPORT_TIMEOUT", "1s"),
            AT_ONCE,
        ]);
        // From the second time on it dies with the connection that was kept.
        for _ in 0..2 {
            call(&service).await;
            service.wait_for(GONE);
            let _collector = Collector::start(protocol, port).await;
            call(&service).await;
            service.wait_for("traces are exported again");
        }
        let gone = service.log.iter().filter(|line| line["message"] == GONE);
        assert_eq!(gone.count(), 2, "{protocol:?}");
    }
}

/// One of either kind, for as long as it is held.
#[expect(dead_code, reason = "they only have to be there")]
enum Collector {
    Grpc(chassis::testing::TestServer),
    Http(HttpCollector),
}

impl Collector {
    async fn start(protocol: (&str, &str), port: u16) -> Self {
        match protocol == OTLP_GRPC {
            true => Self::Grpc(collector::grpc(port).await.0),
            false => Self::Http(HttpCollector::start(port, &[]).await),
        }
    }
}
