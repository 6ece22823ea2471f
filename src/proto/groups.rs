//! Which groups have to be in boxes: prost boxes messages that contain themselves, but overlooks those
//! that do so by way of a group, and a type without an end does not compile.
//!
//! Pure: descriptors in, names out.

use std::collections::{HashMap, HashSet};

use prost_types::field_descriptor_proto::{Label, Type};
use prost_types::{DescriptorProto, FieldDescriptorProto, FileDescriptorProto};

/// What a message holds itself: the types of its fields, by its full name.
type Held = HashMap<String, Vec<String>>;

/// The fields, by their full names as prost wants them, that are groups in which their own message is.
pub fn recursive(files: &[FileDescriptorProto]) -> Vec<String> {
    let messages = files.iter().flat_map(|file| {
        let scope = match file.package() {
            "" => String::new(),
            package => format!(".{package}"),
        };
        file.message_type.iter().map(move |it| (scope.clone(), it))
    });
    let messages: Vec<(String, &DescriptorProto)> = messages.collect();
    if !messages.iter().any(|(_, message)| has_group(message)) {
        return Vec::new();
    }
    let mut held = Held::new();
    let mut groups = Vec::new();
    for (scope, message) in messages {
        add(&scope, message, &mut held, &mut groups);
    }
    let is_recursive = |(message, held_type, _): &(String, String, String)| {
        let mut seen = HashSet::new();
        let mut pending = vec![held_type];
        while let Some(next) = pending.pop() {
            if next == message {
                return true;
            }
            if seen.insert(next) {
                pending.extend(held.get(next).into_iter().flatten());
            }
        }
        false
    };
    let recursive = groups.iter().filter(|it| is_recursive(it));
    recursive.map(|(_, _, path)| path.clone()).collect()
}

fn is_held(field: &FieldDescriptorProto) -> bool {
    field.label() != Label::Repeated && matches!(field.r#type(), Type::Message | Type::Group)
}

fn has_group(message: &DescriptorProto) -> bool {
    let mut fields = message.field.iter();
    fields.any(|field| field.r#type() == Type::Group) || message.nested_type.iter().any(has_group)
}

fn add(
    scope: &str,
    message: &DescriptorProto,
    held: &mut Held,
    groups: &mut Vec<(String, String, String)>,
) {
    let name = format!("{scope}.{}", message.name());
    for field in message.field.iter().filter(|it| is_held(it)) {
        if field.r#type() == Type::Group {
            let oneof = field.oneof_index.and_then(|it| usize::try_from(it).ok());
            let oneof = oneof.and_then(|it| message.oneof_decl.get(it));
            let path = match oneof {
                Some(oneof) => format!("{name}.{}.{}", oneof.name(), field.name()),
                None => format!("{name}.{}", field.name()),
            };
            groups.push((name.clone(), field.type_name().to_owned(), path));
        }
        let types = held.entry(name.clone()).or_default();
        types.push(field.type_name().to_owned());
    }
    for nested in &message.nested_type {
        add(&name, nested, held, groups);
    }
}
