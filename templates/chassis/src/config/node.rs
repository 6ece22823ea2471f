//! The configuration as a tree in which every value knows where it came from, and whether it is a
//! secret.

use std::collections::BTreeMap;
use std::fmt;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use toml::de::{DeTable, DeValue};

use super::units::Secret;

/// Where a value came from.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Origin {
    /// Built into the program.
    Default,
    /// A file, by its path as it was opened, or a key of a store, as in
    /// `consul:config/dev/user-service`, and the line (from 1) of the value.
    File {
        /// The path as it was opened, or the store and the key.
        path: Arc<str>,
        /// The line, counted from 1.
        line: usize,
    },
    /// An environment variable, by name.
    Variable(Arc<str>),
}

impl fmt::Display for Origin {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Default => f.write_str("the built-in defaults"),
            Self::File { path, line } => write!(f, "{path}:{line}"),
            Self::Variable(name) => write!(f, "the environment variable {name}"),
        }
    }
}

#[derive(Debug, Clone, PartialEq)]
pub(super) struct Node {
    pub(super) origin: Origin,
    pub(super) value: Value,
    /// Whether a setting of type [`Secret`] was read from here.
    pub(super) secret: Mark,
}

/// Set while the tree is read, which is through shared references. It is not part of the value.
#[derive(Debug, Default)]
pub(super) struct Mark(AtomicBool);

impl Mark {
    pub(super) fn set(&self) {
        self.0.store(true, Ordering::Relaxed);
    }

    pub(super) fn is_set(&self) -> bool {
        self.0.load(Ordering::Relaxed)
    }
}

impl Clone for Mark {
    fn clone(&self) -> Self {
        Self(AtomicBool::new(self.is_set()))
    }
}

impl PartialEq for Mark {
    fn eq(&self, _: &Self) -> bool {
        true
    }
}

#[derive(Debug, Clone, PartialEq)]
pub(super) enum Value {
    Table(BTreeMap<String, Node>),
    Array(Vec<Node>),
    String(String),
    Integer(i64),
    Float(f64),
    Boolean(bool),
    /// What an environment variable holds: its text, and what the text is when read as TOML.
    /// The type that is asked for decides between the two.
    Text {
        raw: String,
        parsed: Option<Box<Node>>,
    },
    /// What was encrypted: for settings of type [`Secret`] alone.
    Sealed(Secret),
}

impl Node {
    pub(super) fn new(origin: Origin, value: Value) -> Self {
        Self {
            origin,
            value,
            secret: Mark::default(),
        }
    }

    pub(super) fn empty() -> Self {
        Self::new(Origin::Default, Value::Table(BTreeMap::new()))
    }

    /// Reads TOML text.
    ///
    /// # Errors
    /// The line (from 1), the column (from 1) and the parser's message.
    pub(super) fn from_toml(path: &Arc<str>, text: &str) -> Result<Self, (usize, usize, String)> {
        let table = DeTable::parse(text).map_err(|error| {
            let offset = error.span().map_or(0, |span| span.start);
            let (line, column) = line_and_column(text, offset);
            (line, column, error.message().to_owned())
        })?;
        let origin = |offset: usize| Origin::File {
            path: Arc::clone(path),
            line: line_and_column(text, offset).0,
        };
        let value = from_table(table.into_inner(), &origin);
        Ok(Self::new(origin(0), value))
    }

    /// What the environment variable `name` holds.
    pub(super) fn from_variable(name: &str, raw: &str) -> Self {
        let origin = Origin::Variable(name.into());
        let parsed = DeValue::parse(raw).ok().map(|value| {
            let value = from_value(value.into_inner(), &|_| origin.clone());
            Box::new(Self::new(origin.clone(), value))
        });
        let raw = raw.to_owned();
        Self::new(origin, Value::Text { raw, parsed })
    }

    /// What is under `key`, if this is a table.
    pub(super) fn get(&self, key: &str) -> Option<&Self> {
        match &self.value {
            Value::Table(table) => table.get(key),
            _ => None,
        }
    }

    /// Puts `value` at `path`, making the tables on the way.
    pub(super) fn insert(&mut self, path: &[&str], value: Self) {
        let [key, rest @ ..] = path else {
            return self.merge(value);
        };
        if !matches!(self.value, Value::Table(_)) {
            *self = Self::new(value.origin.clone(), Value::Table(BTreeMap::new()));
        }
        if let Value::Table(table) = &mut self.value {
            table
                .entry((*key).to_owned())
                .or_insert_with(|| Self::new(value.origin.clone(), Value::Table(BTreeMap::new())))
                .insert(rest, value);
        }
    }

    /// Lays `upper` over this layer: tables are merged key by key, everything else is replaced.
    pub(super) fn merge(&mut self, upper: Self) {
        match (&mut self.value, upper.value) {
            (Value::Table(lower), Value::Table(upper)) => {
                for (key, node) in upper {
                    match lower.entry(key) {
                        std::collections::btree_map::Entry::Occupied(mut entry) => {
                            entry.get_mut().merge(node);
                        }
                        std::collections::btree_map::Entry::Vacant(entry) => {
                            entry.insert(node);
                        }
                    }
                }
            }
            (lower, upper_value) => {
                *lower = upper_value;
                self.origin = upper.origin;
            }
        }
    }
}

fn from_table(table: DeTable<'_>, origin: &dyn Fn(usize) -> Origin) -> Value {
    let entries = table.into_iter().map(|(key, value)| {
        let at = origin(key.span().start);
        let node = Node::new(at, from_value(value.into_inner(), origin));
        (key.into_inner().into_owned(), node)
    });
    Value::Table(entries.collect())
}

fn from_value(value: DeValue<'_>, origin: &dyn Fn(usize) -> Origin) -> Value {
    match value {
        DeValue::String(text) => Value::String(text.into_owned()),
        DeValue::Integer(integer) => {
            match i64::from_str_radix(&integer.as_str().replace('_', ""), integer.radix()) {
                Ok(integer) => Value::Integer(integer),
                Err(_) => Value::String(integer.as_str().to_owned()),
            }
        }
        DeValue::Float(float) => match float.as_str().replace('_', "").parse() {
            Ok(float) => Value::Float(float),
            Err(_) => Value::String(float.as_str().to_owned()),
        },
        DeValue::Boolean(boolean) => Value::Boolean(boolean),
        DeValue::Datetime(datetime) => Value::String(datetime.to_string()),
        DeValue::Array(array) => Value::Array(
            array
                .into_iter()
                .map(|item| {
                    let at = origin(item.span().start);
                    Node::new(at, from_value(item.into_inner(), origin))
                })
                .collect(),
        ),
        DeValue::Table(table) => from_table(table, origin),
    }
}

/// Both counted from 1, the column in characters.
fn line_and_column(text: &str, offset: usize) -> (usize, usize) {
    let before = text.get(..offset).unwrap_or(text);
    let line_start = before.rfind('\n').map_or(0, |newline| newline + 1);
    let line = before.matches('\n').count() + 1;
    (line, before[line_start..].chars().count() + 1)
}
