//! A trace in Jaeger's JSON, as far as it is read.

use std::collections::BTreeMap;

use serde::Deserialize;
use serde_json::Value;

/// Spans that belong together.
#[derive(Clone, Debug, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Trace {
    /// Hexadecimal.
    #[serde(rename = "traceID")]
    pub trace_id: String,
    /// In no order.
    pub spans: Vec<Span>,
    /// Who made them, by the ids in spans.
    pub processes: BTreeMap<String, Process>,
}

/// A piece of work.
#[derive(Clone, Debug, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Span {
    /// Hexadecimal.
    #[serde(rename = "spanID")]
    pub span_id: String,
    /// What was done.
    pub operation_name: String,
    /// What caused it.
    #[serde(default)]
    pub references: Vec<Reference>,
    /// In microseconds since 1970.
    pub start_time: u64,
    /// In microseconds.
    pub duration: u64,
    /// What is known of it.
    #[serde(default)]
    pub tags: Vec<Tag>,
    /// What happened meanwhile.
    #[serde(default)]
    pub logs: Vec<Log>,
    /// Who did it.
    #[serde(rename = "processID")]
    pub process_id: String,
}

/// How a span stands to another.
#[derive(Clone, Debug, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Reference {
    /// `CHILD_OF` or `FOLLOWS_FROM`.
    pub ref_type: String,
    /// The trace of the other.
    #[serde(rename = "traceID")]
    pub trace_id: String,
    /// The other.
    #[serde(rename = "spanID")]
    pub span_id: String,
}

/// A name with a value.
#[derive(Clone, Debug, Deserialize)]
pub struct Tag {
    /// The name.
    pub key: String,
    /// Text, a number or a boolean.
    pub value: Value,
}

/// Something that happened.
#[derive(Clone, Debug, Deserialize)]
pub struct Log {
    /// In microseconds since 1970.
    pub timestamp: u64,
    /// What it was.
    #[serde(default)]
    pub fields: Vec<Tag>,
}

/// Who makes spans.
#[derive(Clone, Debug, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Process {
    /// The service.
    pub service_name: String,
}

impl Span {
    /// The value of a tag.
    pub fn tag(&self, key: &str) -> Option<&Value> {
        let tag = self.tags.iter().find(|tag| tag.key == key);
        tag.map(|tag| &tag.value)
    }

    /// Why it failed, if it did.
    pub fn error(&self) -> Option<String> {
        let is_error = match self.tag("error")? {
            Value::Bool(is_error) => *is_error,
            Value::String(text) => text == "true",
            _ => false,
        };
        let names = [
            "otel.status_description",
            "grpc.status_description",
            "error.message",
            "error.type",
        ];
        let told = names.iter().find_map(|name| self.tag(name)?.as_str());
        is_error.then(|| told.unwrap_or("failed").to_owned())
    }

    /// The span that caused it, if one of this trace did.
    pub fn parent(&self, trace: &str) -> Option<&str> {
        let mut references = self.references.iter();
        let parent = references.find(|it| it.ref_type == "CHILD_OF" && it.trace_id == trace);
        parent.map(|it| it.span_id.as_str())
    }
}
