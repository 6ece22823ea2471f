//! How often an endpoint was found for a call, by target.

use std::sync::LazyLock;

use prometheus_client::encoding::EncodeLabelSet;
use prometheus_client::metrics::counter::Counter;
use prometheus_client::metrics::family::Family;

use super::pool::Unpicked;
use crate::metrics;

#[derive(Debug, Clone, PartialEq, Eq, Hash, EncodeLabelSet)]
struct Labels {
    target: String,
    result: &'static str,
}

static PICKS: LazyLock<Family<Labels, Counter>> = LazyLock::new(|| {
    let help = "Searches for an endpoint for a call, by what they found";
    metrics::registered("client_picks", help)
});

/// The picks of one target.
#[derive(Debug, Clone)]
pub(super) struct Metrics {
    picked: Counter,
    not_ready: Counter,
    open: Counter,
}

impl Metrics {
    pub(super) fn of(target: &str) -> Self {
        let picks = |result| {
            let target = target.to_owned();
            PICKS.get_or_create(&Labels { target, result }).clone()
        };
        Self {
            picked: picks("picked"),
            not_ready: picks("not_ready"),
            open: picks("breaker_open"),
        }
    }

    pub(super) fn count<T>(&self, result: &Result<T, Unpicked>) {
        let counter = match result {
            Ok(_) => &self.picked,
            Err(Unpicked::NotReady) => &self.not_ready,
            Err(Unpicked::Open) => &self.open,
        };
        counter.inc();
    }
}
