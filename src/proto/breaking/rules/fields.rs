//! All about fields but their types.

use prost_types::field_descriptor_proto::{Label, Type};
use prost_types::field_options::CType;

use crate::proto::breaking::Pair;
use crate::proto::breaking::State;
use crate::proto::breaking::state::{Cardinality, FieldView};
use crate::proto::finding::Complaint;
use crate::proto::schema::{below, plain, tag};

type Fields<'a> = Pair<'a, FieldView<'a>>;

/// The complaint about a part of a field, or the field where the source does not have the part.
pub fn complaint(fields: &Fields<'_>, tail: &[i32], message: String) -> Option<Complaint> {
    let view = fields.after;
    let part = below(&view.field.path, tail);
    let path = match view.file.location(&part) {
        Some(_) => part,
        None => view.field.path.clone(),
    };
    Some(Complaint::new(path, message))
}

pub fn field_same_name(fields: &Fields<'_>) -> Option<Complaint> {
    // Extensions are known by their full names.
    let name = |view: &FieldView<'_>| {
        let package = view.message.is_none().then(|| view.file.proto.package());
        format!("{}{}", package.unwrap_or_default(), view.proto().name())
    };
    let [before, after] = [fields.before, fields.after].map(|it| it.proto().name());
    if name(fields.before) == name(fields.after) {
        return None;
    }
    let number = fields.after.proto().number();
    let message = format!("field {number} was called `{before}` and is called `{after}`");
    let help = match before == after {
        true => "an extension's name begins with its package",
        false => "generated code and JSON know it by its name; add another field instead",
    };
    complaint(fields, &[tag::NAME], message).map(|it| it.help(help))
}

pub fn field_same_json_name(fields: &Fields<'_>) -> Option<Complaint> {
    // Extensions cannot have one.
    fields.before.message?;
    let [before, after] = [fields.before, fields.after].map(|it| it.proto().json_name());
    if before == after {
        return None;
    }
    let message = format!(
        "{} was `{before}` in JSON and is `{after}`",
        fields.after.described()
    );
    complaint(fields, &[tag::FIELD_JSON_NAME], message)
}

fn cardinality(fields: &Fields<'_>, is_fine: fn([Cardinality; 2]) -> bool) -> Option<Complaint> {
    if fields.before.is_in_map_entry() && fields.after.is_in_map_entry() {
        return None;
    }
    let both = [fields.before, fields.after].map(FieldView::cardinality);
    if is_fine(both) {
        return None;
    }
    let message = format!(
        "{} was {} and is {}",
        fields.after.described(),
        both[0].name(),
        both[1].name()
    );
    complaint(fields, &[], message)
}

pub fn field_same_cardinality(fields: &Fields<'_>) -> Option<Complaint> {
    cardinality(fields, |[before, after]| before == after)
}

pub fn field_wire_compatible_cardinality(fields: &Fields<'_>) -> Option<Complaint> {
    /// Cardinalities that the wire cannot tell apart.
    fn group(it: Cardinality) -> Cardinality {
        match it {
            Cardinality::Implicit => Cardinality::Explicit,
            Cardinality::Map => Cardinality::Repeated,
            other => other,
        }
    }
    cardinality(fields, |[before, after]| group(before) == group(after))
}

pub fn field_wire_json_compatible_cardinality(fields: &Fields<'_>) -> Option<Complaint> {
    /// Cardinalities that neither the wire nor JSON can tell apart.
    fn group(it: Cardinality) -> Cardinality {
        match it {
            Cardinality::Implicit => Cardinality::Explicit,
            other => other,
        }
    }
    cardinality(fields, |[before, after]| group(before) == group(after))
}

pub fn field_same_oneof(fields: &Fields<'_>) -> Option<Complaint> {
    fields.before.message?;
    let both = [fields.before, fields.after].map(FieldView::oneof);
    let what = match both {
        [None, None] => return None,
        [Some(before), Some(after)] if before == after => return None,
        [Some(before), Some(after)] => format!("was in oneof `{before}` and is in `{after}`"),
        [None, Some(after)] => format!("was in no oneof and is in `{after}`"),
        [Some(before), None] => format!("was in oneof `{before}` and is in none"),
    };
    complaint(fields, &[], format!("{} {what}", fields.after.described()))
}

pub fn field_same_jstype(fields: &Fields<'_>) -> Option<Complaint> {
    /// `FieldOptions.jstype`.
    const NUMBER: i32 = 6;
    let is_long = |view: &FieldView<'_>| {
        matches!(
            view.proto().r#type(),
            Type::Int64 | Type::Sint64 | Type::Uint64 | Type::Fixed64 | Type::Sfixed64
        )
    };
    let [before, after] = [fields.before, fields.after].map(|view| {
        let options = view.proto().options.as_ref();
        let kind = options.map(|options| options.jstype());
        kind.unwrap_or_default().as_str_name()
    });
    if before == after || !is_long(fields.before) || !is_long(fields.after) {
        return None;
    }
    let message = format!(
        "`jstype` of {} was `{before}` and is `{after}`",
        fields.after.described()
    );
    complaint(fields, &[tag::FIELD_OPTIONS, NUMBER], message)
}

