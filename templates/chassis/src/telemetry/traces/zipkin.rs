//! Zipkin's JSON, version 2 of its API: <https://zipkin.io/zipkin-api/>, made of spans as
//! OpenTelemetry's specification says ("OpenTelemetry to Zipkin Transformation").

use std::collections::BTreeMap;
use std::net::IpAddr;
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use bytes::Bytes;
use opentelemetry::trace::{Event, SpanId, SpanKind, Status};
use opentelemetry::{Array, Key, KeyValue, Value};
use opentelemetry_sdk::Resource;
use opentelemetry_sdk::trace::SpanData;
use serde::Serialize;

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct Span<'a> {
    trace_id: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    parent_id: Option<String>,
    id: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    kind: Option<&'static str>,
    name: &'a str,
    /// In microseconds since 1970.
    timestamp: u64,
    /// In microseconds; not 0, which would stand for "unknown".
    duration: u64,
    local_endpoint: Endpoint,
    #[serde(skip_serializing_if = "Option::is_none")]
    remote_endpoint: Option<Endpoint>,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    annotations: Vec<Annotation>,
    #[serde(skip_serializing_if = "BTreeMap::is_empty")]
    tags: BTreeMap<String, String>,
}

#[derive(Serialize, Default)]
#[serde(rename_all = "camelCase")]
struct Endpoint {
    #[serde(skip_serializing_if = "Option::is_none")]
    service_name: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    ipv4: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    ipv6: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    port: Option<u16>,
}

#[derive(Serialize)]
struct Annotation {
    timestamp: u64,
    value: String,
}

/// `batch` as the body of a request.
pub(super) fn encode(batch: &[SpanData], resource: &Resource) -> Bytes {
    let name = resource.get(&Key::from_static_str("service.name"));
    let name = name.map(|name| name.to_string());
    let spans: Vec<Span<'_>> = batch.iter().map(|span| convert(span, &name)).collect();
    // Strings and numbers always have a form as JSON.
    serde_json::to_vec(&spans).unwrap_or_default().into()
}

fn convert<'a>(span: &'a SpanData, service: &Option<String>) -> Span<'a> {
    let duration = span.end_time.duration_since(span.start_time);
    let mut tags: BTreeMap<String, String> = span
        .attributes
        .iter()
        .map(|it| (it.key.to_string(), text(&it.value)))
        .collect();
    tags.insert(
        "otel.scope.name".to_owned(),
        span.instrumentation_scope.name().to_owned(),
    );
    match &span.status {
        Status::Unset => {}
        Status::Ok => {
            tags.insert("otel.status_code".to_owned(), "OK".to_owned());
        }
        Status::Error { description } => {
            tags.insert("otel.status_code".to_owned(), "ERROR".to_owned());
            tags.insert("error".to_owned(), description.to_string());
        }
    }
    Span {
        trace_id: span.span_context.trace_id().to_string(),
        parent_id: (span.parent_span_id != SpanId::INVALID)
            .then(|| span.parent_span_id.to_string()),
        id: span.span_context.span_id().to_string(),
        kind: match span.span_kind {
            SpanKind::Server => Some("SERVER"),
            SpanKind::Client => Some("CLIENT"),
            SpanKind::Producer => Some("PRODUCER"),
            SpanKind::Consumer => Some("CONSUMER"),
            SpanKind::Internal => None,
        },
        name: &span.name,
        timestamp: micros(span.start_time),
        duration: whole_micros(duration.unwrap_or_default()).max(1),
        local_endpoint: Endpoint {
            service_name: service.clone(),
            ..Endpoint::default()
        },
        remote_endpoint: remote(&span.attributes, &span.span_kind),
        annotations: span.events.iter().map(annotation).collect(),
        tags,
    }
}

/// Who is at the other end.
fn remote(attributes: &[KeyValue], kind: &SpanKind) -> Option<Endpoint> {
    let get = |name: &str| {
        let found = attributes.iter().find(|it| it.key.as_str() == name)?;
        Some(found.value.to_string())
    };
    let (name, address, port) = match kind {
        SpanKind::Client => (get("server.address"), None, get("server.port")),
        SpanKind::Server => (None, get("network.peer.address"), get("network.peer.port")),
        _ => return None,
    };
    if name.is_none() && address.is_none() {
        return None;
    }
    let address: Option<IpAddr> = address.and_then(|it| it.parse().ok());
    Some(Endpoint {
        service_name: name,
        ipv4: address.filter(IpAddr::is_ipv4).map(|it| it.to_string()),
        ipv6: address.filter(IpAddr::is_ipv6).map(|it| it.to_string()),
        port: port.and_then(|it| it.parse().ok()),
    })
}

/// `"name"`, or `"name": {"key": value}` for an event with attributes.
fn annotation(event: &Event) -> Annotation {
    let attributes: BTreeMap<&str, serde_json::Value> = event
        .attributes
        .iter()
        .map(|it| (it.key.as_str(), json(&it.value)))
        .collect();
    let value = match attributes.is_empty() {
        true => event.name.to_string(),
        false => {
            let attributes = serde_json::to_string(&attributes).unwrap_or_default();
            format!("\"{}\": {attributes}", event.name)
        }
    };
    Annotation {
        timestamp: micros(event.timestamp),
        value,
    }
}

