//! Definitions by their names, and as their proto has them.
//!
//! Pure: descriptors and text in, text out.

use std::fmt::Write as _;

use prost_types::FieldDescriptorProto;
use prost_types::field_descriptor_proto::{Label, Type};

use crate::proto::finding::Span;
use crate::proto::schema::{Enum, File, Message, SourcePath, join, plain};
use crate::proto::sources;

/// What a name can be of.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum SymbolKind {
    /// A message.
    Message,
    /// An enum.
    Enum,
    /// A service.
    Service,
    /// A method.
    Method,
    /// A field.
    Field,
    /// A value of an enum.
    Value,
    /// An extension.
    Extension,
}

impl SymbolKind {
    /// The word for it.
    pub fn name(self) -> &'static str {
        match self {
            Self::Message => "message",
            Self::Enum => "enum",
            Self::Service => "service",
            Self::Method => "method",
            Self::Field => "field",
            Self::Value => "value",
            Self::Extension => "extension",
        }
    }
}

/// A definition.
#[derive(Debug)]
pub struct Symbol<'a> {
    /// What it is.
    pub kind: SymbolKind,
    /// With the package.
    pub full_name: String,
    /// Where it is.
    pub file: &'a File<'a>,
    path: SourcePath,
}

impl Symbol<'_> {
    /// Of several with one name, the smaller is rather meant.
    pub fn rank(&self) -> (bool, bool) {
        let is_part = matches!(self.kind, SymbolKind::Field | SymbolKind::Value);
        (sources::is_built_in(self.file.name()), is_part)
    }

    /// The line that it begins in.
    pub fn line(&self) -> Option<usize> {
        let location = self.file.location(&self.path)?;
        Span::of(location).map(|span| span.line)
    }

    /// The comment before it.
    pub fn comment(&self) -> &str {
        self.file.leading_comment(&self.path)
    }
}

/// All that a file defines, each with its name.
pub fn symbols<'a>(file: &'a File<'a>) -> Vec<Symbol<'a>> {
    let mut symbols = Vec::new();
    let mut add = |kind, full_name: String, path: &SourcePath| {
        symbols.push(Symbol {
            kind,
            full_name,
            file,
            path: path.clone(),
        });
    };
    for message in file.messages.iter().filter(|it| !it.is_map_entry()) {
        add(
            SymbolKind::Message,
            message.full_name.clone(),
            &message.path,
        );
        for field in message.fields() {
            let name = join(&message.full_name, field.proto.name());
            add(SymbolKind::Field, name, &field.path);
        }
    }
    for it in &file.enums {
        add(SymbolKind::Enum, it.full_name.clone(), &it.path);
        for value in it.values() {
            let name = join(&it.full_name, value.proto.name());
            add(SymbolKind::Value, name, &value.path);
        }
    }
    for service in &file.services {
        add(
            SymbolKind::Service,
            service.full_name.clone(),
            &service.path,
        );
        for method in service.methods() {
            let name = join(&service.full_name, method.proto.name());
            add(SymbolKind::Method, name, &method.path);
        }
    }
    for field in &file.extensions {
        let name = join(file.proto.package(), field.proto.name());
        add(SymbolKind::Extension, name, &field.path);
    }
    symbols
}

/// A definition as its proto has it, with the comment before it; from its descriptor where there is no
/// text, as for what is built into the compiler.
pub fn source(symbol: &Symbol<'_>, text: Option<&str>) -> String {
    let mut source = String::new();
    for line in symbol.comment().lines() {
        writeln!(source, "//{line}").expect("to a string");
    }
    let location = symbol.file.location(&symbol.path);
    let span = location.and_then(Span::of);
    let cut = text.zip(span).and_then(|(text, span)| cut(text, span));
    source + &cut.unwrap_or_else(|| rendered(symbol))
}

/// What stands in a range, moved to the left as far as its first line is indented.
fn cut(text: &str, span: Span) -> Option<String> {
    let lines: Vec<&str> = text.lines().collect();
    let wanted = lines.get(span.line - 1..span.end_line)?;
    let indentation = wanted[0].get(..span.column - 1)?;
    let mut moved: Vec<&str> = wanted
        .iter()
        .map(|line| line.strip_prefix(indentation).unwrap_or(line.trim_start()))
        .collect();
    let end = match wanted.len() {
        1 => span.end_column.checked_sub(span.column)?,
        _ => {
            let last = wanted[wanted.len() - 1];
            let removed = last.len() - moved[moved.len() - 1].len();
            (span.end_column - 1).checked_sub(removed)?
        }
    };
    let last = moved.last_mut()?;
    *last = last.get(..end)?;
    Some(moved.join("\n"))
}

/// A definition from its descriptor.
fn rendered(symbol: &Symbol<'_>) -> String {
    let mut messages = symbol.file.messages.iter();
    let mut enums = symbol.file.enums.iter();
    let message = messages.find(|it| it.path == symbol.path);
    let it = enums.find(|it| it.path == symbol.path);
    match (message, it) {
        (Some(message), _) => rendered_message(message),
        (_, Some(it)) => rendered_enum(it),
        _ => format!("{} {};", symbol.kind.name(), symbol.full_name),
    }
}

fn rendered_message(message: &Message<'_>) -> String {
    let mut text = format!("message {} {{\n", message.proto.name());
    for field in message.fields() {
        writeln!(text, "  {}", field_line(field.proto)).expect("to a string");
    }
    text + "}"
}

fn rendered_enum(it: &Enum<'_>) -> String {
    let mut text = format!("enum {} {{\n", it.proto.name());
    for value in &it.proto.value {
        writeln!(text, "  {} = {};", value.name(), value.number()).expect("to a string");
    }
    text + "}"
}

fn field_line(field: &FieldDescriptorProto) -> String {
    let label = match field.label() {
        Label::Repeated => "repeated ",
        Label::Required => "required ",
        Label::Optional if field.proto3_optional() => "optional ",
        Label::Optional => "",
    };
    let kind = match field.r#type() {
        Type::Message | Type::Enum | Type::Group => plain(field.type_name()).to_owned(),
        scalar => scalar
            .as_str_name()
            .trim_start_matches("TYPE_")
            .to_lowercase(),
    };
    format!("{label}{kind} {} = {};", field.name(), field.number())
}