pub fn field_same_cpp_string_type(fields: &Fields<'_>) -> Option<Complaint> {
    /// `FieldOptions.ctype`.
    const NUMBER: i32 = 1;
    if fields.before.is_in_map_entry() && fields.after.is_in_map_entry() {
        return None;
    }
    let is_text =
        |view: &FieldView<'_>| matches!(view.proto().r#type(), Type::String | Type::Bytes);
    if !is_text(fields.before) || !is_text(fields.after) {
        return None;
    }
    let [before, after] = [fields.before, fields.after].map(|view| {
        let options = view.proto().options.as_ref();
        options.map_or(CType::String, |options| options.ctype())
    });
    // C++ takes a string wherever it takes a piece of one.
    if before == after || (before, after) == (CType::StringPiece, CType::String) {
        return None;
    }
    let message = format!(
        "`ctype` of {} was `{}` and is `{}`",
        fields.after.described(),
        before.as_str_name(),
        after.as_str_name()
    );
    complaint(fields, &[tag::FIELD_OPTIONS, NUMBER], message)
}

/// Whether both fields are texts: what is not is not checked.
fn are_texts(fields: &Fields<'_>) -> bool {
    let both = [fields.before, fields.after];
    both.iter()
        .all(|view| view.proto().r#type() == Type::String)
}

pub fn field_same_utf8_validation(fields: &Fields<'_>) -> Option<Complaint> {
    let [before, after] = [fields.before, fields.after].map(FieldView::is_proto3);
    utf8(fields, "", [before, after])
}

pub fn field_same_java_utf8_validation(fields: &Fields<'_>) -> Option<Complaint> {
    let checks = [fields.before, fields.after].map(|view| {
        let options = view.file.proto.options.as_ref();
        view.is_proto3() || options.is_some_and(|options| options.java_string_check_utf8())
    });
    let found = utf8(fields, " in Java", checks)?;
    /// `FileOptions.java_string_check_utf8`.
    const NUMBER: i32 = 27;
    let option = vec![tag::FILE_OPTIONS, NUMBER];
    let is_set = fields.after.file.location(&option).is_some();
    let path = if is_set { option } else { found.path };
    Some(Complaint { path, ..found })
}

fn utf8(fields: &Fields<'_>, where_to: &str, [before, after]: [bool; 2]) -> Option<Complaint> {
    if before == after || !are_texts(fields) {
        return None;
    }
    let told = |checks| if checks { "checked" } else { "not checked" };
    let message = format!(
        "{} was {} to be UTF-8{where_to} and is {}",
        fields.after.described(),
        told(before),
        told(after)
    );
    complaint(fields, &[], message)
}

/// What a field is when it is not there.
#[derive(Debug)]
enum DefaultValue {
    Text(String),
    Number(f64),
    /// Of which a float cannot hold all.
    Integer(i128),
}

impl DefaultValue {
    /// Whether it is what a field without a default of its own has.
    fn is_zero(&self) -> bool {
        match self {
            Self::Text(text) => text.is_empty(),
            Self::Number(number) => *number == 0.0,
            Self::Integer(integer) => *integer == 0,
        }
    }
}

impl PartialEq for DefaultValue {
    fn eq(&self, other: &Self) -> bool {
        match (self, other) {
            (Self::Text(one), Self::Text(other)) => one == other,
            (Self::Number(one), Self::Number(other)) => one == other,
            (Self::Integer(one), Self::Integer(other)) => one == other,
            // A changed type is for another rule to tell.
            (Self::Integer(integer), Self::Number(number))
            | (Self::Number(number), Self::Integer(integer)) => *integer as f64 == *number,
            _ => false,
        }
    }
}

pub fn field_same_default(fields: &Fields<'_>) -> Option<Complaint> {
    let before = default_of(fields.before, fields.states.before)?;
    let after = default_of(fields.after, fields.states.after)?;
    let are_unset = before.1.is_zero() && after.1.is_zero();
    if are_unset || before.1 == after.1 {
        return None;
    }
    let message = format!(
        "the default of {} was `{}` and is `{}`",
        fields.after.described(),
        before.0,
        after.0
    );
    complaint(fields, &[tag::FIELD_DEFAULT], message)
}

/// A field's default as it is shown and as it is compared; none where a field cannot have one.
fn default_of(view: &FieldView<'_>, state: &State<'_>) -> Option<(String, DefaultValue)> {
    let proto = view.proto();
    if proto.label() == Label::Repeated {
        return None;
    }
    let set = proto.default_value.as_deref();
    Some(match proto.r#type() {
        Type::Message | Type::Group => return None,
        Type::String | Type::Bytes => {
            let text = set.unwrap_or_default().to_owned();
            (text.clone(), DefaultValue::Text(text))
        }
        Type::Bool => {
            let is_true = set == Some("true");
            (is_true.to_string(), DefaultValue::Integer(is_true.into()))
        }
        Type::Enum => {
            let it = state.any_enum(plain(proto.type_name()))?;
            let mut values = it.proto.value.iter();
            let value = match set {
                Some(name) => values.find(|value| value.name() == name)?,
                None => values.next()?,
            };
            let number = DefaultValue::Integer(value.number().into());
            (value.name().to_owned(), number)
        }
        Type::Double | Type::Float => {
            let number: f64 = set.unwrap_or("0").parse().ok()?;
            // What is no number is not even equal to itself.
            let value = match number.is_nan() {
                true => DefaultValue::Text("nan".to_owned()),
                false => DefaultValue::Number(number),
            };
            (number.to_string(), value)
        }
        _ => {
            let number: i128 = set.unwrap_or("0").parse().ok()?;
            (number.to_string(), DefaultValue::Integer(number))
        }
    })
}
