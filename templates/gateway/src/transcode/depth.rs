//! How deep messages are nested.

use prost_reflect::{DynamicMessage, Value};

/// How many messages may be within each other. Decoders of protobuf refuse more (prost and C++ have
/// 100 of them), and what encodes or drops a message needs a stack for each.
pub(super) const MAX_DEPTH: usize = 100;

/// Whether `message` has no more than `left` messages within each other. An entry of a map is one.
pub(super) fn is_within(message: &DynamicMessage, left: usize) -> bool {
    message.fields().all(|(_, value)| fits(value, left))
}

fn fits(value: &Value, left: usize) -> bool {
    let inner = |fits: &dyn Fn(usize) -> bool| left.checked_sub(1).is_some_and(fits);
    match value {
        Value::Message(message) => inner(&|left| is_within(message, left)),
        Value::List(values) => values.iter().all(|value| fits(value, left)),
        Value::Map(entries) if entries.is_empty() => true,
        Value::Map(entries) => inner(&|left| entries.values().all(|value| fits(value, left))),
        _ => true,
    }
}
