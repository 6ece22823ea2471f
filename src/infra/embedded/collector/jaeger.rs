//! From OpenTelemetry's spans to those of Jaeger's JSON, as Jaeger itself translates them. Pure.

use std::collections::HashSet;
use std::sync::Arc;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use serde_json::{Map, Value, json};

use super::proto::opentelemetry::proto::common::v1::any_value::Value as Any;
use super::proto::opentelemetry::proto::common::v1::{AnyValue, KeyValue};
use super::proto::opentelemetry::proto::trace::v1::Span;
use super::proto::opentelemetry::proto::trace::v1::span::{Event, SpanKind};
use super::proto::opentelemetry::proto::trace::v1::status::StatusCode;
use super::state::{Found, Origin};

/// Nanoseconds in Jaeger's unit of time.
const MICROSECOND: u64 = 1000;

/// An id of a trace: without the half that is zero, where it has one.
pub(super) fn trace_id(id: u128) -> String {
    match u64::try_from(id) {
        Ok(id) => format!("{id:016x}"),
        Err(_) => format!("{id:032x}"),
    }
}

fn hex(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}

fn linked_trace_id(bytes: &[u8]) -> String {
    match <[u8; 16]>::try_from(bytes) {
        Ok(bytes) => trace_id(u128::from_be_bytes(bytes)),
        Err(_) => hex(bytes),
    }
}

/// What Jaeger calls a kind of spans.
pub(super) fn kind(number: i32) -> &'static str {
    match SpanKind::try_from(number) {
        Ok(SpanKind::Internal) => "internal",
        Ok(SpanKind::Server) => "server",
        Ok(SpanKind::Client) => "client",
        Ok(SpanKind::Producer) => "producer",
        Ok(SpanKind::Consumer) => "consumer",
        Ok(SpanKind::Unspecified) | Err(_) => "unspecified",
    }
}

/// A value of any kind as JSON, for those that are within others.
fn plain(value: Option<&AnyValue>) -> Value {
    match value.and_then(|it| it.value.as_ref()) {
        None => Value::Null,
        Some(Any::StringValue(it)) => json!(it),
        Some(Any::BoolValue(it)) => json!(it),
        Some(Any::IntValue(it)) => json!(it),
        Some(Any::DoubleValue(it)) => json!(it),
        Some(Any::BytesValue(it)) => json!(STANDARD.encode(it)),
        Some(Any::ArrayValue(it)) => it.values.iter().map(|it| plain(Some(it))).collect(),
        Some(Any::KvlistValue(it)) => {
            let mut pairs: Vec<_> = it.values.iter().collect();
            pairs.sort_by(|a, b| a.key.cmp(&b.key));
            let pairs = pairs.into_iter();
            let object: Map<_, _> = pairs
                .map(|it| (it.key.clone(), plain(it.value.as_ref())))
                .collect();
            Value::Object(object)
        }
    }
}

fn tag(attribute: &KeyValue) -> Value {
    let (kind, value) = match attribute.value.as_ref().and_then(|it| it.value.as_ref()) {
        None => ("string", json!("")),
        Some(Any::StringValue(it)) => ("string", json!(it)),
        Some(Any::BoolValue(it)) => ("bool", json!(it)),
        Some(Any::IntValue(it)) => ("int64", json!(it)),
        Some(Any::DoubleValue(it)) => ("float64", json!(it)),
        Some(Any::BytesValue(it)) => ("binary", json!(STANDARD.encode(it))),
        Some(Any::ArrayValue(_) | Any::KvlistValue(_)) => {
            ("string", json!(plain(attribute.value.as_ref()).to_string()))
        }
    };
    json!({ "key": attribute.key, "type": kind, "value": value })
}

fn text_tag(key: &str, value: &str) -> Value {
    json!({ "key": key, "type": "string", "value": value })
}

/// In the order of their keys, as Jaeger tells them.
fn sorted(mut tags: Vec<Value>) -> Vec<Value> {
    tags.sort_by(|a, b| a["key"].as_str().cmp(&b["key"].as_str()));
    tags
}

