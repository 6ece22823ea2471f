//! From features to labels, types and options.
//!
//! Pure: no I/O.

use std::collections::HashSet;

use prost_types::field_descriptor_proto::{Label, Type};
use prost_types::{
    DescriptorProto, EnumDescriptorProto, FieldDescriptorProto, FieldOptions, FileDescriptorProto,
    OneofDescriptorProto, UninterpretedOption,
};

use super::DEFAULT;
use super::features::{Features, Presence};
use crate::proto::schema::{SourcePath, below, join, tag};

/// Files that only say how code of other languages is to be.
const LANGUAGE_FEATURES: &[&str] = &[
    "google/protobuf/cpp_features.proto",
    "google/protobuf/go_features.proto",
    "google/protobuf/java_features.proto",
];

/// Something that only one of the two can say.
#[derive(Clone, Debug)]
pub struct Only {
    /// What it is, as the rest of a sentence.
    pub what: &'static str,
    /// What it is about.
    pub full_name: String,
    /// Where that stands.
    pub path: SourcePath,
}

/// What a pass over a file finds and needs.
#[derive(Default)]
pub struct Lowering {
    /// Whether the file is told in proto2, else in proto3.
    pub is_proto2: bool,
    messages: HashSet<String>,
    enums: HashSet<String>,
    /// The first that only proto2 has.
    pub only_proto2: Option<Only>,
    /// The first that only proto3 has.
    pub only_proto3: Option<Only>,
}

impl Lowering {
    /// Nothing but the names of the types in the file, and of those that it may use.
    pub fn of(file: &FileDescriptorProto, imported: &[FileDescriptorProto]) -> Self {
        let mut lowering = Self::default();
        lowering.collect_file(file);
        // A name means the file's own type before another's.
        let own: HashSet<String> = lowering.messages.union(&lowering.enums).cloned().collect();
        let mut others = Self::default();
        imported.iter().for_each(|it| others.collect_file(it));
        let is_new = |name: &String| !own.contains(name);
        lowering
            .messages
            .extend(others.messages.into_iter().filter(is_new));
        lowering
            .enums
            .extend(others.enums.into_iter().filter(is_new));
        lowering
    }

    fn collect_file(&mut self, file: &FileDescriptorProto) {
        let enums = file.enum_type.iter().map(|it| it.name().to_owned());
        self.enums.extend(enums);
        file.message_type.iter().for_each(|it| self.collect(it));
    }

    fn collect(&mut self, message: &DescriptorProto) {
        self.messages.insert(message.name().to_owned());
        self.enums
            .extend(message.enum_type.iter().map(|it| it.name().to_owned()));
        message.nested_type.iter().for_each(|it| self.collect(it));
    }

    /// Tells the file.
    pub fn file(&mut self, mut file: FileDescriptorProto) -> FileDescriptorProto {
        file.syntax = Some(if self.is_proto2 { "proto2" } else { "proto3" }.to_owned());
        drop_language_features(&mut file);
        let mut features = Features::DEFAULT;
        if let Some(options) = &mut file.options {
            features = features.and(&mut options.uninterpreted_option);
        }
        let package = file.package.clone().unwrap_or_default();
        for (index, message) in (0..).zip(&mut file.message_type) {
            self.message(message, &package, vec![tag::FILE_MESSAGE, index], features);
        }
        for (index, one) in (0..).zip(&mut file.enum_type) {
            self.enumeration(one, &package, vec![tag::FILE_ENUM, index], features);
        }
        for extension in &mut file.extension {
            self.extension(extension, features);
        }
        for service in &mut file.service {
            if let Some(options) = &mut service.options {
                features.and(&mut options.uninterpreted_option);
            }
            for options in service
                .method
                .iter_mut()
                .filter_map(|it| it.options.as_mut())
            {
                features.and(&mut options.uninterpreted_option);
            }
        }
        file
    }

