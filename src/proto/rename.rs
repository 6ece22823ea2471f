//! Names that protobuf allows and generated Rust cannot have, and what they become.
//!
//! Wire names stay as they are. Pure: no I/O.

use std::collections::BTreeSet;

use serde::Serialize;

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

/// What a name that is taken gets appended, as often as it takes.
const SUFFIX: &str = "_rpc";

/// A name in Rust that is not the usual one.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize)]
pub struct Rename {
    /// The method: `corner.v1.Corner/New`.
    pub proto: String,
    /// Its function: `new_rpc`.
    pub rust: String,
}

/// Gives each function of a service a name that does not collide: the first of several equal ones
/// keeps it. Returns the names in the given order.
pub fn distinct_functions(functions: &[String]) -> Vec<String> {
    let mut taken: BTreeSet<String> = CLIENT_FUNCTIONS.iter().map(ToString::to_string).collect();
    // A name that is free as it is must not be lost to another's suffix.
    let given: BTreeSet<&String> = functions.iter().collect();
    let mut distinct = Vec::with_capacity(functions.len());
    for function in functions {
        let mut name = function.clone();
        while taken.contains(&name) || (name != *function && given.contains(&name)) {
            name = format!("{}{SUFFIX}", name.trim_start_matches("r#"));
        }
        taken.insert(name.clone());
        distinct.push(name);
    }
    distinct
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_names_that_collide_change_and_never_into_another() {
        let given = ["get", "new", "new_rpc", "connect", "r#type", "get", "get"].map(str::to_owned);
        assert_eq!(
            distinct_functions(&given),
            [
                "get",
                "new_rpc_rpc",
                "new_rpc",
                "connect",
                "r#type",
                "get_rpc",
                "get_rpc_rpc"
            ]
        );
    }
}
