//! The cases, prefixes and suffixes of names, and the shape of enums.

use prost_types::field_descriptor_proto::Label;

use crate::proto::finding::Complaint;
use crate::proto::lint::{Judged, case};
use crate::proto::schema::{
    Enum, EnumValue, Field, File, Message, Method, Oneof, Service, below, tag,
};

/// The complaint about the name of what stands at a path.
fn misnamed(path: &[i32], message: String, help: String) -> Option<Complaint> {
    Some(Complaint::new(below(path, &[tag::NAME]), message).help(help))
}

/// A name that is not in the case that it should be.
fn wrong_case(path: &[i32], what: &str, names: [&str; 2], case: &str) -> Option<Complaint> {
    let [name, expected] = names;
    if name == expected {
        return None;
    }
    misnamed(
        path,
        format!("{what} `{name}` is not in {case}"),
        format!("call it `{expected}`"),
    )
}

pub fn enum_pascal_case(_: &File<'_>, it: &Enum<'_>) -> Option<Complaint> {
    let name = it.proto.name();
    wrong_case(&it.path, "enum", [name, &case::pascal(name)], "PascalCase")
}

pub fn message_pascal_case(_: &File<'_>, message: &Message<'_>) -> Option<Complaint> {
    let name = message.proto.name();
    let names = [name, &case::pascal(name)];
    wrong_case(&message.path, "message", names, "PascalCase")
}

pub fn service_pascal_case(_: &Judged<'_>, service: &Service<'_>) -> Option<Complaint> {
    let name = service.proto.name();
    let names = [name, &case::pascal(name)];
    wrong_case(&service.path, "service", names, "PascalCase")
}

pub fn rpc_pascal_case(_: &Judged<'_>, _: &Service<'_>, method: &Method<'_>) -> Option<Complaint> {
    let name = method.proto.name();
    let names = [name, &case::pascal(name)];
    wrong_case(&method.path, "method", names, "PascalCase")
}

pub fn field_lower_snake_case(_: &File<'_>, field: &Field<'_>) -> Option<Complaint> {
    let name = field.proto.name();
    let names = [name, &case::lower_snake(name)];
    wrong_case(&field.path, "field", names, "lower_snake_case")
}

pub fn oneof_lower_snake_case(_: &File<'_>, oneof: &Oneof<'_>) -> Option<Complaint> {
    let name = oneof.proto.name();
    let names = [name, &case::lower_snake(name)];
    wrong_case(&oneof.path, "oneof", names, "lower_snake_case")
}

pub fn enum_value_upper_snake_case(
    _: &Judged<'_>,
    _: &Enum<'_>,
    value: &EnumValue<'_>,
) -> Option<Complaint> {
    let name = value.proto.name();
    let names = [name, &case::upper_snake(name)];
    wrong_case(&value.path, "value", names, "UPPER_SNAKE_CASE")
}

pub fn enum_value_prefix(
    _: &Judged<'_>,
    it: &Enum<'_>,
    value: &EnumValue<'_>,
) -> Option<Complaint> {
    let name = value.proto.name();
    let prefix = case::upper_snake(it.proto.name()) + "_";
    if name.starts_with(&prefix) {
        return None;
    }
    misnamed(
        &value.path,
        format!("value `{name}` does not begin with `{prefix}`"),
        format!("call it `{prefix}{name}`: values of one package share a scope in C++"),
    )
}

pub fn enum_zero_value_suffix(
    judged: &Judged<'_>,
    it: &Enum<'_>,
    value: &EnumValue<'_>,
) -> Option<Complaint> {
    let name = value.proto.name();
    let suffix = &judged.config.enum_zero_value_suffix;
    if value.proto.number() != 0 || name.ends_with(suffix) {
        return None;
    }
    let expected = case::upper_snake(it.proto.name()) + suffix;
    misnamed(
        &value.path,
        format!("value `{name}` is 0 and does not end in `{suffix}`"),
        format!("call it `{expected}`: 0 is what a field has that nobody set"),
    )
}

pub fn enum_first_value_zero(_: &File<'_>, it: &Enum<'_>) -> Option<Complaint> {
    let first = it.values().next()?;
    if first.proto.number() == 0 {
        return None;
    }
    let message = format!(
        "the first value `{}` of `{}` is not 0",
        first.proto.name(),
        it.proto.name()
    );
    let path = below(&first.path, &[tag::ENUM_VALUE_NUMBER]);
    Some(Complaint::new(path, message).help("put the value 0 first"))
}

pub fn enum_no_allow_alias(_: &File<'_>, it: &Enum<'_>) -> Option<Complaint> {
    /// `EnumOptions.allow_alias`.
    const ALLOW_ALIAS: i32 = 2;
    let options = it.proto.options.as_ref()?;
    if !options.allow_alias() {
        return None;
    }
    let path = below(&it.path, &[tag::ENUM_OPTIONS, ALLOW_ALIAS]);
    let message = format!("enum `{}` allows two names for a number", it.proto.name());
    Some(Complaint::new(path, message).help("drop `allow_alias`: JSON reads only one of them back"))
}

pub fn field_not_required(_: &File<'_>, field: &Field<'_>) -> Option<Complaint> {
    if field.proto.label() != Label::Required {
        return None;
    }
    misnamed(
        &field.path,
        format!("field `{}` is required", field.proto.name()),
        "make it optional: a required field can never be removed".to_owned(),
    )
}

pub fn service_suffix(judged: &Judged<'_>, service: &Service<'_>) -> Option<Complaint> {
    let name = service.proto.name();
    let suffix = &judged.config.service_suffix;
    if name.ends_with(suffix) {
        return None;
    }
    misnamed(
        &service.path,
        format!("service `{name}` does not end in `{suffix}`"),
        format!("call it `{name}{suffix}`"),
    )
}
