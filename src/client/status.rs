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
    /// More about it.
    pub details: Vec<Detail>,
    /// Trailing metadata, but what every response has; several values of a key are a list.
    pub trailers: Map<String, Value>,
}

/// More about a failure.
#[derive(Clone, Debug, PartialEq)]
pub enum Detail {
    /// A message as JSON, with its type in `@type`.
    Known(Value),
    /// A message of a type that is not known.
    Unknown {
        /// The type's URL.
        type_url: String,
        /// The message in base64.
        value: String,
    },
}

impl Serialize for Detail {
    fn serialize<S: serde::Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        match self {
            Self::Known(value) => value.serialize(serializer),
            Self::Unknown { type_url, value } => {
                json!({ "@type": type_url, "value": value }).serialize(serializer)
            }
        }
    }
}

impl Outcome {
    /// One with a message and nothing more.
    pub fn new(code: Code, message: String) -> Self {
        Self {
            code: code.number(),
            name: code.name(),
            message,
            details: Vec::new(),
            trailers: Map::new(),
        }
    }
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
    match status.source() {
        Some(source) => of_transport(source),
        None => (Code::new(status.code() as u64), status.message().to_owned()),
    }
}

/// What a broken connection or stream means.
pub fn of_transport(error: &(dyn Error + 'static)) -> (Code, String) {
    let lost = |what: &str, detail: &str| (Code::UNAVAILABLE, format!("{what}: {detail}"));
    let Some(h2) = h2_error(error) else {
        return lost("the connection was lost", &root(error));
    };
    let reason = h2.reason().unwrap_or(h2::Reason::NO_ERROR);
    let text = reason.description();
    if h2.is_reset() {
        let message = format!("the server reset the stream: {text}");
        (Code::from_reset(reason.into()), message)
    } else if h2.is_go_away() && h2.is_remote() {
        lost("the server closed the connection", text)
    } else if h2.is_go_away() {
        lost("the server broke the rules of HTTP/2", text)
    } else {
        lost("the connection was lost", &root(error))
    }
}

fn root(error: &(dyn Error + 'static)) -> String {
    let mut innermost = error;
    while let Some(source) = innermost.source() {
        innermost = source;
    }
    innermost.to_string()
}

/// As [`outcome`], when `lost` is why the connection was lost.
pub fn outcome_of_lost(lost: &(dyn Error + 'static)) -> Outcome {
    let (code, message) = of_transport(lost);
    Outcome::new(code, message)
}

/// Reads a status; details are decoded by the standard types and by `pool`, else kept as base64.
pub fn outcome(status: &Status, pool: &DescriptorPool) -> Outcome {
    let (code, message) = code_and_message(status);
    Outcome {
        details: details(status.details(), pool),
        trailers: trailers(status),
        ..Outcome::new(code, message)
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

fn details(bytes: &[u8], pool: &DescriptorPool) -> Vec<Detail> {
    let Ok(status) = RpcStatus::decode(bytes) else {
        return vec![Detail::Unknown {
            type_url: String::new(),
            value: STANDARD.encode(bytes),
        }];
    };
    if status.details.is_empty() {
        return Vec::new();
    }
    let pool = with_error_details(pool);
    let decoded = status.details.iter().map(|any| detail(any, &pool));
    decoded.collect()
}

fn detail(any: &prost_types::Any, pool: &DescriptorPool) -> Detail {
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
            Detail::Known(Value::Object(object))
        }
        Some(value) => Detail::Known(json!({ "@type": any.type_url, "value": value })),
        None => Detail::Unknown {
            type_url: any.type_url.clone(),
            value: STANDARD.encode(&any.value),
        },
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
    if extended
        .get_message_by_name("google.rpc.BadRequest")
        .is_none()
    {
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
