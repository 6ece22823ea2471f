//! What becomes of a token: for the metric the reason, for the caller no more than the standard
//! has (RFC 6750, section 3.1).

use std::sync::LazyLock;
use std::time::Duration;

use prometheus_client::encoding::{EncodeLabelSet, EncodeLabelValue};
use prometheus_client::metrics::counter::Counter;
use prometheus_client::metrics::family::Family;
use tonic::Status;
use tonic::metadata::MetadataValue;

use crate::{metrics, status};

const CHALLENGE: &str = "www-authenticate";

/// Keys that cannot be fetched may be there soon.
const RETRY_AFTER: Duration = Duration::from_secs(5);

/// What became of a call.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, EncodeLabelValue)]
#[expect(non_camel_case_types, reason = "values of a label are written so")]
pub(super) enum Outcome {
    /// It needs no token.
    public,
    /// Its token is good.
    ok,
    /// It has no token.
    missing,
    /// It has something else.
    malformed,
    /// A token that is too large to look at.
    too_large,
    /// No key fits.
    unknown_key,
    /// There are no keys yet.
    no_keys,
    /// The key is for another algorithm, or nobody knows this one.
    algorithm,
    /// Somebody else has signed it.
    signature,
    expired,
    not_yet_valid,
    issuer,
    audience,
    /// Something that it must say is not there, or not as it must be.
    claims,
    /// It is good, and does not allow this.
    denied,
}

#[derive(Debug, Clone, PartialEq, Eq, Hash, EncodeLabelSet)]
struct Labels {
    outcome: Outcome,
}

static OUTCOMES: LazyLock<Family<Labels, Counter>> = LazyLock::new(|| {
    let help = "Calls, by what became of their tokens";
    metrics::registered("grpc_server_auth", help)
});

pub(super) fn count(outcome: Outcome) {
    OUTCOMES.get_or_create(&Labels { outcome }).inc();
}

/// The refusal for `outcome`, counted.
pub(super) fn refuse(outcome: Outcome) -> Status {
    count(outcome);
    tracing::debug!(?outcome, "call refused");
    let (mut status, challenge) = match outcome {
        Outcome::no_keys => {
            return status::unavailable("tokens cannot be verified just now", RETRY_AFTER);
        }
        Outcome::missing => (
            Status::unauthenticated("a bearer token is required"),
            "Bearer",
        ),
        Outcome::denied => (
            Status::permission_denied("the token does not allow this call"),
            "Bearer error=\"insufficient_scope\"",
        ),
        _ => (
            Status::unauthenticated("the token is not valid"),
            "Bearer error=\"invalid_token\"",
        ),
    };
    let challenge = MetadataValue::from_static(challenge);
    status.metadata_mut().insert(CHALLENGE, challenge);
    status
}
