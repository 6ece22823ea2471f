//! Spans in OTLP's messages, written straight into the bytes that are sent.
//!
//! The crate that has the messages makes one of its own for each span, with a copy of every text in
//! it, and then measures and writes that: ten times the work. The messages:
//! <https://github.com/open-telemetry/opentelemetry-proto>, `trace/v1/trace.proto`; the encoding:
//! <https://protobuf.dev/programming-guides/encoding/>. What is the same for many spans still comes
//! from that crate.

use std::time::{SystemTime, UNIX_EPOCH};

use opentelemetry::trace::{Link, SpanContext, SpanId, SpanKind, Status};
use opentelemetry::{Array, InstrumentationScope, KeyValue, Value};
use opentelemetry_proto::tonic::common::v1::InstrumentationScope as ScopeMessage;
use opentelemetry_proto::tonic::resource::v1::Resource as ResourceMessage;
use opentelemetry_proto::transform::common::tonic::ResourceAttributesWithSchema;
use opentelemetry_sdk::Resource;
use opentelemetry_sdk::trace::SpanData;
use prost::Message as _;

/// As much as a span of a call takes, and more.
const TYPICAL_SPAN: usize = 512;

/// How a value is written (the type that stands beside the number of its field).
const VARINT: u32 = 0;
const FIXED_64: u32 = 1;
const LENGTH: u32 = 2;
const FIXED_32: u32 = 5;

/// Flags of a span (`SpanFlags`): whether it is known where the parent is, and that it is elsewhere.
const HAS_IS_REMOTE: u32 = 0x100;
const IS_REMOTE: u32 = 0x200;

/// An `ExportTraceServiceRequest` with `batch`.
pub(super) fn request(batch: &[SpanData], resource: &Resource) -> Vec<u8> {
    let resource = ResourceAttributesWithSchema::from(resource);
    let message = ResourceMessage {
        attributes: resource.attributes.0,
        ..ResourceMessage::default()
    };
    let mut request = Message(Vec::with_capacity(batch.len() * TYPICAL_SPAN));
    request.message(1, |spans| {
        spans.bytes(1, &message.encode_to_vec());
        for (scope, of_scope) in by_scope(batch) {
            spans.message(2, |scope_spans| {
                let message = ScopeMessage::from((scope, None));
                scope_spans.bytes(1, &message.encode_to_vec());
                for span in of_scope {
                    scope_spans.message(2, |message| message.span(span));
                }
                scope_spans.text(3, scope.schema_url().unwrap_or_default());
            });
        }
        spans.text(3, resource.schema_url.as_deref().unwrap_or_default());
    });
    request.0
}

/// The spans of each scope: there are as many as libraries that make spans.
fn by_scope(batch: &[SpanData]) -> Vec<(&InstrumentationScope, Vec<&SpanData>)> {
    let mut scopes: Vec<(&InstrumentationScope, Vec<&SpanData>)> = Vec::new();
    for span in batch {
        let scope = &span.instrumentation_scope;
        match scopes.iter_mut().find(|(known, _)| *known == scope) {
            Some((_, spans)) => spans.push(span),
            None => scopes.push((scope, vec![span])),
        }
    }
    scopes
}

/// A message that is being written. Fields are left out when they have their default, as proto3 has
/// it, except where they are the choice of a `oneof`.
struct Message(Vec<u8>);

impl Message {
    fn span(&mut self, span: &SpanData) {
        self.ids(&span.span_context);
        if span.parent_span_id != SpanId::INVALID {
            self.bytes(4, &span.parent_span_id.to_bytes());
        }
        self.text(5, &span.name);
        self.number(6, kind(&span.span_kind));
        self.fixed_64(7, nanos(span.start_time));
        self.fixed_64(8, nanos(span.end_time));
        self.attributes(9, &span.attributes);
        self.number(10, span.dropped_attributes_count.into());
        for event in span.events.iter() {
            self.message(11, |message| {
                message.fixed_64(1, nanos(event.timestamp));
                message.text(2, &event.name);
                message.attributes(3, &event.attributes);
                message.number(4, event.dropped_attributes_count.into());
            });
        }
        self.number(12, span.events.dropped_count.into());
        for link in span.links.iter() {
            self.message(13, |message| message.link(link));
        }
        self.number(14, span.links.dropped_count.into());
        self.message(15, |message| match &span.status {
            Status::Unset => {}
            Status::Ok => message.number(3, 1),
            Status::Error { description } => {
                message.text(2, description);
                message.number(3, 2);
            }
        });
        self.flags(16, &span.span_context, span.parent_span_is_remote);
    }

    fn link(&mut self, link: &Link) {
        self.ids(&link.span_context);
        self.attributes(4, &link.attributes);
        self.number(5, link.dropped_attributes_count.into());
        self.flags(6, &link.span_context, link.span_context.is_remote());
    }

