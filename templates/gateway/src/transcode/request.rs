//! From the path, the query and the body of a request to the message that a method takes.

use std::borrow::Cow;
use std::collections::HashSet;
use std::fmt;

use bytes::Bytes;
use prost_reflect::{DeserializeOptions, DynamicMessage, MessageDescriptor, ReflectMessage};
use serde_json::value::RawValue;

use super::depth::{self, MAX_DEPTH};
use super::fields::{self, FieldError};
use super::raw::{self, HttpBody};
use crate::rule::Body;

/// What a request brings.
#[derive(Debug)]
pub(crate) struct Inputs<'a> {
    /// Fields and their texts, from the path.
    pub(crate) variables: Vec<(&'a [String], Cow<'a, str>)>,
    /// As it is in the URI, without the question mark.
    pub(crate) query: Option<&'a str>,
    pub(crate) body: &'a [u8],
    /// What the body is, where it is taken as it came, and is not JSON.
    pub(crate) raw: Option<&'a str>,
}

/// Why a request is not the message that it should be.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct RequestError {
    /// The field, if there is one.
    pub(crate) field: Option<String>,
    pub(crate) problem: String,
}

impl fmt::Display for RequestError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match &self.field {
            Some(field) => write!(f, "`{field}` {}", self.problem),
            None => f.write_str(&self.problem),
        }
    }
}

impl std::error::Error for RequestError {}

/// Reads a message of the type `input`.
///
/// # Errors
/// What is wrong, and where.
pub(crate) fn read(
    input: &MessageDescriptor,
    binding: &Body,
    inputs: &Inputs<'_>,
) -> Result<DynamicMessage, RequestError> {
    let mut message = match binding {
        Body::None if inputs.body.iter().all(u8::is_ascii_whitespace) => {
            DynamicMessage::new(input.clone())
        }
        Body::None => {
            return Err(RequestError {
                field: None,
                problem: "a body is not expected here".to_owned(),
            });
        }
        Body::All => match inputs.raw {
            Some(content_type) => read_raw(input, None, content_type, inputs.body)?,
            None => read_message(input, inputs.body)?,
        },
        Body::Field(field) => match inputs.raw {
            Some(content_type) => read_raw(input, Some(field), content_type, inputs.body)?,
            None => read_field(input, field, inputs.body)?,
        },
    };
    for (path, text) in &inputs.variables {
        // What is in the path holds, whatever the body says.
        clear(&mut message, path);
        let names = || path.iter().map(String::as_str);
        let set = fields::set(&mut message, names(), text);
        set.map_err(|error| of_field(names().collect::<Vec<_>>().join("."), error))?;
    }
    if let Some(query) = inputs.query {
        read_query(&mut message, binding, inputs, query)?;
    }
    if !depth::is_within(&message, MAX_DEPTH) {
        return Err(RequestError {
            field: None,
            problem: format!("the request {}", too_deep()),
        });
    }
    Ok(message)
}

fn read_raw(
    input: &MessageDescriptor,
    only: Option<&str>,
    content_type: &str,
    body: &[u8],
) -> Result<DynamicMessage, RequestError> {
    let body = HttpBody {
        content_type: content_type.to_owned(),
        data: Bytes::copy_from_slice(body),
    };
    let read = raw::read(input, only, &body);
    read.map_err(|problem| RequestError {
        field: None,
        problem,
    })
}

