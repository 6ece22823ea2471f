//! What the members of messages, enums and services are to be called.
//!
//! Pure: no I/O.

use std::collections::HashMap;

use prost_types::field_descriptor_proto::{Label, Type};
use prost_types::{DescriptorProto, EnumDescriptorProto, FieldDescriptorProto};

use super::Kind;
use super::idents::{camel, snake, variant};
use super::scope::{Ident, Space, Taken, Wish, distribute};

/// Functions of every generated client, which a method of the same name would collide with, and
/// those of the prelude's traits, which a call would reach in its place.
const CLIENT_FUNCTIONS: &[&str] = &[
    "accept_compressed",
    "clone",
    "into",
    "max_decoding_message_size",
    "max_encoding_message_size",
    "new",
    "send_compressed",
    "to_owned",
    "try_into",
    "with_interceptor",
    "with_origin",
];

/// Functions that messages have by traits, which one that is derived for a field would hide.
const MESSAGE_FUNCTIONS: &[&str] = &[
    "clear",
    "clone",
    "decode",
    "default",
    "encode",
    "encode_to_vec",
    "encoded_len",
    "into",
    "merge",
    "to_owned",
    "try_into",
];

/// Whether a message stands for an entry of a map.
pub fn is_map_entry(message: &DescriptorProto) -> bool {
    let options = message.options.as_ref();
    options.is_some_and(|options| options.map_entry())
}

/// Whether a message has `oneof`s, apart from those that stand for an `optional` field.
pub fn has_oneofs(message: &DescriptorProto) -> bool {
    message.field.iter().any(|field| oneof_of(field).is_some())
}

/// The `oneof` that a field is in, as Rust has it.
pub fn oneof_of(field: &FieldDescriptorProto) -> Option<usize> {
    let index = field.oneof_index.filter(|_| !field.proto3_optional());
    index.and_then(|index| usize::try_from(index).ok())
}

/// Functions of a service's client and trait, by the names of its methods and in their order.
pub fn distinct_functions(methods: &[&str]) -> Vec<String> {
    let wishes: Vec<Wish<'_>> = (0..)
        .zip(methods)
        .map(|(order, name)| wish(Kind::Method, name, order))
        .collect();
    let mut taken = Taken::reserving(Space::Function, CLIENT_FUNCTIONS);
    let idents = |_, name: &str| vec![(Space::Function, snake(name))];
    let replaced = distribute(&wishes, &mut taken, idents);
    let names = methods.iter().zip(&replaced);
    names
        .map(|(name, replaced)| snake(replaced.as_deref().unwrap_or(name)))
        .collect()
}

/// What values of an enum, by their names, are to be called otherwise than they are, and which value an
/// alias stands for. `replaced` is what the enum itself is to be called.
pub fn values(one: &EnumDescriptorProto, replaced: Option<&str>) -> HashMap<String, String> {
    let usual_enum = camel(one.name());
    let rust_enum = replaced.map_or_else(|| usual_enum.clone(), camel);
    // What is left of a value's name does not depend on what the enum had to be called.
    let given = |value: &str| match replaced {
        Some(replaced) => {
            let usual = variant(&usual_enum, value);
            let given = format!("{replaced}_{usual}");
            let is_same = variant(&rust_enum, &given) == usual;
            if is_same { given } else { value.to_owned() }
        }
        None => value.to_owned(),
    };
    let mut by_number: HashMap<i32, usize> = HashMap::new();
    let mut firsts: Vec<(&str, String)> = Vec::new();
    let mut aliases: Vec<(&str, usize)> = Vec::new();
    for value in &one.value {
        match by_number.get(&value.number()) {
            Some(&first) => aliases.push((value.name(), first)),
            None => {
                by_number.insert(value.number(), firsts.len());
                firsts.push((value.name(), given(value.name())));
            }
        }
    }
    let names = (0..).zip(&firsts);
    let wishes: Vec<Wish<'_>> = names
        .map(|(order, (_, name))| wish(Kind::Value, name, order))
        .collect();
    let idents = |_, name: &str| vec![(Space::Variant, variant(&rust_enum, name))];
    let replaced = distribute(&wishes, &mut Taken::default(), idents);
    let decided = firsts.iter().zip(replaced);
    let decided: Vec<String> = decided
        .map(|((_, given), replaced)| replaced.unwrap_or_else(|| given.clone()))
        .collect();
    let aliases = aliases
        .into_iter()
        .map(|(alias, first)| (alias, &decided[first]));
    let changed = firsts
        .iter()
        .map(|(name, _)| *name)
        .zip(&decided)
        .filter(|(name, decided)| name != decided);
    changed
        .chain(aliases)
        .map(|(name, decided)| (name.to_owned(), decided.clone()))
        .collect()
}

/// What fields and `oneof`s, in their order, are to be called otherwise than they are.
#[derive(Debug)]
pub struct Members {
    /// The fields.
    pub fields: Vec<Option<String>>,
    /// The `oneof`s.
    pub oneofs: Vec<Option<String>>,
}

