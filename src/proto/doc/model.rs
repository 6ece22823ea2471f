//! What there is to say of protos, ready to be laid out.

use std::collections::{BTreeMap, BTreeSet};

use prost_types::field_descriptor_proto::{Label, Type};
use serde::Serialize;

use crate::proto::schema::{
    Enum, EnumValue, Field, File, Message, Method, Service, last_part, plain,
};

/// All packages.
#[derive(Debug, Serialize)]
pub struct Documentation {
    title: String,
    packages: Vec<Package>,
}

#[derive(Debug, Default, Serialize)]
struct Package {
    name: String,
    comment: Comment,
    services: Vec<ServiceDoc>,
    messages: Vec<MessageDoc>,
    enums: Vec<EnumDoc>,
}

/// A comment, as pages need it.
#[derive(Debug, Default, Serialize)]
struct Comment {
    text: String,
    paragraphs: Vec<String>,
    /// In one line, for a table.
    cell: String,
}

/// What every definition has.
#[derive(Debug, Serialize)]
struct Definition {
    name: String,
    full_name: String,
    comment: Comment,
    deprecated: bool,
}

#[derive(Debug, Serialize)]
struct ServiceDoc {
    #[serde(flatten)]
    definition: Definition,
    methods: Vec<MethodDoc>,
}

#[derive(Debug, Serialize)]
struct MethodDoc {
    #[serde(flatten)]
    definition: Definition,
    request: TypeDoc,
    response: TypeDoc,
    client_streaming: bool,
    server_streaming: bool,
}

#[derive(Debug, Serialize)]
struct MessageDoc {
    #[serde(flatten)]
    definition: Definition,
    fields: Vec<FieldDoc>,
}

#[derive(Debug, Serialize)]
struct FieldDoc {
    #[serde(flatten)]
    definition: Definition,
    number: i32,
    kind: TypeDoc,
    /// `repeated`, `optional` or nothing.
    label: &'static str,
    oneof: Option<String>,
}

#[derive(Debug, Serialize)]
struct EnumDoc {
    #[serde(flatten)]
    definition: Definition,
    values: Vec<ValueDoc>,
}

#[derive(Debug, Serialize)]
struct ValueDoc {
    #[serde(flatten)]
    definition: Definition,
    number: i32,
}

/// A type, and where it is described, if it is.
#[derive(Debug, Serialize)]
struct TypeDoc {
    name: String,
    link: Option<String>,
}

/// Documents the files whose names are given.
pub fn document(title: &str, all_files: &[File<'_>], names: &BTreeSet<String>) -> Documentation {
    let files: Vec<&File<'_>> = all_files
        .iter()
        .filter(|file| names.contains(file.name()))
        .collect();
    let messages = files.iter().flat_map(|file| &file.messages);
    let enums = files.iter().flat_map(|file| &file.enums);
    let known: BTreeSet<&str> = messages
        .map(|it| it.full_name.as_str())
        .chain(enums.map(|it| it.full_name.as_str()))
        .collect();
    let mut packages: BTreeMap<&str, Package> = BTreeMap::new();
    for file in files {
        let writer = Writer {
            file,
            known: &known,
        };
        let package = packages.entry(file.proto.package()).or_default();
        package.name = file.proto.package().to_owned();
        let comment = writer.comment(&[crate::proto::schema::tag::FILE_PACKAGE]);
        if package.comment.text.is_empty() {
            package.comment = comment;
        }
        package
            .services
            .extend(file.services.iter().map(|it| writer.service(it)));
        let messages = file.messages.iter().filter(|it| !it.is_map_entry());
        package
            .messages
            .extend(messages.map(|it| writer.message(it)));
        package
            .enums
            .extend(file.enums.iter().map(|it| writer.enumeration(it)));
    }
    let by_name = |a: &Definition, b: &Definition| a.full_name.cmp(&b.full_name);
    for package in packages.values_mut() {
        package
            .services
            .sort_by(|a, b| by_name(&a.definition, &b.definition));
        package
            .messages
            .sort_by(|a, b| by_name(&a.definition, &b.definition));
        package
            .enums
            .sort_by(|a, b| by_name(&a.definition, &b.definition));
    }
    Documentation {
        title: title.to_owned(),
        packages: packages.into_values().collect(),
    }
}

/// Describes what one file defines.
struct Writer<'a> {
    file: &'a File<'a>,
    /// The types that are described.
    known: &'a BTreeSet<&'a str>,
}

