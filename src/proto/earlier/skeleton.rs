//! What other files see of a file, and what is left of one that nobody reads places or custom options of.
//!
//! Pure: descriptors in, descriptors out.

use std::collections::HashSet;

use prost_types::descriptor_proto::ExtensionRange;
use prost_types::{
    DescriptorProto, EnumDescriptorProto, EnumOptions, EnumValueDescriptorProto,
    FieldDescriptorProto, FileDescriptorProto, ServiceDescriptorProto, UninterpretedOption,
};

/// What other files can see of a file: its types by their names, and what it imports for them. Those of two
/// states are equal where a name means the same in both.
pub fn skeleton(file: &FileDescriptorProto) -> FileDescriptorProto {
    let dependency: Vec<String> = public_imports(file).map(str::to_owned).collect();
    let services = file.service.iter().map(|it| ServiceDescriptorProto {
        name: it.name.clone(),
        ..ServiceDescriptorProto::default()
    });
    FileDescriptorProto {
        name: file.name.clone(),
        package: file.package.clone(),
        syntax: file.syntax.clone(),
        public_dependency: (0..).take(dependency.len()).collect(),
        dependency,
        message_type: file.message_type.iter().map(of_message).collect(),
        enum_type: file.enum_type.iter().map(of_enum).collect(),
        service: services.collect(),
        ..FileDescriptorProto::default()
    }
}

/// The files that are imported by whoever imports a file.
pub fn public_imports(file: &FileDescriptorProto) -> impl Iterator<Item = &str> {
    let indices = file.public_dependency.iter();
    let indices = indices.filter_map(|it| usize::try_from(*it).ok());
    indices.filter_map(|it| file.dependency.get(it).map(String::as_str))
}

fn of_message(message: &DescriptorProto) -> DescriptorProto {
    let ranges = message.extension_range.iter().map(|it| ExtensionRange {
        start: it.start,
        end: it.end,
        options: None,
    });
    DescriptorProto {
        name: message.name.clone(),
        nested_type: message.nested_type.iter().map(of_message).collect(),
        enum_type: message.enum_type.iter().map(of_enum).collect(),
        extension_range: ranges.collect(),
        ..DescriptorProto::default()
    }
}

fn of_enum(it: &EnumDescriptorProto) -> EnumDescriptorProto {
    let values = it.value.iter().map(|value| EnumValueDescriptorProto {
        name: value.name.clone(),
        number: value.number,
        options: None,
    });
    // Before it is linked, whether it may have aliases is told in another way than after.
    let numbers: HashSet<i32> = it.value.iter().map(|value| value.number()).collect();
    let has_aliases = numbers.len() < it.value.len();
    EnumDescriptorProto {
        name: it.name.clone(),
        value: values.collect(),
        options: has_aliases.then(|| EnumOptions {
            allow_alias: Some(true),
            ..EnumOptions::default()
        }),
        ..EnumDescriptorProto::default()
    }
}

/// A parsed file without places, comments and the values of custom options.
pub fn bare(mut file: FileDescriptorProto) -> FileDescriptorProto {
    file.source_code_info = None;
    if let Some(options) = &mut file.options {
        without_custom(&mut options.uninterpreted_option);
    }
    file.message_type.iter_mut().for_each(bare_message);
    file.enum_type.iter_mut().for_each(bare_enum);
    file.extension.iter_mut().for_each(bare_field);
    for service in &mut file.service {
        if let Some(options) = &mut service.options {
            without_custom(&mut options.uninterpreted_option);
        }
        let methods = service.method.iter_mut();
        for options in methods.filter_map(|it| it.options.as_mut()) {
            without_custom(&mut options.uninterpreted_option);
        }
    }
    file
}

fn bare_message(message: &mut DescriptorProto) {
    if let Some(options) = &mut message.options {
        without_custom(&mut options.uninterpreted_option);
    }
    let fields = message.field.iter_mut().chain(&mut message.extension);
    fields.for_each(bare_field);
    let oneofs = message.oneof_decl.iter_mut();
    for options in oneofs.filter_map(|it| it.options.as_mut()) {
        without_custom(&mut options.uninterpreted_option);
    }
    for range in &mut message.extension_range {
        range.options = None;
    }
    message.nested_type.iter_mut().for_each(bare_message);
    message.enum_type.iter_mut().for_each(bare_enum);
}

fn bare_field(field: &mut FieldDescriptorProto) {
    if let Some(options) = &mut field.options {
        without_custom(&mut options.uninterpreted_option);
    }
}

fn bare_enum(it: &mut EnumDescriptorProto) {
    if let Some(options) = &mut it.options {
        without_custom(&mut options.uninterpreted_option);
    }
    for value in &mut it.value {
        value.options = None;
    }
}

fn without_custom(options: &mut Vec<UninterpretedOption>) {
    options.retain(|option| !option.name.first().is_some_and(|it| it.is_extension));
}
