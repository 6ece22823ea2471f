//! The marks that stand in the place of placeholders, and where they are found in JSON.

use serde_json::Value;

/// What marks begin with, within strings and as values of their own, and what they end with: characters
/// that are none (Unicode, 23.7), so that no text has them.
const IN_STRING: char = '\u{fdd0}';
const BARE: char = '\u{fdd1}';
const END: char = '\u{fdd2}';

/// The mark of a placeholder.
pub(super) fn mark(slot: usize, in_string: bool) -> String {
    match in_string {
        true => format!("{IN_STRING}{slot}{END}"),
        false => format!("\"{BARE}{slot}{END}\""),
    }
}

/// Why a placeholder cannot stand where it does.
#[derive(Debug)]
pub(super) struct Problem {
    /// Which, where that is known.
    pub slot: Option<usize>,
    pub message: String,
}

/// A part of a string.
pub(super) enum Part {
    Text(String),
    Slot { slot: usize, is_bare: bool },
}

/// Whether there is a mark in a value.
pub(super) fn is_marked(value: &Value) -> bool {
    first_slot(value).is_some()
}

pub(super) fn first_slot(value: &Value) -> Option<usize> {
    let in_text = |text: &str| {
        parts(text).into_iter().find_map(|part| match part {
            Part::Slot { slot, .. } => Some(slot),
            Part::Text(_) => None,
        })
    };
    match value {
        Value::String(text) => in_text(text),
        Value::Array(values) => values.iter().find_map(first_slot),
        Value::Object(fields) => fields
            .iter()
            .find_map(|(name, value)| in_text(name).or_else(|| first_slot(value))),
        Value::Null | Value::Bool(_) | Value::Number(_) => None,
    }
}

/// The placeholder that is all there is of a value, and whether it is no part of a string.
pub(super) fn whole(value: &Value) -> Option<(usize, bool)> {
    match parts(value.as_str()?)[..] {
        [Part::Slot { slot, is_bare }] => Some((slot, is_bare)),
        _ => None,
    }
}

pub(super) fn is_slot(part: &Part) -> bool {
    matches!(part, Part::Slot { .. })
}

/// The parts of a string between marks, and the marks.
pub(super) fn parts(text: &str) -> Vec<Part> {
    let mut parts = Vec::new();
    let mut rest = text;
    while let Some(start) = rest.find([IN_STRING, BARE]) {
        let is_bare = rest[start..].starts_with(BARE);
        let after = &rest[start + IN_STRING.len_utf8()..];
        let Some((slot, tail)) = after.split_once(END) else {
            break;
        };
        let Ok(slot) = slot.parse() else { break };
        if start > 0 {
            parts.push(Part::Text(rest[..start].to_owned()));
        }
        parts.push(Part::Slot { slot, is_bare });
        rest = tail;
    }
    if !rest.is_empty() {
        parts.push(Part::Text(rest.to_owned()));
    }
    parts
}

pub(super) fn problem(value: &Value, message: String) -> Problem {
    Problem {
        slot: first_slot(value),
        message,
    }
}

pub(super) fn only_whole(value: &Value, kind: &str, others: &str) -> Problem {
    problem(
        value,
        format!(
            "only {others}`randomChoice` or `column` can stand for a `{kind}`, and nothing beside it"
        ),
    )
}
