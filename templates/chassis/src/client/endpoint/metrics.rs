//! How many endpoints there are, by target and state.

use std::sync::LazyLock;

use prometheus_client::encoding::EncodeLabelSet;
use prometheus_client::metrics::family::Family;
use prometheus_client::metrics::gauge::Gauge;

use crate::metrics;

#[derive(Debug, Clone, PartialEq, Eq, Hash, EncodeLabelSet)]
struct Labels {
    target: String,
    state: &'static str,
}

static ENDPOINTS: LazyLock<Family<Labels, Gauge>> = LazyLock::new(|| {
    let help = "Endpoints of channels, by whether they are connected";
    metrics::registered("client_endpoints", help)
});

/// The metrics of the endpoints of one target.
#[derive(Debug, Clone)]
pub(in crate::client) struct Metrics {
    connected: Gauge,
    disconnected: Gauge,
}

impl Metrics {
    pub(in crate::client) fn of(target: &str) -> Self {
        let endpoints = |state| {
            let target = target.to_owned();
            ENDPOINTS.get_or_create(&Labels { target, state }).clone()
        };
        Self {
            connected: endpoints("connected"),
            disconnected: endpoints("disconnected"),
        }
    }

    /// Counts a new endpoint, which is not connected, until the result is dropped.
    pub(super) fn counted(self) -> Counted {
        self.disconnected.inc();
        Counted {
            metrics: self,
            connected: false,
        }
    }
}

/// An endpoint as it is counted.
#[derive(Debug)]
pub(super) struct Counted {
    metrics: Metrics,
    connected: bool,
}

impl Counted {
    fn gauge(&self) -> &Gauge {
        match self.connected {
            true => &self.metrics.connected,
            false => &self.metrics.disconnected,
        }
    }

    pub(super) fn set_connected(&mut self, connected: bool) {
        self.gauge().dec();
        self.connected = connected;
        self.gauge().inc();
    }
}

impl Drop for Counted {
    fn drop(&mut self) {
        self.gauge().dec();
    }
}
