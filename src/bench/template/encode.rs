//! Values that `prost-reflect` encodes as it would without a template, as fields or as parts of them.

use prost::Message as _;
use prost::encoding::{WireType, decode_varint, encode_key, encode_varint};
use prost_reflect::{DynamicMessage, FieldDescriptor, MessageDescriptor};
use serde_json::{Value, json};

pub(super) fn encode(descriptor: &MessageDescriptor, value: &Value) -> Result<Vec<u8>, String> {
    let message = DynamicMessage::deserialize(descriptor.clone(), value);
    let message = message.map_err(|error| error.to_string())?;
    Ok(message.encode_to_vec())
}

/// A message of one field. The JSON of the well-known types that get here is that of their only field, or
/// of the one that it fits.
pub(super) fn encode_as(field: &FieldDescriptor, value: Value) -> Result<Vec<u8>, String> {
    let message = field.parent_message();
    match is_well_known(message.full_name()) && message.full_name() != "google.protobuf.Struct" {
        true => encode(message, &value),
        false => encode(message, &json!({ field.json_name(): value })),
    }
}

/// One value of a field, with its key unless it is a part of a packed list.
pub(super) fn encode_element(
    field: &FieldDescriptor,
    value: &Value,
    is_packed: bool,
) -> Result<Vec<u8>, String> {
    let value = match field.is_list() {
        true => json!([value]),
        false => value.clone(),
    };
    let bytes = encode_as(field, value)?;
    if !is_packed {
        return Ok(bytes);
    }
    let mut rest = bytes.as_slice();
    let cut = decode_varint(&mut rest).and_then(|_| decode_varint(&mut rest));
    Ok(cut.map_or_else(|_| Vec::new(), |_| rest.to_vec()))
}

pub(super) fn key(number: u32, wire_type: WireType) -> Vec<u8> {
    let mut key = Vec::new();
    match wire_type {
        WireType::EndGroup => encode_varint(u64::from(number << 3 | 4), &mut key),
        other => encode_key(number, other, &mut key),
    }
    key
}

pub(super) fn is_wrapper(name: &str) -> bool {
    const WRAPPERS: [&str; 9] = [
        "Double", "Float", "Int64", "UInt64", "Int32", "UInt32", "Bool", "String", "Bytes",
    ];
    name.strip_prefix("google.protobuf.")
        .and_then(|name| name.strip_suffix("Value"))
        .is_some_and(|kind| WRAPPERS.contains(&kind))
}

/// Whether the JSON of a message is not that of its fields.
pub(super) fn is_well_known(name: &str) -> bool {
    const OTHERS: [&str; 7] = [
        "Any",
        "Duration",
        "FieldMask",
        "Timestamp",
        "Struct",
        "ListValue",
        "Value",
    ];
    let kind = name.strip_prefix("google.protobuf.");
    kind.is_some_and(|kind| OTHERS.contains(&kind)) || is_wrapper(name)
}
