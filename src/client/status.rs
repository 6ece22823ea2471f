//! The outcome of a call that failed, in a form to show: code, message, details, trailers.

use std::error::Error;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use prost::Message;
use prost_reflect::{DescriptorPool, DynamicMessage};
use serde::Serialize;
use serde_json::{Map, Value, json};
use tonic::Status;

use crate::client::json::{self, WriteOptions};
use crate::client::metadata;
use crate::code::Code;
use crate::proto::compile::compile;
use crate::proto::sources::Sources;

/// The file with the standard details of errors.
const ERROR_DETAILS: &str = "google/rpc/error_details.proto";
/// Headers that every response has, and those that were decoded.
const NOT_SHOWN: [&str; 5] = [
    "content-type",
    "date",
    "grpc-message",
    "grpc-status",
    "grpc-status-details-bin",
];

/// How a call failed.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Outcome {
    /// The code's number.
    pub code: u8,
    /// The code's name, such as `NOT_FOUND`.
    pub name: &'static str,
    /// What the server says about it.
    pub message: String,
    /// More about it, each as JSON with its type in `@type`.
    pub details: Vec<Value>,
    /// Trailing metadata, but what every response has; several values of a key are a list.
    pub trailers: Map<String, Value>,
}

/// `google.rpc.Status`, which `grpc-status-details-bin` holds.
#[derive(Clone, PartialEq, Message)]
struct RpcStatus {
    #[prost(int32, tag = "1")]
    code: i32,
    #[prost(string, tag = "2")]
    message: String,
    #[prost(message, repeated, tag = "3")]
    details: Vec<prost_types::Any>,
}

/// The h2 error in a chain of causes.
fn h2_error<'a>(error: &'a (dyn Error + 'static)) -> Option<&'a h2::Error> {
    let mut next = Some(error);
    while let Some(error) = next {
        if let Some(found) = error.downcast_ref::<h2::Error>() {
            return Some(found);
        }
        next = error.source();
    }
    None
}

/// Whether the connection broke, rather than the server answered.
pub fn is_transport(status: &Status) -> bool {
    status
        .source()
        .is_some_and(|source| !h2_error(source).is_some_and(h2::Error::is_reset))
}

/// Code and message on one line: `NOT_FOUND (5): no such user`.
pub fn brief(status: &Status) -> String {
    let (code, message) = code_and_message(status);
    let head = format!("{} ({})", code.name(), code.number());
    if message.is_empty() {
        head
    } else {
        format!("{head}: {message}")
    }
}

fn code_and_message(status: &Status) -> (Code, String) {
    let Some(source) = status.source() else {
        return (Code::new(status.code() as u64), status.message().to_owned());
    };
    match h2_error(source) {
        Some(error) if error.is_reset() => {
            let reason = error.reason().unwrap_or(h2::Reason::INTERNAL_ERROR);
            let message = format!("the server reset the stream: {}", reason.description());
            (Code::from_reset(reason.into()), message)
        }
        Some(error) if error.is_go_away() && error.is_remote() => {
            let reason = error.reason().unwrap_or(h2::Reason::NO_ERROR);
            let message = format!("the server closed the connection: {}", reason.description());
            (Code::UNAVAILABLE, message)
        }
        Some(error) if error.is_go_away() => {
            let reason = error.reason().unwrap_or(h2::Reason::PROTOCOL_ERROR);
            let message = format!("the server broke HTTP/2: {}", reason.description());
            (Code::UNAVAILABLE, message)
        }
        _ => (Code::UNAVAILABLE, format!("the connection was lost: {}", root(source))),
    }
}

fn root(error: &(dyn Error + 'static)) -> String {
    let mut innermost = error;
    while let Some(source) = innermost.source() {
        innermost = source;
    }
    innermost.to_string()
}

/// Reads a status; details are decoded by the standard types and by `pool`, else kept as base64.
pub fn outcome(status: &Status, pool: &DescriptorPool) -> Outcome {
    let (code, message) = code_and_message(status);
    Outcome {
        code: code.number(),
        name: code.name(),
        message,
        details: details(status.details(), pool),
        trailers: trailers(status),
    }
}

fn trailers(status: &Status) -> Map<String, Value> {
    let mut trailers = Map::new();
    for (key, value) in metadata::to_text(status.metadata()) {
        if NOT_SHOWN.contains(&key.as_str()) {
            continue;
        }
        match trailers.get_mut(&key) {
            None => {
                trailers.insert(key, Value::String(value));
            }
            Some(Value::Array(values)) => values.push(Value::String(value)),
            Some(first) => *first = json!([first.take(), value]),
        }
    }
    trailers
}

fn details(bytes: &[u8], pool: &DescriptorPool) -> Vec<Value> {
    let Ok(status) = RpcStatus::decode(bytes) else {
        return vec![json!({ "@type": "", "value": STANDARD.encode(bytes) })];
    };
    if status.details.is_empty() {
        return Vec::new();
    }
    let pool = with_error_details(pool);
    let decoded = status.details.iter().map(|any| detail(any, &pool));
    decoded.collect()
}

fn detail(any: &prost_types::Any, pool: &DescriptorPool) -> Value {
    let name = any.type_url.rsplit('/').next().unwrap_or_default();
    let decoded = pool
        .get_message_by_name(name)
        .and_then(|descriptor| DynamicMessage::decode(descriptor, any.value.as_slice()).ok())
        .and_then(|message| to_value(&message));
    match decoded {
        Some(Value::Object(fields)) => {
            let mut object = Map::new();
            object.insert("@type".to_owned(), Value::String(any.type_url.clone()));
            object.extend(fields);
            Value::Object(object)
        }
        Some(value) => json!({ "@type": any.type_url, "value": value }),
        None => json!({ "@type": any.type_url, "value": STANDARD.encode(&any.value) }),
    }
}

fn to_value(message: &DynamicMessage) -> Option<Value> {
    let options = WriteOptions {
        pretty: false,
        defaults: false,
    };
    serde_json::from_str(&json::write(message, options).ok()?).ok()
}

/// The pool with the standard details of errors in it.
pub fn with_error_details(pool: &DescriptorPool) -> DescriptorPool {
    let mut extended = pool.clone();
    if extended.get_message_by_name("google.rpc.BadRequest").is_none() {
        let compiled = compile(&Sources::default(), &[ERROR_DETAILS.to_owned()])
            .expect("the built-in protos compile");
        // A pool with other types of these names keeps its own.
        for file in compiled.descriptors.file {
            if extended.get_file_by_name(file.name()).is_none()
                && extended.add_file_descriptor_proto(file).is_err()
            {
                return pool.clone();
            }
        }
    }
    extended
}
