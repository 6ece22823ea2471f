//! The way to a value in a message: `user.tags[0].name`.

use std::fmt;
use std::str::FromStr;

use prost_reflect::{FieldDescriptor, Kind, MessageDescriptor};
use serde_json::Value;

use crate::suggestion::{did_you_mean, similar};

/// The way to a value.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Path(Vec<Segment>);

#[derive(Clone, Debug, PartialEq, Eq)]
enum Segment {
    Name(String),
    Index(usize),
}

/// Why a text is no path, or leads nowhere.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum PathError {
    /// It is not written as one.
    #[error("`{0}` is no field such as `user.tags[0].name`")]
    Malformed(String),
    /// A message has no such field.
    #[error("`{message}` has no field `{name}`{}", .meant.as_ref().map(|meant| format!(": {meant}")).unwrap_or_default())]
    UnknownField {
        /// The message.
        message: String,
        /// What was written.
        name: String,
        /// What may have been meant.
        meant: Option<String>,
    },
}

impl FromStr for Path {
    type Err = PathError;

    fn from_str(text: &str) -> Result<Self, PathError> {
        let malformed = || PathError::Malformed(text.to_owned());
        let mut segments = Vec::new();
        // jq writes a dot before the first.
        for part in text.strip_prefix('.').unwrap_or(text).split('.') {
            let (name, indexes) = part.split_at(part.find('[').unwrap_or(part.len()));
            let is_name = |c: char| c.is_alphanumeric() || c == '_' || c == '-';
            if name.is_empty() || !name.chars().all(is_name) {
                return Err(malformed());
            }
            segments.push(Segment::Name(name.to_owned()));
            for index in indexes.split('[').skip(1) {
                let index = index.strip_suffix(']').and_then(|index| index.parse().ok());
                segments.push(Segment::Index(index.ok_or_else(malformed)?));
            }
        }
        Ok(Self(segments))
    }
}

impl fmt::Display for Path {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (index, segment) in self.0.iter().enumerate() {
            match segment {
                Segment::Name(name) if index == 0 => formatter.write_str(name)?,
                Segment::Name(name) => write!(formatter, ".{name}")?,
                Segment::Index(index) => write!(formatter, "[{index}]")?,
            }
        }
        Ok(())
    }
}

impl Path {
    /// The value that it leads to; names are those of JSON or of the proto.
    pub(super) fn find<'a>(&self, value: &'a Value) -> Option<&'a Value> {
        let found = self
            .0
            .iter()
            .try_fold(value, |value, segment| match segment {
                Segment::Name(name) => value.get(name).or_else(|| value.get(camel(name))),
                Segment::Index(index) => value.get(index),
            });
        found.filter(|value| !value.is_null())
    }

    /// Checks that there can be something, as far as the descriptors tell.
    ///
    /// # Errors
    /// [`PathError::UnknownField`].
    pub fn check(&self, descriptor: &MessageDescriptor) -> Result<(), PathError> {
        let mut message = descriptor.clone();
        let mut segments = self.0.iter();
        while let Some(segment) = segments.next() {
            // The JSON of well-known types is their own.
            if message.full_name().starts_with("google.protobuf.") {
                return Ok(());
            }
            let Segment::Name(name) = segment else {
                return Ok(());
            };
            let field = field(&message, name)?;
            let kind = match field.kind() {
                Kind::Message(entry) if field.is_map() => {
                    // Any key may be there.
                    segments.next();
                    entry.map_entry_value_field().kind()
                }
                kind => kind,
            };
            match kind {
                Kind::Message(inner) => message = inner,
                _ => return Ok(()),
            }
            if field.is_list() {
                segments.next();
            }
        }
        Ok(())
    }
}

fn field(message: &MessageDescriptor, name: &str) -> Result<FieldDescriptor, PathError> {
    let field = message
        .get_field_by_json_name(name)
        .or_else(|| message.get_field_by_name(name));
    field.ok_or_else(|| {
        let names: Vec<String> = message
            .fields()
            .map(|field| field.json_name().to_owned())
            .collect();
        PathError::UnknownField {
            message: message.full_name().to_owned(),
            name: name.to_owned(),
            meant: did_you_mean(&similar(name, names.iter().map(String::as_str))),
        }
    })
}

/// The name in JSON of a field with this name in a proto.
fn camel(name: &str) -> String {
    let mut text = String::new();
    let mut is_first = false;
    for c in name.chars() {
        match c {
            '_' => is_first = true,
            c if is_first => {
                text.extend(c.to_uppercase());
                is_first = false;
            }
            c => text.push(c),
        }
    }
    text
}
