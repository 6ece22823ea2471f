//! Between JSON and messages, by the canonical mapping of proto3
//! (<https://protobuf.dev/programming-guides/json/>).
//!
//! Pure: texts and descriptors in, messages out.

mod depth;
mod fields;
mod raw;
mod request;
mod response;
mod value;

use prost_reflect::MessageDescriptor;

pub(crate) use raw::{HttpBody, is_raw, write_raw};
pub(crate) use request::{Inputs, RequestError, read};
pub(crate) use response::{Output, write};

/// Whether a message is a single value in JSON, and so can be in a path or a query.
pub(crate) fn is_text(message: &MessageDescriptor) -> bool {
    matches!(
        message.full_name(),
        "google.protobuf.Timestamp"
            | "google.protobuf.Duration"
            | "google.protobuf.FieldMask"
            | "google.protobuf.BoolValue"
            | "google.protobuf.BytesValue"
            | "google.protobuf.DoubleValue"
            | "google.protobuf.FloatValue"
            | "google.protobuf.Int32Value"
            | "google.protobuf.Int64Value"
            | "google.protobuf.StringValue"
            | "google.protobuf.UInt32Value"
            | "google.protobuf.UInt64Value"
    )
}

#[cfg(test)]
mod tests;
