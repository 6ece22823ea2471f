//! Reads request bodies as leniently as Consul: names of fields match in any case and with or
//! without underscores, durations are Go's text or nanoseconds.

use std::collections::BTreeMap;
use std::time::Duration;

use serde_json::{Map, Value};

use super::duration;

/// A JSON object whose fields are looked up leniently.
pub(super) struct Fields<'a>(pub &'a Map<String, Value>);

impl<'a> Fields<'a> {
    /// The field, unless it is absent or null.
    pub fn get(&self, name: &str) -> Option<&'a Value> {
        let same = |key: &str| key.replace('_', "").eq_ignore_ascii_case(name);
        let (_, value) = self.0.iter().find(|(key, _)| same(key))?;
        (!value.is_null()).then_some(value)
    }

    /// A text, empty when there is none.
    pub fn text(&self, name: &str) -> String {
        let text = self.get(name).and_then(Value::as_str);
        text.unwrap_or_default().to_owned()
    }

    /// A duration, zero when there is none.
    pub fn duration(&self, name: &str) -> Result<Duration, String> {
        match self.get(name) {
            None => Ok(Duration::ZERO),
            Some(Value::String(text)) if text.is_empty() => Ok(Duration::ZERO),
            Some(Value::String(text)) => duration::parse(text)
                .ok_or_else(|| format!("Request decode failed: time: invalid duration {text}")),
            Some(value) => value
                .as_u64()
                .map(Duration::from_nanos)
                .ok_or_else(|| format!("Request decode failed: invalid duration {value}")),
        }
    }

    /// A list of texts.
    pub fn texts(&self, name: &str) -> Vec<String> {
        let list = self.get(name).and_then(Value::as_array);
        let text = |value: &Value| value.as_str().map(str::to_owned);
        list.into_iter().flatten().filter_map(text).collect()
    }

    /// A map of texts.
    pub fn map(&self, name: &str) -> BTreeMap<String, String> {
        let map = self.get(name).and_then(Value::as_object);
        let entry =
            |(key, value): (&String, &Value)| Some((key.clone(), value.as_str()?.to_owned()));
        map.into_iter().flatten().filter_map(entry).collect()
    }
}
