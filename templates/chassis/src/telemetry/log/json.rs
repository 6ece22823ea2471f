//! One JSON object a line, for machines.
//!
//! `timestamp`, `level`, `target`, `message`, then `trace_id` and `span_id` when the event is in a
//! span, then what the event carries as `fields`.

use std::fmt;
use std::time::SystemTime;

use opentelemetry::trace::SpanContext;
use serde::ser::{Serialize, SerializeMap, Serializer};
use tracing::Event;
use tracing::field::{Field, Visit};

use super::clock::Utc;

pub(super) fn write(event: &Event<'_>, time: SystemTime, span: &SpanContext, line: &mut Vec<u8>) {
    let start = line.len();
    if object(event, time, span, line).is_err() {
        // Only a value whose `Debug` fails gets here; half an object would break the next line.
        line.truncate(start);
    }
}

fn object(
    event: &Event<'_>,
    time: SystemTime,
    span: &SpanContext,
    line: &mut Vec<u8>,
) -> serde_json::Result<()> {
    let metadata = event.metadata();
    let mut serializer = serde_json::Serializer::new(line);
    let mut map = serializer.serialize_map(None)?;
    map.serialize_entry("timestamp", &Text(Utc::from(time).date_time()))?;
    map.serialize_entry("level", metadata.level().as_str())?;
    map.serialize_entry("target", metadata.target())?;
    map.serialize_entry("message", &Message(event))?;
    if span.is_valid() {
        map.serialize_entry("trace_id", &Text(span.trace_id()))?;
        map.serialize_entry("span_id", &Text(span.span_id()))?;
    }
    if event.fields().any(|field| field.name() != "message") {
        map.serialize_entry("fields", &Fields(event))?;
    }
    map.end()
}

/// Whatever prints, as a string.
struct Text<T>(T);

impl<T: fmt::Display> Serialize for Text<T> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(&self.0)
    }
}

struct Message<'a>(&'a Event<'a>);

impl Serialize for Message<'_> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let mut message = super::pretty::Message::default();
        self.0.record(&mut message);
        serializer.serialize_str(message.text())
    }
}

struct Fields<'a>(&'a Event<'a>);

impl Serialize for Fields<'_> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let mut visitor = MapVisitor {
            map: serializer.serialize_map(None)?,
            result: Ok(()),
        };
        self.0.record(&mut visitor);
        visitor.result?;
        visitor.map.end()
    }
}

struct MapVisitor<M: SerializeMap> {
    map: M,
    result: Result<(), M::Error>,
}

impl<M: SerializeMap> MapVisitor<M> {
    fn entry(&mut self, field: &Field, value: impl Serialize) {
        if self.result.is_ok() && field.name() != "message" {
            self.result = self.map.serialize_entry(field.name(), &value);
        }
    }
}

impl<M: SerializeMap> Visit for MapVisitor<M> {
    fn record_debug(&mut self, field: &Field, value: &dyn fmt::Debug) {
        self.entry(field, Text(format_args!("{value:?}")));
    }

    fn record_str(&mut self, field: &Field, value: &str) {
        self.entry(field, value);
    }

    fn record_i64(&mut self, field: &Field, value: i64) {
        self.entry(field, value);
    }

    fn record_u64(&mut self, field: &Field, value: u64) {
        self.entry(field, value);
    }

    fn record_f64(&mut self, field: &Field, value: f64) {
        self.entry(field, value);
    }

    fn record_bool(&mut self, field: &Field, value: bool) {
        self.entry(field, value);
    }
}
