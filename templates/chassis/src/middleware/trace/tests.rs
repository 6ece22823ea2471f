use std::convert::Infallible;

use http::Request;
use opentelemetry::Context;
use opentelemetry::baggage::BaggageExt;
use opentelemetry::trace::{SpanKind, Status as SpanStatus, TraceContextExt};
use tonic::{Code, Status};
use tower::{Layer, ServiceExt, service_fn};

use super::*;
use crate::middleware::testing::{CHECK, GET_USER, read, reply, request};
use crate::telemetry::recorder::{Recorder, attribute};

const PARENT: &str = "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01";

type Body = tonic::body::Body;

/// Calls a handler that ends with `code`, on the server's side.
async fn serve(path: &str, headers: &[(&'static str, &'static str)], code: Code) {
    let handler = service_fn(move |_: Request<Body>| async move {
        tracing::info!(tenant = ?Context::current().baggage().get("tenant"), "in the handler");
        Ok::<_, Infallible>(reply(code))
    });
    let service = ServerTraceLayer { enabled: true }.layer(handler);
    let response = service
        .oneshot(request(path, headers))
        .await
        .expect("a response");
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
    assert_eq!(attribute(span, "rpc.system").as_deref(), Some("grpc"));
    assert_eq!(
        attribute(span, "rpc.service").as_deref(),
        Some("user.v1.UserService")
    );
    assert_eq!(attribute(span, "rpc.method").as_deref(), Some("GetUser"));
    assert_eq!(
        attribute(span, "rpc.grpc.status_code").as_deref(),
        Some("0")
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
    assert_eq!(
        attribute(&spans[0], "rpc.grpc.status_code").as_deref(),
        Some("5")
    );
    assert_eq!(spans[0].status, SpanStatus::Unset);
    assert_eq!(
        attribute(&spans[1], "rpc.grpc.status_code").as_deref(),
        Some("13")
    );
    assert_eq!(spans[1].status, SpanStatus::error(""));
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
    let service = ServerTraceLayer { enabled: true }.layer(handler);
    let response = service
        .oneshot(request(GET_USER, &[]))
        .await
        .expect("a response");
    assert!(recorder.spans().is_empty());
    drop(response);
    let spans = recorder.spans();
    assert_eq!(
        attribute(&spans[0], "rpc.grpc.status_code").as_deref(),
        Some("1")
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
    let client = ClientTraceLayer { enabled: true }.layer(server);
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
    let client = ClientTraceLayer { enabled: false }.layer(handler);
    let response = client.oneshot(request(GET_USER, &[])).await;
    read(response.expect("a response")).await;
    assert!(recorder.spans().is_empty());
}
