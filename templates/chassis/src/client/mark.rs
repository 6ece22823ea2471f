//! What is known about a call that failed, beside its code.
//!
//! To its caller it is `UNAVAILABLE`, as any call that an instance refused. Whoever may make it again
//! wants to know more.

use std::error::Error;
use std::fmt;
use std::sync::Arc;

use tonic::Status;

/// Why a call failed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Mark {
    /// It has waited for an instance in vain: another attempt would only wait as long again.
    NotReady,
    /// It is certain that no handler has seen it: it may be made again whatever it does.
    Unprocessed,
}

impl fmt::Display for Mark {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::NotReady => "no instance was ready in time",
            Self::Unprocessed => "the call did not reach a handler",
        })
    }
}

impl Error for Mark {}

impl Mark {
    /// `status`, marked.
    pub(super) fn on(self, mut status: Status) -> Status {
        status.set_source(Arc::new(self));
        status
    }

    /// The mark of `status`, if it has one.
    pub(super) fn of(status: &Status) -> Option<Self> {
        status.source()?.downcast_ref().copied()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_what_is_marked_is_marked() {
        let status = || Status::unavailable("no instance is ready");
        let marked = Mark::NotReady.on(status());
        assert_eq!(Mark::of(&marked), Some(Mark::NotReady));
        assert_eq!(Mark::of(&status()), None);
    }
}
