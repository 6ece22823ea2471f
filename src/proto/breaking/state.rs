//! One state of the protos, by the names and numbers that definitions are found by again.

use std::collections::{BTreeMap, BTreeSet};

use prost_types::FieldDescriptorProto;
use prost_types::field_descriptor_proto::{Label, Type};

use crate::proto::schema::{Enum, Field, File, Message, Service, SourcePath, last_part, plain};

/// Definitions of a kind by their full names, each with its file.
pub type Definitions<'a, T> = BTreeMap<&'a str, (&'a File<'a>, &'a T)>;

/// The protos at one time.
pub struct State<'a> {
    files: BTreeMap<&'a str, &'a File<'a>>,
    /// Messages.
    pub messages: Definitions<'a, Message<'a>>,
    /// Enums.
    pub enums: Definitions<'a, Enum<'a>>,
    /// Services.
    pub services: Definitions<'a, Service<'a>>,
    /// Extensions by what they extend and their number.
    pub extensions: BTreeMap<(&'a str, i32), (&'a File<'a>, &'a Field<'a>)>,
    /// All enums, those of imports as well.
    all_enums: BTreeMap<&'a str, &'a Enum<'a>>,
}

/// A field with what it stands in.
pub struct FieldView<'a> {
    /// Its file.
    pub file: &'a File<'a>,
    /// Its message; none for an extension.
    pub message: Option<&'a Message<'a>>,
    /// The field.
    pub field: Field<'a>,
}

/// How many values a field has, and whether one can tell that it has none.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Cardinality {
    /// None or one, and one can tell.
    Explicit,
    /// One, which may be the default.
    Implicit,
    /// One.
    Required,
    /// Any number.
    Repeated,
    /// Any number, by keys.
    Map,
}

impl Cardinality {
    /// The words for it.
    pub fn name(self) -> &'static str {
        match self {
            Self::Explicit => "optional",
            Self::Implicit => "singular without presence",
            Self::Required => "required",
            Self::Repeated => "repeated",
            Self::Map => "a map",
        }
    }
}

impl<'a> State<'a> {
    /// Indexes the files whose names are given; the others are what they import.
    pub fn new(
        all_files: impl IntoIterator<Item = &'a File<'a>>,
        names: &BTreeSet<String>,
    ) -> Self {
        let mut state = Self {
            files: BTreeMap::new(),
            messages: BTreeMap::new(),
            enums: BTreeMap::new(),
            services: BTreeMap::new(),
            extensions: BTreeMap::new(),
            all_enums: BTreeMap::new(),
        };
        for file in all_files {
            for it in &file.enums {
                state.all_enums.insert(&it.full_name, it);
            }
            if !names.contains(file.name()) {
                continue;
            }
            state.files.insert(file.name(), file);
            for message in &file.messages {
                state.messages.insert(&message.full_name, (file, message));
            }
            for it in &file.enums {
                state.enums.insert(&it.full_name, (file, it));
            }
            for service in &file.services {
                state.services.insert(&service.full_name, (file, service));
            }
            for field in &file.extensions {
                let key = (plain(field.proto.extendee()), field.proto.number());
                state.extensions.insert(key, (file, field));
            }
        }
        state
    }

    /// The files, by their names.
    pub fn files(&self) -> impl Iterator<Item = &'a File<'a>> {
        self.files.values().copied()
    }

    /// The file of a name.
    pub fn file(&self, name: &str) -> Option<&'a File<'a>> {
        self.files.get(name).copied()
    }

    /// An enum by its full name, wherever it is defined.
    pub fn any_enum(&self, name: &str) -> Option<&'a Enum<'a>> {
        self.all_enums.get(name).copied()
    }

