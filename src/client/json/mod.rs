//! JSON to messages and back, by the canonical mapping of proto3
//! (<https://protobuf.dev/programming-guides/json/>).
//!
//! Pure: text and descriptors in, messages out, and errors that show the place.

mod explain;
mod order;
mod split;

use prost_reflect::{
    DeserializeOptions, DynamicMessage, MessageDescriptor, ReflectMessage, SerializeOptions,
};

use crate::error::{Diagnostic, Exit};
use crate::proto::diagnostic::ProtoDiagnostic;

pub use explain::type_name;
pub use split::{JsonValue, Splitter};

/// JSON that is not the message that it should be, with the place.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{0}")]
pub struct JsonError(pub Box<ProtoDiagnostic>);

impl Diagnostic for JsonError {
    fn exit(&self) -> Exit {
        Exit::Usage
    }
}

/// How messages are written.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct WriteOptions {
    /// Over several indented lines, rather than on one.
    pub pretty: bool,
    /// With the fields that have their default value.
    pub defaults: bool,
}

/// Reads one message; `origin` says where the JSON stands.
///
/// # Errors
/// [`JsonError`] that names the type, the field, the place, and what was expected there.
pub fn read(
    value: &JsonValue,
    descriptor: &MessageDescriptor,
    origin: &str,
) -> Result<DynamicMessage, JsonError> {
    let mut deserializer = serde_json::Deserializer::from_str(&value.text);
    let options = DeserializeOptions::new();
    DynamicMessage::deserialize_with_options(descriptor.clone(), &mut deserializer, &options)
        .and_then(|message| deserializer.end().map(|()| message))
        .map_err(|error| explain::explain(value, descriptor, origin, &error))
}

/// Reads all the messages of a text, one after the other.
///
/// # Errors
/// As [`read`].
pub fn read_all(
    text: &str,
    descriptor: &MessageDescriptor,
    origin: &str,
) -> Result<Vec<DynamicMessage>, JsonError> {
    let mut splitter = Splitter::default();
    let mut values = splitter.feed(text.as_bytes());
    values.extend(splitter.finish());
    values
        .iter()
        .map(|value| read(value, descriptor, origin))
        .collect()
}