    fn needs_proto2(&mut self, what: &'static str, full_name: &str, path: &[i32]) {
        self.only_proto2.get_or_insert_with(|| Only {
            what,
            full_name: full_name.to_owned(),
            path: path.to_vec(),
        });
    }

    fn enumeration(
        &mut self,
        one: &mut EnumDescriptorProto,
        scope: &str,
        path: SourcePath,
        mut features: Features,
    ) {
        if let Some(options) = &mut one.options {
            features = features.and(&mut options.uninterpreted_option);
        }
        for options in one.value.iter_mut().filter_map(|it| it.options.as_mut()) {
            features.and(&mut options.uninterpreted_option);
        }
        if features.is_closed {
            let full_name = join(scope, one.name());
            self.needs_proto2("is a closed enum", &full_name, &path);
        }
    }

    fn message(
        &mut self,
        message: &mut DescriptorProto,
        scope: &str,
        path: SourcePath,
        mut features: Features,
    ) {
        let full_name = join(scope, message.name());
        if let Some(options) = &mut message.options {
            features = features.and(&mut options.uninterpreted_option);
            if options.map_entry() {
                return;
            }
        }
        if !message.extension_range.is_empty() {
            self.needs_proto2("can be extended", &full_name, &path);
        }
        for range in &mut message.extension_range {
            if let Some(options) = &mut range.options {
                features.and(&mut options.uninterpreted_option);
            }
        }
        let of_oneofs = message
            .oneof_decl
            .iter_mut()
            .map(|oneof| match &mut oneof.options {
                Some(options) => features.and(&mut options.uninterpreted_option),
                None => features,
            });
        let of_oneofs: Vec<Features> = of_oneofs.collect();
        let mut oneofs = message.oneof_decl.len();
        let mut synthetic = Vec::new();
        for (index, field) in (0..).zip(&mut message.field) {
            let path = below(&path, &[tag::MESSAGE_FIELD, index]);
            let oneof = field.oneof_index.and_then(|it| usize::try_from(it).ok());
            let features = oneof
                .and_then(|it| of_oneofs.get(it))
                .copied()
                .unwrap_or(features);
            let full_name = join(&full_name, field.name());
            self.field(field, full_name, path, features);
            if field.proto3_optional() {
                field.oneof_index = i32::try_from(oneofs).ok();
                oneofs += 1;
                synthetic.push(format!("_{}", field.name()));
            }
        }
        let fields = message.field.iter().map(|it| it.name());
        let taken = fields.chain(message.oneof_decl.iter().map(|it| it.name()));
        let taken: HashSet<String> = taken.map(str::to_owned).collect();
        message
            .oneof_decl
            .extend(synthetic.into_iter().map(|mut name| {
                while taken.contains(&name) {
                    name.insert(0, 'X');
                }
                OneofDescriptorProto {
                    name: Some(name),
                    options: None,
                }
            }));
        for (index, nested) in (0..).zip(&mut message.nested_type) {
            let path = below(&path, &[tag::MESSAGE_NESTED, index]);
            self.message(nested, &full_name, path, features);
        }
        for (index, one) in (0..).zip(&mut message.enum_type) {
            let path = below(&path, &[tag::MESSAGE_ENUM, index]);
            self.enumeration(one, &full_name, path, features);
        }
        for extension in &mut message.extension {
            self.extension(extension, features);
        }
    }

    fn extension(&mut self, field: &mut FieldDescriptorProto, mut features: Features) {
        if let Some(options) = &mut field.options {
            features = features.and(&mut options.uninterpreted_option);
        }
        self.pack(field, features);
        take_default(field);
    }

