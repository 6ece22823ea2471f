//! How many breakers are open, and how often they changed, by target.

use std::sync::LazyLock;

use prometheus_client::encoding::EncodeLabelSet;
use prometheus_client::metrics::counter::Counter;
use prometheus_client::metrics::family::Family;
use prometheus_client::metrics::gauge::Gauge;

use super::BreakerState;
use crate::metrics;

#[derive(Debug, Clone, PartialEq, Eq, Hash, EncodeLabelSet)]
struct TargetLabels {
    target: String,
}

#[derive(Debug, Clone, PartialEq, Eq, Hash, EncodeLabelSet)]
struct ChangeLabels {
    target: String,
    state: &'static str,
}

struct Families {
    open: Family<TargetLabels, Gauge>,
    changes: Family<ChangeLabels, Counter>,
}

static FAMILIES: LazyLock<Families> = LazyLock::new(|| Families {
    open: metrics::registered(
        "client_breakers_open",
        "Circuit breakers that are open or half-open",
    ),
    changes: metrics::registered(
        "client_breaker_changes",
        "Changes of circuit breakers, by the state they came to",
    ),
});

/// The metrics of the breakers of one target.
#[derive(Debug, Clone)]
pub(super) struct Metrics {
    open: Gauge,
    opened: Counter,
    half_opened: Counter,
    closed: Counter,
}

impl Metrics {
    pub(super) fn of(target: &str) -> Self {
        let changes = |state| {
            let target = target.to_owned();
            let labels = ChangeLabels { target, state };
            FAMILIES.changes.get_or_create(&labels).clone()
        };
        let target = target.to_owned();
        Self {
            open: FAMILIES
                .open
                .get_or_create(&TargetLabels { target })
                .clone(),
            opened: changes("open"),
            half_opened: changes("half_open"),
            closed: changes("closed"),
        }
    }

    /// A breaker has changed. From half-open it may open again, which is no other breaker open.
    pub(super) fn changed(&self, from: BreakerState, to: BreakerState) {
        match to {
            BreakerState::Open => {
                self.opened.inc();
                if from == BreakerState::Closed {
                    self.open.inc();
                }
            }
            BreakerState::HalfOpen => {
                self.half_opened.inc();
            }
            BreakerState::Closed => {
                self.closed.inc();
                self.open.dec();
            }
        }
    }

    /// A breaker that was not closed is gone.
    pub(super) fn gone(&self) {
        self.open.dec();
    }
}
