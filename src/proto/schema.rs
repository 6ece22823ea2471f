//! Descriptors as rules look at them: flat lists of what a file defines, each with its name and with
//! its path, by which its place and its comments are found.
//!
//! Pure: descriptors in, views out.

use std::cell::OnceCell;

use prost_types::source_code_info::Location;
use prost_types::{
    DescriptorProto, EnumDescriptorProto, EnumValueDescriptorProto, FieldDescriptorProto,
    FileDescriptorProto, MethodDescriptorProto, OneofDescriptorProto, ServiceDescriptorProto,
};

/// Field numbers of `google/protobuf/descriptor.proto`, of which paths are made.
pub mod tag {
    /// `FileDescriptorProto.package`.
    pub const FILE_PACKAGE: i32 = 2;
    /// `FileDescriptorProto.dependency`.
    pub const FILE_DEPENDENCY: i32 = 3;
    /// `FileDescriptorProto.message_type`.
    pub const FILE_MESSAGE: i32 = 4;
    /// `FileDescriptorProto.enum_type`.
    pub const FILE_ENUM: i32 = 5;
    /// `FileDescriptorProto.service`.
    pub const FILE_SERVICE: i32 = 6;
    /// `FileDescriptorProto.extension`.
    pub const FILE_EXTENSION: i32 = 7;
    /// `FileDescriptorProto.options`.
    pub const FILE_OPTIONS: i32 = 8;
    /// `FileDescriptorProto.syntax`.
    pub const FILE_SYNTAX: i32 = 12;
    /// `DescriptorProto.field`.
    pub const MESSAGE_FIELD: i32 = 2;
    /// `DescriptorProto.nested_type`.
    pub const MESSAGE_NESTED: i32 = 3;
    /// `DescriptorProto.enum_type`.
    pub const MESSAGE_ENUM: i32 = 4;
    /// `DescriptorProto.extension`.
    pub const MESSAGE_EXTENSION: i32 = 6;
    /// `DescriptorProto.oneof_decl`.
    pub const MESSAGE_ONEOF: i32 = 8;
    /// `name` of every kind of definition.
    pub const NAME: i32 = 1;
    /// `FieldDescriptorProto.number`.
    pub const FIELD_NUMBER: i32 = 3;
    /// `FieldDescriptorProto.label`.
    pub const FIELD_LABEL: i32 = 4;
    /// `FieldDescriptorProto.type`.
    pub const FIELD_TYPE: i32 = 5;
    /// `FieldDescriptorProto.type_name`.
    pub const FIELD_TYPE_NAME: i32 = 6;
    /// `FieldDescriptorProto.default_value`.
    pub const FIELD_DEFAULT: i32 = 7;
    /// `FieldDescriptorProto.options`.
    pub const FIELD_OPTIONS: i32 = 8;
    /// `FieldDescriptorProto.json_name`.
    pub const FIELD_JSON_NAME: i32 = 10;
    /// `EnumDescriptorProto.value`.
    pub const ENUM_VALUE: i32 = 2;
    /// `EnumDescriptorProto.options`.
    pub const ENUM_OPTIONS: i32 = 3;
    /// `EnumValueDescriptorProto.number`.
    pub const ENUM_VALUE_NUMBER: i32 = 2;
    /// `ServiceDescriptorProto.method`.
    pub const SERVICE_METHOD: i32 = 2;
    /// `MethodDescriptorProto.input_type`.
    pub const METHOD_INPUT: i32 = 2;
    /// `MethodDescriptorProto.output_type`.
    pub const METHOD_OUTPUT: i32 = 3;
    /// `MethodDescriptorProto.options`.
    pub const METHOD_OPTIONS: i32 = 4;
    /// `MessageOptions.message_set_wire_format`.
    pub const MESSAGE_OPTIONS: i32 = 7;
}

/// Where something stands: the field numbers and indices that lead to it from the file.
pub type SourcePath = Vec<i32>;

/// The path of a part of what has `path`.
pub fn below(path: &[i32], tail: &[i32]) -> SourcePath {
    [path, tail].concat()
}

