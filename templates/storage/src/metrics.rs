//! Connections and statements, by the names of OpenTelemetry's conventions for database clients
//! (<https://opentelemetry.io/docs/specs/semconv/database/database-metrics/>).

use std::collections::BTreeMap;
use std::sync::{Arc, LazyLock, Mutex, MutexGuard, Once, PoisonError, Weak};
use std::time::Duration;

use prometheus_client::collector::Collector;
use prometheus_client::encoding::{DescriptorEncoder, EncodeLabelSet, EncodeMetric};
use prometheus_client::metrics::MetricType;
use prometheus_client::metrics::counter::Counter;
use prometheus_client::metrics::family::Family;
use prometheus_client::metrics::gauge::ConstGauge;
use prometheus_client::metrics::histogram::Histogram;

use crate::connection::Pool;

#[derive(Debug, Clone, PartialEq, Eq, Hash, EncodeLabelSet)]
struct PoolLabels {
    database: String,
}

#[derive(Debug, Clone, PartialEq, Eq, Hash, EncodeLabelSet)]
struct StatementLabels {
    database: String,
    operation: &'static str,
    outcome: &'static str,
}

type Durations<L> = Family<L, Histogram, fn() -> Histogram>;

struct Families {
    statements: Durations<StatementLabels>,
    waits: Durations<PoolLabels>,
    timeouts: Family<PoolLabels, Counter>,
    retries: Family<PoolLabels, Counter>,
}

static FAMILIES: LazyLock<Families> = LazyLock::new(|| {
    let histogram: fn() -> Histogram =
        || Histogram::new(chassis::metrics::buckets().iter().copied());
    let families = Families {
        statements: Family::new_with_constructor(histogram),
        waits: Family::new_with_constructor(histogram),
        timeouts: Family::default(),
        retries: Family::default(),
    };
    chassis::metrics::register(
        "db_client_operation_duration_seconds",
        "The time that statements took, by operation and outcome",
        families.statements.clone(),
    );
    chassis::metrics::register(
        "db_client_connection_wait_seconds",
        "The time until a connection was there",
        families.waits.clone(),
    );
    chassis::metrics::register(
        "db_client_connection_timeouts",
        "Waits for a connection that were given up",
        families.timeouts.clone(),
    );
    chassis::metrics::register(
        "db_client_transaction_retries",
        "Transactions that were tried again",
        families.retries.clone(),
    );
    families
});

/// The metrics of one database.
#[derive(Debug, Clone)]
pub(crate) struct Metrics {
    database: String,
    waits: Histogram,
    timeouts: Counter,
    retries: Counter,
}

impl Metrics {
    /// Those of the database called `name`.
    pub(crate) fn of(name: &str) -> Self {
        let labels = PoolLabels {
            database: name.to_owned(),
        };
        Self {
            database: name.to_owned(),
            waits: FAMILIES.waits.get_or_create(&labels).clone(),
            timeouts: FAMILIES.timeouts.get_or_create(&labels).clone(),
            retries: FAMILIES.retries.get_or_create(&labels).clone(),
        }
    }

    pub(crate) fn statement(&self, operation: &'static str, outcome: &'static str, took: Duration) {
        let labels = StatementLabels {
            database: self.database.clone(),
            operation,
            outcome,
        };
        let series = FAMILIES.statements.get_or_create(&labels);
        series.observe(took.as_secs_f64());
    }

    pub(crate) fn acquired(&self, took: Duration) {
        self.waits.observe(took.as_secs_f64());
    }

    pub(crate) fn timed_out(&self) {
        self.timeouts.inc();
    }

    pub(crate) fn retried(&self) {
        self.retries.inc();
    }

    /// Tells how many connections `pool` has, for as long as it is there.
    pub(crate) fn follow(&self, pool: &Arc<Pool>) {
        static ONCE: Once = Once::new();
        ONCE.call_once(|| chassis::metrics::collect(Connections));
        let mut pools = pools();
        pools.retain(|(_, pool)| pool.strong_count() > 0);
        pools.push((self.database.clone(), Arc::downgrade(pool)));
    }
}

/// The pools of all databases that are open, by the databases' names.
fn pools() -> MutexGuard<'static, Vec<(String, Weak<Pool>)>> {
    static POOLS: Mutex<Vec<(String, Weak<Pool>)>> = Mutex::new(Vec::new());
    POOLS.lock().unwrap_or_else(PoisonError::into_inner)
}

/// The connections of all pools, counted when somebody asks.
#[derive(Debug)]
struct Connections;

/// How many connections a database has.
#[derive(Debug, Default)]
struct Count {
    idle: u32,
    used: u32,
    max: u32,
}

impl Collector for Connections {
    fn encode(&self, mut encoder: DescriptorEncoder<'_>) -> Result<(), std::fmt::Error> {
        // A database that was opened twice is one to those who look at it.
        let mut counts = BTreeMap::<String, Count>::new();
        for (database, pool) in &*pools() {
            let Some(pool) = pool.upgrade().filter(|pool| !pool.is_closed()) else {
                continue;
            };
            let (open, idle) = pool.connections();
            let count = counts.entry(database.clone()).or_default();
            count.idle += idle;
            count.used += open.saturating_sub(idle);
            count.max += pool.max_connections();
        }
        let mut descriptor = encoder.encode_descriptor(
            "db_client_connections",
            "Connections, by what they do",
            None,
            MetricType::Gauge,
        )?;
        for (database, count) in &counts {
            for (state, count) in [("idle", count.idle), ("used", count.used)] {
                let labels = [("database", database.as_str()), ("state", state)];
                let gauge = ConstGauge::new(i64::from(count));
                gauge.encode(descriptor.encode_family(&labels)?)?;
            }
        }
        let mut descriptor = encoder.encode_descriptor(
            "db_client_connections_max",
            "The most connections that may be open",
            None,
            MetricType::Gauge,
        )?;
        for (database, count) in &counts {
            let labels = [("database", database.as_str())];
            let gauge = ConstGauge::new(i64::from(count.max));
            gauge.encode(descriptor.encode_family(&labels)?)?;
        }
        Ok(())
    }
}
