//! From the tree of values to typed settings, with errors that know the key and the value's origin.

use std::fmt;

use serde::de::value::StrDeserializer;
use serde::de::{self, DeserializeSeed, IntoDeserializer, Unexpected, Visitor};
use serde::forward_to_deserialize_any;

use super::node::{Node, Origin, Value};
use super::suggest::closest;
use super::units::Secret;

/// What is wrong with one setting.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct Problem {
    /// The keys from the root to the setting.
    pub(super) path: Vec<String>,
    /// Where the offending value came from; not known while the error travels up to its key.
    pub(super) origin: Option<Origin>,
    kind: Kind,
}

#[derive(Debug, Clone, PartialEq)]
enum Kind {
    Unknown {
        known: &'static [&'static str],
    },
    Missing,
    /// An invalid value, or what the type itself says.
    Other(String),
}

impl Problem {
    fn new(kind: Kind) -> Self {
        Self {
            path: Vec::new(),
            origin: None,
            kind,
        }
    }

    /// The error seen from one level up: the setting is below `key`, and its value came from
    /// `origin` unless a deeper level knew better.
    fn below(mut self, key: &str, origin: &Origin) -> Self {
        self.path.insert(0, key.to_owned());
        self.origin.get_or_insert_with(|| origin.clone());
        self
    }

    /// `server.port`
    pub(super) fn key(&self) -> String {
        self.path.join(".")
    }
}

impl fmt::Display for Problem {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let key = self.key();
        match &self.kind {
            Kind::Missing => write!(f, "`{key}` is missing"),
            Kind::Other(message) if key.is_empty() => f.write_str(message),
            Kind::Other(message) => write!(f, "`{key}`: {message}"),
            Kind::Unknown { known } => {
                write!(f, "unknown key `{key}`")?;
                let (name, parents) = self
                    .path
                    .split_last()
                    .map_or(("", &[][..]), |(n, p)| (n, p));
                if let Some(meant) = closest(name, known) {
                    let mut path: Vec<&str> = parents.iter().map(String::as_str).collect();
                    path.push(meant);
                    write!(f, ", did you mean `{}`?", path.join("."))
                } else if known.is_empty() {
                    f.write_str(", no keys are known here")
                } else {
                    write!(f, ", known here: {}", known.join(", "))
                }
            }
        }
    }
}

impl std::error::Error for Problem {}

impl de::Error for Problem {
    fn custom<T: fmt::Display>(message: T) -> Self {
        Self::new(Kind::Other(message.to_string()))
    }

    fn unknown_field(field: &str, expected: &'static [&'static str]) -> Self {
        let mut problem = Self::new(Kind::Unknown { known: expected });
        problem.path.push(field.to_owned());
        problem
    }

    fn missing_field(field: &'static str) -> Self {
        let mut problem = Self::new(Kind::Missing);
        problem.path.push(field.to_owned());
        problem
    }

    fn unknown_variant(variant: &str, expected: &'static [&'static str]) -> Self {
        let meant = match closest(variant, expected) {
            Some(meant) => format!(", did you mean \"{meant}\"?"),
            None => String::new(),
        };
        let expected = expected.join(", ");
        Self::custom(format_args!(
            "expected one of {expected}, got \"{variant}\"{meant}"
        ))
    }

    fn invalid_type(unexpected: Unexpected<'_>, expected: &dyn de::Expected) -> Self {
        let expected = expected.to_string();
        let expected = in_words(&expected);
        Self::custom(format_args!("expected {expected}, got {unexpected}"))
    }

    fn invalid_value(unexpected: Unexpected<'_>, expected: &dyn de::Expected) -> Self {
        Self::invalid_type(unexpected, expected)
    }
}

/// What Rust's name of a type of number means to somebody who writes a configuration.
fn in_words(expected: &str) -> &str {
    match expected {
        "u8" => "a whole number from 0 to 255",
        "u16" => "a whole number from 0 to 65535",
        "u32" | "u64" | "usize" => "a whole number that is not negative",
        "i8" | "i16" | "i32" | "i64" | "isize" => "a whole number",
        "f32" | "f64" => "a number",
        "a boolean" => "true or false",
        other => other,
    }
}