    /// The first fields of spans and of links.
    fn ids(&mut self, context: &SpanContext) {
        self.bytes(1, &context.trace_id().to_bytes());
        self.bytes(2, &context.span_id().to_bytes());
        self.text(3, &context.trace_state().header());
    }

    fn flags(&mut self, field: u32, context: &SpanContext, is_remote: bool) {
        let remote = if is_remote { IS_REMOTE } else { 0 };
        let flags = u32::from(context.trace_flags().to_u8()) | HAS_IS_REMOTE | remote;
        self.key(field, FIXED_32);
        self.0.extend_from_slice(&flags.to_le_bytes());
    }

    fn attributes(&mut self, field: u32, attributes: &[KeyValue]) {
        for KeyValue { key, value, .. } in attributes {
            self.message(field, |message| {
                message.text(1, key.as_str());
                message.message(2, |message| message.any(value));
            });
        }
    }

    fn any(&mut self, value: &Value) {
        match value {
            Value::String(text) => self.string(text.as_str()),
            Value::Bool(value) => self.bool(*value),
            Value::I64(value) => self.int(*value),
            Value::F64(value) => self.double(*value),
            Value::Array(array) => self.message(5, |message| message.array(array)),
            // A kind of value that comes later is one without a value.
            _ => {}
        }
    }

    fn array(&mut self, array: &Array) {
        match array {
            Array::String(all) => self.each(all, |message, it| message.string(it.as_str())),
            Array::Bool(all) => self.each(all, |message, it| message.bool(*it)),
            Array::I64(all) => self.each(all, |message, it| message.int(*it)),
            Array::F64(all) => self.each(all, |message, it| message.double(*it)),
            _ => {}
        }
    }

    fn each<T>(&mut self, values: &[T], write: impl Fn(&mut Self, &T)) {
        for value in values {
            self.message(1, |message| write(message, value));
        }
    }

    // The choices of `AnyValue`.

    fn string(&mut self, value: &str) {
        self.key(1, LENGTH);
        self.varint(value.len() as u64);
        self.0.extend_from_slice(value.as_bytes());
    }

    fn bool(&mut self, value: bool) {
        self.key(2, VARINT);
        self.varint(value.into());
    }

    fn int(&mut self, value: i64) {
        self.key(3, VARINT);
        self.varint(value.cast_unsigned());
    }

    fn double(&mut self, value: f64) {
        self.key(4, FIXED_64);
        self.0.extend_from_slice(&value.to_le_bytes());
    }

    // What all messages are made of.

    fn text(&mut self, field: u32, text: &str) {
        if !text.is_empty() {
            self.bytes(field, text.as_bytes());
        }
    }

    /// Bytes, or a message that is encoded already.
    fn bytes(&mut self, field: u32, bytes: &[u8]) {
        self.key(field, LENGTH);
        self.varint(bytes.len() as u64);
        self.0.extend_from_slice(bytes);
    }

    fn number(&mut self, field: u32, number: u64) {
        if number > 0 {
            self.key(field, VARINT);
            self.varint(number);
        }
    }

    fn fixed_64(&mut self, field: u32, number: u64) {
        if number > 0 {
            self.key(field, FIXED_64);
            self.0.extend_from_slice(&number.to_le_bytes());
        }
    }

    /// A message in this one. Its length stands before it, and is known after it: most are so short
    /// that a byte is enough for it, and the others are moved.
    fn message(&mut self, field: u32, write: impl FnOnce(&mut Self)) {
        self.key(field, LENGTH);
        let begin = self.0.len();
        self.0.push(0);
        write(self);
        let end = self.0.len();
        let length = end - begin - 1;
        self.varint(length as u64);
        let more = self.0.len() - end - 1;
        if more == 0 {
            self.0[begin] = length as u8;
            self.0.truncate(end);
        } else {
            // The length, which was written behind it, and what it is of change places.
            self.0.remove(begin);
            self.0[begin..].rotate_right(more + 1);
        }
    }

    fn key(&mut self, field: u32, kind: u32) {
        self.varint((field << 3 | kind).into());
    }

    fn varint(&mut self, mut number: u64) {
        while number >= 0x80 {
            self.0.push(number as u8 | 0x80);
            number >>= 7;
        }
        self.0.push(number as u8);
    }
}

/// As `SpanKind` has them.
fn kind(kind: &SpanKind) -> u64 {
    match kind {
        SpanKind::Internal => 1,
        SpanKind::Server => 2,
        SpanKind::Client => 3,
        SpanKind::Producer => 4,
        SpanKind::Consumer => 5,
    }
}

fn nanos(time: SystemTime) -> u64 {
    let since_epoch = time.duration_since(UNIX_EPOCH).unwrap_or_default();
    since_epoch.as_nanos() as u64
}

#[cfg(test)]
mod tests;
