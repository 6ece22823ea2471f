//! From the text of a proto file to what the compiler takes: the parser refuses some files that protoc
//! accepts.
//!
//! Pure: text in, a file out.

use std::collections::HashMap;

use prost_types::{DescriptorProto, FileDescriptorProto};
use protox::file::File;

use crate::proto::diagnostic::ProtoDiagnostic;
use crate::proto::edition;
use crate::proto::extension_ranges;
use crate::proto::float_defaults;

/// What editors on Windows write at the beginning of a file.
const BYTE_ORDER_MARK: char = '\u{feff}';

/// Why a file is not taken.
#[derive(Debug)]
pub enum Refusal {
    /// The parser refuses it.
    Parser(protox::Error),
    /// It is not handed to the compiler.
    Own(Box<ProtoDiagnostic>),
}

impl From<protox::Error> for Refusal {
    fn from(error: protox::Error) -> Self {
        Self::Parser(error)
    }
}

impl From<Box<ProtoDiagnostic>> for Refusal {
    fn from(diagnostic: Box<ProtoDiagnostic>) -> Self {
        Self::Own(diagnostic)
    }
}

/// Parses a file.
///
/// # Errors
/// [`Refusal`] when nothing can be made of it.
pub fn parse(name: &str, text: &str) -> Result<File, Refusal> {
    parse_with(name, text, &|_| Vec::new())
}

/// The same where what a file imports can be had: in a file with an edition, it matters whether an imported
/// type is a message.
///
/// # Errors
/// As [`parse`].
pub fn parse_with(
    name: &str,
    text: &str,
    imported: &dyn Fn(&FileDescriptorProto) -> Vec<FileDescriptorProto>,
) -> Result<File, Refusal> {
    let text = text.strip_prefix(BYTE_ORDER_MARK).unwrap_or(text);
    if let Some(readable) = edition::readable(name, text)? {
        let file = read(name, &readable)?;
        let file = file.file_descriptor_proto();
        let lowered = edition::lower(file, text, &imported(file))?;
        return Ok(File::from_file_descriptor_proto(lowered));
    }
    let file = read(name, text)?;
    let distinct = distinct_in_json(file.file_descriptor_proto());
    let read = distinct.as_ref().unwrap_or(file.file_descriptor_proto());
    match float_defaults::as_protoc_writes_them(read).or(distinct) {
        // Such a file loses its text, so that it is not shown where something else is wrong with it.
        Some(changed) => Ok(File::from_file_descriptor_proto(changed)),
        None => Ok(file),
    }
}

/// Parses a file without a byte order mark and an edition, as it is written.
///
/// # Errors
/// What the parser says.
pub fn read(name: &str, text: &str) -> Result<File, protox::Error> {
    let Some(rewritten) = extension_ranges::rewritten(text) else {
        return File::from_source(name, text);
    };
    let file = File::from_source(name, &rewritten.text);
    match file.map(|it| it.file_descriptor_proto().clone()) {
        Ok(mut file) if rewritten.is_the_same(&file) => {
            rewritten.put_right(&mut file);
            Ok(File::from_file_descriptor_proto(file))
        }
        // What is wrong is said of what was written.
        _ => File::from_source(name, text),
    }
}

/// A file of proto2 whose fields have one name in JSON gives them their own names there, but for those
/// that have it anyway: protoc only warns of it.
fn distinct_in_json(file: &FileDescriptorProto) -> Option<FileDescriptorProto> {
    let is_proto2 = matches!(file.syntax.as_deref(), None | Some("proto2"));
    if !is_proto2 || !file.message_type.iter().any(has_same_in_json) {
        return None;
    }
    let mut changed = file.clone();
    changed.message_type.iter_mut().for_each(distinguish);
    Some(changed)
}

/// How often each name in JSON is there; fields that say theirs are left out.
fn in_json(message: &DescriptorProto) -> HashMap<String, usize> {
    let mut counts = HashMap::new();
    for field in message.field.iter().filter(|it| it.json_name.is_none()) {
        *counts.entry(json_name(field.name())).or_default() += 1;
    }
    counts
}

fn has_same_in_json(message: &DescriptorProto) -> bool {
    // Without an underscore, every name is its own in JSON.
    let can_be = message.field.iter().any(|it| it.name().contains('_'));
    (can_be && in_json(message).values().any(|&count| count > 1))
        || message.nested_type.iter().any(has_same_in_json)
}

fn distinguish(message: &mut DescriptorProto) {
    let counts = in_json(message);
    for field in message.field.iter_mut().filter(|it| it.json_name.is_none()) {
        if counts
            .get(&json_name(field.name()))
            .is_some_and(|&count| count > 1)
        {
            field.json_name = field.name.clone();
        }
    }
    message.nested_type.iter_mut().for_each(distinguish);
}

/// The name in JSON as protoc makes it of a field's.
fn json_name(field: &str) -> String {
    let mut name = String::with_capacity(field.len());
    let mut is_first_of_word = false;
    for one in field.chars() {
        match one {
            '_' => is_first_of_word = true,
            _ if is_first_of_word => {
                name.push(one.to_ascii_uppercase());
                is_first_of_word = false;
            }
            _ => name.push(one),
        }
    }
    name
}

