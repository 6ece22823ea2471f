//! Messages as JSON Schema (2020-12, as OpenAPI 3.1 has it), in the form that the canonical mapping
//! of proto3 gives them.

use std::collections::BTreeMap;

use prost_reflect::{EnumDescriptor, FieldDescriptor, Kind, MessageDescriptor};
use serde_json::{Map, Value, json};

use super::comments::Comments;

/// The schemas of messages and enums, as they are found to be needed.
#[derive(Debug, Default)]
pub(super) struct Schemas {
    done: BTreeMap<String, Value>,
    comments: Comments,
}

impl Schemas {
    pub(super) fn new(comments: Comments) -> Self {
        Self {
            done: BTreeMap::new(),
            comments,
        }
    }

    pub(super) fn comments(&self) -> &Comments {
        &self.comments
    }

    /// All that were needed.
    pub(super) fn into_components(self) -> Value {
        Value::Object(self.done.into_iter().collect())
    }

    /// The schema of a message, by reference where it has a name of its own.
    pub(super) fn message(&mut self, message: &MessageDescriptor) -> Value {
        if let Some(known) = well_known(message.full_name()) {
            return known;
        }
        let name = message.full_name();
        if !self.done.contains_key(name) {
            // First, for those that hold themselves.
            self.done.insert(name.to_owned(), Value::Null);
            let mut properties = Map::new();
            for field in message.fields() {
                let mut schema = self.field(&field);
                if let Some(comment) = self.comments.of(field.parent_file(), field.path()) {
                    schema["description"] = comment.into();
                }
                properties.insert(field.json_name().to_owned(), schema);
            }
            let mut schema = json!({ "type": "object", "properties": properties });
            if let Some(comment) = self.comments.of(message.parent_file(), message.path()) {
                schema["description"] = comment.into();
            }
            self.done.insert(name.to_owned(), schema);
        }
        reference(name)
    }

    pub(super) fn field(&mut self, field: &FieldDescriptor) -> Value {
        if field.is_map() {
            let Kind::Message(entry) = field.kind() else {
                return json!({});
            };
            let value = self.kind(&entry.map_entry_value_field().kind());
            return json!({ "type": "object", "additionalProperties": value });
        }
        let one = self.kind(&field.kind());
        match field.is_list() {
            true => json!({ "type": "array", "items": one }),
            false => one,
        }
    }

    fn kind(&mut self, kind: &Kind) -> Value {
        match kind {
            Kind::Int32 | Kind::Sint32 | Kind::Sfixed32 => {
                json!({ "type": "integer", "format": "int32" })
            }
            Kind::Uint32 | Kind::Fixed32 => {
                json!({ "type": "integer", "format": "uint32", "minimum": 0 })
            }
            // Numbers of JavaScript are exact up to 2^53 alone.
            Kind::Int64 | Kind::Sint64 | Kind::Sfixed64 => {
                json!({ "type": "string", "format": "int64" })
            }
            Kind::Uint64 | Kind::Fixed64 => json!({ "type": "string", "format": "uint64" }),
            Kind::Float => json!({ "type": "number", "format": "float" }),
            Kind::Double => json!({ "type": "number", "format": "double" }),
            Kind::Bool => json!({ "type": "boolean" }),
            Kind::String => json!({ "type": "string" }),
            Kind::Bytes => json!({ "type": "string", "contentEncoding": "base64" }),
            Kind::Enum(kind) => self.enumeration(kind),
            Kind::Message(message) => self.message(message),
        }
    }

    fn enumeration(&mut self, kind: &EnumDescriptor) -> Value {
        let name = kind.full_name();
        if name == "google.protobuf.NullValue" {
            return json!({ "type": "null" });
        }
        if !self.done.contains_key(name) {
            let names: Vec<String> = kind.values().map(|it| it.name().to_owned()).collect();
            let schema = json!({ "type": "string", "enum": names });
            self.done.insert(name.to_owned(), schema);
        }
        reference(name)
    }
}

fn reference(name: &str) -> Value {
    json!({ "$ref": format!("#/components/schemas/{name}") })
}

/// The messages that have a form of their own in JSON.
fn well_known(name: &str) -> Option<Value> {
    let name = name.strip_prefix("google.protobuf.")?;
    Some(match name {
        "Timestamp" => json!({ "type": "string", "format": "date-time" }),
        "Duration" => json!({ "type": "string", "pattern": r"^-?[0-9]+(\.[0-9]{1,9})?s$" }),
        "FieldMask" => json!({ "type": "string" }),
        "Empty" => json!({ "type": "object" }),
        "Struct" => json!({ "type": "object", "additionalProperties": true }),
        "Value" => json!({}),
        "ListValue" => json!({ "type": "array", "items": {} }),
        "Any" => json!({
            "type": "object",
            "properties": { "@type": { "type": "string" } },
            "required": ["@type"],
            "additionalProperties": true,
        }),
        "StringValue" => json!({ "type": ["string", "null"] }),
        "BytesValue" => json!({ "type": ["string", "null"], "contentEncoding": "base64" }),
        "BoolValue" => json!({ "type": ["boolean", "null"] }),
        "FloatValue" | "DoubleValue" => json!({ "type": ["number", "null"] }),
        "Int32Value" | "UInt32Value" => json!({ "type": ["integer", "null"] }),
        "Int64Value" | "UInt64Value" => json!({ "type": ["string", "null"] }),
        _ => return None,
    })
}
