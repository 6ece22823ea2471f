//! Metrics in the Prometheus format, one registry for the process.
//!
//! The chassis counts calls (`grpc_server_…`, `grpc_client_…`, the names that the Prometheus
//! middleware of other languages uses, so that their dashboards and alerts fit), breakers and the
//! process and its runtime. Histograms of durations have exemplars: for each bucket a trace that was
//! recorded and fell into it. A service adds its own with [`register`]:
//!
//! ```
//! use prometheus_client::metrics::counter::Counter;
//!
//! let orders: Counter = Counter::default();
//! chassis::metrics::register("orders", "Orders that were placed", orders.clone());
//! orders.inc();
//! ```

mod process;
mod runtime;
mod text;

use std::sync::{LazyLock, Once, OnceLock, RwLock};

use prometheus_client::collector::Collector;
use prometheus_client::encoding::text::encode;
use prometheus_client::metrics::gauge::ConstGauge;
use prometheus_client::metrics::info::Info;
use prometheus_client::registry::{Metric, Registry};

use crate::config;

pub(crate) use process::process_cpu_seconds;
pub use prometheus_client;
pub(crate) use text::Format;

static REGISTRY: LazyLock<RwLock<Registry>> = LazyLock::new(|| {
    let mut registry = Registry::default();
    registry.register_collector(Box::new(process::Process::default()));
    registry.register_collector(Box::new(runtime::Runtime));
    RwLock::new(registry)
});

static BUCKETS: OnceLock<Vec<f64>> = OnceLock::new();

/// Adds a metric to `/metrics`. A counter gets the suffix `_total`.
pub fn register(name: &str, help: &str, metric: impl Metric) {
    with_registry(|registry| registry.register(name, help, metric));
}

/// A metric that stands in `/metrics` from now on: [`register`], for one that begins with nothing.
///
/// ```
/// use std::sync::LazyLock;
///
/// use prometheus_client::metrics::counter::Counter;
///
/// static ORDERS: LazyLock<Counter> =
///     LazyLock::new(|| chassis::metrics::registered("orders", "Orders that were placed"));
/// ORDERS.inc();
/// ```
#[must_use]
pub fn registered<M: Metric + Clone + Default>(name: &str, help: &str) -> M {
    let metric = M::default();
    register(name, help, metric.clone());
    metric
}

/// Adds metrics that are read when `/metrics` is asked for, such as the size of a pool.
pub fn collect(collector: impl Collector) {
    with_registry(|registry| registry.register_collector(Box::new(collector)));
}

/// All metrics in the OpenMetrics text format, which Prometheus reads.
#[must_use]
pub fn render() -> String {
    let mut text = String::new();
    let registry = REGISTRY
        .read()
        .unwrap_or_else(|poisoned| poisoned.into_inner());
    // Writing to a string does not fail.
    let _ = encode(&mut text, &registry);
    text
}

/// All metrics in `format`.
pub(crate) fn render_as(format: Format) -> String {
    let text = render();
    match format {
        Format::OpenMetrics => text,
        Format::Prometheus => text::to_prometheus(&text),
    }
}

/// Sets what the configuration says about metrics, and says who is measured. It counts once in a
/// process, and not for histograms that were made before.
pub(crate) fn init(config: &config::Config) {
    static ONCE: Once = Once::new();
    ONCE.call_once(|| {
        let _ = BUCKETS.set(bounds(&config.metrics));
        let service = &config.service;
        let info = Info::new([
            ("service", service.name.clone()),
            ("version", service.version.clone()),
            ("environment", service.environment.clone()),
        ]);
        register("service_build", "Which service this is", info);
    });
}

/// The upper bounds of the buckets of duration histograms, in seconds (`metrics.buckets`).
pub fn buckets() -> &'static [f64] {
    BUCKETS.get_or_init(|| bounds(&config::Metrics::default()))
}

fn bounds(config: &config::Metrics) -> Vec<f64> {
    let mut bounds = config.buckets.clone();
    bounds.sort_unstable();
    bounds.dedup();
    let seconds = bounds.iter().map(|bound| bound.get().as_secs_f64());
    seconds.collect()
}

pub(crate) fn with_registry<T>(change: impl FnOnce(&mut Registry) -> T) -> T {
    let mut registry = REGISTRY
        .write()
        .unwrap_or_else(|poisoned| poisoned.into_inner());
    change(&mut registry)
}

/// A constant, for collectors.
fn constant(value: f64) -> ConstGauge<f64> {
    ConstGauge::new(value)
}

#[cfg(test)]
mod tests {
    use prometheus_client::metrics::counter::Counter;

    use super::*;

    #[test]
    fn a_registered_metric_is_rendered() {
        let counter: Counter = Counter::default();
        register("test_things", "Things of a test", counter.clone());
        counter.inc_by(3);
        let text = render();
        assert!(text.contains("\ntest_things_total 3\n"), "{text}");
        assert!(text.ends_with("# EOF\n"), "{text}");
    }

    #[test]
    fn buckets_are_sorted_seconds() {
        let config = config::Metrics {
            buckets: [500, 5, 5].map(config::Duration::from_millis).to_vec(),
        };
        assert_eq!(bounds(&config), [0.005, 0.5]);
    }
}
