//! Why sagas cannot be started or looked at.

use std::error::Error as StdError;
use std::fmt;

use tonic::Status;

/// Why sagas cannot be started or looked at.
#[derive(Debug)]
#[non_exhaustive]
pub enum Error {
    /// They are kept in a database that fails.
    #[cfg(feature = "storage")]
    Storage(storage::Error),
    /// An input, an output or a journal is no JSON of its type.
    Json(serde_json::Error),
    /// There is no such saga.
    NotFound,
}

impl fmt::Display for Error {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            #[cfg(feature = "storage")]
            Self::Storage(_) => f.write_str("the sagas cannot be read or written"),
            Self::Json(_) => f.write_str("what is kept of a saga is not what was expected"),
            Self::NotFound => f.write_str("there is no such saga"),
        }
    }
}

impl StdError for Error {
    fn source(&self) -> Option<&(dyn StdError + 'static)> {
        match self {
            #[cfg(feature = "storage")]
            Self::Storage(source) => Some(source),
            Self::Json(source) => Some(source),
            Self::NotFound => None,
        }
    }
}

#[cfg(feature = "storage")]
impl From<storage::Error> for Error {
    fn from(error: storage::Error) -> Self {
        Self::Storage(error)
    }
}

impl From<serde_json::Error> for Error {
    fn from(error: serde_json::Error) -> Self {
        Self::Json(error)
    }
}

/// So that a service that cannot keep its sagas does not start, and says why.
impl From<Error> for chassis::Error {
    fn from(error: Error) -> Self {
        Self::part("store of sagas", error)
    }
}

impl From<Error> for Status {
    fn from(error: Error) -> Self {
        match error {
            #[cfg(feature = "storage")]
            Error::Storage(error) => error.into(),
            Error::Json(error) => {
                tracing::error!(%error, "saga");
                Self::internal("the saga failed")
            }
            Error::NotFound => Self::not_found("not found"),
        }
    }
}
