//! The line of a call, written without an event.
//!
//! There is one for each call, and it always has the same fields. As an event of `tracing` it would
//! cost more than everything else that a call goes through here; so it is encoded straight into a
//! buffer of its thread, and handed to the same writer as the lines of events. It looks the same,
//! and the same levels hold for it.

use std::net::SocketAddr;
use std::sync::OnceLock;
use std::time::{Duration, SystemTime};

use opentelemetry::trace::{SpanContext, SpanId, TraceContextExt, TraceId};
use tracing::Level;

use super::level::Levels;
use super::writer::Writer;
use super::{Format, with_line};

/// The target of the lines.
pub(crate) const TARGET: &str = "rpc";

/// Where lines of calls go.
#[derive(Debug)]
pub(in crate::telemetry) struct Calls {
    pub(super) format: Format,
    pub(super) levels: Levels,
    pub(super) writer: Writer,
}

static CALLS: OnceLock<Calls> = OnceLock::new();

impl Calls {
    /// From now on, calls of this process are logged here.
    pub(in crate::telemetry) fn install(self) {
        // Telemetry is set up once; whoever was first stays.
        let _ = CALLS.set(self);
    }
}

/// A call that has ended.
#[derive(Debug, Clone, Copy)]
pub(crate) struct CallLine<'a> {
    pub(crate) level: Level,
    /// `user.v1.UserService/GetUser`
    pub(crate) method: &'a str,
    pub(crate) peer: Option<SocketAddr>,
    pub(crate) code: &'static str,
    pub(crate) latency: Duration,
    pub(crate) ids: Option<Ids>,
}

/// What a line says of the span that it belongs to.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Ids {
    pub(super) trace: TraceId,
    pub(super) span: SpanId,
}

impl Ids {
    /// Those of the current span, if there is one.
    pub(crate) fn current() -> Option<Self> {
        opentelemetry::Context::map_current(|context| Self::of(context.span().span_context()))
    }

    pub(super) fn of(span: &SpanContext) -> Option<Self> {
        span.is_valid().then(|| Self {
            trace: span.trace_id(),
            span: span.span_id(),
        })
    }
}

/// Whether [`write`] takes lines: when not, the log is not the chassis' own, and who made it wants
/// events.
pub(crate) fn are_written() -> bool {
    CALLS.get().is_some()
}

/// Logs a call, if its level is wanted.
pub(crate) fn write(call: &CallLine<'_>) {
    let Some(calls) = CALLS.get() else { return };
    if calls.levels.wants_call(call.level) {
        with_line(|line| {
            calls.format.write_call(call, SystemTime::now(), line);
            calls.writer.write(line);
        });
    }
}
