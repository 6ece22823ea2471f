//! One readable line, for people: time, level, message, fields, the beginning of the trace id.

use std::fmt;
use std::io::Write;
use std::time::SystemTime;

use opentelemetry::trace::SpanContext;
use tracing::field::{Field, Visit};
use tracing::{Event, Level};

use super::clock::Utc;

/// As many digits of a trace id as tell the traces on a screen apart.
const SHORT_ID: usize = 8;

const RESET: &str = "\x1b[0m";
const DIM: &str = "\x1b[2m";

pub(super) fn write(
    event: &Event<'_>,
    time: SystemTime,
    span: &SpanContext,
    color: bool,
    line: &mut Vec<u8>,
) {
    let paint = |style: &'static str| if color { style } else { "" };
    let (dim, reset) = (paint(DIM), paint(RESET));
    let level = event.metadata().level();
    let level_style = paint(style(*level));
    let mut message = Message::default();
    event.record(&mut message);

    // Writing into memory does not fail.
    let _ = write!(
        line,
        "{dim}{}{reset} {level_style}{level:>5}{reset} {}",
        Utc::from(time).time(),
        OneLine(message.text()),
    );
    event.record(&mut Fields { line, dim, reset });
    if span.is_valid() {
        let id = span.trace_id().to_string();
        let _ = write!(line, " {dim}trace={}{reset}", &id[..SHORT_ID]);
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
    dim: &'static str,
    reset: &'static str,
}

impl Visit for Fields<'_> {
    fn record_debug(&mut self, field: &Field, value: &dyn fmt::Debug) {
        if field.name() == "message" {
            return;
        }
        let Self { line, dim, reset } = self;
        let value = format!("{value:?}");
        let _ = write!(line, " {dim}{field}={reset}{}", OneLine(&value));
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