/// A file and all that it defines.
#[derive(Debug)]
pub struct File<'a> {
    /// The descriptor.
    pub proto: &'a FileDescriptorProto,
    /// Messages at any depth, an outer one before its inner ones.
    pub messages: Vec<Message<'a>>,
    /// Enums at any depth.
    pub enums: Vec<Enum<'a>>,
    /// Services.
    pub services: Vec<Service<'a>>,
    /// Extensions at any depth.
    pub extensions: Vec<Field<'a>>,
    /// The indices of its locations in the order of their paths, once one is looked for.
    by_path: OnceCell<Vec<usize>>,
}

/// A message.
#[derive(Debug)]
pub struct Message<'a> {
    /// The descriptor.
    pub proto: &'a DescriptorProto,
    /// Where it stands.
    pub path: SourcePath,
    /// With the package, without a dot at the front.
    pub full_name: String,
    /// Without the package: `Outer.Inner`.
    pub nested_name: String,
}

/// An enum.
#[derive(Debug)]
pub struct Enum<'a> {
    /// The descriptor.
    pub proto: &'a EnumDescriptorProto,
    /// Where it stands.
    pub path: SourcePath,
    /// With the package, without a dot at the front.
    pub full_name: String,
    /// Without the package: `Outer.Inner`.
    pub nested_name: String,
}

/// A service.
#[derive(Debug)]
pub struct Service<'a> {
    /// The descriptor.
    pub proto: &'a ServiceDescriptorProto,
    /// Where it stands.
    pub path: SourcePath,
    /// With the package, without a dot at the front.
    pub full_name: String,
}

/// A field or an extension.
#[derive(Debug)]
pub struct Field<'a> {
    /// The descriptor.
    pub proto: &'a FieldDescriptorProto,
    /// Where it stands.
    pub path: SourcePath,
}

/// A value of an enum.
#[derive(Debug)]
pub struct EnumValue<'a> {
    /// The descriptor.
    pub proto: &'a EnumValueDescriptorProto,
    /// Where it stands.
    pub path: SourcePath,
}

/// A method.
#[derive(Debug)]
pub struct Method<'a> {
    /// The descriptor.
    pub proto: &'a MethodDescriptorProto,
    /// Where it stands.
    pub path: SourcePath,
}

/// A `oneof` that stands in the source.
#[derive(Debug)]
pub struct Oneof<'a> {
    /// The descriptor.
    pub proto: &'a OneofDescriptorProto,
    /// Its index in its message.
    pub index: usize,
    /// Where it stands.
    pub path: SourcePath,
}

impl<'a> File<'a> {
    /// Lists what a file defines.
    pub fn new(proto: &'a FileDescriptorProto) -> Self {
        let mut file = Self {
            proto,
            messages: Vec::new(),
            enums: Vec::new(),
            services: Vec::new(),
            extensions: Vec::new(),
            by_path: OnceCell::new(),
        };
        let package = proto.package();
        for (index, message) in each(&proto.message_type) {
            file.add_message(message, vec![tag::FILE_MESSAGE, index], "");
        }
        for (index, proto) in each(&proto.enum_type) {
            file.add_enum(proto, vec![tag::FILE_ENUM, index], "");
        }
        for (index, proto) in each(&proto.service) {
            file.services.push(Service {
                proto,
                path: vec![tag::FILE_SERVICE, index],
                full_name: join(package, proto.name()),
            });
        }
        for (index, proto) in each(&proto.extension) {
            let path = vec![tag::FILE_EXTENSION, index];
            file.extensions.push(Field { proto, path });
        }
        file
    }

    fn add_message(&mut self, proto: &'a DescriptorProto, path: SourcePath, outer: &str) {
        let nested_name = join(outer, proto.name());
        for (index, proto) in each(&proto.extension) {
            let path = below(&path, &[tag::MESSAGE_EXTENSION, index]);
            self.extensions.push(Field { proto, path });
        }
        for (index, inner) in each(&proto.enum_type) {
            self.add_enum(
                inner,
                below(&path, &[tag::MESSAGE_ENUM, index]),
                &nested_name,
            );
        }
        self.messages.push(Message {
            proto,
            full_name: join(self.proto.package(), &nested_name),
            nested_name: nested_name.clone(),
            path: path.clone(),
        });
        for (index, inner) in each(&proto.nested_type) {
            self.add_message(
                inner,
                below(&path, &[tag::MESSAGE_NESTED, index]),
                &nested_name,
            );
        }
    }

    fn add_enum(&mut self, proto: &'a EnumDescriptorProto, path: SourcePath, outer: &str) {
        let nested_name = join(outer, proto.name());
        self.enums.push(Enum {
            proto,
            path,
            full_name: join(self.proto.package(), &nested_name),
            nested_name,
        });
    }

