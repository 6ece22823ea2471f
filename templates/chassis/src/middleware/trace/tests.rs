use std::convert::Infallible;

use http::Request;
use opentelemetry::Context;
use opentelemetry::baggage::BaggageExt;
use opentelemetry::trace::{SpanKind, Status as SpanStatus, TraceContextExt};
use tonic::transport::server::TcpConnectInfo;
use tonic::{Code, Status};
use tower::{Layer, ServiceExt, service_fn};

use opentelemetry_sdk::trace::SpanData;

use super::*;
use crate::client::Target;
use crate::middleware::testing::{CHECK, GET_USER, read, reply, request};
use crate::telemetry::recorder::{Recorder, attribute};

const PARENT: &str = "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01";

type Body = tonic::body::Body;

fn target() -> Target {
    Target::Dns("users:50051".to_owned())
}

fn owned((key, value): (&str, &str)) -> (String, String) {
    (key.to_owned(), value.to_owned())
}

/// All attributes of a span, as text and sorted.
fn attributes(span: &SpanData) -> Vec<(String, String)> {
    let attributes = span.attributes.iter();
    let mut attributes: Vec<_> = attributes
        .map(|it| (it.key.to_string(), it.value.to_string()))
        .collect();
    attributes.sort();
    attributes
}

/// Calls a handler that ends with `code`, on the server's side.
async fn serve(path: &str, headers: &[(&'static str, &'static str)], code: Code) {
    let handler = service_fn(move |_: Request<Body>| async move {
        tracing::info!(tenant = ?Context::current().baggage().get("tenant"), "in the handler");
        Ok::<_, Infallible>(reply(code))
    });
    let service = ServerTraceLayer::for_any().layer(handler);
    let mut request = request(&format!("http://users.internal:50051{path}"), headers);
    request.extensions_mut().insert(TcpConnectInfo {
        local_addr: None,
        remote_addr: Some(([10, 0, 0, 7], 4711).into()),
    });
    let response = service.oneshot(request).await.expect("a response");
    read(response).await;
}

#[tokio::test]
async fn a_server_continues_the_trace_of_its_caller() {
    let recorder = Recorder::start("info");
    serve(
        GET_USER,
        &[("traceparent", PARENT), ("baggage", "tenant=acme")],
        Code::Ok,
    )
    .await;

    let [span] = &recorder.spans()[..] else {
        panic!("one span: {:?}", recorder.spans());
    };
    assert_eq!(span.name, "user.v1.UserService/GetUser");
    assert_eq!(span.span_kind, SpanKind::Server);
    assert_eq!(span.parent_span_id.to_string(), "00f067aa0ba902b7");
    let trace_id = span.span_context.trace_id().to_string();
    assert_eq!(trace_id, "4bf92f3577b34da6a3ce929d0e0e4736");
    assert_eq!(
        attributes(span),
        [
            ("network.peer.address", "10.0.0.7"),
            ("network.peer.port", "4711"),
            ("rpc.method", "user.v1.UserService/GetUser"),
            ("rpc.response.status_code", "OK"),
            ("rpc.system.name", "grpc"),
            ("server.address", "users.internal"),
            ("server.port", "50051"),
        ]
        .map(owned)
    );
    assert_eq!(span.status, SpanStatus::Unset);

    let line = &recorder.lines()[0];
    assert_eq!(line["trace_id"], trace_id);
    assert!(
        line["fields"]["tenant"].to_string().contains("acme"),
        "{line}"
    );
}

#[tokio::test]
async fn a_call_without_or_with_a_malformed_context_begins_a_trace() {
    let recorder = Recorder::start("info");
    serve(GET_USER, &[], Code::Ok).await;
    serve(GET_USER, &[("traceparent", "00-zz-zz-01")], Code::Ok).await;
    let spans = recorder.spans();
    assert_eq!(spans.len(), 2);
    assert!(spans.iter().all(|span| span.span_context.is_valid()));
    assert!(
        spans
            .iter()
            .all(|span| span.parent_span_id.to_string() == "0000000000000000")
    );
}

