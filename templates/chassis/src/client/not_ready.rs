//! The mark of calls that have waited for an instance in vain.
//!
//! To their callers they are `UNAVAILABLE`, as a call that an instance refused; but another attempt
//! would only wait as long again.

use std::error::Error;
use std::fmt;
use std::sync::Arc;

use tonic::Status;

#[derive(Debug)]
struct NotReady;

impl fmt::Display for NotReady {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("no instance was ready in time")
    }
}

impl Error for NotReady {}

/// `status`, as the end of a call that has waited for an instance.
pub(super) fn not_ready(mut status: Status) -> Status {
    status.set_source(Arc::new(NotReady));
    status
}

/// Whether `status` is the end of a call that has waited for an instance.
pub(super) fn is_not_ready(status: &Status) -> bool {
    status.source().is_some_and(|it| it.is::<NotReady>())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_what_is_marked_is_marked() {
        let status = || Status::unavailable("no instance is ready");
        assert!(is_not_ready(&not_ready(status())));
        assert!(!is_not_ready(&status()));
    }
}
