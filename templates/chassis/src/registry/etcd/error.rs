//! Why etcd did not do what was asked.

use std::error::Error as StdError;
use std::fmt;
use std::time::Duration;

use tonic::{Code, Status};

use crate::config::RegistryUrl;

/// Why etcd did not do what was asked.
#[derive(Debug)]
pub(crate) enum Error {
    /// An endpoint refused, or could not be asked.
    Status {
        /// Which one.
        endpoint: RegistryUrl,
        /// What it, or the connection to it, says.
        status: Status,
    },
    /// No answer in time.
    Timeout {
        /// From which endpoint.
        endpoint: RegistryUrl,
        /// `registry.etcd.request_timeout`
        limit: Duration,
    },
    /// Another wrote the key between our look at it and our own write.
    Overtaken,
}

impl Error {
    /// Whether another endpoint may do better. What is not clearly the fault of the request is
    /// taken for the endpoint's.
    pub(super) fn is_of_endpoint(&self) -> bool {
        match self {
            Self::Timeout { .. } => true,
            Self::Overtaken => false,
            Self::Status { status, .. } => !matches!(
                status.code(),
                Code::InvalidArgument
                    | Code::NotFound
                    | Code::AlreadyExists
                    | Code::PermissionDenied
                    | Code::Unauthenticated
                    | Code::FailedPrecondition
                    | Code::OutOfRange
            ),
        }
    }

    /// Whether a new token may help: the old one has ended, users have changed, or there was none
    /// and authentication was enabled since.
    pub(super) fn is_of_token(&self) -> bool {
        let Self::Status { status, .. } = self else {
            return false;
        };
        let message = status.message();
        match status.code() {
            Code::Unauthenticated => true,
            Code::InvalidArgument => {
                message.contains("user name is empty") || message.contains("auth store is old")
            }
            _ => false,
        }
    }

    /// Whether what was asked for is not there.
    pub(super) fn is_not_found(&self) -> bool {
        matches!(self, Self::Status { status, .. } if status.code() == Code::NotFound)
    }
}

impl fmt::Display for Error {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Status { endpoint, status } => {
                write!(f, "{endpoint}: {}", status.message())?;
                let mut cause = status.source().and_then(StdError::source);
                while let Some(error) = cause {
                    write!(f, ": {error}")?;
                    cause = error.source();
                }
                Ok(())
            }
            Self::Timeout { endpoint, limit } => {
                write!(f, "{endpoint}: no answer within {limit:?}")
            }
            Self::Overtaken => f.write_str("another wrote the key at the same time"),
        }
    }
}

impl StdError for Error {}