    /// The packages, each with its files.
    pub fn packages(&self) -> BTreeMap<&'a str, Vec<&'a File<'a>>> {
        let mut packages: BTreeMap<&str, Vec<&File<'_>>> = BTreeMap::new();
        for file in self.files() {
            packages.entry(file.proto.package()).or_default().push(file);
        }
        packages
    }

    /// Fields and extensions whose numbers are still there in another state, with what they are there. Of a
    /// file that both states share, only those whose type is an enum, which may be another.
    pub fn fields_still_in(&self, other: &State<'a>) -> Vec<(FieldView<'a>, FieldView<'a>)> {
        let mut pairs = Vec::new();
        for (name, &(file, message)) in &self.messages {
            let Some(&(file_now, message_now)) = other.messages.get(name) else {
                continue;
            };
            let files = (file, file_now);
            if !message.proto.field.iter().any(|it| may_differ(files, it)) {
                continue;
            }
            let now: BTreeMap<i32, Field<'_>> = message_now
                .fields()
                .map(|field| (field.proto.number(), field))
                .collect();
            // The fields of a map's entry stand in no source; the map's own field does.
            let map = map_field(file_now, message_now);
            for field in message.fields().filter(|it| may_differ(files, it.proto)) {
                let Some(field_now) = now.get(&field.proto.number()) else {
                    continue;
                };
                let field_now = Field {
                    proto: field_now.proto,
                    path: map.as_ref().unwrap_or(&field_now.path).clone(),
                };
                pairs.push((
                    FieldView {
                        file,
                        message: Some(message),
                        field,
                    },
                    FieldView {
                        file: file_now,
                        message: Some(message_now),
                        field: field_now,
                    },
                ));
            }
        }
        let view = |&(file, field): &(&'a File<'a>, &'a Field<'a>)| FieldView {
            file,
            message: None,
            field: Field {
                proto: field.proto,
                path: field.path.clone(),
            },
        };
        for (key, was) in &self.extensions {
            let now = other.extensions.get(key);
            let now = now.filter(|now| may_differ((was.0, now.0), was.1.proto));
            pairs.extend(now.map(|now| (view(was), view(now))));
        }
        pairs
    }
}

impl<'a> FieldView<'a> {
    /// The descriptor.
    pub fn proto(&self) -> &'a FieldDescriptorProto {
        self.field.proto
    }

    /// Whether its file is of the syntax `proto3`.
    pub fn is_proto3(&self) -> bool {
        is_proto3(self.file)
    }

    /// Whether it stands in an entry of a map.
    pub fn is_in_map_entry(&self) -> bool {
        self.message.is_some_and(Message::is_map_entry)
    }

    /// How many values it has.
    pub fn cardinality(&self) -> Cardinality {
        let proto = self.proto();
        match proto.label() {
            Label::Required => Cardinality::Required,
            Label::Repeated if self.is_map() => Cardinality::Map,
            Label::Repeated => Cardinality::Repeated,
            Label::Optional if self.has_presence() => Cardinality::Explicit,
            Label::Optional => Cardinality::Implicit,
        }
    }

    fn has_presence(&self) -> bool {
        let proto = self.proto();
        let is_message = matches!(proto.r#type(), Type::Message | Type::Group);
        let is_told = proto.oneof_index.is_some() || self.message.is_none();
        is_message || is_told || !self.is_proto3()
    }

    fn is_map(&self) -> bool {
        let entry = last_part(self.proto().type_name());
        let inner = self.message.iter().flat_map(|it| &it.proto.nested_type);
        inner
            .filter(|it| {
                it.options
                    .as_ref()
                    .is_some_and(|options| options.map_entry())
            })
            .any(|it| it.name() == entry)
    }

    /// The `oneof` that it stands in, if the source has it.
    pub fn oneof(&self) -> Option<&'a str> {
        let proto = self.proto();
        let index = usize::try_from(proto.oneof_index?).ok()?;
        let oneof = self.message?.proto.oneof_decl.get(index)?;
        (!proto.proto3_optional()).then(|| oneof.name())
    }

    /// What it is called in messages: `field `name` (1) of `Pet``.
    pub fn described(&self) -> String {
        let proto = self.proto();
        match self.message {
            Some(message) => format!(
                "field `{}` ({}) of `{}`",
                proto.name(),
                proto.number(),
                message.nested_name
            ),
            None => format!(
                "extension `{}` ({}) of `{}`",
                proto.name(),
                proto.number(),
                plain(proto.extendee())
            ),
        }
    }
}

/// Whether a field may be another, and not only its text: in a file that both states share, its type is what
/// it was, but the values of an enum may be others.
fn may_differ(files: (&File<'_>, &File<'_>), field: &FieldDescriptorProto) -> bool {
    !std::ptr::eq(files.0, files.1) || field.r#type() == Type::Enum
}

/// Where the map is that a message is an entry of.
fn map_field(file: &File<'_>, entry: &Message<'_>) -> Option<SourcePath> {
    if !entry.is_map_entry() {
        return None;
    }
    let outer_path = entry.path.get(..entry.path.len() - 2)?;
    let outer = file.messages.iter().find(|it| it.path == outer_path)?;
    let mut fields = outer.fields();
    let map = fields.find(|field| last_part(field.proto.type_name()) == entry.proto.name());
    map.map(|field| field.path)
}

/// Whether a file is of the syntax `proto3`.
pub fn is_proto3(file: &File<'_>) -> bool {
    file.proto.syntax() == "proto3"
}
