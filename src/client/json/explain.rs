//! Why JSON is not the message that it should be: the type, the field, the place, what was expected.
//!
//! Works only after reading has failed, by reading again with an eye on the path.

use std::fmt;

use prost_reflect::{EnumDescriptor, FieldDescriptor, Kind, MessageDescriptor};
use serde::de::{Deserialize, DeserializeSeed as _, Deserializer, MapAccess, Visitor};
use serde_json::value::RawValue;
use serde_path_to_error::{Path, Segment, Track};

use super::{JsonError, JsonValue};
use crate::proto::diagnostic::{Place, ProtoDiagnostic};
use crate::suggestion::{did_you_mean, similar};

/// The most names that are listed.
const MOST_NAMES: usize = 12;

/// Explains a failure to read `value` as a `descriptor`.
pub(super) fn explain(
    value: &JsonValue,
    descriptor: &MessageDescriptor,
    origin: &str,
    error: &serde_json::Error,
) -> JsonError {
    let finding = if serde_json::from_str::<&RawValue>(&value.text).is_ok() {
        mismatch(value, descriptor)
    } else {
        malformed(value, error)
    };
    let Finding {
        message,
        help,
        start,
        end,
    } = finding;
    JsonError(Box::new(ProtoDiagnostic {
        message,
        file: Some(origin.to_owned()),
        place: Some(place(value, start, end)),
        help,
    }))
}

/// What is wrong, and from where to where in the value's text.
struct Finding {
    message: String,
    help: Option<String>,
    start: usize,
    end: usize,
}

fn malformed(value: &JsonValue, error: &serde_json::Error) -> Finding {
    let text = &value.text;
    let whole = serde_json::from_str::<serde_json::Value>(text);
    let error = whole.as_ref().err().unwrap_or(error);
    let (message, at) = match (error.classify(), text.chars().next()) {
        (serde_json::error::Category::Eof, first) => {
            let what = match first {
                Some('{') => "an object",
                Some('[') => "an array",
                Some('"') => "a string",
                _ => "a value",
            };
            (format!("it ends in the middle of {what}"), text.len())
        }
        _ => (without_place(error), offset(text, error)),
    };
    Finding {
        message: format!("not JSON: {message}"),
        help: None,
        start: at,
        end: at,
    }
}

/// The byte that an error of the parser is about.
fn offset(text: &str, error: &serde_json::Error) -> usize {
    let before: usize = text
        .split_inclusive('\n')
        .take(error.line().saturating_sub(1))
        .map(str::len)
        .sum();
    let mut at = (before + error.column().saturating_sub(1)).min(text.len());
    while !text.is_char_boundary(at) {
        at -= 1;
    }
    at
}

/// The parser's words, without the place at their end.
fn without_place(error: &serde_json::Error) -> String {
    let text = error.to_string();
    let place = format!(" at line {} column {}", error.line(), error.column());
    let text = text.strip_suffix(&place).unwrap_or(&text);
    text.to_owned()
}

fn mismatch(value: &JsonValue, descriptor: &MessageDescriptor) -> Finding {
    let mut track = Track::new();
    let mut json = serde_json::Deserializer::from_str(&value.text);
    let tracked = serde_path_to_error::Deserializer::new(&mut json, &mut track);
    let problem = match descriptor.clone().deserialize(tracked) {
        Ok(_) => "it cannot be read".to_owned(),
        Err(error) => without_place(&error),
    };
    let path = track.path();
    let Reached {
        owner,
        field,
        range: (start, end),
    } = reach(&value.text, descriptor, &path);
    if let Some(name) = quoted(&problem, "unrecognized field name ") {
        let owner = match &field {
            Some(field) => inner_message(field).unwrap_or(owner),
            None => owner,
        };
        let object = &value.text[start..end];
        let (key_start, key_end) = key_range(object, name).unwrap_or((0, object.len()));
        return Finding {
            message: format!("`{}` has no field `{name}`", owner.full_name()),
            help: help_on_field(&owner, name),
            start: start + key_start,
            end: start + key_end,
        };
    }
    let help = field
        .as_ref()
        .and_then(inner_enum)
        .zip(quoted(&problem, "unrecognized enum value "))
        .and_then(|(values, given)| help_on_value(&values, given))
        .or_else(|| help_on_type(field.as_ref()));
    let problem = in_words_of_json(&problem);
    Finding {
        message: match &field {
            Some(field) => format!(
                "field `{}` of `{}` is a `{}`: {problem}",
                field.json_name(),
                owner.full_name(),
                type_name(field)
            ),
            None => format!("`{}`: {problem}", owner.full_name()),
        },
        help,
        start,
        end,
    }
}

