//! A request where none was given: JSON that the schema allows, with a value for every field.

use prost_reflect::{EnumDescriptor, FieldDescriptor, Kind, MessageDescriptor};
use serde_json::{Map, Value, json};

/// How deeply messages are nested in an example; deeper ones are left out.
const DEEPEST: usize = 4;

/// An example of a message, as JSON on one line.
pub fn example(descriptor: &MessageDescriptor) -> String {
    message(descriptor, &mut Vec::new()).to_string()
}

/// `above` are the messages that it is part of: none of them is in it again.
fn message(descriptor: &MessageDescriptor, above: &mut Vec<String>) -> Value {
    if let Some(value) = well_known(descriptor.full_name()) {
        return value;
    }
    above.push(descriptor.full_name().to_owned());
    let mut fields = Map::new();
    for field in descriptor.fields() {
        let is_first = |oneof: prost_reflect::OneofDescriptor| {
            let first = oneof.fields().next();
            first.is_some_and(|first| first.number() == field.number())
        };
        if field.containing_oneof().is_none_or(is_first)
            && let Some(value) = value(&field, above)
        {
            fields.insert(field.json_name().to_owned(), value);
        }
    }
    above.pop();
    Value::Object(fields)
}

fn value(field: &FieldDescriptor, above: &mut Vec<String>) -> Option<Value> {
    if field.is_map()
        && let Kind::Message(entry) = field.kind()
    {
        let key = match single(&entry.map_entry_key_field(), above)? {
            Value::String(text) => text,
            other => other.to_string(),
        };
        let value = single(&entry.map_entry_value_field(), above)?;
        return Some(json!({ key: value }));
    }
    let value = single(field, above)?;
    Some(if field.is_list() {
        json!([value])
    } else {
        value
    })
}

fn single(field: &FieldDescriptor, above: &mut Vec<String>) -> Option<Value> {
    Some(match field.kind() {
        Kind::Message(inner) => {
            let is_cut =
                above.len() == DEEPEST || above.iter().any(|name| name == inner.full_name());
            if is_cut || inner.full_name() == "google.protobuf.Any" {
                return None;
            }
            message(&inner, above)
        }
        Kind::Enum(values) => enum_value(&values),
        Kind::String => json!(field.name()),
        Kind::Bytes => json!("AAEC"),
        Kind::Bool => json!(true),
        Kind::Double | Kind::Float => json!(1.5),
        Kind::Int64 | Kind::Sint64 | Kind::Uint64 | Kind::Fixed64 | Kind::Sfixed64 => json!("1"),
        Kind::Int32 | Kind::Sint32 | Kind::Uint32 | Kind::Fixed32 | Kind::Sfixed32 => json!(1),
    })
}

/// The first that is not zero, which is UNSPECIFIED by convention.
fn enum_value(values: &EnumDescriptor) -> Value {
    let value = values.values().find(|value| value.number() != 0);
    json!(value.unwrap_or(values.default_value()).name())
}

fn well_known(name: &str) -> Option<Value> {
    Some(match name.strip_prefix("google.protobuf.")? {
        "Timestamp" => json!("2026-01-31T12:00:00Z"),
        "Duration" => json!("1s"),
        "FieldMask" => json!(""),
        "Struct" => json!({ "name": "value" }),
        "ListValue" => json!(["value"]),
        "Value" | "StringValue" => json!("value"),
        "BytesValue" => json!("AAEC"),
        "BoolValue" => json!(true),
        "DoubleValue" | "FloatValue" => json!(1.5),
        "Int32Value" | "UInt32Value" => json!(1),
        "Int64Value" | "UInt64Value" => json!("1"),
        "Empty" => json!({}),
        _ => return None,
    })
}
