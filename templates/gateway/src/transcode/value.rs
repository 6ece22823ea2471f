//! From the text of a path or a query to the value of a field.

use prost_reflect::{DynamicMessage, FieldDescriptor, Kind, MessageDescriptor, Value};
use serde::de::DeserializeSeed;

/// What a text should have been.
pub(super) type Expected = &'static str;

/// One value of `field` (an element of it, when it is a list).
///
/// # Errors
/// What is expected.
pub(super) fn parse(field: &FieldDescriptor, text: &str) -> Result<Value, Expected> {
    fn number<T: std::str::FromStr>(text: &str, expected: Expected) -> Result<T, Expected> {
        // Rust takes a plus sign, JSON does not.
        match text.starts_with('+') {
            true => Err(expected),
            false => text.parse().map_err(|_| expected),
        }
    }
    let kind = field.kind();
    Ok(match &kind {
        Kind::Int32 | Kind::Sint32 | Kind::Sfixed32 => {
            Value::I32(number(text, "a whole number of 32 bits")?)
        }
        Kind::Int64 | Kind::Sint64 | Kind::Sfixed64 => {
            Value::I64(number(text, "a whole number of 64 bits")?)
        }
        Kind::Uint32 | Kind::Fixed32 => {
            Value::U32(number(text, "a whole number of 32 bits, 0 or more")?)
        }
        Kind::Uint64 | Kind::Fixed64 => {
            Value::U64(number(text, "a whole number of 64 bits, 0 or more")?)
        }
        Kind::Float => Value::F32(float(text)? as f32),
        Kind::Double => Value::F64(float(text)?),
        Kind::Bool => match text {
            "true" => Value::Bool(true),
            "false" => Value::Bool(false),
            _ => return Err("`true` or `false`"),
        },
        Kind::String => Value::String(text.to_owned()),
        Kind::Enum(kind) => {
            let named = kind.get_value_by_name(text).map(|value| value.number());
            match named.or_else(|| text.parse().ok()) {
                Some(number) => Value::EnumNumber(number),
                None => return Err("a name or a number of the enum"),
            }
        }
        Kind::Bytes => Value::Bytes(bytes(text)?),
        Kind::Message(message) => Value::Message(message_of_text(message, text)?),
    })
}

/// A number in the notation of JSON, or one that JSON has as a text.
fn float(text: &str) -> Result<f64, Expected> {
    const EXPECTED: Expected = "a number";
    match text {
        "NaN" => Ok(f64::NAN),
        "Infinity" => Ok(f64::INFINITY),
        "-Infinity" => Ok(f64::NEG_INFINITY),
        _ => serde_json::from_str::<f64>(text).map_err(|_| EXPECTED),
    }
}

fn bytes(text: &str) -> Result<prost::bytes::Bytes, Expected> {
    use base64::Engine;
    use base64::alphabet::{STANDARD, URL_SAFE};
    use base64::engine::{DecodePaddingMode, GeneralPurpose, GeneralPurposeConfig};

    // A query is the place of the alphabet that needs no percent signs; padding is up to the client.
    let config =
        GeneralPurposeConfig::new().with_decode_padding_mode(DecodePaddingMode::Indifferent);
    let alphabet = match text.contains(['-', '_']) {
        true => URL_SAFE,
        false => STANDARD,
    };
    let decoded = GeneralPurpose::new(&alphabet, config).decode(text);
    decoded.map(Into::into).map_err(|_| "base64")
}

/// A message that is a single value in JSON.
fn message_of_text(message: &MessageDescriptor, text: &str) -> Result<DynamicMessage, Expected> {
    let expected = match message.full_name() {
        "google.protobuf.Timestamp" => "a time such as `2026-01-02T03:04:05Z`",
        "google.protobuf.Duration" => "a duration such as `1.5s`",
        "google.protobuf.FieldMask" => "names of fields with commas between",
        "google.protobuf.BoolValue" => "`true` or `false`",
        "google.protobuf.StringValue" | "google.protobuf.BytesValue" => "a text",
        name if super::is_text(message) && name.ends_with("Value") => "a number",
        _ => return Err("no value: it is a message, whose fields are given one by one"),
    };
    let quoted = serde_json::Value::String(text.to_owned());
    let of = |json: &serde_json::Value| message.clone().deserialize(json).ok();
    // A number or a boolean stands without quotes, everything else with them.
    let bare = || of(&serde_json::from_str(text).ok()?);
    match expected {
        "`true` or `false`" => bare(),
        _ => of(&quoted).or_else(bare),
    }
    .ok_or(expected)
}