impl Writer<'_> {
    /// The comments before and behind what stands at a path, as paragraphs.
    fn comment(&self, path: &[i32]) -> Comment {
        let Some(location) = self.file.location(path) else {
            return Comment::default();
        };
        let clean = |comment: &str| {
            let lines = comment.lines();
            let lines = lines.map(|line| line.strip_prefix(' ').unwrap_or(line).trim_end());
            // What is said to linters is not said to readers.
            let lines = lines.filter(|line| !line.trim_start().starts_with("buf:lint:"));
            lines.collect::<Vec<_>>().join("\n").trim().to_owned()
        };
        let parts = [
            clean(location.leading_comments()),
            clean(location.trailing_comments()),
        ];
        let parts: Vec<String> = parts.into_iter().filter(|it| !it.is_empty()).collect();
        let text = parts.join("\n\n");
        Comment {
            paragraphs: text.split("\n\n").map(str::to_owned).collect(),
            cell: text
                .split_whitespace()
                .collect::<Vec<_>>()
                .join(" ")
                .replace('|', "\\|"),
            text,
        }
    }

    fn definition(&self, full_name: &str, path: &[i32], deprecated: bool) -> Definition {
        let package = self.file.proto.package();
        let within = full_name
            .strip_prefix(package)
            .and_then(|it| it.strip_prefix('.'));
        Definition {
            name: within.unwrap_or(full_name).to_owned(),
            full_name: full_name.to_owned(),
            comment: self.comment(path),
            deprecated,
        }
    }

    fn part(&self, outer: &str, name: &str, path: &[i32], deprecated: bool) -> Definition {
        Definition {
            name: name.to_owned(),
            full_name: format!("{outer}.{name}"),
            comment: self.comment(path),
            deprecated,
        }
    }

    fn named_type(&self, type_name: &str) -> TypeDoc {
        let full_name = plain(type_name);
        let is_known = self.known.contains(full_name);
        let within = full_name
            .strip_prefix(self.file.proto.package())
            .and_then(|it| it.strip_prefix('.'));
        TypeDoc {
            name: within.unwrap_or(full_name).to_owned(),
            link: is_known.then(|| full_name.to_owned()),
        }
    }

    fn service(&self, service: &Service<'_>) -> ServiceDoc {
        let options = service.proto.options.as_ref();
        let deprecated = options.is_some_and(|it| it.deprecated());
        ServiceDoc {
            definition: self.definition(&service.full_name, &service.path, deprecated),
            methods: service
                .methods()
                .map(|it| self.method(&service.full_name, &it))
                .collect(),
        }
    }

    fn method(&self, service: &str, method: &Method<'_>) -> MethodDoc {
        let options = method.proto.options.as_ref();
        let deprecated = options.is_some_and(|it| it.deprecated());
        MethodDoc {
            definition: self.part(service, method.proto.name(), &method.path, deprecated),
            request: self.named_type(method.proto.input_type()),
            response: self.named_type(method.proto.output_type()),
            client_streaming: method.proto.client_streaming(),
            server_streaming: method.proto.server_streaming(),
        }
    }

    fn message(&self, message: &Message<'_>) -> MessageDoc {
        let options = message.proto.options.as_ref();
        let deprecated = options.is_some_and(|it| it.deprecated());
        MessageDoc {
            definition: self.definition(&message.full_name, &message.path, deprecated),
            fields: message
                .fields()
                .map(|it| self.field(message, &it))
                .collect(),
        }
    }

    fn field(&self, message: &Message<'_>, field: &Field<'_>) -> FieldDoc {
        let proto = field.proto;
        let options = proto.options.as_ref();
        let deprecated = options.is_some_and(|it| it.deprecated());
        let entry = last_part(proto.type_name());
        let mut inner = message.proto.nested_type.iter();
        let entry = inner.find(|it| {
            let is_entry = it
                .options
                .as_ref()
                .is_some_and(|options| options.map_entry());
            is_entry && it.name() == entry && proto.r#type() == Type::Message
        });
        let (kind, label) = match entry.map(|entry| entry.field.as_slice()) {
            Some([key, value]) => {
                let value = self.type_of(value);
                let name = format!("map<{}, {}>", self.type_of(key).name, value.name);
                (
                    TypeDoc {
                        name,
                        link: value.link,
                    },
                    "",
                )
            }
            _ => {
                let label = match proto.label() {
                    Label::Repeated => "repeated",
                    Label::Required => "required",
                    Label::Optional if proto.proto3_optional() => "optional",
                    Label::Optional => "",
                };
                (self.type_of(proto), label)
            }
        };
        let oneof = proto.oneof_index.filter(|_| !proto.proto3_optional());
        let oneof = oneof.and_then(|index| {
            let index = usize::try_from(index).ok()?;
            Some(message.proto.oneof_decl.get(index)?.name().to_owned())
        });
        FieldDoc {
            definition: self.part(&message.full_name, proto.name(), &field.path, deprecated),
            number: proto.number(),
            kind,
            label,
            oneof,
        }
    }

    fn type_of(&self, field: &prost_types::FieldDescriptorProto) -> TypeDoc {
        match field.r#type() {
            Type::Message | Type::Enum | Type::Group => self.named_type(field.type_name()),
            scalar => TypeDoc {
                name: scalar
                    .as_str_name()
                    .trim_start_matches("TYPE_")
                    .to_lowercase(),
                link: None,
            },
        }
    }

    fn enumeration(&self, it: &Enum<'_>) -> EnumDoc {
        let options = it.proto.options.as_ref();
        let deprecated = options.is_some_and(|it| it.deprecated());
        EnumDoc {
            definition: self.definition(&it.full_name, &it.path, deprecated),
            values: it
                .values()
                .map(|value| self.value(&it.full_name, &value))
                .collect(),
        }
    }

    fn value(&self, outer: &str, value: &EnumValue<'_>) -> ValueDoc {
        let options = value.proto.options.as_ref();
        let deprecated = options.is_some_and(|it| it.deprecated());
        ValueDoc {
            definition: self.part(outer, value.proto.name(), &value.path, deprecated),
            number: value.proto.number(),
        }
    }
}
