//! How a handler fails.

use std::error::Error as StdError;
use std::fmt;

/// Why a message was not handled, and whether it may be later. Any error becomes one that is worth
/// another attempt, so `?` does in handlers.
pub struct Failure {
    reason: String,
    is_permanent: bool,
}

impl Failure {
    /// A failure that may pass: the message is tried again.
    #[must_use]
    pub fn transient(reason: impl Into<String>) -> Self {
        Self {
            reason: reason.into(),
            is_permanent: false,
        }
    }

    /// A failure that will not pass, such as a payload that makes no sense: the message is a dead
    /// letter at once.
    #[must_use]
    pub fn permanent(reason: impl Into<String>) -> Self {
        Self {
            reason: reason.into(),
            is_permanent: true,
        }
    }

    /// What went wrong.
    #[must_use]
    pub fn reason(&self) -> &str {
        &self.reason
    }

    /// Whether another attempt is of no use.
    #[must_use]
    pub fn is_permanent(&self) -> bool {
        self.is_permanent
    }
}

impl<E: StdError> From<E> for Failure {
    /// All of the error's sources are in the reason.
    fn from(error: E) -> Self {
        let mut reason = error.to_string();
        let mut source = error.source();
        while let Some(error) = source {
            reason.push_str(": ");
            reason.push_str(&error.to_string());
            source = error.source();
        }
        Self::transient(reason)
    }
}

impl fmt::Display for Failure {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.reason)
    }
}

impl fmt::Debug for Failure {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Failure")
            .field("reason", &self.reason)
            .field("is_permanent", &self.is_permanent)
            .finish()
    }
}
