//! Validation of requests, answered with all that is wrong at once.
//!
//! ```
//! # struct User { name: String }
//! fn check(user: &User) -> Result<(), tonic::Status> {
//!     chassis::validate::Violations::new()
//!         .require(!user.name.trim().is_empty(), "user.name", "must not be empty")
//!         .finish()
//! }
//! ```

use tonic::{Code, Status};
use tonic_types::{ErrorDetails, StatusExt};

/// The fields of a request that are not as they must be.
#[derive(Debug, Default)]
#[must_use = "call `finish` to turn violations into an error"]
pub struct Violations {
    found: Vec<(String, String)>,
}

impl Violations {
    /// No violations yet.
    pub fn new() -> Self {
        Self::default()
    }

    /// Notes a violation of `field` (its path in the request, as in `user.name`) unless `holds`.
    pub fn require(
        self,
        holds: bool,
        field: impl Into<String>,
        description: impl Into<String>,
    ) -> Self {
        if holds {
            self
        } else {
            self.violation(field, description)
        }
    }

    /// Notes a violation of `field`.
    pub fn violation(mut self, field: impl Into<String>, description: impl Into<String>) -> Self {
        self.found.push((field.into(), description.into()));
        self
    }

    /// # Errors
    /// `INVALID_ARGUMENT` with a `google.rpc.BadRequest` that lists every violation, when there
    /// is any.
    pub fn finish(self) -> Result<(), Status> {
        if self.found.is_empty() {
            return Ok(());
        }
        let sentences: Vec<String> = self
            .found
            .iter()
            .map(|(field, description)| format!("{field} {description}"))
            .collect();
        let mut details = ErrorDetails::new();
        for (field, description) in self.found {
            details.add_bad_request_violation(field, description);
        }
        Err(Status::with_error_details(
            Code::InvalidArgument,
            sentences.join("; "),
            details,
        ))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn no_violation_is_ok() {
        let result = Violations::new().require(true, "id", "must be set");
        assert!(result.finish().is_ok());
    }

    #[test]
    fn every_violation_is_in_the_message_and_the_details() {
        let status = Violations::new()
            .require(false, "user.name", "must not be empty")
            .require(true, "user.id", "must be positive")
            .violation("user.email", "must have an @")
            .finish()
            .expect_err("two violations");
        assert_eq!(status.code(), Code::InvalidArgument);
        assert_eq!(
            status.message(),
            "user.name must not be empty; user.email must have an @"
        );
        let details = status.get_details_bad_request().expect("a BadRequest");
        let fields: Vec<&str> = details
            .field_violations
            .iter()
            .map(|violation| violation.field.as_str())
            .collect();
        assert_eq!(fields, ["user.name", "user.email"]);
    }
}