fn read_query(
    message: &mut DynamicMessage,
    binding: &Body,
    inputs: &Inputs<'_>,
    query: &str,
) -> Result<(), RequestError> {
    // Fields that the path or the body have are not the query's.
    let taken: HashSet<&str> = match binding {
        Body::Field(field) => HashSet::from([field.as_str()]),
        _ => HashSet::new(),
    };
    for pair in query.split('&').filter(|pair| !pair.is_empty()) {
        let (name, text) = pair.split_once('=').unwrap_or((pair, ""));
        let undecodable = || RequestError {
            field: None,
            problem: format!("`{pair}` in the query cannot be decoded"),
        };
        let name = decode(name).ok_or_else(undecodable)?;
        let text = decode(text).ok_or_else(undecodable)?;
        let error = |problem: &str| RequestError {
            field: Some(name.to_string()),
            problem: problem.to_owned(),
        };
        if *binding == Body::All {
            return Err(error("cannot be in the query: the body holds all fields"));
        }
        let first = name.split('.').next().unwrap_or_default();
        let first = fields::named(&message.descriptor(), first);
        if first.is_some_and(|it| taken.contains(it.name())) {
            return Err(error("cannot be in the query: the body is this field"));
        }
        // The field itself, by either name, or one of those within it.
        let is_bound = |path: &[String]| fields::leads(&message.descriptor(), &name, path);
        if inputs.variables.iter().any(|(path, _)| is_bound(path)) {
            return Err(error("cannot be in the query: it is in the path"));
        }
        fields::set(message, name.split('.'), &text)
            .map_err(|problem| of_field(name.to_string(), problem))?;
    }
    Ok(())
}

fn of_field(field: String, error: FieldError) -> RequestError {
    let problem = match error {
        FieldError::Unknown => "is not a field of the request".to_owned(),
        FieldError::Twice => "has more than one value".to_owned(),
        FieldError::TooDeep => too_deep(),
        FieldError::Wrong(expected) => format!("must be {expected}"),
    };
    RequestError {
        field: Some(field),
        problem,
    }
}

fn too_deep() -> String {
    format!("has more than {MAX_DEPTH} messages within each other")
}

/// As forms have it: a plus sign is a blank.
fn decode(text: &str) -> Option<Cow<'_, str>> {
    if !text.contains(['%', '+']) {
        return Some(Cow::Borrowed(text));
    }
    let text = text.replace('+', " ");
    let decoded = crate::matcher::decode(&text, false).ok()?;
    Some(Cow::Owned(decoded.into_owned()))
}

fn clear(message: &mut DynamicMessage, path: &[String]) {
    let Some((name, rest)) = path.split_first() else {
        return;
    };
    let Some(field) = message.descriptor().get_field_by_name(name) else {
        return;
    };
    if !message.has_field(&field) {
        return;
    }
    match (message.get_field_mut(&field), rest) {
        (prost_reflect::Value::Message(inner), [_, ..]) => clear(inner, rest),
        _ => message.clear_field(&field),
    }
}

/// Reads a message; nothing at all is an empty one.
///
/// # Errors
/// What is wrong with the JSON.
pub(crate) fn read_message(
    input: &MessageDescriptor,
    body: &[u8],
) -> Result<DynamicMessage, RequestError> {
    if body.iter().all(u8::is_ascii_whitespace) {
        return Ok(DynamicMessage::new(input.clone()));
    }
    // UTF-8 is checked once, and not for each text in it.
    let text = std::str::from_utf8(body).map_err(|error| RequestError {
        field: None,
        problem: format!("the body is not UTF-8 after {} bytes", error.valid_up_to()),
    })?;
    let mut json = serde_json::Deserializer::from_str(text);
    let options = DeserializeOptions::new().deny_unknown_fields(true);
    let message = DynamicMessage::deserialize_with_options(input.clone(), &mut json, &options);
    let message = message.and_then(|message| json.end().map(|()| message));
    message.map_err(|error| RequestError {
        field: None,
        problem: format!("the body is not a `{}`: {error}", input.full_name()),
    })
}

/// Reads one field of a message, of whatever type it is.
fn read_field(
    input: &MessageDescriptor,
    field: &str,
    body: &[u8],
) -> Result<DynamicMessage, RequestError> {
    if body.iter().all(u8::is_ascii_whitespace) {
        return Ok(DynamicMessage::new(input.clone()));
    }
    // One value, so that nothing after it can be taken for another field.
    let value: &RawValue = serde_json::from_slice(body).map_err(|error| RequestError {
        field: Some(field.to_owned()),
        problem: format!("is not JSON: {error}"),
    })?;
    read_message(input, format!(r#"{{"{field}":{value}}}"#).as_bytes())
}
