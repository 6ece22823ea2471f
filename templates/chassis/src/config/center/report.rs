//! What is in force, for `/configz`, and what differs between two configurations.
//!
//! A value is hidden when a setting of type [`Secret`](crate::config::Secret) was read from it, when
//! it was encrypted, and, for settings that should have been secrets, when its key sounds like one
//! or it is an address with a password.

use std::collections::BTreeMap;
use std::time::SystemTime;

use serde_json::{Value as Json, json};

use super::start::current;
use crate::config::ConfigError;
use crate::config::node::{Node, Value};

const HIDDEN: &str = "[redacted]";

/// Endings of keys whose values are hidden whatever their type.
const SECRET_ENDINGS: [&str; 10] = [
    "password",
    "passwd",
    "passphrase",
    "secret",
    "token",
    "credential",
    "credentials",
    "api_key",
    "private_key",
    "access_key",
];

/// What is in force, and what is not.
#[derive(Debug, Clone)]
pub(super) struct State {
    pub(super) tree: Node,
    pub(super) need_restart: Vec<String>,
    /// The last change, when it was refused.
    pub(super) refused: Option<Refused>,
}

#[derive(Debug, Clone)]
pub(super) struct Refused {
    reason: String,
    time: SystemTime,
}

impl Refused {
    pub(super) fn now(error: &ConfigError) -> Self {
        Self {
            reason: error.with_cause(),
            time: SystemTime::now(),
        }
    }
}

/// What is in force as JSON; `None` when nothing was loaded.
pub(crate) fn json() -> Option<String> {
    current().map(|state| state.json().to_string())
}

impl State {
    pub(super) fn json(&self) -> Json {
        let mut settings = serde_json::Map::new();
        walk(&self.tree, &mut String::new(), &mut |key, node| {
            let value = json!({
                "value": shown(node, key),
                "origin": node.origin.to_string(),
            });
            settings.insert(key.to_owned(), value);
        });
        let refused = self.refused.as_ref().map(|refused| {
            let since = refused.time.duration_since(SystemTime::UNIX_EPOCH);
            json!({
                "reason": refused.reason,
                "timestamp_seconds": since.unwrap_or_default().as_secs(),
            })
        });
        json!({
            "settings": settings,
            "restart_needed": !self.need_restart.is_empty(),
            "restart_needed_for": self.need_restart,
            "refused": refused,
        })
    }
}

/// The keys whose values differ.
pub(super) fn differing(before: &Node, after: &Node) -> Vec<String> {
    let (before, mut after) = (plain_leaves(before), plain_leaves(after));
    let mut keys: Vec<String> = before
        .into_iter()
        .filter_map(|(key, value)| (after.remove(&key) != Some(value)).then_some(key))
        .collect();
    keys.extend(after.into_keys());
    keys.sort_unstable();
    keys
}

fn plain_leaves(tree: &Node) -> BTreeMap<String, Json> {
    let mut leaves = BTreeMap::new();
    walk(tree, &mut String::new(), &mut |key, node| {
        leaves.insert(key.to_owned(), plain(node));
    });
    leaves
}

/// Calls `leaf` for every value that is not a table, in the order of the keys.
fn walk(node: &Node, key: &mut String, leaf: &mut impl FnMut(&str, &Node)) {
    let Value::Table(table) = &node.value else {
        return leaf(key, node);
    };
    let length = key.len();
    for (name, node) in table {
        if length > 0 {
            key.push('.');
        }
        key.push_str(name);
        walk(node, key, leaf);
        key.truncate(length);
    }
}

/// The value, secrets and all: for comparisons.
fn plain(node: &Node) -> Json {
    to_json(node, "", &|node, _| match &node.value {
        Value::Sealed(secret) => Some(secret.expose().into()),
        _ => None,
    })
}

/// The value as it may be shown.
fn shown(node: &Node, key: &str) -> Json {
    let name = key.rsplit('.').next().unwrap_or(key);
    to_json(node, name, &|node, name| {
        is_hidden(node, name).then(|| HIDDEN.into())
    })
}

fn is_hidden(node: &Node, name: &str) -> bool {
    let text = match &node.value {
        Value::Sealed(_) => return true,
        Value::String(text) | Value::Text { raw: text, .. } => text.as_str(),
        _ => "",
    };
    let name = name.to_lowercase();
    node.secret.is_set()
        || SECRET_ENDINGS.iter().any(|ending| name.ends_with(ending))
        || has_user(text)
}

/// Whether `text` has an address of the form `scheme://user:password@host` in it.
fn has_user(text: &str) -> bool {
    text.split("://").skip(1).any(|rest| {
        let authority = rest.split(['/', '?', '#', ' ', '"', ',']).next();
        authority.is_some_and(|authority| authority.contains('@'))
    })
}

/// The value, where `replaced`, which gets the name of its key as well, does not say something else.
fn to_json(node: &Node, name: &str, replaced: &dyn Fn(&Node, &str) -> Option<Json>) -> Json {
    if let Some(json) = replaced(node, name) {
        return json;
    }
    match &node.value {
        Value::Table(table) => {
            let entries = table
                .iter()
                .map(|(key, node)| (key.clone(), to_json(node, key, replaced)));
            Json::Object(entries.collect())
        }
        Value::Array(items) => items
            .iter()
            .map(|item| to_json(item, name, replaced))
            .collect(),
        Value::String(text) => text.as_str().into(),
        Value::Integer(integer) => (*integer).into(),
        Value::Float(float) => (*float).into(),
        Value::Boolean(boolean) => (*boolean).into(),
        Value::Text {
            parsed: Some(parsed),
            ..
        } => to_json(parsed, name, replaced),
        Value::Text { raw, parsed: None } => raw.as_str().into(),
        Value::Sealed(_) => HIDDEN.into(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn addresses_with_a_user_are_told_from_others() {
        for text in ["postgres://app:pw@db/x", "a http://u@h:1", "redis://:p@h"] {
            assert!(has_user(text), "{text}");
        }
        for text in ["http://h:1/a@b", "a@b", "info,a=debug", "http://h?q=a@b"] {
            assert!(!has_user(text), "{text}");
        }
    }
}
