//! `google.api.HttpBody`: bytes with their type, where other messages are JSON
//! (the comments of `google/api/httpbody.proto`).

use bytes::Bytes;
use prost::Message as _;
use prost_reflect::{DynamicMessage, FieldDescriptor, Kind, MessageDescriptor, Value};

/// The message, as far as it matters here.
#[derive(Clone, PartialEq, prost::Message)]
pub(crate) struct HttpBody {
    #[prost(string, tag = "1")]
    pub(crate) content_type: String,
    #[prost(bytes = "bytes", tag = "2")]
    pub(crate) data: Bytes,
}

/// Whether `message`, or the field `only` of it, is one.
pub(crate) fn is_raw(message: &MessageDescriptor, only: Option<&str>) -> bool {
    let is_one = |message: &MessageDescriptor| message.full_name() == "google.api.HttpBody";
    let is_one_of = |field: FieldDescriptor| match field.kind() {
        Kind::Message(inner) => !field.is_list() && is_one(&inner),
        _ => false,
    };
    match only {
        None => is_one(message),
        Some(name) => message.get_field_by_name(name).is_some_and(is_one_of),
    }
}

/// The message of the type `input` that has `body`, in its field `only` where that is named.
pub(super) fn read(
    input: &MessageDescriptor,
    only: Option<&str>,
    body: &HttpBody,
) -> Result<DynamicMessage, String> {
    let body = body.encode_to_vec();
    let decode = |of: MessageDescriptor| {
        DynamicMessage::decode(of, &*body).map_err(|error| error.to_string())
    };
    let Some(only) = only else {
        return decode(input.clone());
    };
    let mut message = DynamicMessage::new(input.clone());
    let field = input.get_field_by_name(only);
    let Some((field, Kind::Message(inner))) = field.map(|it| (it.clone(), it.kind())) else {
        return Err(format!("there is no field `{only}`"));
    };
    message.set_field(&field, Value::Message(decode(inner)?));
    Ok(message)
}

/// The body that the message of the type `output` has, which `encoded` is.
///
/// # Errors
/// When `encoded` is not such a message.
pub(crate) fn write_raw(
    output: &MessageDescriptor,
    encoded: &[u8],
    only: Option<&str>,
) -> Result<HttpBody, String> {
    let decode = |bytes: &[u8]| HttpBody::decode(bytes).map_err(|error| error.to_string());
    let Some(only) = only else {
        return decode(encoded);
    };
    let message = DynamicMessage::decode(output.clone(), encoded);
    let message = message.map_err(|error| error.to_string())?;
    match message.get_field_by_name(only).as_deref() {
        Some(Value::Message(inner)) => decode(&inner.encode_to_vec()),
        _ => Err(format!("there is no field `{only}`")),
    }
}