    fn field(
        &mut self,
        field: &mut FieldDescriptorProto,
        full_name: String,
        path: SourcePath,
        mut features: Features,
    ) {
        if let Some(options) = &mut field.options {
            features = features.and(&mut options.uninterpreted_option);
        }
        let type_name = field.type_name.as_deref();
        let type_name = type_name.and_then(|it| it.rsplit('.').next());
        let is_map = field.r#type == Some(Type::Message.into());
        let may_be_message = type_name.is_some_and(|it| !self.enums.contains(it));
        let is_message = type_name.is_some_and(|it| self.messages.contains(it));
        if features.is_delimited && may_be_message && !is_map {
            field.r#type = Some(Type::Group.into());
            self.needs_proto2("is delimited", &full_name, &path);
        }
        if take_default(field) {
            self.needs_proto2("has a default", &full_name, &path);
        }
        if field.label() == Label::Repeated {
            self.pack(field, features);
            return;
        }
        if field.oneof_index.is_some() {
            return;
        }
        match features.presence {
            Presence::Required => {
                field.label = Some(Label::Required.into());
                self.needs_proto2("is required", &full_name, &path);
            }
            Presence::Implicit if !is_message => {
                let what = "has no presence";
                self.only_proto3.get_or_insert(Only {
                    what,
                    full_name,
                    path,
                });
            }
            Presence::Explicit if !self.is_proto2 && !is_message => {
                field.proto3_optional = Some(true);
            }
            Presence::Explicit | Presence::Implicit => {}
        }
    }

    /// Says how numbers are encoded where that is not the default.
    fn pack(&self, field: &mut FieldDescriptorProto, features: Features) {
        let type_name = field
            .type_name
            .as_deref()
            .and_then(|it| it.rsplit('.').next());
        let is_packable = match field.r#type {
            Some(_) if field.type_name.is_some() => false,
            Some(_) => !matches!(field.r#type(), Type::String | Type::Bytes),
            None => type_name.is_some_and(|it| self.enums.contains(it)),
        };
        let is_repeated = field.label() == Label::Repeated;
        if is_repeated && is_packable && features.is_packed == self.is_proto2 {
            let options = field.options.get_or_insert_with(FieldOptions::default);
            options.packed = Some(features.is_packed);
        }
    }
}

/// Drops the imports of files that say nothing for Rust, with their places. What counts imports counts those
/// that are left.
fn drop_language_features(file: &mut FileDescriptorProto) {
    let is_left = |name: &String| !LANGUAGE_FEATURES.contains(&name.as_str());
    let mut left = 0..;
    let indices = file.dependency.iter().map(|name| match is_left(name) {
        true => left.next(),
        false => None,
    });
    let indices: Vec<Option<i32>> = indices.collect();
    let index_now = |before: i32| *indices.get(usize::try_from(before).ok()?)?;
    file.dependency.retain(is_left);
    for listed in [&mut file.public_dependency, &mut file.weak_dependency] {
        *listed = listed.iter().copied().filter_map(index_now).collect();
    }
    let Some(info) = &mut file.source_code_info else {
        return;
    };
    info.location.retain_mut(|it| {
        let [tag::FILE_DEPENDENCY, index] = it.path.as_mut_slice() else {
            return true;
        };
        let now = index_now(*index);
        *index = now.unwrap_or(*index);
        now.is_some()
    });
}

/// Takes what the parser read as an option for what it is; whether there was any.
fn take_default(field: &mut FieldDescriptorProto) -> bool {
    let Some(options) = &mut field.options else {
        return false;
    };
    let is_default = |option: &UninterpretedOption| matches!(option.name.as_slice(), [only] if only.name_part == DEFAULT && !only.is_extension);
    let Some(index) = options.uninterpreted_option.iter().position(is_default) else {
        return false;
    };
    let option = options.uninterpreted_option.remove(index);
    let is_bytes = field.r#type == Some(Type::Bytes.into());
    field.default_value = option
        .identifier_value
        .or(option.positive_int_value.map(|it| it.to_string()))
        .or(option.negative_int_value.map(|it| it.to_string()))
        .or(option.double_value.map(|it| it.to_string()))
        .or(option.string_value.map(|it| match is_bytes {
            true => it
                .iter()
                .map(|byte| byte.escape_ascii().to_string())
                .collect(),
            false => String::from_utf8_lossy(&it).into_owned(),
        }));
    true
}
