//! Every setting of the chassis with its value, whether somebody has set it or not.

use std::cell::RefCell;
use std::collections::{BTreeMap, BTreeSet};

use serde::Deserialize;
use serde::de::IgnoredAny;
use serde_json::Value as Json;

use crate::config::node::Node;
use crate::config::source::Source;
use crate::config::{Config, ConfigError};

/// The settings of the chassis by their keys. Those of the service itself are not among them: what
/// their defaults are is known to its own type alone.
#[derive(Debug, Clone, Default)]
pub(super) struct Effective {
    pub(super) values: BTreeMap<String, Json>,
    /// The variable of another tool that a value came from, by its key.
    pub(super) variables: BTreeMap<String, String>,
}

impl Effective {
    /// What `config` is, which `source` has made of `tree`.
    pub(super) fn new(config: &Config, source: &Source, tree: &Node) -> Self {
        Self {
            values: leaves(config),
            variables: variables(source, tree).unwrap_or_default(),
        }
    }
}

/// Which of the variables that other tools share have set what: each is tried alone.
fn variables(source: &Source, tree: &Node) -> Result<BTreeMap<String, String>, ConfigError> {
    let without = Config::<IgnoredAny>::deserialize(tree)?.chassis();
    let before = leaves(&without);
    let names = RefCell::new(BTreeSet::new());
    let value = |name: &'static str| {
        let value = source.variable(name)?.filter(|value| !value.is_empty());
        if value.is_some() {
            names.borrow_mut().insert(name);
        }
        Ok(value)
    };
    without.clone().with_standard_variables(value)?;
    let mut variables = BTreeMap::new();
    for name in names.into_inner() {
        let alone = |asked: &'static str| match asked == name {
            true => source.variable(asked),
            false => Ok(None),
        };
        // One that means nothing without another.
        let Ok(config) = without.clone().with_standard_variables(alone) else {
            continue;
        };
        let after = leaves(&config).into_iter();
        let changed = after.filter(|(key, value)| before.get(key) != Some(value));
        variables.extend(changed.map(|(key, _)| (key, name.to_owned())));
    }
    Ok(variables)
}

fn leaves(config: &Config) -> BTreeMap<String, Json> {
    let mut leaves = BTreeMap::new();
    // Nothing in it can fail: its keys are text and its numbers are finite.
    let sections = serde_json::to_value(config).unwrap_or_default();
    if let Json::Object(sections) = sections {
        for (name, section) in sections {
            walk(name, section, &mut leaves);
        }
    }
    leaves.remove(super::APP);
    leaves
}

fn walk(key: String, value: Json, leaves: &mut BTreeMap<String, Json>) {
    match value {
        Json::Object(table) if !table.is_empty() => {
            for (name, value) in table {
                walk(format!("{key}.{name}"), value, leaves);
            }
        }
        value => {
            leaves.insert(key, value);
        }
    }
}
