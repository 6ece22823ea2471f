//! Trace context and baggage in the metadata of calls: W3C Trace Context (`traceparent`,
//! `tracestate`) and W3C Baggage (`baggage`).
//!
//! Whatever comes in was written by strangers. What is malformed is ignored: the call is served as
//! if it had not been there. What goes out is well-formed and bounded, whatever came in.

mod baggage;
mod trace_context;

use http::HeaderMap;
use opentelemetry::Context;
use opentelemetry::baggage::BaggageExt;
use opentelemetry::propagation::TextMapCompositePropagator;
use opentelemetry::trace::TraceContextExt;
use opentelemetry_sdk::propagation::{BaggagePropagator, TraceContextPropagator};

/// A propagator for libraries that ask OpenTelemetry's global one.
pub(super) fn propagator() -> TextMapCompositePropagator {
    TextMapCompositePropagator::new(vec![
        Box::new(TraceContextPropagator::new()),
        Box::new(BaggagePropagator::new()),
    ])
}

/// The context that `headers` carry; an empty one when they carry none or a malformed one.
pub(crate) fn extract(headers: &HeaderMap) -> Context {
    let context = Context::new();
    let context = match trace_context::extract(headers) {
        Some(parent) => context.with_remote_span_context(parent),
        None => context,
    };
    match baggage::extract(headers) {
        Some(baggage) => context.with_baggage(baggage),
        None => context,
    }
}

/// Writes `context` into `headers`.
pub(crate) fn inject(context: &Context, headers: &mut HeaderMap) {
    trace_context::inject(context.span().span_context(), headers);
    baggage::inject(context.baggage(), headers);
}

#[cfg(test)]
mod tests {
    use http::{HeaderName, HeaderValue};

    use super::*;

    #[test]
    fn what_is_extracted_is_injected_again() {
        let received: HeaderMap = [
            (
                "traceparent",
                "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01",
            ),
            ("tracestate", "vendor=opaque"),
            ("baggage", "tenant=acme;since=2020"),
        ]
        .map(|(name, value)| {
            (
                HeaderName::from_static(name),
                HeaderValue::from_static(value),
            )
        })
        .into_iter()
        .collect();
        let mut sent = HeaderMap::new();
        inject(&extract(&received), &mut sent);
        assert_eq!(sent, received);
    }

    #[test]
    fn nothing_is_made_of_nothing() {
        let mut sent = HeaderMap::new();
        inject(&extract(&HeaderMap::new()), &mut sent);
        assert_eq!(sent, HeaderMap::new());
    }
}
