//! Connections that are open, and those that the server has ended.

use std::sync::LazyLock;

use prometheus_client::encoding::{EncodeLabelSet, EncodeLabelValue, LabelValueEncoder};
use prometheus_client::metrics::counter::Counter;
use prometheus_client::metrics::family::Family;
use prometheus_client::metrics::gauge::Gauge;

use super::End;
use crate::metrics;

struct Metrics {
    open: Gauge,
    ended: Family<Labels, Counter>,
}

#[derive(Debug, Clone, PartialEq, Eq, Hash, EncodeLabelSet)]
struct Labels {
    reason: End,
}

impl EncodeLabelValue for End {
    fn encode(&self, encoder: &mut LabelValueEncoder<'_>) -> Result<(), std::fmt::Error> {
        self.label().encode(encoder)
    }
}

static METRICS: LazyLock<Metrics> = LazyLock::new(|| Metrics {
    open: metrics::registered("grpc_server_connections", "Connections that are open"),
    ended: metrics::registered(
        "grpc_server_connections_ended",
        "Connections that the server has ended or refused, by the rule that they broke",
    ),
});

/// Counts a connection that the server ends.
pub(super) fn ended(reason: End) {
    METRICS.ended.get_or_create(&Labels { reason }).inc();
}

/// Counts a connection as open until it is dropped.
#[derive(Debug)]
pub(super) struct Open(());

impl Open {
    pub(super) fn new() -> Self {
        METRICS.open.inc();
        Self(())
    }
}

impl Drop for Open {
    fn drop(&mut self) {
        METRICS.open.dec();
    }
}
