//! Everything in a set of protos that an option may name.
//!
//! Pure: no I/O.

use std::collections::BTreeMap;

use prost_types::field_descriptor_proto::{Label, Type};
use prost_types::{
    DescriptorProto, EnumDescriptorProto, FieldDescriptorProto, FileDescriptorProto,
};

/// What a name stands for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Kind {
    /// Everything.
    All,
    /// A package, or the first parts of one.
    Package,
    /// A message.
    Message,
    /// An enum.
    Enum,
    /// A value of an enum, below the enum: `user.v1.Role.ROLE_ADMIN`.
    Value,
    /// A `oneof`.
    Oneof,
    /// A field that holds at most one message.
    MessageField,
    /// A field of `bytes`.
    BytesField,
    /// Any other field.
    Field,
}

impl Kind {
    /// With its article.
    pub fn described(self) -> &'static str {
        match self {
            Self::All => "everything",
            Self::Package => "a package",
            Self::Message => "a message",
            Self::Enum => "an enum",
            Self::Value => "a value of an enum",
            Self::Oneof => "a oneof",
            Self::MessageField => "a field of a message type",
            Self::BytesField => "a field of `bytes`",
            Self::Field => "a field that is repeated or of a scalar type",
        }
    }
}

/// What has a name.
#[derive(Clone, Debug)]
pub struct Symbol {
    /// What it is.
    pub kind: Kind,
    /// Its name as the generators look it up.
    pub given: String,
}

/// What there is, by the full names of the protos.
#[derive(Debug, Default)]
pub struct Symbols(BTreeMap<String, Symbol>);

impl Symbols {
    /// Reads files, and those of them that the generators get under other names.
    pub fn of(files: &[FileDescriptorProto], named: &[FileDescriptorProto]) -> Self {
        let named: BTreeMap<&str, &FileDescriptorProto> =
            named.iter().map(|file| (file.name(), file)).collect();
        let mut symbols = Self::default();
        symbols.add(".".to_owned(), Kind::All, ".".to_owned());
        for file in files {
            symbols.file(file, named.get(file.name()).copied().unwrap_or(file));
        }
        symbols
    }

    /// What has a name.
    pub fn get(&self, name: &str) -> Option<&Symbol> {
        self.0.get(name)
    }

    /// All names of some kinds.
    pub fn names(&self, kinds: &[Kind]) -> impl Iterator<Item = &str> {
        let of_kind = self.0.iter().filter(|(_, it)| kinds.contains(&it.kind));
        of_kind.map(|(name, _)| name.as_str())
    }

    /// The messages and enums that a name stands for, itself among them.
    pub fn types_below(&self, name: &str) -> impl Iterator<Item = &str> {
        self.names(&[Kind::Message, Kind::Enum]).filter(move |it| {
            let rest = it.strip_prefix(name);
            rest.is_some_and(|rest| rest.is_empty() || rest.starts_with('.'))
        })
    }

    fn add(&mut self, name: String, kind: Kind, given: String) {
        self.0.insert(name, Symbol { kind, given });
    }

    fn file(&mut self, file: &FileDescriptorProto, named: &FileDescriptorProto) {
        let scope = (file.package().to_owned(), with_dot("", named.package()));
        let (mut name, mut given) = (String::new(), String::new());
        if !file.package().is_empty() {
            for (part, given_part) in file.package().split('.').zip(named.package().split('.')) {
                name = child(&name, part);
                given = with_dot(&given, given_part);
                self.add(name.clone(), Kind::Package, given.clone());
            }
        }
        for (message, named) in file.message_type.iter().zip(&named.message_type) {
            self.message((message, named), &scope);
        }
        for (one, named) in file.enum_type.iter().zip(&named.enum_type) {
            self.enumeration((one, named), &scope);
        }
    }

    fn message(
        &mut self,
        (message, named): (&DescriptorProto, &DescriptorProto),
        (scope, given_scope): &(String, String),
    ) {
        let name = child(scope, message.name());
        let given = with_dot(given_scope, named.name());
        self.add(name.clone(), Kind::Message, given.clone());
        for (field, named_field) in message.field.iter().zip(&named.field) {
            let is_plain = field.proto3_optional();
            let index = field.oneof_index.filter(|_| !is_plain);
            let oneof = index.and_then(|index| {
                let index = usize::try_from(index).ok()?;
                Some(named.oneof_decl.get(index)?.name())
            });
            let parent = oneof.map_or_else(|| given.clone(), |oneof| with_dot(&given, oneof));
            let kind = field_kind(field);
            let given = with_dot(&parent, named_field.name());
            self.add(child(&name, field.name()), kind, given);
        }
        let is_real = |index: usize| {
            let fields = message.field.iter().filter(|it| !it.proto3_optional());
            let index = i32::try_from(index).ok();
            fields.into_iter().any(|it| it.oneof_index == index)
        };
        let oneofs = message.oneof_decl.iter().zip(&named.oneof_decl);
        for (_, (oneof, named)) in oneofs.enumerate().filter(|(index, _)| is_real(*index)) {
            let given = with_dot(&given, named.name());
            self.add(child(&name, oneof.name()), Kind::Oneof, given);
        }
        let scope = (name, given);
        for (nested, named) in message.nested_type.iter().zip(&named.nested_type) {
            if !is_map_entry(nested) {
                self.message((nested, named), &scope);
            }
        }
        for (one, named) in message.enum_type.iter().zip(&named.enum_type) {
            self.enumeration((one, named), &scope);
        }
    }

    fn enumeration(
        &mut self,
        (one, named): (&EnumDescriptorProto, &EnumDescriptorProto),
        (scope, given_scope): &(String, String),
    ) {
        let name = child(scope, one.name());
        let given = with_dot(given_scope, named.name());
        for (value, named) in one.value.iter().zip(&named.value) {
            let given = with_dot(&given, named.name());
            self.add(child(&name, value.name()), Kind::Value, given);
        }
        self.add(name, Kind::Enum, given);
    }
}

/// Whether a message is what a map field is made of.
pub fn is_map_entry(message: &DescriptorProto) -> bool {
    let options = message.options.as_ref();
    options.is_some_and(prost_types::MessageOptions::map_entry)
}

fn field_kind(field: &FieldDescriptorProto) -> Kind {
    match field.r#type() {
        Type::Message | Type::Group if field.label() != Label::Repeated => Kind::MessageField,
        Type::Bytes => Kind::BytesField,
        _ => Kind::Field,
    }
}

fn child(scope: &str, name: &str) -> String {
    match scope {
        "" => name.to_owned(),
        scope => format!("{scope}.{name}"),
    }
}

/// A name below another as the generators know it: with a dot before every part.
fn with_dot(scope: &str, name: &str) -> String {
    match name {
        "" => scope.to_owned(),
        name => format!("{scope}.{name}"),
    }
}