/// Decides on the members of a message; `nested` has what the types in it are to be called.
pub fn members(message: &DescriptorProto, is_proto2: bool, nested: &[&str]) -> Members {
    let mut members = Members {
        fields: vec![None; message.field.len()],
        oneofs: vec![None; message.oneof_decl.len()],
    };
    let in_oneof = |oneof: Option<usize>| {
        let fields = message.field.iter().enumerate();
        fields.filter(move |(_, field)| oneof_of(field) == oneof)
    };
    let of_struct: Vec<(usize, &FieldDescriptorProto)> = in_oneof(None).collect();
    let mut wishes: Vec<Wish<'_>> = of_struct
        .iter()
        .map(|(_, field)| field_wish(field))
        .collect();
    let mut oneofs = Vec::new();
    for (index, oneof) in message.oneof_decl.iter().enumerate() {
        let Some((_, first)) = in_oneof(Some(index)).next() else {
            continue;
        };
        oneofs.push(index);
        wishes.push(wish(Kind::Oneof, oneof.name(), first.number()));
        let (of_oneof, wishes): (Vec<usize>, Vec<Wish<'_>>) = in_oneof(Some(index))
            .map(|(index, field)| (index, field_wish(field)))
            .unzip();
        let idents = |_, name: &str| vec![(Space::Variant, camel(name))];
        let replaced = distribute(&wishes, &mut Taken::default(), idents);
        for (field, replaced) in of_oneof.into_iter().zip(replaced) {
            members.fields[field] = replaced;
        }
    }
    let types: Vec<String> = nested.iter().map(|name| camel(name)).collect();
    let mut taken = Taken::reserving(Space::Function, MESSAGE_FUNCTIONS);
    for ident in types
        .iter()
        .cloned()
        .chain(nested.iter().map(|name| snake(name)))
    {
        taken.take(vec![(Space::Item, ident)]);
    }
    let idents = |index: usize, name: &str| match of_struct.get(index) {
        Some((_, field)) => field_idents(message, field, is_proto2, name),
        None => oneof_idents(&types, name),
    };
    let replaced = distribute(&wishes, &mut taken, idents);
    for (index, replaced) in replaced.into_iter().enumerate() {
        match of_struct.get(index) {
            Some((field, _)) => members.fields[*field] = replaced,
            None => members.oneofs[oneofs[index - of_struct.len()]] = replaced,
        }
    }
    members
}

fn wish(kind: Kind, name: &str, order: i32) -> Wish<'_> {
    Wish {
        name,
        order,
        suffix: kind.suffix(),
    }
}

fn field_wish(field: &FieldDescriptorProto) -> Wish<'_> {
    wish(Kind::Field, field.name(), field.number())
}

fn oneof_idents(types: &[String], name: &str) -> Vec<Ident> {
    let mut of_type = camel(name);
    if types.contains(&of_type) {
        of_type.push_str("OneOf");
    }
    vec![(Space::Field, snake(name)), (Space::Item, of_type)]
}

/// A field and the functions that prost derives for it.
fn field_idents(
    message: &DescriptorProto,
    field: &FieldDescriptorProto,
    is_proto2: bool,
    name: &str,
) -> Vec<Ident> {
    let ident = snake(name);
    let plain = ident.trim_start_matches("r#");
    let is_repeated = field.label() == Label::Repeated;
    let is_optional = field.proto3_optional() || (is_proto2 && field.label() == Label::Optional);
    let functions = match field.r#type() {
        Type::Enum if is_repeated => vec![ident.clone(), format!("push_{plain}")],
        Type::Enum => vec![ident.clone(), format!("set_{plain}")],
        Type::Message if is_repeated && is_map_of_enums(message, field) => {
            // prost derives no identifier from one that is raw.
            let stem = if plain == ident { plain } else { "" };
            let function = |verb: &str| match stem {
                "" => String::new(),
                stem => format!("{verb}_{stem}"),
            };
            vec![function("get"), function("insert")]
        }
        Type::Message | Type::Group => Vec::new(),
        _ if is_optional => vec![ident.clone()],
        _ => Vec::new(),
    };
    let functions = functions.into_iter().map(|name| (Space::Function, name));
    [(Space::Field, ident)]
        .into_iter()
        .chain(functions)
        .collect()
}

fn is_map_of_enums(message: &DescriptorProto, field: &FieldDescriptorProto) -> bool {
    let name = field.type_name().rsplit('.').next();
    let mut entries = message.nested_type.iter().filter(|it| is_map_entry(it));
    let entry = entries.find(|entry| entry.name.as_deref() == name);
    let value = entry.and_then(|entry| entry.field.iter().find(|it| it.number() == 2));
    value.is_some_and(|value| value.r#type() == Type::Enum)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_functions_that_collide_change_and_never_into_another() {
        assert_eq!(
            distinct_functions(&["Get", "New", "NewRpc", "Connect", "Type", "get", "GET", "_"]),
            [
                "get_rpc", "new_rpc2", "new_rpc", "connect", "r#type", "get", "get_rpc2", "rpc"
            ]
        );
    }
}
