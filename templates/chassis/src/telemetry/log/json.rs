//! One JSON object a line, for machines.
//!
//! `timestamp`, `level`, `target`, `message`, then `trace_id` and `span_id` when the event is in a
//! span, then what the event carries as `fields`.
//!
//! There is a line for each call, so this is written straight into the line, and only text that
//! needs escaping goes through a serializer.

use std::fmt::{self, Write};
use std::time::SystemTime;

use opentelemetry::trace::SpanContext;
use serde::Serialize;
use tracing::field::{Field, Visit};
use tracing::{Event, Level};

use super::calls::{self, CallLine, Ids};
use super::clock::Utc;
use super::text;

/// The line of a call, as that of the event would be.
pub(super) fn write_call(call: &CallLine<'_>, time: SystemTime, line: &mut Vec<u8>) {
    let mut object = Object {
        line,
        result: Ok(()),
    };
    object.head(time, call.level, calls::TARGET);
    object.str(call.method);
    object.ids(call.ids);
    object.raw(br#","fields":{"#);
    if let Some(peer) = call.peer {
        object.raw(br#""peer":""#);
        text::address(peer, object.line);
        object.raw(br#"","#);
    }
    object.raw(br#""code":""#);
    object.raw(call.code.as_bytes());
    object.raw(br#"","latency":""#);
    text::duration(call.latency, object.line);
    object.raw(br#""}}"#);
}

pub(super) fn write(event: &Event<'_>, time: SystemTime, span: &SpanContext, line: &mut Vec<u8>) {
    let start = line.len();
    let mut object = Object {
        line,
        result: Ok(()),
    };
    object.event(event, time, span);
    if object.result.is_err() {
        // Only a value whose `Debug` fails gets here; half an object would break the next line.
        line.truncate(start);
    }
}

/// An object that is being written, until something fails.
struct Object<'a> {
    line: &'a mut Vec<u8>,
    result: Result<(), fmt::Error>,
}

impl Object<'_> {
    fn event(&mut self, event: &Event<'_>, time: SystemTime, span: &SpanContext) {
        let metadata = event.metadata();
        self.head(time, *metadata.level(), metadata.target());
        let empty = self.line.len();
        event.record(&mut Message(self));
        if self.line.len() == empty {
            self.str("");
        }
        self.ids(Ids::of(span));
        if event.fields().any(|field| field.name() != MESSAGE) {
            self.raw(br#","fields":"#);
            let mut fields = Fields {
                object: self,
                separator: b'{',
            };
            event.record(&mut fields);
            match fields.separator {
                // A field without a value is no entry.
                b'{' => self.raw(b"{}"),
                _ => self.raw(b"}"),
            }
        }
        self.raw(b"}");
    }

    /// Everything up to the message.
    fn head(&mut self, time: SystemTime, level: Level, target: &str) {
        self.raw(br#"{"timestamp":""#);
        Utc::from(time).append_date_time(self.line);
        self.raw(br#"","level":""#);
        self.raw(level.as_str().as_bytes());
        self.raw(br#"","target":"#);
        self.str(target);
        self.raw(br#","message":"#);
    }

    fn ids(&mut self, ids: Option<Ids>) {
        if let Some(Ids { trace, span }) = ids {
            self.raw(br#","trace_id":""#);
            text::hex(trace.to_bytes(), self.line);
            self.raw(br#"","span_id":""#);
            text::hex(span.to_bytes(), self.line);
            self.raw(br#"""#);
        }
    }

    fn raw(&mut self, text: &[u8]) {
        self.line.extend_from_slice(text);
    }

    fn str(&mut self, text: &str) {
        match is_plain(text.as_bytes()) {
            true => {
                self.raw(b"\"");
                self.raw(text.as_bytes());
                self.raw(b"\"");
            }
            false => self.value(text),
        }
    }

    /// Whatever prints, as a string.
    fn display(&mut self, value: impl fmt::Display) {
        self.raw(b"\"");
        let start = self.line.len();
        let written = write!(Text(self.line), "{value}");
        self.result = self.result.and(written);
        if is_plain(&self.line[start..]) {
            return self.raw(b"\"");
        }
        let text = String::from_utf8_lossy(&self.line[start..]).into_owned();
        self.line.truncate(start - 1);
        self.value(&text);
    }

    fn value<T: Serialize + ?Sized>(&mut self, value: &T) {
        if serde_json::to_writer(&mut *self.line, value).is_err() {
            self.result = Err(fmt::Error);
        }
    }
}

/// A line as something to format into.
struct Text<'a>(&'a mut Vec<u8>);

impl Write for Text<'_> {
    fn write_str(&mut self, text: &str) -> fmt::Result {
        self.0.extend_from_slice(text.as_bytes());
        Ok(())
    }
}

/// The name of the field that is the message.
const MESSAGE: &str = "message";

/// Whether `text` stands in JSON as it is (RFC 8259, section 7).
fn is_plain(text: &[u8]) -> bool {
    !text
        .iter()
        .any(|byte| matches!(byte, 0..0x20 | b'"' | b'\\'))
}

struct Message<'a, 'b>(&'a mut Object<'b>);

impl Visit for Message<'_, '_> {
    fn record_debug(&mut self, field: &Field, value: &dyn fmt::Debug) {
        if field.name() == MESSAGE {
            self.0.display(format_args!("{value:?}"));
        }
    }

    fn record_str(&mut self, field: &Field, value: &str) {
        if field.name() == MESSAGE {
            self.0.str(value);
        }
    }
}

struct Fields<'a, 'b> {
    object: &'a mut Object<'b>,
    /// What comes before the next one.
    separator: u8,
}

impl<'b> Fields<'_, 'b> {
    fn entry(&mut self, field: &Field, value: impl FnOnce(&mut Object<'b>)) {
        if field.name() == MESSAGE {
            return;
        }
        let separator = std::mem::replace(&mut self.separator, b',');
        self.object.raw(&[separator]);
        self.object.str(field.name());
        self.object.raw(b":");
        value(self.object);
    }
}

impl Visit for Fields<'_, '_> {
    fn record_debug(&mut self, field: &Field, value: &dyn fmt::Debug) {
        self.entry(field, |object| object.display(format_args!("{value:?}")));
    }

    fn record_str(&mut self, field: &Field, value: &str) {
        self.entry(field, |object| object.str(value));
    }

    fn record_i64(&mut self, field: &Field, value: i64) {
        self.entry(field, |object| object.value(&value));
    }

    fn record_u64(&mut self, field: &Field, value: u64) {
        self.entry(field, |object| object.value(&value));
    }

    fn record_f64(&mut self, field: &Field, value: f64) {
        self.entry(field, |object| object.value(&value));
    }

    fn record_bool(&mut self, field: &Field, value: bool) {
        self.entry(field, |object| object.value(&value));
    }
}
