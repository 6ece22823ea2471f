//! The layer, for servers and clients alike.

use std::sync::Arc;
use std::task::{Context, Poll};

use http::{Request, Response};
use opentelemetry::trace::TraceContextExt;
use tokio::time::Instant;
use tonic::Code;
use tower::{Layer, Service};

use super::family::{Lookup, Series, Trace};
use crate::middleware::observe::{HasCode, Observed, ObservedBody, Observer};

/// Wraps a server or a client in counting; with `None`, in nothing.
#[derive(Debug, Clone)]
pub(crate) struct MetricsLayer {
    pub(crate) lookup: Option<Lookup>,
}

impl<S> Layer<S> for MetricsLayer {
    type Service = Metrics<S>;

    fn layer(&self, inner: S) -> Metrics<S> {
        Metrics {
            inner,
            lookup: self.lookup.clone(),
        }
    }
}

#[derive(Debug, Clone)]
pub(crate) struct Metrics<S> {
    inner: S,
    lookup: Option<Lookup>,
}

impl<S, Q, B> Service<Request<Q>> for Metrics<S>
where
    S: Service<Request<Q>, Response = Response<B>>,
    S::Error: HasCode,
{
    type Response = Response<ObservedBody<B, InFlight>>;
    type Error = S::Error;
    type Future = Observed<S::Future, InFlight>;

    fn poll_ready(&mut self, cx: &mut Context<'_>) -> Poll<Result<(), S::Error>> {
        self.inner.poll_ready(cx)
    }

    fn call(&mut self, request: Request<Q>) -> Self::Future {
        let lookup = self.lookup.as_ref();
        let in_flight = lookup.map(|lookup| InFlight::begin(lookup.series(request.uri().path())));
        Observed::new(self.inner.call(request), in_flight)
    }
}

/// A call that is counted as in flight.
#[derive(Debug)]
pub(crate) struct InFlight {
    series: Arc<Series>,
    begin: Instant,
    trace: Option<Trace>,
}

impl InFlight {
    fn begin(series: Arc<Series>) -> Self {
        series.begin();
        Self {
            series,
            begin: Instant::now(),
            trace: recorded_trace(),
        }
    }
}

impl Observer for InFlight {
    fn finish(self, code: Code) {
        self.series.end(code, self.begin.elapsed(), self.trace);
    }
}

/// The current trace, if it can be looked up later.
fn recorded_trace() -> Option<Trace> {
    opentelemetry::Context::map_current(|context| {
        let span = context.span();
        let span = span.span_context();
        span.is_sampled().then(|| Trace(span.trace_id()))
    })
}
