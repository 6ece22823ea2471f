//! What is in force, for `/configz`, and what differs between two configurations.
//!
//! A value is hidden when a setting of type [`Secret`](crate::config::Secret) was read from it, when
//! it was encrypted, and, for settings that should have been secrets, when its key sounds like one
//! or it is an address with a password.

use std::collections::BTreeMap;
use std::time::SystemTime;

use serde_json::{Value as Json, json};

use super::effective::Effective;
use super::start::current;
use super::{APP, is_within};
use crate::config::follow::is_followed;
use crate::config::node::{Node, Value};
use crate::config::shown::HIDDEN;
use crate::config::{ConfigError, Origin};

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
    /// What is set.
    pub(super) tree: Node,
    /// What that comes to.
    pub(super) effective: Effective,
    /// The keys that are applied while the service runs, beside those that always are.
    pub(super) hooked: Vec<&'static str>,
    /// What is not in force before a restart, and what is in force meanwhile.
    pub(super) need_restart: BTreeMap<String, Json>,
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
        let settings: serde_json::Map<_, _> = self.settings().into_iter().collect();
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
            "restart_needed_for": self.need_restart.keys().collect::<Vec<_>>(),
            "refused": refused,
        })
    }
}

impl State {
    /// Every setting of the chassis, and those of the service's own that are set.
    fn settings(&self) -> BTreeMap<String, Json> {
        let mut set = BTreeMap::new();
        walk(&self.tree, &mut String::new(), &mut |key, node| {
            set.insert(key.to_owned(), node);
        });
        let below = |key: &str, other: &str| key != other && is_within(key, other);
        let values = &self.effective.values;
        let mut settings = BTreeMap::new();
        for (key, value) in values {
            let origin = set.iter().find(|(other, _)| is_within(key, other));
            let origin = match (origin, self.effective.variables.get(key)) {
                (Some((_, node)), _) => node.origin.to_string(),
                (None, Some(name)) => Origin::Variable(name.as_str().into()).to_string(),
                (None, None) => Origin::Default.to_string(),
            };
            let value = shown_json(value.clone(), last(key));
            settings.insert(key.clone(), self.setting(key, value, &origin));
        }
        for (key, node) in set {
            // A variable that holds a table stands in it with what it has.
            if !values.keys().any(|other| below(other, &key)) {
                let origin = node.origin.to_string();
                settings.insert(key.clone(), self.setting(&key, shown(node, &key), &origin));
            }
        }
        settings
    }

    fn setting(&self, key: &str, value: Json, origin: &str) -> Json {
        let mut setting = json!({"value": value, "origin": origin, "live": self.is_live(key)});
        if let Some(in_force) = self.need_restart.get(key) {
            setting["in_force"] = in_force.clone();
        }
        setting
    }

    /// The value of a setting; `null` when there is none.
    pub(super) fn value(&self, key: &str) -> Json {
        let setting = self.settings().remove(key);
        setting.map_or(Json::Null, |mut setting| setting["value"].take())
    }

    /// Whether a change of the setting is in force at once.
    pub(super) fn is_live(&self, key: &str) -> bool {
        let mut hooked = self.hooked.iter();
        is_within(key, APP) || is_followed(key) || hooked.any(|prefix| is_within(key, prefix))
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

/// Where the value of `key` comes from.
pub(super) fn origin(tree: &Node, key: &str) -> Origin {
    let mut origin = Origin::Default;
    walk(tree, &mut String::new(), &mut |other, node| {
        if other == key {
            origin = node.origin.clone();
        }
    });
    origin
}

fn plain_leaves(tree: &Node) -> BTreeMap<String, Json> {
    let mut leaves = BTreeMap::new();
    walk(tree, &mut String::new(), &mut |key, node| {
        leaves.insert(key.to_owned(), plain(node));
    });
    leaves
}

/// Calls `leaf` for every value that is not a table, in the order of the keys.
fn walk<'n>(node: &'n Node, key: &mut String, leaf: &mut impl FnMut(&str, &'n Node)) {
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

fn last(key: &str) -> &str {
    key.rsplit('.').next().unwrap_or(key)
}

/// The value as it may be shown.
fn shown(node: &Node, key: &str) -> Json {
    to_json(node, last(key), &|node, name| {
        is_hidden(node, name).then(|| HIDDEN.into())
    })
}

/// The value of the setting `name` as it may be shown. Secrets are hidden already, by their type.
fn shown_json(value: Json, name: &str) -> Json {
    match value {
        Json::Array(items) => {
            let shown = |item| shown_json(item, name);
            items.into_iter().map(shown).collect()
        }
        Json::String(text) if sounds_secret(name) || has_user(&text) => HIDDEN.into(),
        value => value,
    }
}

fn is_hidden(node: &Node, name: &str) -> bool {
    let text = match &node.value {
        Value::Sealed(_) => return true,
        Value::String(text) | Value::Text { raw: text, .. } => text.as_str(),
        _ => "",
    };
    node.secret.is_set() || sounds_secret(name) || has_user(text)
}

fn sounds_secret(name: &str) -> bool {
    let name = name.to_lowercase();
    SECRET_ENDINGS.iter().any(|ending| name.ends_with(ending))
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
