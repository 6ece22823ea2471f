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
use tracing::Event;
use tracing::field::{Field, Visit};

use super::clock::Utc;

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
        self.raw(br#"{"timestamp":"#);
        self.display(Utc::from(time).date_time());
        self.raw(br#","level":"#);
        self.str(metadata.level().as_str());
        self.raw(br#","target":"#);
        self.str(metadata.target());
        self.raw(br#","message":"#);
        let empty = self.line.len();
        event.record(&mut Message(self));
        if self.line.len() == empty {
            self.str("");
        }
        if span.is_valid() {
            self.raw(br#","trace_id":""#);
            self.hex(&span.trace_id().to_bytes());
            self.raw(br#"","span_id":""#);
            self.hex(&span.span_id().to_bytes());
            self.raw(br#"""#);
        }
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

    fn raw(&mut self, text: &[u8]) {
        self.line.extend_from_slice(text);
    }

    fn hex(&mut self, bytes: &[u8]) {
        const DIGITS: &[u8; 16] = b"0123456789abcdef";
        for byte in bytes {
            let (high, low) = (usize::from(byte >> 4), usize::from(byte & 0xf));
            self.line.extend([DIGITS[high], DIGITS[low]]);
        }
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
