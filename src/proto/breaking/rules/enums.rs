//! What enums have and reserve.

use std::collections::{BTreeMap, BTreeSet};

use prost_types::EnumDescriptorProto;

use crate::proto::breaking::Pair;
use crate::proto::breaking::rules::ranges::{self, Range};
use crate::proto::breaking::state::is_proto3;
use crate::proto::finding::Complaint;
use crate::proto::schema::{Enum, below, tag};

type Enums<'a> = Pair<'a, Enum<'a>>;

/// Whether the files of both states are of the syntax `proto3`.
fn are_proto3(enums: &Enums<'_>) -> [bool; 2] {
    let name = enums.after.full_name.as_str();
    [enums.states.before, enums.states.after]
        .map(|state| state.enums.get(name).is_some_and(|it| is_proto3(it.0)))
}

pub fn enum_same_type(enums: &Enums<'_>) -> Vec<Complaint> {
    let [before, after] = are_proto3(enums).map(|open| if open { "open" } else { "closed" });
    if before == after {
        return Vec::new();
    }
    let message = format!(
        "enum `{}` was {before} and is {after}",
        enums.after.proto.name()
    );
    let help = "an open enum keeps numbers that it does not know, a closed one does not";
    vec![Complaint::new(enums.after.path.clone(), message).help(help)]
}

pub fn enum_same_json_format(enums: &Enums<'_>) -> Vec<Complaint> {
    if are_proto3(enums) != [true, false] {
        return Vec::new();
    }
    let message = "JSON was checked to be possible, and is no longer: the file was `proto3`";
    vec![Complaint::new(enums.after.path.clone(), message)]
}

/// The names of an enum by their number: with aliases, a number has several.
pub fn names<'a>(it: &Enum<'a>) -> BTreeMap<i32, BTreeSet<&'a str>> {
    let mut names: BTreeMap<i32, BTreeSet<&str>> = BTreeMap::new();
    for value in &it.proto.value {
        names
            .entry(value.number())
            .or_default()
            .insert(value.name());
    }
    names
}

fn reserved(it: &EnumDescriptorProto) -> Vec<Range> {
    let ranges = it.reserved_range.iter();
    ranges.map(|it| (it.start(), it.end())).collect()
}

fn listed(names: &BTreeSet<&str>) -> String {
    let names: Vec<String> = names.iter().map(|name| format!("`{name}`")).collect();
    names.join(", ")
}

/// Values that are gone, unless `is_fine`.
fn gone(
    enums: &Enums<'_>,
    unless: &str,
    is_fine: impl Fn(i32, &BTreeSet<&str>, &EnumDescriptorProto) -> bool,
) -> Vec<Complaint> {
    let left = names(enums.after);
    names(enums.before)
        .into_iter()
        .filter(|(number, _)| !left.contains_key(number))
        .filter(|(number, names)| !is_fine(*number, names, enums.after.proto))
        .map(|(number, names)| {
            let message = format!("value {} ({number}) is gone{unless}", listed(&names));
            let quoted: Vec<String> = names.iter().map(|name| format!("\"{name}\"")).collect();
            let help = format!(
                "add `reserved {number};` and `reserved {};`",
                quoted.join(", ")
            );
            let complaint = Complaint::new(enums.after.path.clone(), message);
            match unless.is_empty() {
                true => complaint,
                false => complaint.help(help),
            }
        })
        .collect()
}

pub fn enum_value_no_delete(enums: &Enums<'_>) -> Vec<Complaint> {
    gone(enums, "", |_, _, _| false)
}

pub fn enum_value_no_delete_unless_name_reserved(enums: &Enums<'_>) -> Vec<Complaint> {
    gone(enums, " and its name is not reserved", |_, names, now| {
        let is_reserved = |name: &&str| now.reserved_name.iter().any(|it| it == name);
        names.iter().all(is_reserved)
    })
}

pub fn enum_value_no_delete_unless_number_reserved(enums: &Enums<'_>) -> Vec<Complaint> {
    gone(
        enums,
        " and its number is not reserved",
        |number, _, now| {
            let mut ranges = reserved(now).into_iter();
            ranges.any(|(start, end)| (start..=end).contains(&number))
        },
    )
}

pub fn enum_value_same_name(enums: &Enums<'_>) -> Vec<Complaint> {
    let before = names(enums.before);
    let after = names(enums.after);
    let mut complaints = Vec::new();
    for value in enums.after.values() {
        let number = value.proto.number();
        let (Some(were), Some(are)) = (before.get(&number), after.get(&number)) else {
            continue;
        };
        // More names may be added, but each that was there must stay.
        if were.is_subset(are) {
            continue;
        }
        let message = format!("value {number} was {} and is {}", listed(were), listed(are));
        let path = below(&value.path, &[tag::ENUM_VALUE_NUMBER]);
        complaints.push(Complaint::new(path, message));
    }
    complaints
}

pub fn reserved_enum_no_delete(enums: &Enums<'_>) -> Vec<Complaint> {
    let told = |message: String| Complaint::new(enums.after.path.clone(), message);
    let [before, after] = [enums.before, enums.after].map(|it| reserved(it.proto));
    let shrunk = ranges::shrunk(&before, &after).into_iter();
    let mut complaints: Vec<Complaint> = shrunk
        .map(|(range, missing)| {
            let missing: Vec<String> = missing
                .iter()
                .map(|it| format!("`{}`", ranges::shown(it, i32::MAX)))
                .collect();
            told(format!(
                "of the reserved range `{}`, {} is gone",
                ranges::shown(&range, i32::MAX),
                missing.join(", ")
            ))
        })
        .collect();
    let left: BTreeSet<&String> = enums.after.proto.reserved_name.iter().collect();
    let names = enums.before.proto.reserved_name.iter();
    let names = names.filter(|name| !left.contains(name));
    complaints.extend(names.map(|name| told(format!("the name `{name}` is no longer reserved"))));
    complaints
}
