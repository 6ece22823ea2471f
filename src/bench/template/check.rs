//! From a template to its plans, with what is wrong at its place in the template.

use prost_reflect::MessageDescriptor;

use super::compile::plan;
use super::generator::{Sources, Which};
use super::marks::{Problem, mark};
use super::plan::Plan;
use super::scan::{Expanded, Syntax, Text, place, scan};
use crate::client::json::{self, JsonError, JsonValue, Splitter};
use crate::error::{Diagnostic, Exit};
use crate::proto::diagnostic::ProtoDiagnostic;

/// A template that is none, with the place.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{0}")]
pub struct TemplateError(pub Box<ProtoDiagnostic>);

impl Diagnostic for TemplateError {
    fn exit(&self) -> Exit {
        Exit::Usage
    }
}

/// Compiles a template of any number of messages; `origin` is where it stands.
///
/// # Errors
/// [`TemplateError`] when a placeholder is none, or what comes of the template is not always a message of
/// this type.
pub fn compile(
    text: &str,
    origin: &str,
    descriptor: &MessageDescriptor,
    sources: &Sources,
) -> Result<Vec<Plan>, TemplateError> {
    let template = scan(text, Syntax::Json, origin, sources).map_err(TemplateError)?;
    for which in [Which::Least, Which::Greatest] {
        let example = template.expanded(|_| which);
        for value in split(&example.text) {
            json::read(&value, descriptor, origin)
                .map_err(|JsonError(diagnostic)| relocated(*diagnostic, &example, text))?;
        }
    }
    let marked = template.replaced(|slot, in_string| {
        let generator = &template.generators[slot];
        match generator {
            super::Generator::Pick(cells) if generator.is_fixed() => {
                let cell = cells.at(Which::Least);
                match in_string {
                    true => super::scan::inner(cell.text()),
                    false => cell.value(),
                }
            }
            _ => mark(slot, in_string),
        }
    });
    let plans = split(&marked.text).into_iter().map(|value| {
        let value = serde_json::from_str(&value.text).map_err(|error| Problem {
            slot: None,
            message: error.to_string(),
        })?;
        plan(descriptor, &value, &template.generators)
    });
    plans
        .collect::<Result<_, _>>()
        .map_err(|problem| placed(problem, &template, text, origin))
}

fn split(text: &str) -> Vec<JsonValue> {
    let mut splitter = Splitter::default();
    let mut values = splitter.feed(text.as_bytes());
    values.extend(splitter.finish());
    values
}

fn placed(problem: Problem, template: &Text, text: &str, origin: &str) -> TemplateError {
    let range = problem.slot.map(|slot| template.position(slot));
    TemplateError(Box::new(ProtoDiagnostic {
        message: problem.message,
        file: Some(origin.to_owned()),
        place: range.map(|range| place(text, range)),
        help: None,
    }))
}

/// What is wrong with an example, at the place of the template that it came from.
fn relocated(mut diagnostic: ProtoDiagnostic, example: &Expanded, text: &str) -> TemplateError {
    if let Some(found) = &diagnostic.place {
        let line_start: usize = example
            .text
            .split_inclusive('\n')
            .take(found.line - 1)
            .map(str::len)
            .sum();
        let line = &example.text[line_start..];
        let mut characters = line.char_indices().map(|(at, _)| at);
        let in_line = characters.nth(found.column - 1).unwrap_or(line.len());
        let start = line_start + in_line;
        let rest = &example.text[start..];
        let length = rest.char_indices().nth(found.length);
        let end = start + length.map_or(rest.len(), |(at, _)| at);
        let range = original(example, start).start..original(example, end.max(start + 1) - 1).end;
        diagnostic.place = Some(place(text, range.start..range.end.max(range.start)));
    }
    TemplateError(Box::new(diagnostic))
}

/// Where a byte of an example came from: that byte of the template, or the whole of a placeholder.
fn original(example: &Expanded, at: usize) -> std::ops::Range<usize> {
    let index = example.origins.partition_point(|(start, _)| *start <= at);
    let Some((start, range)) = index.checked_sub(1).map(|index| &example.origins[index]) else {
        return 0..0;
    };
    let next = example.origins.get(index);
    let length = next.map_or(example.text.len(), |(next, _)| *next) - start;
    let within = at - start;
    let is_static = length == range.len() && range.start + within < range.end;
    match is_static {
        true => range.start + within..range.start + within + 1,
        false => range.clone(),
    }
}