/// A file with the types that it defines, whatever its syntax; nothing where it cannot be parsed.
pub fn as_written(name: &str, text: &str) -> Option<FileDescriptorProto> {
    let text = text.strip_prefix(BYTE_ORDER_MARK).unwrap_or(text);
    let readable = edition::readable(name, text).ok()?;
    let file = read(name, readable.as_deref().unwrap_or(text)).ok()?;
    Some(file.file_descriptor_proto().clone())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn parsed(text: &str) -> Result<FileDescriptorProto, String> {
        match parse("a.proto", text) {
            Ok(file) => Ok(file.file_descriptor_proto().clone()),
            Err(Refusal::Parser(error)) => Err(error.to_string()),
            Err(Refusal::Own(diagnostic)) => Err(diagnostic.to_string()),
        }
    }

    #[test]
    fn a_byte_order_mark_is_passed_over() {
        let text = "syntax = \"proto3\"; message A {}";
        assert_eq!(parsed(&format!("\u{feff}{text}")), parsed(text));
    }

    #[test]
    fn fields_of_proto2_that_are_one_in_json_get_their_own_names_there() {
        let text = "message A { optional int32 foo_bar = 1; optional int32 fooBar = 2; \
                    optional int32 baz_ = 3; }";
        let file = parsed(text).expect("is taken");
        let names = file.message_type[0]
            .field
            .iter()
            .map(|it| it.json_name.as_deref());
        let names: Vec<_> = names.collect();
        assert_eq!(names, [Some("foo_bar"), Some("fooBar"), None]);
    }

    /// The fields of a message as they would stand in proto2 or proto3.
    fn told(text: &str) -> Result<Vec<String>, String> {
        let file = parsed(text)?;
        let fields = file.message_type.iter().flat_map(|message| &message.field);
        let fields = fields.map(|field| {
            let packed = field.options.as_ref().and_then(|it| it.packed);
            let mut told = format!("{} {:?}", field.name(), field.label());
            told.push_str(if field.proto3_optional() {
                " optional"
            } else {
                ""
            });
            told.push_str(&packed.map_or_else(String::new, |it| format!(" packed={it}")));
            told.push_str(
                &field
                    .default_value
                    .as_ref()
                    .map_or_else(String::new, |it| format!(" ={it}")),
            );
            let is_group = field.r#type == Some(10);
            told.push_str(if is_group { " group" } else { "" });
            told
        });
        Ok([file.syntax().to_owned()]
            .into_iter()
            .chain(fields)
            .collect())
    }

    #[test]
    fn an_edition_is_told_in_proto3_where_that_has_all() {
        let text = "// Of its own.\nedition = \"2023\";\npackage a;\n\
                    import \"google/protobuf/cpp_features.proto\";\n\
                    option features.(pb.cpp).string_type = VIEW;\n\
                    message A {\n  reserved old, \"older\";\n  reserved 5 to max;\n  string a = 1;\n\
                    int32 b = 2 [features.field_presence = IMPLICIT, deprecated = true];\n\
                    repeated int32 c = 3;\n\
                    repeated int32 d = 4 [features = { repeated_field_encoding: EXPANDED }];\n\
                    B e = 6; oneof _a { int32 f = 7; } }\nmessage B {}";
        let expected = [
            "proto3",
            "a Optional optional",
            "b Optional",
            "c Repeated",
            "d Repeated packed=false",
            "e Optional",
            "f Optional",
        ];
        assert_eq!(told(text), Ok(expected.map(str::to_owned).to_vec()));
        let file = parsed(text).expect("is taken");
        assert_eq!(file.message_type[0].reserved_name, ["old", "older"]);
        let oneofs = file.message_type[0].oneof_decl.iter();
        let oneofs: Vec<&str> = oneofs.map(|it| it.name()).collect();
        assert_eq!(oneofs, ["_a", "X_a"]);
        assert_eq!(file.dependency, [""; 0]);
    }

    #[test]
    fn an_edition_is_told_in_proto2_where_only_that_has_all() {
        let text = "edition = \"2023\";\nmessage A {\n  string a = 1 [default = \"b\"];\n\
                    A b = 2 [features.message_encoding = DELIMITED];\n\
                    int32 c = 3 [features.field_presence = LEGACY_REQUIRED];\n\
                    repeated int32 d = 4; E e = 5 [default = E_B]; extensions 100 to 200; }\n\
                    enum E { option features.enum_type = CLOSED; E_B = 1; }";
        let expected = [
            "proto2",
            "a Optional =b",
            "b Optional group",
            "c Required",
            "d Repeated packed=true",
            "e Optional =E_B",
        ];
        assert_eq!(told(text), Ok(expected.map(str::to_owned).to_vec()));
    }

    #[test]
    fn what_neither_has_and_other_editions_are_refused_with_their_place() {
        let text = "edition = \"2023\";\npackage a;\noption features.field_presence = IMPLICIT;\n\
                    message A {\n  string b = 1;\n  string c = 2 [features.field_presence = LEGACY_REQUIRED];\n}";
        let expected = "a.proto:5:3: `a.A.b` has no presence, and `a.A.c` is required: in Rust, one \
                        file cannot have both\n   |\n 5 |   string b = 1;\n   |   ^^^^^^^^^^^^^\n \
                        = help: leave one of them out, or move it to a file of its own";
        assert_eq!(told(text), Err(expected.to_owned()));
        let expected = "a.proto:2:11: the edition \"2024\" is not known\n   |\n 2 | edition = \"2024\";\n   \
                        |           ^^^^^^\n = help: use `edition = \"2023\"`, `syntax = \"proto3\"` or \
                        `syntax = \"proto2\"`";
        assert_eq!(told("\nedition = \"2024\";"), Err(expected.to_owned()));
        told("syntax = \"proto3\"; message edition {}").expect("is taken");
    }
}