/// The name in `prefix 'name'`.
fn quoted<'a>(problem: &'a str, prefix: &str) -> Option<&'a str> {
    problem
        .strip_prefix(prefix)?
        .strip_prefix('\'')?
        .strip_suffix('\'')
}

fn in_words_of_json(problem: &str) -> String {
    if let Some(name) = quoted(problem, "unrecognized enum value ") {
        return format!("`{name}` is none of its values");
    }
    let Some(rest) = problem.strip_prefix("invalid type: ") else {
        return problem.to_owned();
    };
    let rest = rest
        .replace("expected a map", "expected an object")
        .replace("expected a list", "expected an array");
    let rest = match rest.strip_prefix("map") {
        Some(tail) => format!("an object{tail}"),
        None => match rest.strip_prefix("sequence") {
            Some(tail) => format!("an array{tail}"),
            None => rest,
        },
    };
    format!("got {rest}")
}

fn help_on_field(message: &MessageDescriptor, given: &str) -> Option<String> {
    let names: Vec<String> = message
        .fields()
        .map(|field| field.json_name().to_owned())
        .collect();
    help_on_name(&names, given, "its fields are")
        .or_else(|| Some(format!("`{}` has no fields", message.full_name())))
}

fn help_on_value(values: &EnumDescriptor, given: &str) -> Option<String> {
    let names: Vec<String> = values
        .values()
        .map(|value| value.name().to_owned())
        .collect();
    help_on_name(&names, given, "its values are")
}

/// What values of well-known types look like.
fn help_on_type(field: Option<&FieldDescriptor>) -> Option<String> {
    let example = match inner_message(field?)?.full_name() {
        "google.protobuf.Timestamp" => "\"2026-01-31T12:00:00Z\"",
        "google.protobuf.Duration" => "\"1.5s\"",
        "google.protobuf.FieldMask" => "\"name,address.city\"",
        _ => return None,
    };
    Some(format!("write it as `{example}`"))
}

fn help_on_name(names: &[String], given: &str, listing: &str) -> Option<String> {
    if names.is_empty() {
        return None;
    }
    did_you_mean(&similar(given, names.iter().map(String::as_str))).or_else(|| {
        let mut quoted: Vec<String> = names.iter().map(|name| format!("`{name}`")).collect();
        if quoted.len() > MOST_NAMES {
            quoted.truncate(MOST_NAMES);
            quoted.push("…".to_owned());
        }
        Some(format!("{listing} {}", quoted.join(", ")))
    })
}

/// The field's type as it stands in a proto.
pub fn type_name(field: &FieldDescriptor) -> String {
    if field.is_map()
        && let Kind::Message(entry) = field.kind()
    {
        let key = kind_name(&entry.map_entry_key_field().kind());
        let value = kind_name(&entry.map_entry_value_field().kind());
        return format!("map<{key}, {value}>");
    }
    let kind = kind_name(&field.kind());
    if field.is_list() {
        format!("repeated {kind}")
    } else {
        kind
    }
}

fn kind_name(kind: &Kind) -> String {
    match kind {
        Kind::Message(message) => message.full_name().to_owned(),
        Kind::Enum(values) => values.full_name().to_owned(),
        scalar => format!("{scalar:?}").to_lowercase(),
    }
}

/// The message in a field, be it single, an element, or the value of a map.
fn inner_message(field: &FieldDescriptor) -> Option<MessageDescriptor> {
    match inner_kind(field) {
        Kind::Message(message) => Some(message),
        _ => None,
    }
}

fn inner_enum(field: &FieldDescriptor) -> Option<EnumDescriptor> {
    match inner_kind(field) {
        Kind::Enum(values) => Some(values),
        _ => None,
    }
}

