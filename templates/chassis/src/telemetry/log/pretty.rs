//! One readable line, for people: time, level, message, fields, the beginning of the trace id.

use std::fmt;
use std::io::Write;
use std::time::SystemTime;

use opentelemetry::trace::SpanContext;
use tracing::field::{Field, Visit};
use tracing::{Event, Level};

use super::calls::{CallLine, Ids};
use super::clock::Utc;
use super::text;

/// As many digits of a trace id as tell the traces on a screen apart.
const SHORT_ID: usize = 8;

const RESET: &str = "\x1b[0m";
const DIM: &str = "\x1b[2m";

/// The line of a call, as that of the event would be.
pub(super) fn write_call(call: &CallLine<'_>, time: SystemTime, color: bool, line: &mut Vec<u8>) {
    let paint = Paint::new(color);
    paint.head(time, call.level, call.method, line);
    if let Some(peer) = call.peer {
        paint.name("peer", line);
        text::address(peer, line);
    }
    paint.name("code", line);
    line.extend_from_slice(call.code.as_bytes());
    paint.name("latency", line);
    text::duration(call.latency, line);
    paint.trace(call.ids, line);
}

pub(super) fn write(
    event: &Event<'_>,
    time: SystemTime,
    span: &SpanContext,
    color: bool,
    line: &mut Vec<u8>,
) {
    let paint = Paint::new(color);
    let mut message = Message::default();
    event.record(&mut message);
    paint.head(time, *event.metadata().level(), message.text(), line);
    event.record(&mut Fields { line, paint });
    paint.trace(Ids::of(span), line);
}

/// What begins and ends what stands back.
#[derive(Debug, Clone, Copy)]
struct Paint {
    color: bool,
    dim: &'static str,
    reset: &'static str,
}

// Writing into memory does not fail.
impl Paint {
    fn new(color: bool) -> Self {
        let only = |style: &'static str| if color { style } else { "" };
        Self {
            color,
            dim: only(DIM),
            reset: only(RESET),
        }
    }

    /// Time, level and message.
    fn head(self, time: SystemTime, level: Level, message: &str, line: &mut Vec<u8>) {
        let Self { color, dim, reset } = self;
        let level_style = if color { style(level) } else { "" };
        let _ = write!(
            line,
            "{dim}{}{reset} {level_style}{level:>5}{reset} {}",
            Utc::from(time).time(),
            OneLine(message),
        );
    }

    /// The name of a field, before its value.
    fn name(self, name: &str, line: &mut Vec<u8>) {
        let Self { dim, reset, .. } = self;
        let _ = write!(line, " {dim}{name}={reset}");
    }

    fn trace(self, ids: Option<Ids>, line: &mut Vec<u8>) {
        if let Some(Ids { trace, .. }) = ids {
            let Self { dim, reset, .. } = self;
            let id = trace.to_string();
            let _ = write!(line, " {dim}trace={}{reset}", &id[..SHORT_ID]);
        }
    }
}

fn style(level: Level) -> &'static str {
    match level {
        Level::ERROR => "\x1b[31m",
        Level::WARN => "\x1b[33m",
        Level::INFO => "\x1b[32m",
        Level::DEBUG => "\x1b[34m",
        Level::TRACE => "\x1b[35m",
    }
}

/// The message of an event.
#[derive(Debug, Default)]
struct Message(String);

impl Message {
    fn text(&self) -> &str {
        &self.0
    }
}

impl Visit for Message {
    fn record_debug(&mut self, field: &Field, value: &dyn fmt::Debug) {
        if field.name() == "message" {
            self.0 = format!("{value:?}");
        }
    }

    fn record_str(&mut self, field: &Field, value: &str) {
        if field.name() == "message" {
            value.clone_into(&mut self.0);
        }
    }
}

struct Fields<'a> {
    line: &'a mut Vec<u8>,
    paint: Paint,
}

impl Visit for Fields<'_> {
    fn record_debug(&mut self, field: &Field, value: &dyn fmt::Debug) {
        if field.name() == "message" {
            return;
        }
        let value = format!("{value:?}");
        self.paint.name(field.name(), self.line);
        let _ = write!(self.line, "{}", OneLine(&value));
    }

    fn record_str(&mut self, field: &Field, value: &str) {
        // Quotes only where the value would run into its neighbours.
        match value.is_empty() || value.contains([' ', '"', '=']) {
            true => self.record_debug(field, &value),
            false => self.record_debug(field, &format_args!("{value}")),
        }
    }
}

/// Text whose control characters are escaped, so that what a caller sent cannot forge lines or
/// drive the terminal.
struct OneLine<'a>(&'a str);

impl fmt::Display for OneLine<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut rest = self.0;
        while let Some(at) = rest.find(char::is_control) {
            let (clean, from_control) = rest.split_at(at);
            f.write_str(clean)?;
            let mut chars = from_control.chars();
            if let Some(control) = chars.next() {
                write!(f, "{}", control.escape_debug())?;
            }
            rest = chars.as_str();
        }
        f.write_str(rest)
    }
}
