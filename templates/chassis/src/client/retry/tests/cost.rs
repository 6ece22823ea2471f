//! What the layer costs a call that does not fail.

use std::future::{Future, Ready, ready};
use std::io::Write;
use std::pin::{Pin, pin};
use std::task::{Context, Poll, Waker};
use std::time::Instant;

use http::{Request, Response};
use http_body::Body;
use tonic::Status;
use tower::{Layer, Service};

use super::super::RetryLayer;
use super::support::{unary, with_timeout};
use crate::client::endpoint::RequestBody;
use crate::config;

const CALLS: usize = 1_000;
const ROUNDS: usize = 301;

/// Reads the request and answers at once.
#[derive(Clone)]
struct Quick;

impl Service<Request<RequestBody>> for Quick {
    type Response = Response<()>;
    type Error = Status;
    type Future = Ready<Result<Response<()>, Status>>;

    fn poll_ready(&mut self, _: &mut Context<'_>) -> Poll<Result<(), Status>> {
        Poll::Ready(Ok(()))
    }

    fn call(&mut self, request: Request<RequestBody>) -> Self::Future {
        let mut context = Context::from_waker(Waker::noop());
        let mut body = request.into_body();
        while !body.is_end_stream()
            && let Poll::Ready(Some(_)) = Pin::new(&mut body).poll_frame(&mut context)
        {}
        ready(Ok(Response::new(())))
    }
}

/// A unary request with the headers and the extension that a generated client and the layers above
/// give it.
fn request() -> Request<RequestBody> {
    let mut request = with_timeout(unary(b"a request"), "1000000u");
    let trace = "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01";
    for (name, value) in [
        ("te", "trailers"),
        ("content-type", "application/grpc"),
        ("traceparent", trace),
    ] {
        let value = value.parse().expect("valid");
        request.headers_mut().insert(name, value);
    }
    let method = tonic::GrpcMethod::new("user.v1.UserService", "GetUser");
    request.extensions_mut().insert(method);
    request
}

/// The median of the rounds, in nanoseconds a call.
fn measure(config: &config::Retry) -> f64 {
    let mut service = RetryLayer::new(config).layer(Quick);
    let mut context = Context::from_waker(Waker::noop());
    let mut rounds: Vec<f64> = (0..ROUNDS)
        .map(|_| {
            let requests: Vec<_> = (0..CALLS).map(|_| request()).collect();
            let begin = Instant::now();
            for request in requests {
                let mut call = pin!(service.call(request));
                assert!(call.as_mut().poll(&mut context).is_ready());
            }
            begin.elapsed().as_nanos() as f64 / CALLS as f64
        })
        .collect();
    rounds.sort_by(f64::total_cmp);
    rounds[ROUNDS / 2]
}

#[test]
#[ignore = "a measurement, for a release build: cargo test -p chassis --lib --release retry::tests::cost -- --ignored --nocapture"]
fn a_call_that_does_not_fail() {
    let off = config::Retry {
        enabled: false,
        ..config::Retry::default()
    };
    let (off, on) = (measure(&off), measure(&config::Retry::default()));
    let text = format!(
        "ns a call: {off:.0} without retries, {on:.0} with, {:.0} more\n",
        on - off
    );
    std::io::stderr().write_all(text.as_bytes()).expect("open");
}
