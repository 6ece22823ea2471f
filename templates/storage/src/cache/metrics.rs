//! How often values were there.

use std::sync::LazyLock;

use prometheus_client::encoding::EncodeLabelSet;
use prometheus_client::metrics::counter::Counter;
use prometheus_client::metrics::family::Family;
use prometheus_client::metrics::gauge::Gauge;

#[derive(Debug, Clone, PartialEq, Eq, Hash, EncodeLabelSet)]
struct CacheLabels {
    cache: &'static str,
}

#[derive(Debug, Clone, PartialEq, Eq, Hash, EncodeLabelSet)]
struct RequestLabels {
    cache: &'static str,
    outcome: &'static str,
}

struct Families {
    requests: Family<RequestLabels, Counter>,
    entries: Family<CacheLabels, Gauge>,
    evictions: Family<CacheLabels, Counter>,
    remote_failures: Family<CacheLabels, Counter>,
}

static FAMILIES: LazyLock<Families> = LazyLock::new(|| {
    let families = Families {
        requests: Family::default(),
        entries: Family::default(),
        evictions: Family::default(),
        remote_failures: Family::default(),
    };
    let help = "Values that were wanted, by where they were: hit, remote_hit, shared, read, failed";
    chassis::metrics::register("cache_requests", help, families.requests.clone());
    let help = "Values in memory";
    chassis::metrics::register("cache_entries", help, families.entries.clone());
    let help = "Values that gave way to others though they were still good";
    chassis::metrics::register("cache_evictions", help, families.evictions.clone());
    let help =
        "Requests that Redis did not answer, or that were not made because it does not answer";
    chassis::metrics::register(
        "cache_redis_failures",
        help,
        families.remote_failures.clone(),
    );
    families
});

/// The metrics of one cache.
#[derive(Debug)]
pub(super) struct Metrics {
    hits: Counter,
    remote_hits: Counter,
    shared: Counter,
    reads: Counter,
    failures: Counter,
    entries: Gauge,
    evictions: Counter,
    remote_failures: Counter,
}

impl Metrics {
    pub(super) fn of(cache: &'static str) -> Self {
        let requests = |outcome| {
            let labels = RequestLabels { cache, outcome };
            FAMILIES.requests.get_or_create(&labels).clone()
        };
        let labels = CacheLabels { cache };
        Self {
            hits: requests("hit"),
            remote_hits: requests("remote_hit"),
            shared: requests("shared"),
            reads: requests("read"),
            failures: requests("failed"),
            entries: FAMILIES.entries.get_or_create(&labels).clone(),
            evictions: FAMILIES.evictions.get_or_create(&labels).clone(),
            remote_failures: FAMILIES.remote_failures.get_or_create(&labels).clone(),
        }
    }

    pub(super) fn hit(&self) {
        self.hits.inc();
    }

    pub(super) fn remote_hit(&self) {
        self.remote_hits.inc();
    }

    pub(super) fn shared(&self) {
        self.shared.inc();
    }

    pub(super) fn read(&self, is_ok: bool) {
        match is_ok {
            true => self.reads.inc(),
            false => self.failures.inc(),
        };
    }

    pub(super) fn kept(&self, entries: usize, evicted: bool) {
        self.entries.set(i64::try_from(entries).unwrap_or(i64::MAX));
        if evicted {
            self.evictions.inc();
        }
    }

    pub(super) fn remote_failed(&self) {
        self.remote_failures.inc();
    }
}
