//! Why a request is refused; the API makes statuses of it.

use super::MAX_ENTRIES;

/// Why a request is refused.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(in super::super) enum Refusal {
    /// It is wrong.
    Invalid(String),
    /// What it names is not there.
    Unknown(String),
    /// It cannot be done.
    Failed(String),
    /// Consul has it, the embedded registry has not.
    Unsupported(String),
}

impl From<String> for Refusal {
    fn from(why: String) -> Self {
        Self::Invalid(why)
    }
}

impl Refusal {
    /// There are too many of something already.
    pub(super) fn full(what: &str) -> Self {
        let text = format!(
            "too many {what} for the embedded registry, which is for development: \
             it keeps {MAX_ENTRIES}"
        );
        Self::Failed(text)
    }
}