/// Tags are text: numbers as they are, lists as JSON.
fn text(value: &Value) -> String {
    match value {
        Value::Array(_) => json(value).to_string(),
        _ => value.to_string(),
    }
}

fn json(value: &Value) -> serde_json::Value {
    match value {
        Value::Bool(it) => (*it).into(),
        Value::I64(it) => (*it).into(),
        Value::F64(it) => (*it).into(),
        Value::Array(Array::Bool(it)) => it.clone().into(),
        Value::Array(Array::I64(it)) => it.clone().into(),
        Value::Array(Array::F64(it)) => it.clone().into(),
        Value::Array(Array::String(it)) => {
            let items: Vec<String> = it.iter().map(ToString::to_string).collect();
            items.into()
        }
        other => other.to_string().into(),
    }
}

fn micros(time: SystemTime) -> u64 {
    whole_micros(time.duration_since(UNIX_EPOCH).unwrap_or_default())
}

fn whole_micros(duration: Duration) -> u64 {
    duration.as_micros().try_into().unwrap_or(u64::MAX)
}

#[cfg(test)]
mod tests {
    use opentelemetry::InstrumentationScope;
    use opentelemetry::trace::{SpanContext, TraceFlags, TraceState};
    use opentelemetry_sdk::trace::{SpanEvents, SpanLinks};

    use super::*;

    fn time(micros: u64) -> SystemTime {
        UNIX_EPOCH + Duration::from_micros(micros)
    }

    fn span() -> SpanData {
        let mut events = SpanEvents::default();
        events
            .events
            .push(Event::new("plain", time(1_001), Vec::new(), 0));
        let attributes = vec![KeyValue::new("n", 1), KeyValue::new("s", "x")];
        events
            .events
            .push(Event::new("rich", time(1_002), attributes, 0));
        SpanData {
            span_context: SpanContext::new(
                0xab_u128.into(),
                0xcd_u64.into(),
                TraceFlags::SAMPLED,
                false,
                TraceState::NONE,
            ),
            parent_span_id: 0xef_u64.into(),
            parent_span_is_remote: true,
            span_kind: SpanKind::Server,
            name: "users.v1.Users/Get".into(),
            start_time: time(1_000),
            end_time: time(3_500),
            attributes: vec![
                KeyValue::new("network.peer.address", "10.0.0.7"),
                KeyValue::new("network.peer.port", 4711),
                KeyValue::new("list", Value::Array(Array::I64(vec![1, 2]))),
            ],
            dropped_attributes_count: 0,
            events,
            links: SpanLinks::default(),
            status: Status::error("no"),
            instrumentation_scope: InstrumentationScope::builder("chassis").build(),
        }
    }

    fn encoded(span: SpanData) -> serde_json::Value {
        let name = KeyValue::new("service.name", "users");
        let resource = Resource::builder_empty().with_attribute(name).build();
        serde_json::from_slice(&encode(&[span], &resource)).expect("JSON")
    }

    #[test]
    fn a_span_has_the_form_that_zipkin_reads() {
        assert_eq!(
            encoded(span()),
            serde_json::json!([{
                "traceId": "000000000000000000000000000000ab",
                "parentId": "00000000000000ef",
                "id": "00000000000000cd",
                "kind": "SERVER",
                "name": "users.v1.Users/Get",
                "timestamp": 1_000,
                "duration": 2_500,
                "localEndpoint": { "serviceName": "users" },
                "remoteEndpoint": { "ipv4": "10.0.0.7", "port": 4711 },
                "annotations": [
                    { "timestamp": 1_001, "value": "plain" },
                    { "timestamp": 1_002, "value": "\"rich\": {\"n\":1,\"s\":\"x\"}" },
                ],
                "tags": {
                    "network.peer.address": "10.0.0.7",
                    "network.peer.port": "4711",
                    "list": "[1,2]",
                    "otel.scope.name": "chassis",
                    "otel.status_code": "ERROR",
                    "error": "no",
                },
            }])
        );
    }

    #[test]
    fn what_a_span_has_not_is_left_out() {
        let root = SpanData {
            parent_span_id: SpanId::INVALID,
            span_kind: SpanKind::Internal,
            end_time: time(1_000),
            attributes: Vec::new(),
            events: SpanEvents::default(),
            status: Status::Unset,
            ..span()
        };
        assert_eq!(
            encoded(root),
            serde_json::json!([{
                "traceId": "000000000000000000000000000000ab",
                "id": "00000000000000cd",
                "name": "users.v1.Users/Get",
                "timestamp": 1_000,
                "duration": 1,
                "localEndpoint": { "serviceName": "users" },
                "tags": { "otel.scope.name": "chassis" },
            }])
        );
    }
}
