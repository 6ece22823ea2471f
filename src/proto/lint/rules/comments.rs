//! Whether everything has a comment that says something.

use prost_types::field_descriptor_proto::Type;

use crate::proto::finding::Complaint;
use crate::proto::lint::{IGNORE, Judged};
use crate::proto::schema::{Enum, EnumValue, Field, File, Message, Method, Oneof, Service};

fn missing(file: &File<'_>, path: &[i32], kind: &str, name: &str) -> Option<Complaint> {
    let is_text = |line: &str| !line.trim().is_empty() && !line.trim().starts_with(IGNORE);
    if file.leading_comment(path).lines().any(is_text) {
        return None;
    }
    let message = format!("{kind} `{name}` has no comment");
    Some(Complaint::new(path.to_vec(), message).help("say above it what it is for"))
}

pub fn of_enum(file: &File<'_>, it: &Enum<'_>) -> Option<Complaint> {
    missing(file, &it.path, "enum", it.proto.name())
}

pub fn of_enum_value(
    judged: &Judged<'_>,
    _: &Enum<'_>,
    value: &EnumValue<'_>,
) -> Option<Complaint> {
    missing(judged.file, &value.path, "value", value.proto.name())
}

pub fn of_field(file: &File<'_>, field: &Field<'_>) -> Option<Complaint> {
    // The comment of a group is that of its message.
    if field.proto.r#type() == Type::Group {
        return None;
    }
    missing(file, &field.path, "field", field.proto.name())
}

pub fn of_message(file: &File<'_>, message: &Message<'_>) -> Option<Complaint> {
    missing(file, &message.path, "message", message.proto.name())
}

pub fn of_oneof(file: &File<'_>, oneof: &Oneof<'_>) -> Option<Complaint> {
    missing(file, &oneof.path, "oneof", oneof.proto.name())
}

pub fn of_method(judged: &Judged<'_>, _: &Service<'_>, method: &Method<'_>) -> Option<Complaint> {
    missing(judged.file, &method.path, "method", method.proto.name())
}

pub fn of_service(judged: &Judged<'_>, service: &Service<'_>) -> Option<Complaint> {
    missing(judged.file, &service.path, "service", service.proto.name())
}
