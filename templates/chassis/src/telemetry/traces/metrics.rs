//! What became of spans.

use std::sync::LazyLock;

use prometheus_client::encoding::EncodeLabelSet;
use prometheus_client::metrics::counter::Counter;
use prometheus_client::metrics::family::Family;
use prometheus_client::metrics::gauge::Gauge;

use crate::metrics;

#[derive(Debug, Clone, PartialEq, Eq, Hash, EncodeLabelSet)]
struct Reason {
    reason: &'static str,
}

/// Counts of spans.
#[derive(Debug, Default)]
pub(super) struct SpanMetrics {
    /// Those that wait to be exported.
    pub(super) queued: Gauge,
    /// Those that the collector has taken.
    pub(super) exported: Counter,
    /// Those that had no room in the queue.
    pub(super) no_room: Counter,
    /// Those of batches that could not be sent.
    pub(super) failed: Counter,
    /// Those that the collector did not want.
    pub(super) rejected: Counter,
}

impl SpanMetrics {
    /// Those of the process, which has one tracer provider.
    pub(super) fn global() -> &'static Self {
        static METRICS: LazyLock<SpanMetrics> = LazyLock::new(|| {
            let dropped = Family::<Reason, Counter>::default();
            let counter = |reason| dropped.get_or_create(&Reason { reason }).clone();
            let all = SpanMetrics {
                no_room: counter("queue_full"),
                failed: counter("export_failed"),
                rejected: counter("rejected"),
                ..SpanMetrics::default()
            };
            let queued = all.queued.clone();
            metrics::register(
                "trace_spans_queued",
                "Spans that wait to be exported",
                queued,
            );
            let exported = all.exported.clone();
            let help = "Spans that the collector has taken";
            metrics::register("trace_spans_exported", help, exported);
            let help = "Spans that were not exported, by reason";
            metrics::register("trace_spans_dropped", help, dropped);
            all
        });
        &METRICS
    }
}
