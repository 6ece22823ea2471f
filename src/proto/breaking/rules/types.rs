//! The types of fields: the same, or such that the wire or JSON can carry both.

use prost_types::field_descriptor_proto::Type;

use crate::proto::breaking::Pair;
use crate::proto::breaking::rules::{enums, fields};
use crate::proto::breaking::state::FieldView;
use crate::proto::finding::Complaint;
use crate::proto::schema::{plain, tag};

type Fields<'a> = Pair<'a, FieldView<'a>>;

/// A type as protos have it.
fn type_name(view: &FieldView<'_>) -> String {
    let proto = view.proto();
    match proto.r#type() {
        Type::Message | Type::Enum | Type::Group => plain(proto.type_name()).to_owned(),
        scalar => {
            let name = scalar.as_str_name();
            name.trim_start_matches("TYPE_").to_lowercase()
        }
    }
}

fn is_named(view: &FieldView<'_>) -> bool {
    matches!(
        view.proto().r#type(),
        Type::Message | Type::Enum | Type::Group
    )
}

/// The word for a type that has a name.
fn kind(view: &FieldView<'_>) -> &'static str {
    match view.proto().r#type() {
        Type::Enum => "enum",
        Type::Group => "group",
        _ => "message",
    }
}

fn changed(fields: &Fields<'_>) -> Option<Complaint> {
    let part = match is_named(fields.after) {
        true => tag::FIELD_TYPE_NAME,
        false => tag::FIELD_TYPE,
    };
    let [was, is] = [fields.before, fields.after].map(|it| match type_name(it) {
        name if type_name(fields.before) != type_name(fields.after) => format!("`{name}`"),
        name => format!("the {} `{name}`", kind(it)),
    });
    let message = format!(
        "the type of {} was {was} and is {is}",
        fields.after.described()
    );
    fields::complaint(fields, &[part], message)
}

pub fn field_same_type(fields: &Fields<'_>) -> Option<Complaint> {
    let is_same = fields.before.proto().r#type() == fields.after.proto().r#type()
        && type_name(fields.before) == type_name(fields.after);
    if is_same { None } else { changed(fields) }
}

/// Types that the wire cannot tell apart have the same letter
/// (<https://protobuf.dev/programming-guides/proto3/#updating>).
fn wire_group(kind: Type) -> char {
    match kind {
        Type::Int32 | Type::Int64 | Type::Uint32 | Type::Uint64 | Type::Bool => 'v',
        Type::Sint32 | Type::Sint64 => 'z',
        Type::String => 's',
        Type::Bytes => 'b',
        Type::Fixed32 | Type::Sfixed32 => '4',
        Type::Fixed64 | Type::Sfixed64 => '8',
        Type::Double => 'd',
        Type::Float => 'f',
        Type::Group => 'g',
        Type::Message => 'm',
        Type::Enum => 'e',
    }
}

/// Types that neither the wire nor JSON can tell apart have the same letter.
fn json_group(kind: Type) -> char {
    match kind {
        Type::Int32 | Type::Uint32 => 'i',
        Type::Int64 | Type::Uint64 => 'l',
        Type::Bool => 't',
        Type::Sint32 => 'y',
        other => wire_group(other),
    }
}

pub fn field_wire_compatible_type(fields: &Fields<'_>) -> Option<Complaint> {
    let [before, after] = [fields.before, fields.after].map(|it| it.proto().r#type());
    // Every text is bytes; not all bytes are a text.
    if (before, after) == (Type::String, Type::Bytes) {
        return None;
    }
    compatible(fields, wire_group(before) == wire_group(after))
}

pub fn field_wire_json_compatible_type(fields: &Fields<'_>) -> Option<Complaint> {
    let [before, after] = [fields.before, fields.after].map(|it| it.proto().r#type());
    compatible(fields, json_group(before) == json_group(after))
}

fn compatible(fields: &Fields<'_>, is_same_group: bool) -> Option<Complaint> {
    let is_fine = is_same_group
        && (!is_named(fields.after)
            || type_name(fields.before) == type_name(fields.after)
            || is_same_enum_elsewhere(fields));
    if is_fine { None } else { changed(fields) }
}

/// Whether the type is an enum that moved: of the same name, and with all the values that it had.
fn is_same_enum_elsewhere(fields: &Fields<'_>) -> bool {
    if fields.after.proto().r#type() != Type::Enum {
        return false;
    }
    let states = fields.states;
    let before = states.before.any_enum(&type_name(fields.before));
    let after = states.after.any_enum(&type_name(fields.after));
    let (Some(before), Some(after)) = (before, after) else {
        return false;
    };
    let left = enums::names(after);
    before.proto.name() == after.proto.name()
        && enums::names(before)
            .iter()
            .all(|(number, names)| left.get(number).is_some_and(|it| names.is_subset(it)))
}