/// Writes one message, without a newline at the end: fields in the order of the proto, the entries of
/// maps by their keys, so that the same message reads the same each time.
///
/// # Errors
/// When it holds an `Any` of a type that its descriptors do not have, which the message names.
pub fn write(message: &DynamicMessage, options: WriteOptions) -> Result<String, String> {
    let how = SerializeOptions::new().skip_default_fields(!options.defaults);
    let mut value = message
        .serialize_with_options(serde_json::value::Serializer, &how)
        .map_err(|error| error.to_string())?;
    order::sort_maps(&mut value, &message.descriptor());
    let written = if options.pretty {
        serde_json::to_string_pretty(&value)
    } else {
        serde_json::to_string(&value)
    };
    written.map_err(|error| error.to_string())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::proto::compile::compile;
    use crate::proto::sources::Sources;
    use prost_reflect::DescriptorPool;

    const PROTO: &str = r#"
        syntax = "proto3";
        package shop.v1;
        import "google/protobuf/timestamp.proto";
        enum Colour { COLOUR_UNSPECIFIED = 0; COLOUR_RED = 1; }
        message Item { string name = 1; uint32 unit_price = 2; Colour colour = 3; }
        message Order {
          uint64 id = 1;
          repeated Item items = 2;
          map<string, Item> extras = 3;
          google.protobuf.Timestamp placed_at = 4;
          oneof payment { string card = 5; string cash = 6; }
          bytes blob = 7;
          bool paid = 8;
        }
    "#;

    fn order() -> MessageDescriptor {
        let mut sources = Sources::default();
        sources
            .memory
            .insert("o.proto".to_owned(), PROTO.to_owned());
        let compiled = compile(&sources, &["o.proto".to_owned()]).expect("valid");
        let pool = DescriptorPool::decode(compiled.encoded.as_slice()).expect("valid");
        pool.get_message_by_name("shop.v1.Order").expect("declared")
    }

    fn error(text: &str) -> String {
        match read_all(text, &order(), "-d") {
            Ok(messages) => panic!("{messages:?}"),
            Err(error) => error.to_string(),
        }
    }

    #[test]
    fn messages_are_read_and_written_in_the_canonical_mapping() {
        let text = r#"{"id":"7","items":[{"name":"tea","unitPrice":3}],"placedAt":"2026-01-02T03:04:05Z"}"#;
        let messages = read_all(text, &order(), "-d").expect("valid");
        let plain = WriteOptions {
            pretty: false,
            defaults: false,
        };
        assert_eq!(write(&messages[0], plain).expect("no Any"), text);
        let pretty = WriteOptions {
            pretty: true,
            defaults: true,
        };
        let empty = DynamicMessage::new(order());
        insta::assert_snapshot!(write(&empty, pretty).expect("no Any"), @r#"
        {
          "id": "0",
          "items": [],
          "extras": {},
          "blob": "",
          "paid": false
        }
        "#);
    }

    #[test]
    fn an_unknown_field_is_shown_with_the_one_that_was_meant() {
        insta::assert_snapshot!(error(r#"{"id": 1, "items": [{"nmae": "tea"}]}"#), @r#"
        -d:1:22: `shop.v1.Item` has no field `nmae`
           |
         1 | {"id": 1, "items": [{"nmae": "tea"}]}
           |                      ^^^^^^
         = help: did you mean `name`?
        "#);
        insta::assert_snapshot!(error("{\n  \"extras\": {\"x\": {\"zzz\": 1}}\n}"), @r#"
        -d:2:20: `shop.v1.Item` has no field `zzz`
           |
         2 |   "extras": {"x": {"zzz": 1}}
           |                    ^^^^^
         = help: its fields are `name`, `unitPrice`, `colour`
        "#);
    }

    #[test]
    fn a_value_of_the_wrong_type_is_shown_with_what_was_expected() {
        insta::assert_snapshot!(error(r#"{"id": "seven"}"#), @r#"
        -d:1:8: field `id` of `shop.v1.Order` is a `uint64`: invalid digit found in string
           |
         1 | {"id": "seven"}
           |        ^^^^^^^
        "#);
        insta::assert_snapshot!(error(r#"{"items": {"name": "tea"}}"#), @r#"
        -d:1:11: field `items` of `shop.v1.Order` is a `repeated shop.v1.Item`: got an object, expected an array
           |
         1 | {"items": {"name": "tea"}}
           |           ^^^^^^^^^^^^^^^
        "#);
        insta::assert_snapshot!(error(r#"{"items": [{"colour": "RDE"}]}"#), @r#"
        -d:1:23: field `colour` of `shop.v1.Item` is a `shop.v1.Colour`: `RDE` is none of its values
           |
         1 | {"items": [{"colour": "RDE"}]}
           |                       ^^^^^
         = help: its values are `COLOUR_UNSPECIFIED`, `COLOUR_RED`
        "#);
        insta::assert_snapshot!(error(r#"{"placedAt": "yesterday"}"#), @r#"
        -d:1:14: field `placedAt` of `shop.v1.Order` is a `google.protobuf.Timestamp`: invalid rfc3339 timestamp: invalid date
           |
         1 | {"placedAt": "yesterday"}
           |              ^^^^^^^^^^^
         = help: write it as `"2026-01-31T12:00:00Z"`
        "#);
        insta::assert_snapshot!(error(r#"{"card": "1", "cash": "2"}"#), @r#"
        -d:1:1: `shop.v1.Order`: multiple fields provided for oneof 'payment'
           |
         1 | {"card": "1", "cash": "2"}
           | ^^^^^^^^^^^^^^^^^^^^^^^^^^
        "#);
        insta::assert_snapshot!(error("[1]"), @r"
        -d:1:1: `shop.v1.Order`: got an array, expected an object
           |
         1 | [1]
           | ^^^
        ");
    }

    #[test]
    fn the_end_of_a_long_line_is_shown() {
        let text = format!("{}{{\"ids\": 1}}", "{\"id\": 1} ".repeat(20));
        insta::assert_snapshot!(error(&text), @r#"
        -d:1:202: `shop.v1.Order` has no field `ids`
           |
         1 | …{"id": 1} {"id": 1} {"id": 1} {"id": 1} {"id": 1} {"id": 1} {"id": 1} {"id": 1} {"id": 1} {"id": 1} {"id": 1} {"id": 1} {"ids": 1}
           |                                                                                                                           ^^^^^
         = help: did you mean `id`?
        "#);
    }

    #[test]
    fn what_is_not_json_is_shown_where_it_ends_to_be() {
        insta::assert_snapshot!(error("{\"id\": 1}\n{\"id\": 2,}"), @r#"
        -d:2:10: not JSON: trailing comma
           |
         2 | {"id": 2,}
           |          ^
        "#);
        insta::assert_snapshot!(error("{id: 1}"), @r"
        -d:1:2: not JSON: key must be a string
           |
         1 | {id: 1}
           |  ^
        ");
        insta::assert_snapshot!(error("{\"id\": 1"), @r#"
        -d:1:9: not JSON: it ends in the middle of an object
           |
         1 | {"id": 1
           |         ^
        "#);
        insta::assert_snapshot!(error("nonsense"), @r"
        -d:1:2: not JSON: expected ident
           |
         1 | nonsense
           |  ^
        ");
    }
}
