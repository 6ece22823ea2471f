//! From the message that a method answers with to JSON.

use prost_reflect::{DynamicMessage, MessageDescriptor, SerializeOptions};
use serde_json::value::RawValue;
use std::collections::BTreeMap;

/// How messages are written.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Output {
    /// Whether fields that have their default are written too.
    pub(crate) emit_defaults: bool,
}

impl Output {
    fn options(self) -> SerializeOptions {
        SerializeOptions::new().skip_default_fields(!self.emit_defaults)
    }
}

/// Writes the message of the type `output` that `encoded` is; only the field `only`, where that is
/// named.
///
/// # Errors
/// When `encoded` is not such a message, or JSON has no way to write it: a `google.protobuf.Any` of
/// a type that is not known, a time out of range.
pub(crate) fn write(
    output: &MessageDescriptor,
    encoded: &[u8],
    only: Option<&str>,
    how: Output,
) -> Result<Vec<u8>, String> {
    let message = DynamicMessage::decode(output.clone(), encoded);
    let message = message.map_err(|error| error.to_string())?;
    let Some(only) = only else {
        return json(&message, how);
    };
    let field = output
        .get_field_by_name(only)
        .ok_or_else(|| format!("there is no field `{only}`"))?;
    let mut alone = DynamicMessage::new(output.clone());
    alone.set_field(&field, message.get_field(&field).into_owned());
    let text = json(&alone, how)?;
    let texts = [
        text,
        json(
            &alone,
            Output {
                emit_defaults: true,
            },
        )?,
    ];
    for text in &texts {
        let fields: BTreeMap<&str, &RawValue> =
            serde_json::from_slice(text).map_err(|error| error.to_string())?;
        if let Some(value) = fields.get(field.json_name()) {
            return Ok(value.get().as_bytes().to_vec());
        }
    }
    Ok(b"null".to_vec())
}

fn json(message: &DynamicMessage, how: Output) -> Result<Vec<u8>, String> {
    // About twice of what is on the wire, for names.
    let mut json = serde_json::Serializer::new(Vec::with_capacity(256));
    message
        .serialize_with_options(&mut json, &how.options())
        .map_err(|error| error.to_string())?;
    Ok(json.into_inner())
}
