//! The client's side: hands the trace on.

use std::task::{Context, Poll};

use http::{Request, Response};
use tower::{Layer, Service};
use tracing::Span;
use tracing_opentelemetry::OpenTelemetrySpanExt;

use super::body::TracedBody;
use super::future::Traced;
use super::span::{self, Side, SpanEnd};
use crate::middleware::observe::{HasCode, Observed};
use crate::telemetry::propagation;

/// Wraps a client in a span for each call, whose context goes along in the metadata.
#[derive(Debug, Clone, Copy)]
pub(crate) struct ClientTraceLayer {
    pub(crate) enabled: bool,
}

impl<S> Layer<S> for ClientTraceLayer {
    type Service = ClientTrace<S>;

    fn layer(&self, inner: S) -> ClientTrace<S> {
        ClientTrace {
            inner,
            enabled: self.enabled,
        }
    }
}

#[derive(Debug, Clone)]
pub(crate) struct ClientTrace<S> {
    inner: S,
    enabled: bool,
}

impl<S, Q, B> Service<Request<Q>> for ClientTrace<S>
where
    S: Service<Request<Q>, Response = Response<B>>,
    S::Error: HasCode,
{
    type Response = Response<TracedBody<B>>;
    type Error = S::Error;
    type Future = Traced<S::Future>;

    fn poll_ready(&mut self, cx: &mut Context<'_>) -> Poll<Result<(), S::Error>> {
        self.inner.poll_ready(cx)
    }

    fn call(&mut self, mut request: Request<Q>) -> Self::Future {
        let span = match self.enabled {
            true => span::client(request.uri().path()),
            false => Span::none(),
        };
        if !span.is_disabled() {
            propagation::inject(&span.context(), request.headers_mut());
        }
        let observer = (!span.is_disabled()).then(|| SpanEnd {
            span: span.clone(),
            side: Side::Client,
        });
        let inner = span.in_scope(|| self.inner.call(request));
        Traced::new(span, Observed::new(inner, observer))
    }
}
