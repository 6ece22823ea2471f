//! The metrics of one side of calls.

use std::collections::HashMap;
use std::sync::{Arc, LazyLock, OnceLock, RwLock};
use std::time::{Duration, SystemTime};

use opentelemetry::trace::TraceId;
use prometheus_client::encoding::{EncodeLabel, EncodeLabelSet, LabelSetEncoder};
use prometheus_client::metrics::counter::Counter;
use prometheus_client::metrics::exemplar::HistogramWithExemplars;
use prometheus_client::metrics::family::Family;
use prometheus_client::metrics::gauge::Gauge;
use prometheus_client::registry::Registry;
use tonic::Code;

use crate::metrics;
use crate::middleware::call;
use crate::server::{ByPath, Methods};

const UNKNOWN: &str = "unknown";

/// gRPC has 17 codes, 0 to 16.
const CODES: usize = 17;

#[derive(Debug, Clone, PartialEq, Eq, Hash, EncodeLabelSet)]
struct MethodLabels {
    grpc_type: &'static str,
    grpc_service: String,
    grpc_method: String,
}

#[derive(Debug, Clone, PartialEq, Eq, Hash, EncodeLabelSet)]
struct OutcomeLabels {
    grpc_type: &'static str,
    grpc_service: String,
    grpc_method: String,
    grpc_code: &'static str,
}

/// A trace of which a measured call is part.
#[derive(Debug, Clone, Copy)]
pub(super) struct Trace(pub(super) TraceId);

impl EncodeLabelSet for Trace {
    fn encode(&self, encoder: &mut LabelSetEncoder<'_>) -> Result<(), std::fmt::Error> {
        ("trace_id", self.0.to_string()).encode(encoder.encode_label())
    }
}

type Histogram = HistogramWithExemplars<Trace>;

type Durations = Family<OutcomeLabels, Histogram, fn() -> Histogram>;

/// The metrics of the calls that this process answers, or of those that it makes. Clones share
/// them.
#[derive(Debug, Clone)]
pub(crate) struct CallFamily {
    started: Family<MethodLabels, Counter>,
    handled: Family<OutcomeLabels, Counter>,
    durations: Durations,
    in_flight: Family<MethodLabels, Gauge>,
}

impl CallFamily {
    /// Those of the calls that this process answers.
    pub(crate) fn server() -> &'static Self {
        static FAMILY: LazyLock<CallFamily> = LazyLock::new(|| {
            metrics::with_registry(|registry| CallFamily::new("server", registry))
        });
        &FAMILY
    }

    /// Those of the calls that this process makes.
    pub(crate) fn client() -> &'static Self {
        static FAMILY: LazyLock<CallFamily> = LazyLock::new(|| {
            metrics::with_registry(|registry| CallFamily::new("client", registry))
        });
        &FAMILY
    }

    pub(super) fn new(side: &str, registry: &mut Registry) -> Self {
        let constructor: fn() -> Histogram = || Histogram::new(metrics::buckets().iter().copied());
        let family = Self {
            started: Family::default(),
            handled: Family::default(),
            durations: Family::new_with_constructor(constructor),
            in_flight: Family::default(),
        };
        registry.register(
            format!("grpc_{side}_started"),
            "Calls that began",
            family.started.clone(),
        );
        registry.register(
            format!("grpc_{side}_handled"),
            "Calls that ended, by code",
            family.handled.clone(),
        );
        registry.register(
            format!("grpc_{side}_handling_seconds"),
            "The time from the beginning of calls to the end of their responses",
            family.durations.clone(),
        );
        registry.register(
            format!("grpc_{side}_in_flight"),
            "Calls that have begun and not ended",
            family.in_flight.clone(),
        );
        family
    }

    /// The series of `methods`, and one for calls of anything else.
    pub(crate) fn known(&self, methods: &Methods) -> Lookup {
        let by_path = methods.iter().map(|(path, method)| {
            let labels = MethodLabels {
                grpc_type: method.kind(),
                grpc_service: method.service.clone(),
                grpc_method: method.name.clone(),
            };
            (path.to_owned(), Arc::new(self.series(labels)))
        });
        Lookup::Known {
            by_path: Arc::new(by_path.collect()),
            unknown: Arc::new(self.series(MethodLabels {
                grpc_type: UNKNOWN,
                grpc_service: UNKNOWN.to_owned(),
                grpc_method: UNKNOWN.to_owned(),
            })),
        }
    }

    /// A series for each path that comes: for calls that this process makes, whose paths are in
    /// its own code.
    pub(crate) fn any(&self) -> Lookup {
        Lookup::Any {
            family: self.clone(),
            by_path: Arc::default(),
        }
    }

    fn series(&self, labels: MethodLabels) -> Series {
        Series {
            started: self.started.get_or_create(&labels).clone(),
            in_flight: self.in_flight.get_or_create(&labels).clone(),
            outcomes: [const { OnceLock::new() }; CODES],
            family: self.clone(),
            labels,
        }
    }
}

/// From a path to its series.
#[derive(Debug, Clone)]
pub(crate) enum Lookup {
    Known {
        by_path: Arc<ByPath<String, Arc<Series>>>,
        unknown: Arc<Series>,
    },
    Any {
        family: CallFamily,
        by_path: Arc<RwLock<HashMap<String, Arc<Series>>>>,
    },
}

impl Lookup {
    pub(super) fn series(&self, path: &str) -> Arc<Series> {
        match self {
            Self::Known { by_path, unknown } => Arc::clone(by_path.get(path).unwrap_or(unknown)),
            Self::Any { family, by_path } => {
                let known = by_path
                    .read()
                    .unwrap_or_else(|poisoned| poisoned.into_inner());
                if let Some(series) = known.get(path) {
                    return Arc::clone(series);
                }
                drop(known);
                let (service, method) = call::split(path);
                let series = family.series(MethodLabels {
                    // A client cannot tell: it has no descriptors of what it calls.
                    grpc_type: UNKNOWN,
                    grpc_service: service.to_owned(),
                    grpc_method: method.to_owned(),
                });
                let mut known = by_path
                    .write()
                    .unwrap_or_else(|poisoned| poisoned.into_inner());
                Arc::clone(
                    known
                        .entry(path.to_owned())
                        .or_insert_with(|| Arc::new(series)),
                )
            }
        }
    }
}

/// The series of one method.
#[derive(Debug)]
pub(crate) struct Series {
    started: Counter,
    in_flight: Gauge,
    outcomes: [OnceLock<(Counter, Histogram)>; CODES],
    family: CallFamily,
    labels: MethodLabels,
}

impl Series {
    pub(super) fn begin(&self) {
        self.started.inc();
        self.in_flight.inc();
    }

    /// `trace` is the one that was recorded.
    pub(super) fn end(&self, code: Code, duration: Duration, trace: Option<Trace>) {
        self.in_flight.dec();
        let (handled, durations) = self.outcomes[code as usize].get_or_init(|| {
            let labels = OutcomeLabels {
                grpc_type: self.labels.grpc_type,
                grpc_service: self.labels.grpc_service.clone(),
                grpc_method: self.labels.grpc_method.clone(),
                grpc_code: call::name(code),
            };
            let handled = self.family.handled.get_or_create(&labels).clone();
            let durations = self.family.durations.get_or_create(&labels).clone();
            (handled, durations)
        });
        handled.inc();
        let now = trace.map(|_| SystemTime::now());
        durations.observe(duration.as_secs_f64(), trace, now);
    }
}
