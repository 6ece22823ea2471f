//! Entries of maps in the order of their keys, for a message does not keep them in any.

use prost_reflect::{Kind, MessageDescriptor};
use serde_json::Value;

/// Sorts the entries of every map in a message; its fields keep their order.
pub(super) fn sort_maps(value: &mut Value, descriptor: &MessageDescriptor) {
    if descriptor.full_name().starts_with("google.protobuf.") {
        sort_well_known(value, descriptor);
        return;
    }
    let Value::Object(members) = value else {
        return;
    };
    for (name, member) in members {
        let Some(field) = descriptor.get_field_by_json_name(name) else {
            continue;
        };
        let Kind::Message(message) = field.kind() else {
            continue;
        };
        if field.is_map() {
            let entries = member.as_object_mut();
            let Some(entries) = entries else { continue };
            entries.sort_keys();
            if let Kind::Message(inner) = message.map_entry_value_field().kind() {
                entries
                    .values_mut()
                    .for_each(|entry| sort_maps(entry, &inner));
            }
        } else if let (true, Value::Array(elements)) = (field.is_list(), &mut *member) {
            elements
                .iter_mut()
                .for_each(|element| sort_maps(element, &message));
        } else {
            sort_maps(member, &message);
        }
    }
}

/// `Struct` is a map itself; `Any` names the message that it holds.
fn sort_well_known(value: &mut Value, descriptor: &MessageDescriptor) {
    match descriptor.full_name() {
        "google.protobuf.Struct" | "google.protobuf.Value" | "google.protobuf.ListValue" => {
            value.sort_all_objects();
        }
        "google.protobuf.Any" => {
            let url = value["@type"].as_str().unwrap_or_default();
            let name = url.rsplit('/').next().unwrap_or_default();
            if let Some(inner) = descriptor.parent_pool().get_message_by_name(name)
                && !inner.full_name().starts_with("google.protobuf.")
            {
                sort_maps(value, &inner);
            }
        }
        _ => {}
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::client::status::with_error_details;
    use prost_reflect::DescriptorPool;
    use serde_json::json;

    #[test]
    fn only_maps_are_sorted() {
        let pool = with_error_details(&DescriptorPool::new());
        let info = pool
            .get_message_by_name("google.rpc.ErrorInfo")
            .expect("built in");
        let mut value = json!({ "reason": "R", "metadata": { "b": "1", "a": "2" }, "domain": "d" });
        sort_maps(&mut value, &info);
        assert_eq!(
            value.to_string(),
            r#"{"reason":"R","metadata":{"a":"2","b":"1"},"domain":"d"}"#
        );
    }
}
