//! How often calls are made again, and why they are not, by method.

use std::sync::LazyLock;

use prometheus_client::encoding::EncodeLabelSet;
use prometheus_client::metrics::counter::Counter;
use prometheus_client::metrics::family::Family;

use crate::metrics;
use crate::middleware::call;

#[derive(Debug, Clone, PartialEq, Eq, Hash, EncodeLabelSet)]
struct MethodLabels {
    grpc_service: String,
    grpc_method: String,
}

#[derive(Debug, Clone, PartialEq, Eq, Hash, EncodeLabelSet)]
struct RefusalLabels {
    grpc_service: String,
    grpc_method: String,
    reason: &'static str,
}

struct Families {
    retries: Family<MethodLabels, Counter>,
    hedges: Family<MethodLabels, Counter>,
    refused: Family<RefusalLabels, Counter>,
}

static FAMILIES: LazyLock<Families> = LazyLock::new(|| Families {
    retries: metrics::registered(
        "grpc_client_retries",
        "Attempts that were made after one that failed",
    ),
    hedges: metrics::registered(
        "grpc_client_hedges",
        "Attempts that were made while others were in flight",
    ),
    refused: metrics::registered(
        "grpc_client_retries_refused",
        "Failures that would have been retried, by the reason why they were not",
    ),
});

/// Why a call that could be made again is not.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Refusal {
    /// It was made often enough.
    Attempts,
    /// Too many have failed lately.
    Throttle,
    /// The server said so.
    Pushback,
    /// There is not enough time.
    Deadline,
    /// Its request was too large to be kept.
    Buffer,
    /// It has waited for an instance in vain.
    NotReady,
}

impl Refusal {
    const fn name(self) -> &'static str {
        match self {
            Self::Attempts => "attempts",
            Self::Throttle => "throttle",
            Self::Pushback => "pushback",
            Self::Deadline => "deadline",
            Self::NotReady => "not_ready",
            Self::Buffer => "buffer",
        }
    }
}

fn labels(path: &str) -> MethodLabels {
    let (service, method) = call::split(path);
    MethodLabels {
        grpc_service: service.to_owned(),
        grpc_method: method.to_owned(),
    }
}

pub(super) fn retried(path: &str) {
    FAMILIES.retries.get_or_create(&labels(path)).inc();
}

pub(super) fn hedged(path: &str) {
    FAMILIES.hedges.get_or_create(&labels(path)).inc();
}

pub(super) fn refused(path: &str, reason: Refusal) {
    let MethodLabels {
        grpc_service,
        grpc_method,
    } = labels(path);
    let labels = RefusalLabels {
        grpc_service,
        grpc_method,
        reason: reason.name(),
    };
    FAMILIES.refused.get_or_create(&labels).inc();
}
