//! What became of changes, in numbers.

use std::sync::LazyLock;
use std::sync::atomic::AtomicU64;
use std::time::SystemTime;

use prometheus_client::encoding::EncodeLabelSet;
use prometheus_client::metrics::counter::Counter;
use prometheus_client::metrics::family::Family;
use prometheus_client::metrics::gauge::Gauge;

use crate::metrics::registered;

#[derive(Debug, Clone, PartialEq, Eq, Hash, EncodeLabelSet)]
struct Labels {
    source: &'static str,
    result: &'static str,
}

#[derive(Debug)]
struct Metrics {
    reloads: Family<Labels, Counter>,
    last_success: Gauge<f64, AtomicU64>,
}

static METRICS: LazyLock<Metrics> = LazyLock::new(|| Metrics {
    reloads: registered(
        "config_reloads",
        "Changes of the configuration, by where they came from and what became of them",
    ),
    last_success: registered(
        "config_last_reload_success_timestamp_seconds",
        "When the configuration that is in force was read",
    ),
});

/// The configuration is in force as of now.
pub(super) fn in_force() {
    let now = SystemTime::now().duration_since(SystemTime::UNIX_EPOCH);
    METRICS
        .last_success
        .set(now.unwrap_or_default().as_secs_f64());
}

/// A change from `source` came and was good or not.
pub(super) fn reloaded(source: &'static str, success: bool) {
    let result = if success { "success" } else { "refused" };
    let labels = Labels { source, result };
    METRICS.reloads.get_or_create(&labels).inc();
    if success {
        in_force();
    }
}
