//! What a caller is told when a call is refused, and what is counted.

use std::sync::LazyLock;
use std::time::Duration;

use prometheus_client::encoding::{EncodeLabelSet, EncodeLabelValue};
use prometheus_client::metrics::counter::Counter;
use prometheus_client::metrics::family::Family;
use tonic::metadata::MetadataValue;
use tonic::{Code, Status};
use tonic_types::{ErrorDetails, StatusExt};

use crate::{metrics, status};

/// Asks the client's retries to wait as long, in milliseconds (gRFC A6, "Pushback").
const PUSHBACK: &str = "grpc-retry-pushback-ms";

/// The limit that a call is above.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, EncodeLabelValue)]
#[expect(non_camel_case_types, reason = "values of a label are written so")]
pub(super) enum Reason {
    /// `[server.limits.rate]`
    rate,
    /// `[server.limits.client_rate]`
    client_rate,
    /// `server.limits.max_in_flight`
    in_flight,
    /// `[server.limits.shed]`
    overload,
}

#[derive(Debug, Clone, PartialEq, Eq, Hash, EncodeLabelSet)]
struct Labels {
    reason: Reason,
}

static REFUSED: LazyLock<Family<Labels, Counter>> = LazyLock::new(|| {
    let help = "Calls that were refused, by the limit that they were above";
    metrics::registered("grpc_server_refused", help)
});

/// Counts a refusal.
fn count(reason: Reason) {
    REFUSED.get_or_create(&Labels { reason }).inc();
}

/// A call above a rate, which passes after `wait`.
pub(super) fn above_rate(reason: Reason, wait: Duration) -> Status {
    count(reason);
    let (subject, description) = match reason {
        Reason::client_rate => ("the client", "is above its rate of calls"),
        _ => ("the server", "is above its rate of calls"),
    };
    let mut refusal = status::resource_exhausted(subject, description, wait);
    // Rounded up: a call that comes a little early is refused again.
    let milliseconds = u64::try_from(wait.as_nanos().div_ceil(1_000_000)).unwrap_or(u64::MAX);
    refusal
        .metadata_mut()
        .insert(PUSHBACK, MetadataValue::from(milliseconds));
    refusal
}

/// A call above what the server does at a time. Nobody knows for how long.
pub(super) fn busy(reason: Reason) -> Status {
    count(reason);
    let (subject, description) = match reason {
        Reason::overload => ("the server", "is overloaded"),
        _ => ("the server", "has as many calls in flight as it takes"),
    };
    let details = ErrorDetails::with_quota_failure_violation(subject, description);
    let message = format!("{subject} {description}");
    Status::with_error_details(Code::ResourceExhausted, message, details)
}