#[tokio::test]
async fn only_faults_of_the_server_are_errors_of_its_span() {
    let recorder = Recorder::start("info");
    serve(GET_USER, &[], Code::NotFound).await;
    serve(GET_USER, &[], Code::Internal).await;
    let spans = recorder.spans();
    let outcome = |span| {
        let code = attribute(span, "rpc.response.status_code");
        (code, attribute(span, "error.type"), span.status.clone())
    };
    assert_eq!(
        outcome(&spans[0]),
        (Some("NOT_FOUND".to_owned()), None, SpanStatus::Unset)
    );
    let internal = Some("INTERNAL".to_owned());
    assert_eq!(
        outcome(&spans[1]),
        (internal.clone(), internal, SpanStatus::error(""))
    );
}

#[tokio::test]
async fn health_checks_have_no_span() {
    let recorder = Recorder::start("info");
    serve(CHECK, &[("traceparent", PARENT)], Code::Ok).await;
    assert!(recorder.spans().is_empty());
}

#[tokio::test]
async fn a_span_lasts_until_its_call_is_dropped() {
    let recorder = Recorder::start("info");
    let handler = service_fn(|_: Request<Body>| async { Ok::<_, Infallible>(reply(Code::Ok)) });
    let service = ServerTraceLayer::for_any().layer(handler);
    let response = service
        .oneshot(request(GET_USER, &[]))
        .await
        .expect("a response");
    assert!(recorder.spans().is_empty());
    drop(response);
    let spans = recorder.spans();
    assert_eq!(
        attribute(&spans[0], "rpc.response.status_code").as_deref(),
        Some("CANCELLED")
    );
}

#[tokio::test]
async fn a_client_hands_its_span_on() {
    let recorder = Recorder::start("info");
    let server = service_fn(|request: Request<Body>| async move {
        let parent = request.headers()["traceparent"].to_str().expect("ASCII");
        tracing::info!(parent, "received");
        Ok::<_, Status>(reply(Code::NotFound))
    });
    let client = ClientTraceLayer::new(true, &target()).layer(server);
    let outer = tracing::info_span!("outer");
    let response = {
        let call = client.oneshot(request(GET_USER, &[]));
        tracing::Instrument::instrument(call, outer.clone()).await
    };
    read(response.expect("a response")).await;
    let outer_context = {
        use tracing_opentelemetry::OpenTelemetrySpanExt;
        outer.context().span().span_context().clone()
    };
    drop(outer);

    let spans = recorder.spans();
    let call = spans
        .iter()
        .find(|it| it.span_kind == SpanKind::Client)
        .expect("a span");
    assert_eq!(call.name, "user.v1.UserService/GetUser");
    assert_eq!(call.parent_span_id, outer_context.span_id());
    assert_eq!(
        call.status,
        SpanStatus::error(""),
        "any code but OK is an error to a client"
    );
    assert_eq!(
        attributes(call),
        [
            ("error.type", "NOT_FOUND"),
            ("rpc.method", "user.v1.UserService/GetUser"),
            ("rpc.response.status_code", "NOT_FOUND"),
            ("rpc.system.name", "grpc"),
            ("server.address", "users"),
            ("server.port", "50051"),
        ]
        .map(owned)
    );
    let (trace, span) = (call.span_context.trace_id(), call.span_context.span_id());
    let line = &recorder.lines()[0];
    assert_eq!(line["fields"]["parent"], format!("00-{trace}-{span}-01"));
}

#[tokio::test]
async fn switched_off_there_is_no_span() {
    let recorder = Recorder::start("info");
    let handler = service_fn(|request: Request<Body>| async move {
        assert_eq!(request.headers().get("traceparent"), None);
        Ok::<_, Status>(reply(Code::Ok))
    });
    let client = ClientTraceLayer::new(false, &target()).layer(handler);
    let response = client.oneshot(request(GET_USER, &[])).await;
    read(response.expect("a response")).await;
    assert!(recorder.spans().is_empty());
}

#[tokio::test]
async fn a_trace_that_its_caller_does_not_record_is_not_recorded_and_goes_on() {
    let recorder = Recorder::start("info");
    let unsampled = format!("{}00", &PARENT[..53]);
    let unsampled: &'static str = unsampled.leak();
    serve(GET_USER, &[("traceparent", unsampled)], Code::Internal).await;
    assert!(recorder.spans().is_empty());
    let line = &recorder.lines()[0];
    assert_eq!(line["trace_id"], "4bf92f3577b34da6a3ce929d0e0e4736");
}
