//! How many endpoints are ejected, and how often that happened, by target.

use std::sync::LazyLock;

use prometheus_client::encoding::EncodeLabelSet;
use prometheus_client::metrics::counter::Counter;
use prometheus_client::metrics::family::Family;
use prometheus_client::metrics::gauge::Gauge;

use super::Cause;
use crate::metrics;

#[derive(Debug, Clone, PartialEq, Eq, Hash, EncodeLabelSet)]
struct TargetLabels {
    target: String,
}

#[derive(Debug, Clone, PartialEq, Eq, Hash, EncodeLabelSet)]
struct EjectionLabels {
    target: String,
    cause: &'static str,
}

struct Families {
    ejected: Family<TargetLabels, Gauge>,
    ejections: Family<EjectionLabels, Counter>,
}

static FAMILIES: LazyLock<Families> = LazyLock::new(|| Families {
    ejected: metrics::registered(
        "client_endpoints_ejected",
        "Endpoints that are ejected as outliers",
    ),
    ejections: metrics::registered(
        "client_ejections",
        "Ejections of endpoints as outliers, by what found them",
    ),
});

/// The metrics of the outliers of one channel.
#[derive(Debug)]
pub(in crate::client) struct Metrics {
    ejected: Gauge,
    /// How many of `ejected` are this channel's.
    own: usize,
    by_success_rate: Counter,
    by_failure_percentage: Counter,
}

impl Metrics {
    pub(in crate::client) fn of(target: &str) -> Self {
        let ejections = |cause| {
            let target = target.to_owned();
            let labels = EjectionLabels { target, cause };
            FAMILIES.ejections.get_or_create(&labels).clone()
        };
        let target = target.to_owned();
        Self {
            ejected: FAMILIES
                .ejected
                .get_or_create(&TargetLabels { target })
                .clone(),
            own: 0,
            by_success_rate: ejections("success_rate"),
            by_failure_percentage: ejections("failure_percentage"),
        }
    }

    pub(in crate::client) fn count(&self, cause: Cause) {
        match cause {
            Cause::SuccessRate => &self.by_success_rate,
            Cause::FailurePercentage => &self.by_failure_percentage,
        }
        .inc();
    }

    pub(in crate::client) fn set_ejected(&mut self, ejected: usize) {
        self.ejected.inc_by(ejected as i64 - self.own as i64);
        self.own = ejected;
    }
}

impl Drop for Metrics {
    fn drop(&mut self) {
        self.set_ejected(0);
    }
}