fn span_tags(span: &Span, origin: &Origin) -> Vec<Value> {
    let mut tags: Vec<Value> = span.attributes.iter().map(tag).collect();
    tags.push(text_tag("internal.span.format", "otlp"));
    let scope = origin.scope.iter();
    let told = scope.flat_map(|it| {
        [
            ("otel.scope.name", &it.name),
            ("otel.scope.version", &it.version),
        ]
    });
    let told = told.filter(|(_, value)| !value.is_empty());
    tags.extend(told.map(|(key, value)| text_tag(key, value)));
    if span.kind() != SpanKind::Unspecified {
        tags.push(text_tag("span.kind", kind(span.kind)));
    }
    if let Some(status) = &span.status {
        match status.code() {
            StatusCode::Unset => {}
            StatusCode::Ok => tags.push(text_tag("otel.status_code", "OK")),
            StatusCode::Error => {
                tags.push(text_tag("otel.status_code", "ERROR"));
                tags.push(json!({ "key": "error", "type": "bool", "value": true }));
            }
        }
        if !status.message.is_empty() {
            tags.push(text_tag("otel.status_description", &status.message));
        }
    }
    if !span.trace_state.is_empty() {
        tags.push(text_tag("w3c.tracestate", &span.trace_state));
    }
    sorted(tags)
}

fn log_fields(event: &Event) -> Vec<Value> {
    let mut fields: Vec<Value> = event.attributes.iter().map(tag).collect();
    if !event.name.is_empty() {
        fields.push(text_tag("event", &event.name));
    }
    sorted(fields)
}

fn process(origin: &Origin) -> Value {
    let tags = sorted(origin.attributes.iter().map(tag).collect());
    json!({ "serviceName": origin.service, "tags": tags })
}

/// Whether a span, one of its events or its service has each of the tags.
pub(super) fn has_tags(span: &Span, origin: &Origin, wanted: &[(String, String)]) -> bool {
    if wanted.is_empty() {
        return true;
    }
    let mut tags = span_tags(span, origin);
    tags.extend(span.events.iter().flat_map(log_fields));
    tags.extend(origin.attributes.iter().map(tag));
    wanted.iter().all(|(key, value)| {
        let mut same = tags.iter().filter(|tag| tag["key"] == **key);
        same.any(|tag| match &tag["value"] {
            Value::String(text) => text == value,
            other => format!("{other}") == *value,
        })
    })
}

/// A trace as Jaeger tells it.
pub(super) fn trace(id: u128, found: &[Found]) -> Value {
    let id = trace_id(id);
    let known: HashSet<&[u8]> = found.iter().map(|(it, _)| it.span_id.as_slice()).collect();
    let mut origins: Vec<&Arc<Origin>> = Vec::new();
    let mut processes: Vec<Value> = Vec::new();
    // By the place of an origin the number of its process: scopes share one.
    let mut numbers: Vec<usize> = Vec::new();
    let mut spans = Vec::with_capacity(found.len());
    for (span, origin) in found {
        let place = origins.iter().position(|known| Arc::ptr_eq(known, origin));
        let place = place.unwrap_or_else(|| {
            let process = process(origin);
            let known = processes.iter().position(|known| *known == process);
            numbers.push(known.unwrap_or(processes.len()));
            if known.is_none() {
                processes.push(process);
            }
            origins.push(origin);
            origins.len() - 1
        });
        let mut told = span_json(&id, span, origin);
        if !span.parent_span_id.is_empty() && !known.contains(span.parent_span_id.as_slice()) {
            let parent = hex(&span.parent_span_id);
            let text = format!("invalid parent span IDs={parent}; skipping clock skew adjustment");
            told["warnings"] = json!([text]);
        }
        told["processID"] = json!(format!("p{}", numbers[place] + 1));
        spans.push(told);
    }
    let processes = (1..).zip(processes);
    let processes: Map<_, _> = processes
        .map(|(number, process)| (format!("p{number}"), process))
        .collect();
    json!({ "traceID": id, "spans": spans, "processes": processes, "warnings": null })
}

fn span_json(trace_id: &str, span: &Span, origin: &Origin) -> Value {
    let mut references = Vec::new();
    if !span.parent_span_id.is_empty() {
        let parent = hex(&span.parent_span_id);
        references.push(json!({ "refType": "CHILD_OF", "traceID": trace_id, "spanID": parent }));
    }
    let links = span.links.iter();
    references.extend(links.map(|link| {
        json!({
            "refType": "FOLLOWS_FROM",
            "traceID": linked_trace_id(&link.trace_id),
            "spanID": hex(&link.span_id),
        })
    }));
    let logs = span.events.iter().map(|event| {
        let timestamp = event.time_unix_nano / MICROSECOND;
        json!({ "timestamp": timestamp, "fields": log_fields(event) })
    });
    let duration = span
        .end_time_unix_nano
        .saturating_sub(span.start_time_unix_nano);
    json!({
        "traceID": trace_id,
        "spanID": hex(&span.span_id),
        "operationName": span.name,
        "references": references,
        "startTime": span.start_time_unix_nano / MICROSECOND,
        "duration": duration / MICROSECOND,
        "tags": span_tags(span, origin),
        "logs": logs.collect::<Vec<_>>(),
        "processID": null,
        "warnings": null,
    })
}