    /// The path below the folder of imports.
    pub fn name(&self) -> &'a str {
        self.proto.name()
    }

    /// The folder that holds the file, relative to that of the imports; `.` for that itself.
    pub fn folder(&self) -> &'a str {
        self.name()
            .rsplit_once('/')
            .map_or(".", |(folder, _)| folder)
    }

    /// What stands at a path.
    pub fn location(&self, path: &[i32]) -> Option<&'a Location> {
        let info = self.proto.source_code_info.as_ref()?;
        let path_of = |index: &usize| info.location[*index].path.as_slice();
        let by_path = self.by_path.get_or_init(|| {
            let mut indices: Vec<usize> = (0..info.location.len()).collect();
            // Compilers write them nearly in this order, which makes this quick.
            indices.sort_by(|a, b| path_of(a).cmp(path_of(b)));
            indices
        });
        let found = by_path.binary_search_by(|index| path_of(index).cmp(path));
        found.ok().map(|found| &info.location[by_path[found]])
    }

    /// The comment right before what stands at a path.
    pub fn leading_comment(&self, path: &[i32]) -> &'a str {
        let location = self.location(path);
        location.map_or("", Location::leading_comments)
    }

    /// Every field of messages, and every extension.
    pub fn fields(&self) -> impl Iterator<Item = Field<'a>> {
        let of_messages = self
            .messages
            .iter()
            .filter(|message| !message.is_map_entry())
            .flat_map(Message::fields);
        let extensions = self.extensions.iter().map(|field| Field {
            proto: field.proto,
            path: field.path.clone(),
        });
        of_messages.chain(extensions)
    }
}

impl<'a> Message<'a> {
    /// Whether it stands for an entry of a map, so that no source has it.
    pub fn is_map_entry(&self) -> bool {
        let options = self.proto.options.as_ref();
        options.is_some_and(|options| options.map_entry())
    }

    /// Its fields.
    pub fn fields(&self) -> impl Iterator<Item = Field<'a>> + use<'a> {
        let path = self.path.clone();
        each(&self.proto.field).map(move |(index, proto)| Field {
            proto,
            path: below(&path, &[tag::MESSAGE_FIELD, index]),
        })
    }

    /// Its `oneof`s, without those that stand for an `optional` field.
    pub fn oneofs(&self) -> impl Iterator<Item = Oneof<'a>> + use<'a> {
        let path = self.path.clone();
        let message = self.proto;
        each(&message.oneof_decl)
            .filter(|(index, _)| {
                let mut fields = message.field.iter();
                !fields.any(|field| field.proto3_optional() && field.oneof_index == Some(*index))
            })
            .map(move |(index, proto)| Oneof {
                proto,
                index: usize::try_from(index).expect("an index"),
                path: below(&path, &[tag::MESSAGE_ONEOF, index]),
            })
    }
}

impl<'a> Enum<'a> {
    /// Its values.
    pub fn values(&self) -> impl Iterator<Item = EnumValue<'a>> + use<'a> {
        let path = self.path.clone();
        each(&self.proto.value).map(move |(index, proto)| EnumValue {
            proto,
            path: below(&path, &[tag::ENUM_VALUE, index]),
        })
    }
}

impl<'a> Service<'a> {
    /// Its methods.
    pub fn methods(&self) -> impl Iterator<Item = Method<'a>> + use<'a> {
        let path = self.path.clone();
        each(&self.proto.method).map(move |(index, proto)| Method {
            proto,
            path: below(&path, &[tag::SERVICE_METHOD, index]),
        })
    }
}

/// The elements of a repeated field, with their index as it stands in paths.
fn each<T>(items: &[T]) -> impl Iterator<Item = (i32, &T)> {
    (0..).zip(items)
}

/// A name with what it stands in.
pub fn join(outer: &str, name: &str) -> String {
    match outer.is_empty() {
        true => name.to_owned(),
        false => format!("{outer}.{name}"),
    }
}

/// A type's name as descriptors refer to it, without the dot at the front.
pub fn plain(type_name: &str) -> &str {
    type_name.strip_prefix('.').unwrap_or(type_name)
}

/// The last part of a name.
pub fn last_part(name: &str) -> &str {
    name.rsplit('.').next().unwrap_or(name)
}
