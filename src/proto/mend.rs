//! What the compiler says, made clear: duplicates dropped, places added, and what it does not check at all.
//!
//! Pure: diagnostics, descriptors and text in, diagnostics out.

use std::collections::BTreeSet;

use crate::proto::diagnostic::{Place, ProtoDiagnostic};
use crate::proto::finding::Span;
use crate::proto::format;
use crate::proto::schema::{File, below, tag};
use crate::proto::tokens::tokens;

/// Drops what is said twice: each file of a cycle of imports tells it, and a field that is defined twice
/// also has a name that is taken.
pub fn without_repetition(diagnostics: Vec<ProtoDiagnostic>) -> Vec<ProtoDiagnostic> {
    let mut told: BTreeSet<(Option<String>, String, Option<usize>)> = BTreeSet::new();
    let mut kept: Vec<ProtoDiagnostic> = Vec::new();
    let twice: BTreeSet<(Option<String>, Option<usize>)> = diagnostics
        .iter()
        .filter(|it| it.message.ends_with("is defined twice"))
        .map(|it| (it.file.clone(), it.place.as_ref().map(|place| place.line)))
        .collect();
    for diagnostic in diagnostics {
        let line = diagnostic.place.as_ref().map(|place| place.line);
        let is_name_taken = diagnostic.message.starts_with("camel-case name of field");
        if is_name_taken && twice.contains(&(diagnostic.file.clone(), line)) {
            continue;
        }
        let key = match diagnostic.message.strip_prefix("import cycle detected: ") {
            Some(cycle) => {
                let files: BTreeSet<&str> = cycle.split(" -> ").collect();
                let files: Vec<&str> = files.into_iter().collect();
                (None, files.join(" "), None)
            }
            None => (diagnostic.file.clone(), diagnostic.message.clone(), line),
        };
        if told.insert(key) {
            kept.push(diagnostic);
        }
    }
    kept
}

/// Says more exactly what the compiler says of a file with this text.
pub fn clarified(mut diagnostic: ProtoDiagnostic, text: Option<&str>) -> ProtoDiagnostic {
    if diagnostic.message == "invalid group name"
        && diagnostic
            .help
            .as_ref()
            .is_some_and(|help| help.starts_with("imports"))
    {
        diagnostic.message = "the path of the import is not valid".to_owned();
    }
    // Where the end of the file is reached, what has no end is of more use than the end.
    if diagnostic.place.is_none() && diagnostic.message.ends_with("reached end of file") {
        let name = diagnostic.file.clone().unwrap_or_default();
        let open = text.and_then(|text| format::unreadable(&name, text));
        if let Some(open) = open {
            diagnostic.message = open.message;
            diagnostic.place = open.place;
        }
    }
    if diagnostic.message.starts_with("invalid value of type '") {
        let from = diagnostic.place.as_ref().zip(text);
        if from.is_some_and(|(place, text)| has_short_extension(text, place.line)) {
            let help = "extensions in brackets are written in full here: `[package.name]`";
            diagnostic.help.get_or_insert_with(|| help.to_owned());
        }
    }
    diagnostic
}

/// Whether the value in braces that begins in a line, from 1, names an extension without its package.
fn has_short_extension(text: &str, line: usize) -> bool {
    let before = text.split_inclusive('\n').take(line - 1);
    let offset = before.map(str::len).sum::<usize>();
    let mut depth = 0_usize;
    let mut before = ["", "", ""];
    for token in tokens(&text[offset..]) {
        match token.text {
            "{" => depth += 1,
            "}" if depth < 2 => return false,
            "}" => depth -= 1,
            // Behind a colon, brackets are those of a list.
            "]" if depth > 0 && before[0] != ":" && before[1] == "[" => return true,
            _ => {}
        }
        before = [before[1], before[2], token.text];
    }
    false
}

/// Fields and values that have a name which is reserved: what the compiler lets through.
pub fn reserved_names(file: &File<'_>, text: Option<&str>) -> Vec<ProtoDiagnostic> {
    let mut found = Vec::new();
    let mut add = |path: &[i32], kind: &str, name: &str, outer: &str| {
        let message = format!("the {kind} name '{name}' is reserved in '{outer}'");
        let mut diagnostic = ProtoDiagnostic::of_file(file.name(), message);
        let location = file.location(&below(path, &[tag::NAME]));
        let span = location.and_then(Span::of);
        diagnostic.place = span.zip(text).and_then(|(span, text)| place(span, text));
        found.push(diagnostic);
    };
    for message in &file.messages {
        let reserved = &message.proto.reserved_name;
        for field in message
            .fields()
            .filter(|it| reserved.iter().any(|name| name == it.proto.name()))
        {
            add(&field.path, "field", field.proto.name(), &message.full_name);
        }
    }
    for it in &file.enums {
        let reserved = &it.proto.reserved_name;
        for value in it
            .values()
            .filter(|it| reserved.iter().any(|name| name == it.proto.name()))
        {
            add(&value.path, "value", value.proto.name(), &it.full_name);
        }
    }
    found
}

fn place(span: Span, text: &str) -> Option<Place> {
    let line = text.lines().nth(span.line - 1)?;
    let before = line.get(..span.column - 1)?;
    let column = before.chars().count() + 1;
    let length = span.end_column - span.column;
    Some(Place::new(span.line, column, length, line))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn extensions_by_their_short_names_are_found_in_the_value_alone() {
        for (text, is_short) in [
            ("a\n(foo) = { a: 1 [bar]: 2 }", true),
            ("a\n(foo) = {\n b { [bar]: 2 } }", true),
            ("a\n(foo) = { a: 1 [p.bar]: 2 } [x]", false),
            ("[a]\nint32 x = 1 [(foo) = { a: [1] b: [A, B] }]", false),
            ("a\n", false),
        ] {
            assert_eq!(has_short_extension(text, 2), is_short, "{text}");
        }
    }
}
