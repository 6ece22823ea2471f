//! What a span costs a call.

use std::convert::Infallible;
use std::future::{Ready, ready};
use std::io::Write;
use std::pin::pin;
use std::task::{Context, Poll, Waker};
use std::time::Instant;

use http::{Request, Response};
use http_body::Body as _;
use opentelemetry_sdk::error::OTelSdkResult;
use opentelemetry_sdk::trace::{Sampler, SdkTracerProvider, SpanData, SpanExporter};
use tonic::Status;
use tonic::transport::server::TcpConnectInfo;
use tower::{Layer, Service};
use tracing_subscriber::layer::SubscriberExt;

use super::ServerTraceLayer;
use crate::middleware::testing::{GET_USER, request};

type Body = tonic::body::Body;

const CALLS: usize = 1_000;
const ROUNDS: usize = 301;

/// Answers at once.
#[derive(Clone)]
struct Quick;

impl Service<Request<Body>> for Quick {
    type Response = Response<Body>;
    type Error = Infallible;
    type Future = Ready<Result<Response<Body>, Infallible>>;

    fn poll_ready(&mut self, _: &mut Context<'_>) -> Poll<Result<(), Infallible>> {
        Poll::Ready(Ok(()))
    }

    fn call(&mut self, _: Request<Body>) -> Self::Future {
        ready(Ok(Status::ok("").into_http()))
    }
}

/// Takes spans, in batches and on a thread of its own, as in a service.
#[derive(Debug)]
struct Forgotten;

impl SpanExporter for Forgotten {
    async fn export(&self, _: Vec<SpanData>) -> OTelSdkResult {
        Ok(())
    }
}

fn call(parent: Option<&'static str>) -> Request<Body> {
    let headers = parent.map(|parent| ("traceparent", parent));
    let headers: Vec<_> = headers.into_iter().collect();
    let uri = format!("http://users.internal:50051{GET_USER}");
    let mut request = request(&uri, &headers);
    request.extensions_mut().insert(TcpConnectInfo {
        local_addr: None,
        remote_addr: Some(([10, 0, 0, 7], 4711).into()),
    });
    request
}

/// The median of the rounds, in nanoseconds a call.
fn measure(enabled: bool, sampler: Sampler, parent: Option<&'static str>) -> f64 {
    let provider = SdkTracerProvider::builder()
        .with_sampler(sampler)
        .with_batch_exporter(Forgotten)
        .build();
    let subscriber = tracing_subscriber::registry().with(crate::telemetry::spans(&provider));
    let _guard = tracing::subscriber::set_default(subscriber);
    let mut service = ServerTraceLayer {
        enabled,
        ..ServerTraceLayer::for_any()
    }
    .layer(Quick);
    let mut context = Context::from_waker(Waker::noop());
    let mut rounds: Vec<f64> = (0..ROUNDS)
        .map(|_| {
            let requests: Vec<_> = (0..CALLS).map(|_| call(parent)).collect();
            let begin = Instant::now();
            for request in requests {
                let mut future = pin!(service.call(request));
                let Poll::Ready(Ok(response)) = future.as_mut().poll(&mut context) else {
                    panic!("it answers at once");
                };
                let mut body = pin!(response.into_body());
                while let Poll::Ready(Some(_)) = body.as_mut().poll_frame(&mut context) {}
            }
            begin.elapsed().as_nanos() as f64 / CALLS as f64
        })
        .collect();
    rounds.sort_by(f64::total_cmp);
    rounds[ROUNDS / 2]
}

#[test]
#[ignore = "a measurement, for a release build: cargo test -p chassis --lib --release trace::cost -- --ignored --nocapture"]
fn a_span() {
    const PARENT: &str = "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01";
    let off = measure(false, Sampler::AlwaysOn, Some(PARENT));
    let dropped = measure(true, Sampler::AlwaysOff, Some(PARENT));
    let recorded = measure(true, Sampler::AlwaysOn, Some(PARENT));
    let root = measure(true, Sampler::AlwaysOn, None);
    let text = format!(
        "ns a call: {off:.0} without spans, {:.0} more not sampled, {:.0} more sampled, \
         {:.0} more as a root\n",
        dropped - off,
        recorded - off,
        root - off
    );
    std::io::stderr().write_all(text.as_bytes()).expect("open");
}
