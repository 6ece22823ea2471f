//! Setting fields that are named by a path such as `user.address.city`.

use prost_reflect::{
    DynamicMessage, FieldDescriptor, Kind, MessageDescriptor, ReflectMessage, Value,
};

use super::depth::MAX_DEPTH;
use super::value;

/// Why a field cannot be set.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum FieldError {
    /// There is none of this name.
    Unknown,
    /// It has a value already, and can have one.
    Twice,
    /// Its path is too long.
    TooDeep,
    Wrong(&'static str),
}

/// Sets the field at `path` to what `text` says, or adds that to it when it is a list. Names are
/// those of the proto or those of JSON.
pub(super) fn set<'p>(
    message: &mut DynamicMessage,
    mut path: impl Iterator<Item = &'p str>,
    text: &str,
) -> Result<(), FieldError> {
    let mut message = message;
    let mut name = path.next().ok_or(FieldError::Unknown)?;
    for _ in 0..=MAX_DEPTH {
        let field = named(&message.descriptor(), name).ok_or(FieldError::Unknown)?;
        let Some(next) = path.next() else {
            return set_value(message, &field, text);
        };
        if field.is_list() || field.is_map() || !matches!(field.kind(), Kind::Message(_)) {
            return Err(FieldError::Unknown);
        }
        message = match message.get_field_mut(&field) {
            Value::Message(inner) => inner,
            _ => return Err(FieldError::Unknown),
        };
        name = next;
    }
    Err(FieldError::TooDeep)
}

pub(super) fn named(message: &MessageDescriptor, name: &str) -> Option<FieldDescriptor> {
    message
        .get_field_by_name(name)
        .or_else(|| message.get_field_by_json_name(name))
}

/// Whether `asked`, a path of names of protos or of JSON, is `path`, one of names of protos, or goes on
/// from there.
pub(super) fn leads(message: &MessageDescriptor, asked: &str, path: &[String]) -> bool {
    let mut message = Some(message.clone());
    let mut asked = asked.split('.');
    path.iter().all(|name| {
        let field = message.take().zip(asked.next());
        let field = field.and_then(|(message, asked)| named(&message, asked));
        message = field
            .as_ref()
            .and_then(|field| field.kind().as_message().cloned());
        field.is_some_and(|field| field.name() == name)
    })
}

fn set_value(
    message: &mut DynamicMessage,
    field: &FieldDescriptor,
    text: &str,
) -> Result<(), FieldError> {
    if field.is_map() {
        return Err(FieldError::Wrong("no value: it is a map"));
    }
    let value = value::parse(field, text).map_err(FieldError::Wrong)?;
    if field.is_list() {
        if let Value::List(list) = message.get_field_mut(field) {
            list.push(value);
        }
        return Ok(());
    }
    let is_set = match field.containing_oneof() {
        Some(oneof) => oneof.fields().any(|it| message.has_field(&it)),
        None => message.has_field(field),
    };
    if is_set {
        return Err(FieldError::Twice);
    }
    message.set_field(field, value);
    Ok(())
}
