//! What looks on, for servers and clients alike.

use std::sync::Arc;
use std::time::Duration;

use http::Request;
use opentelemetry::trace::TraceContextExt;
use tonic::Code;

use super::family::{Lookup, Series, Trace};
use crate::middleware::observe::{Watch, Watcher};

/// Has the calls of a server or a client counted; with `None`, none.
#[derive(Debug, Clone)]
pub(crate) struct Metrics {
    pub(crate) lookup: Option<Lookup>,
}

impl Watch for Metrics {
    type Watcher = InFlight;

    fn begin<Q>(&self, request: &Request<Q>) -> Option<InFlight> {
        let lookup = self.lookup.as_ref();
        lookup.map(|lookup| InFlight::begin(lookup.series(request.uri().path())))
    }
}

/// A call that is counted as in flight.
#[derive(Debug)]
pub(crate) struct InFlight {
    series: Arc<Series>,
    trace: Option<Trace>,
}

impl InFlight {
    fn begin(series: Arc<Series>) -> Self {
        series.begin();
        Self {
            series,
            trace: recorded_trace(),
        }
    }
}

impl Watcher for InFlight {
    fn end(self, code: Code, took: Duration) {
        self.series.end(code, took, self.trace);
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
