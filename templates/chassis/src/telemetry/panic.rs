//! Panics as log lines, with their place, and as exceptions of the span of their call.

use std::backtrace::{Backtrace, BacktraceStatus};
use std::panic::{self, PanicHookInfo};

use opentelemetry::trace::TraceContextExt;
use opentelemetry::{Context, KeyValue};

/// The target of the lines.
pub(super) const TARGET: &str = module_path!();

/// Logs panics from now on, instead of writing them to the standard error. A backtrace is added
/// when `RUST_BACKTRACE` asks for it.
pub(super) fn log_panics() {
    panic::set_hook(Box::new(log));
}

fn log(info: &PanicHookInfo<'_>) {
    let payload = info.payload();
    let literal = payload.downcast_ref::<&str>().copied();
    let formatted = || payload.downcast_ref::<String>().map(String::as_str);
    let message = literal.or_else(formatted).unwrap_or("no message");
    let backtrace = Backtrace::capture();
    let backtrace = match backtrace.status() {
        BacktraceStatus::Captured => Some(backtrace.to_string()),
        _ => None,
    };
    record_exception(info, message, backtrace.as_deref());
    let location = info.location().map(tracing::field::display);
    let backtrace = backtrace.map(tracing::field::display);
    tracing::error!(target: TARGET, location, backtrace, "panic: {message}");
}

/// OpenTelemetry's semantic conventions for exceptions: an event `exception` of the span.
fn record_exception(info: &PanicHookInfo<'_>, message: &str, backtrace: Option<&str>) {
    Context::map_current(|context| {
        let span = context.span();
        if !span.is_recording() {
            return;
        }
        let mut attributes = vec![
            KeyValue::new("exception.type", "panic"),
            KeyValue::new("exception.message", message.to_owned()),
        ];
        if let Some(location) = info.location() {
            attributes.push(KeyValue::new("code.file.path", location.file().to_owned()));
            attributes.push(KeyValue::new(
                "code.line.number",
                i64::from(location.line()),
            ));
        }
        if let Some(backtrace) = backtrace {
            attributes.push(KeyValue::new("exception.stacktrace", backtrace.to_owned()));
        }
        span.add_event("exception", attributes);
    });
}