fn inner_kind(field: &FieldDescriptor) -> Kind {
    match field.kind() {
        Kind::Message(entry) if field.is_map() => entry.map_entry_value_field().kind(),
        kind => kind,
    }
}

/// Where a path leads to: the field, the message that declares it, and the range of its value.
struct Reached {
    owner: MessageDescriptor,
    field: Option<FieldDescriptor>,
    range: (usize, usize),
}

/// Follows a path as far as the text and the descriptors go.
fn reach(text: &str, descriptor: &MessageDescriptor, path: &Path) -> Reached {
    let mut reached = Reached {
        owner: descriptor.clone(),
        field: None,
        range: (0, text.len()),
    };
    // Whether the next key is a map's, rather than a field's name.
    let mut in_map = false;
    for segment in path.iter() {
        let (start, end) = reached.range;
        let here = &text[start..end];
        let found = match segment {
            Segment::Seq { index } => element(here, *index),
            Segment::Map { key } => {
                if in_map {
                    in_map = false;
                } else {
                    let owner = match &reached.field {
                        Some(field) => inner_message(field),
                        None => Some(reached.owner.clone()),
                    };
                    let Some(owner) = owner else { break };
                    let Some(field) = owner
                        .get_field_by_json_name(key)
                        .or_else(|| owner.get_field_by_name(key))
                    else {
                        break;
                    };
                    in_map = field.is_map();
                    reached.owner = owner;
                    reached.field = Some(field);
                }
                member(here, key)
            }
            Segment::Enum { .. } | Segment::Unknown => None,
        };
        let Some((from, to)) = found else { break };
        reached.range = (start + from, start + to);
    }
    reached
}

/// The range of a part within the text that it was borrowed from.
fn range(text: &str, part: &RawValue) -> (usize, usize) {
    let start = part.get().as_ptr() as usize - text.as_ptr() as usize;
    (start, start + part.get().len())
}

fn element(text: &str, index: usize) -> Option<(usize, usize)> {
    let elements: Vec<&RawValue> = serde_json::from_str(text).ok()?;
    elements.get(index).map(|part| range(text, part))
}

fn member(text: &str, key: &str) -> Option<(usize, usize)> {
    let Members(members) = serde_json::from_str(text).ok()?;
    let (_, part) = members.iter().rev().find(|(name, _)| name == key)?;
    Some(range(text, part))
}

/// The range of a key, quotes included.
fn key_range(text: &str, key: &str) -> Option<(usize, usize)> {
    let (value_start, _) = member(text, key)?;
    let before = text[..value_start].trim_end().strip_suffix(':')?.trim_end();
    let start = before.strip_suffix('"')?.rfind('"')?;
    Some((start, before.len()))
}

/// The members of an object with their values' text.
struct Members<'a>(Vec<(String, &'a RawValue)>);

impl<'de> Deserialize<'de> for Members<'de> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct Collect;
        impl<'de> Visitor<'de> for Collect {
            type Value = Members<'de>;

            fn expecting(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
                formatter.write_str("an object")
            }

            fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Self::Value, A::Error> {
                let mut members = Vec::new();
                while let Some(member) = map.next_entry()? {
                    members.push(member);
                }
                Ok(Members(members))
            }
        }
        deserializer.deserialize_map(Collect)
    }
}

/// The place of a range of the value's text in what the user wrote: the first line of it.
fn place(value: &JsonValue, start: usize, end: usize) -> Place {
    let text = &value.text;
    let line_start = text[..start].rfind('\n').map_or(0, |at| at + 1);
    let is_first = line_start == 0;
    let (before, skipped) = if is_first {
        (value.before.as_str(), value.skipped)
    } else {
        ("", 0)
    };
    let rest_of_line = text[line_start..].lines().next().unwrap_or_default();
    let meant = text[start..end].lines().next().unwrap_or_default();
    Place {
        line: value.line + text[..start].matches('\n').count(),
        column: skipped + before.chars().count() + text[line_start..start].chars().count() + 1,
        skipped,
        length: meant.chars().count().max(1),
        text: format!("{before}{rest_of_line}"),
        label: None,
    }
}
