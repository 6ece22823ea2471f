//! Statuses with the `google.rpc` details that clients and gateways can act on
//! (AIP-193, `google/rpc/error_details.proto`).

use std::time::Duration;

use tonic::{Code, Status};
use tonic_types::{ErrorDetails, StatusExt};

/// `NOT_FOUND`: no `kind` is called `name`, as in `not_found("user", "17")`.
#[must_use]
pub fn not_found(kind: &str, name: impl Into<String>) -> Status {
    resource(Code::NotFound, kind, name.into(), "not found")
}

/// `ALREADY_EXISTS`: there is a `kind` called `name` already.
#[must_use]
pub fn already_exists(kind: &str, name: impl Into<String>) -> Status {
    resource(Code::AlreadyExists, kind, name.into(), "already exists")
}

/// `FAILED_PRECONDITION`: the system is not in the state that the call needs. `subject` is what is
/// not as it must be (`orders/17`), `description` how it must be (`must not be shipped`).
#[must_use]
pub fn failed_precondition(subject: &str, description: &str) -> Status {
    let details = ErrorDetails::with_precondition_failure_violation("STATE", subject, description);
    let message = format!("{subject} {description}");
    Status::with_error_details(Code::FailedPrecondition, message, details)
}

/// `RESOURCE_EXHAUSTED`: `subject` is over its quota; worth another try after `retry_after`.
#[must_use]
pub fn resource_exhausted(subject: &str, description: &str, retry_after: Duration) -> Status {
    let mut details = ErrorDetails::with_quota_failure_violation(subject, description);
    details.set_retry_info(Some(retry_after));
    let message = format!("{subject} {description}");
    Status::with_error_details(Code::ResourceExhausted, message, details)
}

/// `UNAVAILABLE`: a passing fault; worth another try after `retry_after`.
#[must_use]
pub fn unavailable(description: &str, retry_after: Duration) -> Status {
    let details = ErrorDetails::with_retry_info(Some(retry_after));
    Status::with_error_details(Code::Unavailable, description, details)
}

fn resource(code: Code, kind: &str, name: String, problem: &str) -> Status {
    let message = format!("{kind} `{name}` {problem}");
    let details = ErrorDetails::with_resource_info(kind, name, "", &message);
    Status::with_error_details(code, message, details)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn not_found_names_the_resource() {
        let status = not_found("user", "17");
        assert_eq!(status.code(), Code::NotFound);
        assert_eq!(status.message(), "user `17` not found");
        let details = status.get_details_resource_info().expect("a ResourceInfo");
        assert_eq!(details.resource_type, "user");
        assert_eq!(details.resource_name, "17");
    }

    #[test]
    fn a_passing_fault_says_when_to_retry() {
        let status = unavailable("the database is away", Duration::from_secs(2));
        assert_eq!(status.code(), Code::Unavailable);
        let details = status.get_details_retry_info().expect("a RetryInfo");
        assert_eq!(details.retry_delay, Some(Duration::from_secs(2)));
    }
}
