//! Files of `edition = "2023"`, told in proto2 or proto3: neither the parser nor prost knows editions, but
//! what one says can be said in one of these, unless a file mixes what only one of them has.
//!
//! Features are resolved as the compiler of protos does it: what a file says holds for its messages, what
//! these say for their fields. See <https://protobuf.dev/editions/features/>. What belongs to another
//! language, how strictly UTF-8 is checked and how JSON is written change nothing in Rust.
//!
//! Pure: text in, text and descriptors out.

mod features;
mod lowering;

use prost_types::FileDescriptorProto;

use self::lowering::Lowering;
use crate::proto::diagnostic::{Place, ProtoDiagnostic};
use crate::proto::tokens::{Token, tokens};

/// The edition that is understood.
const KNOWN: &str = "2023";
/// As what the parser is to read a default: it takes none in proto3, but every option.
const DEFAULT: &str = "DEFAULT";
/// The text of a file with an edition, such that the parser reads it as proto3. Nothing for others.
///
/// # Errors
/// When the edition is another one.
pub fn readable(name: &str, text: &str) -> Result<Option<String>, Box<ProtoDiagnostic>> {
    if !text.contains("edition") {
        return Ok(None);
    }
    let tokens: Vec<Token<'_>> = tokens(text).collect();
    let [edition, equals, value, ..] = tokens.as_slice() else {
        return Ok(None);
    };
    if edition.text != "edition" || equals.text != "=" {
        return Ok(None);
    }
    if value.text.trim_matches(['"', '\'']) != KNOWN {
        let message = format!("the edition {} is not known", value.text);
        let mut diagnostic = ProtoDiagnostic::of_file(name, message);
        diagnostic.place = Some(place(text, value.start, value.text.len()));
        diagnostic.help = Some(format!(
            "use `edition = \"{KNOWN}\"`, `syntax = \"proto3\"` or `syntax = \"proto2\"`"
        ));
        return Err(Box::new(diagnostic));
    }
    let mut changed = String::with_capacity(text.len() + 16);
    let mut copied = 0;
    let mut replace = |start: usize, end: usize, by: &str| {
        changed.push_str(&text[copied..start]);
        changed.push_str(by);
        copied = end;
    };
    let mut is_reserved = false;
    let mut brackets = 0_usize;
    for (index, token) in tokens.iter().enumerate() {
        let end = token.start + token.text.len();
        let next = tokens.get(index + 1).map_or("", |it| it.text);
        match token.text {
            _ if index == 0 => replace(token.start, end, "syntax "),
            _ if index == 2 => replace(token.start, end, "\"proto3\""),
            "[" => brackets += 1,
            "]" => brackets = brackets.saturating_sub(1),
            ";" | "{" | "}" => is_reserved = false,
            "default" if brackets > 0 && next == "=" => replace(token.start, end, DEFAULT),
            "reserved" if matches!(tokens[index - 1].text, ";" | "{" | "}") => is_reserved = true,
            // Names are identifiers in editions, and texts before them.
            name if is_reserved && token.is_identifier() && !matches!(name, "to" | "max") => {
                replace(token.start, end, &format!("\"{name}\""));
            }
            _ => {}
        }
    }
    changed.push_str(&text[copied..]);
    Ok(Some(changed))
}

/// Tells a file, read as proto3, in proto3 or else in proto2.
///
/// # Errors
/// When it has something of each that the other has not. `text` is the file as it was written,
/// `imported` are the files whose types it may use.
pub fn lower(
    file: &FileDescriptorProto,
    text: &str,
    imported: &[FileDescriptorProto],
) -> Result<FileDescriptorProto, Box<ProtoDiagnostic>> {
    let mut lowering = Lowering::of(file, imported);
    let lowered = lowering.file(file.clone());
    let Some(only_proto2) = lowering.only_proto2.take() else {
        return Ok(lowered);
    };
    if let Some(only_proto3) = lowering.only_proto3.take() {
        let message = format!(
            "`{}` {}, and `{}` {}: in Rust, one file cannot have both",
            only_proto3.full_name, only_proto3.what, only_proto2.full_name, only_proto2.what
        );
        let mut diagnostic = ProtoDiagnostic::of_file(file.name(), message);
        let info = file.source_code_info.iter().flat_map(|it| &it.location);
        let mut locations = info.filter(|it| it.path == only_proto3.path);
        diagnostic.place = locations
            .next()
            .and_then(|it| place_of_span(text, &it.span));
        diagnostic.help = Some("leave one of them out, or move it to a file of its own".to_owned());
        return Err(Box::new(diagnostic));
    }
    lowering.is_proto2 = true;
    Ok(lowering.file(file.clone()))
}

/// A place as descriptors have it: line and column from 0, the end likewise.
fn place_of_span(text: &str, span: &[i32]) -> Option<Place> {
    let at = |index: usize| usize::try_from(*span.get(index)?).ok();
    let (line, column) = (at(0)?, at(1)?);
    let start: usize = text.split_inclusive('\n').take(line).map(str::len).sum();
    let length = match span.len() {
        3 => at(2)?.checked_sub(column)?,
        _ => 1,
    };
    Some(place(text, start + column, length))
}

fn place(text: &str, offset: usize, length: usize) -> Place {
    let before = text.get(..offset).unwrap_or(text);
    let line_start = before.rfind('\n').map_or(0, |at| at + 1);
    let number = before.matches('\n').count() + 1;
    let column = before[line_start..].chars().count() + 1;
    let line = text[line_start..].lines().next().unwrap_or_default();
    Place::new(number, column, length.max(1), line)
}
