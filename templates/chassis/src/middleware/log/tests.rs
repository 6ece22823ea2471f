use std::convert::Infallible;

use http::Response;
use serde_json::Value;
use tower::{ServiceBuilder, ServiceExt, service_fn};

use super::*;
use crate::middleware::observe::WatchLayer;
use crate::middleware::testing::{CHECK, GET_USER, read, reply, request};
use crate::middleware::trace::ServerTraceLayer;
use crate::telemetry::recorder::Recorder;

type Body = tonic::body::Body;

/// The lines of a call of `path` that ends with `code`.
async fn lines(recorder: &Recorder, path: &str, code: Code) -> Vec<Value> {
    let service = ServiceBuilder::new()
        .layer(ServerTraceLayer::for_any())
        .layer(WatchLayer(Log { enabled: true }))
        .service(service_fn(move |_: Request<Body>| async move {
            Ok::<_, Infallible>(reply(code))
        }));
    let mut request = request(path, &[]);
    request.extensions_mut().insert(TcpConnectInfo {
        local_addr: None,
        remote_addr: Some(([10, 0, 0, 7], 4711).into()),
    });
    read(service.oneshot(request).await.expect("a response")).await;
    recorder.lines()
}

#[tokio::test]
async fn a_call_is_one_line_with_its_outcome_and_its_trace() {
    let recorder = Recorder::start("info");
    let lines = lines(&recorder, GET_USER, Code::NotFound).await;
    let [line] = &lines[..] else {
        panic!("one line: {lines:?}");
    };
    assert_eq!(line["level"], "INFO");
    assert_eq!(line["target"], "rpc");
    assert_eq!(line["message"], "user.v1.UserService/GetUser");
    assert_eq!(line["fields"]["peer"], "10.0.0.7:4711");
    assert_eq!(line["fields"]["code"], "NOT_FOUND");
    assert!(line["fields"]["latency"].is_string(), "{line}");
    let trace_id = recorder.spans()[0].span_context.trace_id().to_string();
    assert_eq!(line["trace_id"], trace_id);
}

#[tokio::test]
async fn a_failure_of_the_server_is_a_warning() {
    let recorder = Recorder::start("info");
    let lines = lines(&recorder, GET_USER, Code::Internal).await;
    assert_eq!(lines[0]["level"], "WARN");
}

#[tokio::test]
async fn health_checks_are_for_debugging() {
    let recorder = Recorder::start("info");
    assert!(lines(&recorder, CHECK, Code::Ok).await.is_empty());
    let recorder = Recorder::start("debug");
    let lines = lines(&recorder, CHECK, Code::Ok).await;
    assert_eq!(lines[0]["level"], "DEBUG");
}

#[tokio::test]
async fn a_call_that_is_dropped_is_logged_inside_its_span() {
    let recorder = Recorder::start("info");
    let service = ServiceBuilder::new()
        .layer(ServerTraceLayer::for_any())
        .layer(WatchLayer(Log { enabled: true }))
        .service(service_fn(|_: Request<Body>| {
            std::future::pending::<Result<Response<Body>, Infallible>>()
        }));
    let call = service.oneshot(request(GET_USER, &[]));
    let polled = tokio::time::timeout(std::time::Duration::ZERO, call).await;
    assert!(polled.is_err());
    let line = &recorder.lines()[0];
    assert_eq!(line["fields"]["code"], "CANCELLED");
    let trace_id = recorder.spans()[0].span_context.trace_id().to_string();
    assert_eq!(line["trace_id"], trace_id);
}