impl<'de> de::Deserializer<'de> for &'de Node {
    type Error = Problem;

    fn deserialize_any<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, Problem> {
        match &self.value {
            Value::Table(table) => visitor.visit_map(Table {
                entries: table.iter(),
                value: None,
            }),
            Value::Array(items) => visitor.visit_seq(Array {
                items: items.iter().enumerate(),
            }),
            Value::String(text) => visitor.visit_borrowed_str(text),
            Value::Integer(integer) => visitor.visit_i64(*integer),
            Value::Float(float) => visitor.visit_f64(*float),
            Value::Boolean(boolean) => visitor.visit_bool(*boolean),
            Value::Text {
                parsed: Some(node), ..
            } => node.deserialize_any(visitor),
            Value::Text { raw, parsed: None } => visitor.visit_borrowed_str(raw),
            Value::Sealed(_) => Err(de::Error::custom(
                "only a secret can be encrypted, and this setting is none",
            )),
        }
    }

    fn deserialize_str<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, Problem> {
        match &self.value {
            // `"quoted"` in a variable is TOML for the text between the quotes.
            Value::Text { raw, parsed } => match parsed.as_deref().map(|node| &node.value) {
                Some(Value::String(text)) => visitor.visit_borrowed_str(text),
                _ => visitor.visit_borrowed_str(raw),
            },
            _ => self.deserialize_any(visitor),
        }
    }

    fn deserialize_string<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, Problem> {
        self.deserialize_str(visitor)
    }

    fn deserialize_option<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, Problem> {
        visitor.visit_some(self)
    }

    fn deserialize_newtype_struct<V: Visitor<'de>>(
        self,
        name: &'static str,
        visitor: V,
    ) -> Result<V::Value, Problem> {
        if name != Secret::TYPE {
            return visitor.visit_newtype_struct(self);
        }
        self.secret.set();
        if let Value::Sealed(secret) = &self.value {
            let text: StrDeserializer<'_, Problem> = secret.expose().into_deserializer();
            return visitor.visit_newtype_struct(text);
        }
        // The usual message would have the value in it.
        visitor
            .visit_newtype_struct(self)
            .map_err(|_| de::Error::custom("expected a string"))
    }

    fn deserialize_enum<V: Visitor<'de>>(
        self,
        _name: &'static str,
        _variants: &'static [&'static str],
        visitor: V,
    ) -> Result<V::Value, Problem> {
        match &self.value {
            Value::Text { raw, parsed } => match parsed.as_deref() {
                Some(node) if !matches!(node.value, Value::Text { .. }) => {
                    node.deserialize_enum("", &[], visitor)
                }
                _ => visitor.visit_enum(raw.as_str().into_deserializer()),
            },
            Value::String(text) => visitor.visit_enum(text.as_str().into_deserializer()),
            Value::Table(table) if table.len() == 1 => {
                visitor.visit_enum(de::value::MapAccessDeserializer::new(Table {
                    entries: table.iter(),
                    value: None,
                }))
            }
            _ => self.deserialize_any(visitor),
        }
    }

    forward_to_deserialize_any! {
        bool i8 i16 i32 i64 i128 u8 u16 u32 u64 u128 f32 f64 char bytes byte_buf unit unit_struct
        seq tuple tuple_struct map struct identifier
    }

    fn deserialize_ignored_any<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, Problem> {
        visitor.visit_unit()
    }
}

struct Table<'de> {
    entries: std::collections::btree_map::Iter<'de, String, Node>,
    value: Option<(&'de str, &'de Node)>,
}

impl<'de> de::MapAccess<'de> for Table<'de> {
    type Error = Problem;

    fn next_key_seed<K: DeserializeSeed<'de>>(
        &mut self,
        seed: K,
    ) -> Result<Option<K::Value>, Problem> {
        let Some((key, node)) = self.entries.next() else {
            return Ok(None);
        };
        self.value = Some((key, node));
        let key: StrDeserializer<'de, Problem> = key.as_str().into_deserializer();
        seed.deserialize(key).map(Some).map_err(|mut problem| {
            problem.origin.get_or_insert_with(|| node.origin.clone());
            problem
        })
    }

    fn next_value_seed<S: DeserializeSeed<'de>>(&mut self, seed: S) -> Result<S::Value, Problem> {
        let Some((key, node)) = self.value.take() else {
            return Err(de::Error::custom("a value was asked for before its key"));
        };
        seed.deserialize(node)
            .map_err(|problem| problem.below(key, &node.origin))
    }
}

struct Array<'de> {
    items: std::iter::Enumerate<std::slice::Iter<'de, Node>>,
}

impl<'de> de::SeqAccess<'de> for Array<'de> {
    type Error = Problem;

    fn next_element_seed<T: DeserializeSeed<'de>>(
        &mut self,
        seed: T,
    ) -> Result<Option<T::Value>, Problem> {
        let Some((index, node)) = self.items.next() else {
            return Ok(None);
        };
        seed.deserialize(node)
            .map(Some)
            .map_err(|problem| problem.below(&index.to_string(), &node.origin))
    }
}
