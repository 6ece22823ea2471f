//! Trace context and baggage in the metadata of calls: W3C Trace Context (`traceparent`,
//! `tracestate`) and W3C Baggage (`baggage`).

use std::sync::LazyLock;

use http::{HeaderMap, HeaderName, HeaderValue};
use opentelemetry::Context;
use opentelemetry::propagation::{
    Extractor, Injector, TextMapCompositePropagator, TextMapPropagator,
};
use opentelemetry_sdk::propagation::{BaggagePropagator, TraceContextPropagator};

static W3C: LazyLock<TextMapCompositePropagator> = LazyLock::new(propagator);

/// The propagator that the chassis uses, for libraries that ask OpenTelemetry's global one.
pub(super) fn propagator() -> TextMapCompositePropagator {
    TextMapCompositePropagator::new(vec![
        Box::new(TraceContextPropagator::new()),
        Box::new(BaggagePropagator::new()),
    ])
}

/// The context that `headers` carry; an empty one when they carry none or a malformed one.
pub(crate) fn extract(headers: &HeaderMap) -> Context {
    W3C.extract_with_context(&Context::new(), &Headers(headers))
}

/// Writes `context` into `headers`.
pub(crate) fn inject(context: &Context, headers: &mut HeaderMap) {
    W3C.inject_context(context, &mut HeadersMut(headers));
}

struct Headers<'a>(&'a HeaderMap);

impl Extractor for Headers<'_> {
    fn get(&self, key: &str) -> Option<&str> {
        self.0.get(key)?.to_str().ok()
    }

    fn keys(&self) -> Vec<&str> {
        self.0.keys().map(HeaderName::as_str).collect()
    }
}

struct HeadersMut<'a>(&'a mut HeaderMap);

impl Injector for HeadersMut<'_> {
    fn set(&mut self, key: &str, value: String) {
        // An empty `tracestate` says nothing.
        if value.is_empty() {
            return;
        }
        let name = HeaderName::from_bytes(key.as_bytes());
        if let (Ok(name), Ok(value)) = (name, HeaderValue::try_from(value)) {
            self.0.insert(name, value);
        }
    }
}

#[cfg(test)]
mod tests {
    use opentelemetry::baggage::BaggageExt;
    use opentelemetry::trace::TraceContextExt;

    use super::*;

    const PARENT: &str = "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01";

    fn headers(entries: &[(&'static str, &'static str)]) -> HeaderMap {
        let entries = entries.iter().map(|(name, value)| {
            (
                HeaderName::from_static(name),
                HeaderValue::from_static(value),
            )
        });
        entries.collect()
    }

    #[test]
    fn what_is_extracted_is_injected_again() {
        let received = headers(&[
            ("traceparent", PARENT),
            ("tracestate", "vendor=opaque"),
            ("baggage", "tenant=acme"),
        ]);
        let context = extract(&received);
        assert_eq!(
            context.span().span_context().trace_id().to_string(),
            "4bf92f3577b34da6a3ce929d0e0e4736"
        );
        let tenant = context.baggage().get("tenant").map(ToString::to_string);
        assert_eq!(tenant.as_deref(), Some("acme"));

        let mut sent = HeaderMap::new();
        inject(&context, &mut sent);
        assert_eq!(sent, received);
    }

    #[test]
    fn a_malformed_context_is_no_context() {
        for parent in [
            "",
            "00",
            "00-0-0-01",
            "ff-4bf92f3577b34da6a3ce929d0e0e4736-x-01",
        ] {
            let mut received = HeaderMap::new();
            received.insert("traceparent", HeaderValue::from_static(parent));
            assert!(
                !extract(&received).span().span_context().is_valid(),
                "{parent}"
            );
        }
    }
}
