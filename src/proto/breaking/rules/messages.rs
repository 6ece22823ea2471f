//! What messages have and reserve.

use std::collections::{BTreeMap, BTreeSet};

use prost_types::DescriptorProto;
use prost_types::field_descriptor_proto::Label;

use crate::proto::breaking::Pair;
use crate::proto::breaking::rules::ranges::{self, Range};
use crate::proto::breaking::state::is_proto3;
use crate::proto::finding::Complaint;
use crate::proto::schema::{Field, Message, Oneof, below, tag};

type Messages<'a> = Pair<'a, Message<'a>>;

/// The largest number that a field can have.
const MAX_NUMBER: i32 = 536_870_911;

fn fields<'a>(message: &Message<'a>) -> BTreeMap<i32, Field<'a>> {
    let fields = message.fields();
    fields.map(|field| (field.proto.number(), field)).collect()
}

/// The ranges of numbers that a message keeps free.
fn reserved(message: &DescriptorProto) -> Vec<Range> {
    let ranges = message.reserved_range.iter();
    ranges.map(|it| (it.start(), it.end() - 1)).collect()
}

/// Fields that are gone, unless `is_fine`.
fn gone(
    messages: &Messages<'_>,
    unless: &str,
    is_fine: impl Fn(&Field<'_>, &DescriptorProto) -> bool,
) -> Vec<Complaint> {
    let left = fields(messages.after);
    let before = messages.before.fields();
    before
        .filter(|field| !left.contains_key(&field.proto.number()))
        .filter(|field| !is_fine(field, messages.after.proto))
        .map(|field| {
            let (name, number) = (field.proto.name(), field.proto.number());
            let message = format!("field `{name}` ({number}) is gone{unless}");
            let help = format!("add `reserved {number};` and `reserved \"{name}\";`");
            let complaint = Complaint::new(messages.after.path.clone(), message);
            match unless.is_empty() {
                true => complaint,
                false => complaint.help(help),
            }
        })
        .collect()
}

pub fn field_no_delete(messages: &Messages<'_>) -> Vec<Complaint> {
    gone(messages, "", |_, _| false)
}

pub fn field_no_delete_unless_name_reserved(messages: &Messages<'_>) -> Vec<Complaint> {
    gone(messages, " and its name is not reserved", |field, now| {
        now.reserved_name
            .iter()
            .any(|name| name == field.proto.name())
    })
}

pub fn field_no_delete_unless_number_reserved(messages: &Messages<'_>) -> Vec<Complaint> {
    gone(messages, " and its number is not reserved", |field, now| {
        let number = field.proto.number();
        let mut ranges = reserved(now).into_iter();
        ranges.any(|(start, end)| (start..=end).contains(&number))
    })
}

/// Ranges that lost numbers.
fn shrunk(messages: &Messages<'_>, kind: &str, ranges: [Vec<Range>; 2]) -> Vec<Complaint> {
    let [before, after] = ranges;
    let shrunk = ranges::shrunk(&before, &after).into_iter();
    shrunk
        .map(|(range, missing)| {
            let missing: Vec<String> = missing
                .iter()
                .map(|it| format!("`{}`", ranges::shown(it, MAX_NUMBER)))
                .collect();
            let message = format!(
                "of the {kind} range `{}`, {} is gone",
                ranges::shown(&range, MAX_NUMBER),
                missing.join(", ")
            );
            Complaint::new(messages.after.path.clone(), message)
        })
        .collect()
}

pub fn extension_message_no_delete(messages: &Messages<'_>) -> Vec<Complaint> {
    let ranges = [messages.before, messages.after].map(|message| {
        let ranges = message.proto.extension_range.iter();
        ranges.map(|it| (it.start(), it.end() - 1)).collect()
    });
    shrunk(messages, "extension", ranges)
}

pub fn reserved_message_no_delete(messages: &Messages<'_>) -> Vec<Complaint> {
    let ranges = [messages.before, messages.after].map(|message| reserved(message.proto));
    let mut complaints = shrunk(messages, "reserved", ranges);
    let left: BTreeSet<&String> = messages.after.proto.reserved_name.iter().collect();
    let names = messages.before.proto.reserved_name.iter();
    complaints.extend(names.filter(|name| !left.contains(name)).map(|name| {
        let message = format!("the name `{name}` is no longer reserved");
        Complaint::new(messages.after.path.clone(), message)
    }));
    complaints
}

pub fn oneof_no_delete(messages: &Messages<'_>) -> Vec<Complaint> {
    let left: BTreeSet<String> = messages.after.oneofs().map(|it| name(&it)).collect();
    let before = messages.before.oneofs().map(|it| name(&it));
    before
        .filter(|name| !left.contains(name))
        .map(|name| {
            Complaint::new(
                messages.after.path.clone(),
                format!("oneof `{name}` is gone"),
            )
        })
        .collect()
}

fn name(oneof: &Oneof<'_>) -> String {
    oneof.proto.name().to_owned()
}

pub fn message_no_remove_standard_descriptor_accessor(messages: &Messages<'_>) -> Vec<Complaint> {
    /// `MessageOptions.no_standard_descriptor_accessor`.
    const NUMBER: i32 = 2;
    let [before, after] = [messages.before, messages.after].map(|message| {
        let options = message.proto.options.as_ref();
        options.is_some_and(|options| options.no_standard_descriptor_accessor())
    });
    if before || !after {
        return Vec::new();
    }
    let path = below(&messages.after.path, &[tag::MESSAGE_OPTIONS, NUMBER]);
    let message = "`no_standard_descriptor_accessor` was not set and is";
    vec![Complaint::new(path, message)]
}

pub fn message_same_message_set_wire_format(messages: &Messages<'_>) -> Vec<Complaint> {
    /// `MessageOptions.message_set_wire_format`.
    const NUMBER: i32 = 1;
    let [before, after] = [messages.before, messages.after].map(|message| {
        let options = message.proto.options.as_ref();
        options.is_some_and(|options| options.message_set_wire_format())
    });
    if before == after {
        return Vec::new();
    }
    let path = below(&messages.after.path, &[tag::MESSAGE_OPTIONS, NUMBER]);
    let message = format!("`message_set_wire_format` was `{before}` and is `{after}`");
    vec![Complaint::new(path, message)]
}

pub fn message_same_json_format(messages: &Messages<'_>) -> Vec<Complaint> {
    let states = messages.states;
    let name = messages.after.full_name.as_str();
    let was_proto3 = states
        .before
        .messages
        .get(name)
        .is_some_and(|it| is_proto3(it.0));
    let is_proto3 = states
        .after
        .messages
        .get(name)
        .is_some_and(|it| is_proto3(it.0));
    if !was_proto3 || is_proto3 {
        return Vec::new();
    }
    let message = "JSON was checked to be possible, and is no longer: the file was `proto3`";
    vec![Complaint::new(messages.after.path.clone(), message)]
}

pub fn message_same_required_fields(messages: &Messages<'_>) -> Vec<Complaint> {
    fn required<'a>(message: &Message<'a>) -> BTreeMap<i32, Field<'a>> {
        let mut fields = fields(message);
        fields.retain(|_, field| field.proto.label() == Label::Required);
        fields
    }
    let [mut gone, mut added] = [required(messages.before), required(messages.after)];
    let kept: Vec<i32> = gone
        .keys()
        .copied()
        .filter(|it| added.contains_key(it))
        .collect();
    for number in kept {
        gone.remove(&number);
        added.remove(&number);
    }
    let told = |path: &[i32], field: &Field<'_>, what: &str| {
        let message = format!("the required field `{}` {what}", field.proto.name());
        Complaint::new(path.to_vec(), message)
            .help("required fields must always be sent: the other side fails without them")
    };
    let gone = gone
        .values()
        .map(|field| told(&messages.after.path, field, "is gone"));
    let added = added
        .values()
        .map(|field| told(&field.path, field, "is new"));
    gone.chain(added).collect()
}
