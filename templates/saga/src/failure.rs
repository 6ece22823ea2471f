//! How a step fails.

use std::error::Error as StdError;
use std::fmt;

use tonic::{Code, Status};

type BoxError = Box<dyn StdError + Send + Sync>;

/// How a step fails: whether it is of use to try it again.
#[derive(Debug)]
pub enum Failure {
    /// It may succeed when it is tried again, and it is not known whether it had its effect.
    Retry(BoxError),
    /// It had no effect, and will have none. An action that says so is not compensated, unless it was
    /// tried before without an answer; a compensation that says so needs somebody to see to it.
    Refused(BoxError),
}

impl Failure {
    /// It may succeed when it is tried again.
    pub fn retry(error: impl Into<BoxError>) -> Self {
        Self::Retry(error.into())
    }

    /// It had no effect, and will have none.
    pub fn refused(error: impl Into<BoxError>) -> Self {
        Self::Refused(error.into())
    }
}

impl fmt::Display for Failure {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (Self::Retry(error) | Self::Refused(error)) = self;
        match error.downcast_ref::<Status>() {
            Some(status) => write!(f, "{:?}: {}", status.code(), status.message()),
            None => write!(f, "{error}"),
        }
    }
}

/// The codes with which a service says that it did not do, and will not do, what it was asked to.
impl From<Status> for Failure {
    fn from(status: Status) -> Self {
        match status.code() {
            Code::InvalidArgument
            | Code::NotFound
            | Code::AlreadyExists
            | Code::PermissionDenied
            | Code::Unauthenticated
            | Code::FailedPrecondition
            | Code::OutOfRange
            | Code::Unimplemented => Self::refused(status),
            _ => Self::retry(status),
        }
    }
}

/// A rule of the tables refuses; all else may be gone the next time.
#[cfg(feature = "storage")]
impl From<storage::Error> for Failure {
    fn from(error: storage::Error) -> Self {
        match error {
            storage::Error::NotFound | storage::Error::Violated { .. } => Self::refused(error),
            _ => Self::retry(error),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn codes_say_whether_it_is_of_use_to_try_again() {
        let is_refused = |code| matches!(Failure::from(Status::new(code, "")), Failure::Refused(_));
        for code in [
            Code::FailedPrecondition,
            Code::NotFound,
            Code::InvalidArgument,
        ] {
            assert!(is_refused(code), "{code:?}");
        }
        for code in [
            Code::Unavailable,
            Code::DeadlineExceeded,
            Code::Unknown,
            Code::Internal,
        ] {
            assert!(!is_refused(code), "{code:?}");
        }
        let failure = Failure::from(Status::failed_precondition("no money"));
        assert_eq!(failure.to_string(), "FailedPrecondition: no money");
    }
}
