//! Panics as log lines, with their place and inside the span of their call.

use std::backtrace::{Backtrace, BacktraceStatus};
use std::panic;

/// Logs panics from now on, instead of writing them to the standard error. A backtrace is added
/// when `RUST_BACKTRACE` asks for it.
pub(super) fn log_panics() {
    panic::set_hook(Box::new(|info| {
        let payload = info.payload();
        let literal = payload.downcast_ref::<&str>().copied();
        let formatted = || payload.downcast_ref::<String>().map(String::as_str);
        let message = literal.or_else(formatted).unwrap_or("no message");
        let location = info.location().map(tracing::field::display);
        let backtrace = Backtrace::capture();
        let backtrace = match backtrace.status() {
            BacktraceStatus::Captured => Some(tracing::field::display(backtrace)),
            _ => None,
        };
        tracing::error!(location, backtrace, "panic: {message}");
    }));
}
