//! Reads request bodies as Consul's Go code does: names of fields match in any case, fields that
//! Consul does not know are refused, and so are wrong types, in the words of Go's `encoding/json`.

use std::collections::BTreeMap;
use std::time::Duration;

use serde_json::{Map, Value};

use super::duration;

/// Consul reads a number below this as a session's lock delay in seconds, others as nanoseconds.
const SECONDS_BELOW: u64 = 1000;

/// A JSON object whose fields are looked up leniently and typed strictly.
#[derive(Clone, Copy, Debug)]
pub(super) struct Object<'a> {
    fields: &'a Map<String, Value>,
    /// What Go's messages put before a field's name.
    prefix: &'a str,
    /// Go's name for all fields of an object that it decodes by hand.
    alias: Option<&'a str>,
}

/// Reads the first value of a body; what follows it is ignored, as by a streaming decoder.
///
/// # Errors
/// When it is not an object or `null`.
pub(super) fn body(bytes: &[u8]) -> Result<Map<String, Value>, String> {
    let mut values = serde_json::Deserializer::from_slice(bytes).into_iter::<Value>();
    match values.next() {
        None => Err(failed("EOF")),
        Some(Ok(Value::Object(fields))) => Ok(fields),
        Some(Ok(Value::Null)) => Ok(Map::new()),
        Some(Ok(other)) => Err(failed(&format!(
            "json: cannot unmarshal {} into Go value of type struct",
            kind(&other)
        ))),
        Some(Err(why)) if why.is_eof() => Err(failed("unexpected EOF")),
        Some(Err(why)) => {
            let line = bytes.split(|byte| *byte == b'\n').nth(why.line() - 1);
            let at = line.and_then(|line| line.get(why.column().saturating_sub(1)));
            let character = at.map(|byte| char::from(*byte)).unwrap_or_default();
            Err(failed(&format!(
                "invalid character '{}' looking for beginning of value",
                character.escape_default()
            )))
        }
    }
}

fn failed(why: &str) -> String {
    format!("Request decode failed: {why}")
}

fn kind(value: &Value) -> &'static str {
    match value {
        Value::Null => "null",
        Value::Bool(_) => "bool",
        Value::Number(_) => "number",
        Value::String(_) => "string",
        Value::Array(_) => "array",
        Value::Object(_) => "object",
    }
}

impl<'a> Object<'a> {
    /// The object of a body, whose fields Go's messages name after `prefix`.
    pub fn new(fields: &'a Map<String, Value>, prefix: &'a str) -> Self {
        Self {
            fields,
            prefix,
            alias: None,
        }
    }

    /// The same for an object that Go's messages call by one name.
    pub fn decoded_by_hand(fields: &'a Map<String, Value>, alias: &'a str) -> Self {
        Self {
            fields,
            prefix: "",
            alias: Some(alias),
        }
    }

    /// Refuses fields other than these.
    pub fn only(&self, known: &[&str]) -> Result<(), String> {
        let is_known = |key: &&String| known.iter().any(|name| name.eq_ignore_ascii_case(key));
        match self.fields.keys().find(|key| !is_known(key)) {
            None => Ok(()),
            Some(key) => Err(failed(&format!("json: unknown field \"{key}\""))),
        }
    }

    /// The field, unless it is absent or null. A name matches without its underscores too, which
    /// concerns only those that were known.
    pub fn get(&self, name: &str) -> Option<&'a Value> {
        let same = |key: &str| key.replace('_', "").eq_ignore_ascii_case(name);
        let (_, value) = self.fields.iter().find(|(key, _)| same(key))?;
        (!value.is_null()).then_some(value)
    }

    fn wrong<T>(&self, name: &str, value: &Value, wanted: &str) -> Result<T, String> {
        let (prefix, name) = (self.prefix, self.alias.unwrap_or(name));
        let found = match value {
            // A number that is no integer is told.
            Value::Number(number) if wanted == "int" => format!("number {number}"),
            other => kind(other).to_owned(),
        };
        Err(failed(&format!(
            "json: cannot unmarshal {found} into Go struct field {prefix}.{name} of type {wanted}"
        )))
    }

    /// A text, empty when there is none.
    pub fn text(&self, name: &str) -> Result<String, String> {
        self.text_of(name, "string")
    }

    /// A text that Go's messages call a `wanted`.
    pub fn text_of(&self, name: &str, wanted: &str) -> Result<String, String> {
        match self.get(name) {
            None => Ok(String::new()),
            Some(Value::String(text)) => Ok(text.clone()),
            Some(other) => self.wrong(name, other, wanted),
        }
    }

    /// A whole number.
    pub fn integer(&self, name: &str) -> Result<Option<i64>, String> {
        match self.get(name) {
            None => Ok(None),
            Some(value) => match value.as_i64() {
                Some(number) => Ok(Some(number)),
                None => self.wrong(name, value, "int"),
            },
        }
    }

    /// A switch, off when there is none.
    pub fn boolean(&self, name: &str) -> Result<bool, String> {
        match self.get(name) {
            None => Ok(false),
            Some(Value::Bool(value)) => Ok(*value),
            Some(other) => self.wrong(name, other, "bool"),
        }
    }

    /// A duration as Go's text or in nanoseconds, zero when there is none.
    pub fn duration(&self, name: &str) -> Result<Duration, String> {
        match self.get(name) {
            Some(Value::String(text)) if !text.is_empty() => {
                duration::parse(text).map_err(|why| failed(&why))
            }
            Some(value) => Ok(Duration::from_nanos(value.as_u64().unwrap_or(0))),
            None => Ok(Duration::ZERO),
        }
    }

    /// A session's lock delay: a duration, or a small number of seconds.
    pub fn lock_delay(&self, name: &str) -> Result<Option<Duration>, String> {
        match self.get(name).map(|value| (value, value.as_u64())) {
            None => Ok(None),
            Some((_, Some(number))) if number < SECONDS_BELOW => {
                Ok(Some(Duration::from_secs(number)))
            }
            Some(_) => self.duration(name).map(Some),
        }
    }

    /// A list of texts.
    pub fn texts(&self, name: &str) -> Result<Vec<String>, String> {
        match self.get(name) {
            None => Ok(Vec::new()),
            Some(Value::Array(list)) => self.all_texts(name, list),
            Some(other) => self.wrong(name, other, "[]string"),
        }
    }

    fn all_texts(&self, name: &str, list: &[Value]) -> Result<Vec<String>, String> {
        let text = |value: &Value| match value {
            Value::String(text) => Ok(text.clone()),
            other => self.wrong(name, other, "string"),
        };
        list.iter().map(text).collect()
    }

    /// A map of texts.
    pub fn map(&self, name: &str) -> Result<BTreeMap<String, String>, String> {
        let text = |(key, value): (&String, &Value)| match value {
            Value::String(text) => Ok((key.clone(), text.clone())),
            other => self.wrong(name, other, "string"),
        };
        match self.get(name) {
            None => Ok(BTreeMap::new()),
            Some(Value::Object(map)) => map.iter().map(text).collect(),
            Some(other) => self.wrong(name, other, "map[string]string"),
        }
    }

    /// A map of lists of texts, flat.
    pub fn headers(&self, name: &str) -> Result<Vec<(String, String)>, String> {
        let map = match self.get(name) {
            None => return Ok(Vec::new()),
            Some(Value::Object(map)) => map,
            Some(other) => return self.wrong(name, other, "map[string][]string"),
        };
        let mut all = Vec::new();
        for (header, values) in map {
            let Value::Array(values) = values else {
                return self.wrong(name, values, "[]string");
            };
            let values = self.all_texts(name, values)?;
            all.extend(values.into_iter().map(|value| (header.clone(), value)));
        }
        Ok(all)
    }

    /// An object that Go's messages call a `wanted`.
    pub fn object(
        &self,
        name: &str,
        wanted: &str,
    ) -> Result<Option<&'a Map<String, Value>>, String> {
        match self.get(name) {
            None => Ok(None),
            Some(Value::Object(map)) => Ok(Some(map)),
            Some(other) => self.wrong(name, other, wanted),
        }
    }

    /// A list of objects that Go's messages call a `wanted`.
    pub fn objects(&self, name: &str, wanted: &str) -> Result<Vec<&'a Map<String, Value>>, String> {
        let list = match self.get(name) {
            None => return Ok(Vec::new()),
            Some(Value::Array(list)) => list,
            Some(other) => return self.wrong(name, other, wanted),
        };
        let object = |value: &'a Value| match value {
            Value::Object(map) => Ok(map),
            other => self.wrong(name, other, wanted),
        };
        list.iter().map(object).collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn bodies_that_are_no_objects_are_refused_in_gos_words() {
        let refusal = |text: &str| body(text.as_bytes()).expect_err(text);
        assert_eq!(refusal(""), "Request decode failed: EOF");
        assert_eq!(refusal("{\"a\":1"), "Request decode failed: unexpected EOF");
        assert_eq!(
            refusal("xx"),
            "Request decode failed: invalid character 'x' looking for beginning of value"
        );
        assert_eq!(
            refusal("[]"),
            "Request decode failed: json: cannot unmarshal array into Go value of type struct"
        );
        assert_eq!(body(b"null"), Ok(Map::new()));
        assert_eq!(body(b"{} trailing"), Ok(Map::new()));
    }

    #[test]
    fn fields_match_in_any_case_and_types_must_be_right() {
        let fields = body(br#"{"nAME":"a","Port":"x","ttl":"5","meta":{"a":1},"Half":1.5}"#)
            .expect("an object");
        let object = Object::new(&fields, "");
        assert_eq!(object.text("Name"), Ok("a".to_owned()));
        let told = |field: &str| format!("Request decode failed: {field}");
        assert_eq!(
            object.integer("Port"),
            Err(told(
                "json: cannot unmarshal string into Go struct field .Port of type int"
            ))
        );
        assert_eq!(
            object.integer("Half"),
            Err(told(
                "json: cannot unmarshal number 1.5 into Go struct field .Half of type int"
            ))
        );
        assert_eq!(
            object.map("Meta"),
            Err(told(
                "json: cannot unmarshal number into Go struct field .Meta of type string"
            ))
        );
        assert_eq!(
            object.duration("TTL"),
            Err(told("time: missing unit in duration \"5\""))
        );
        assert_eq!(
            object.only(&["Name", "Port", "TTL", "Meta"]),
            Err(told("json: unknown field \"Half\""))
        );
        let by_hand = Object::decoded_by_hand(&fields, "Check");
        assert_eq!(
            by_hand.text("Half"),
            Err(told(
                "json: cannot unmarshal number into Go struct field .Check of type string"
            ))
        );
    }

    #[test]
    fn a_small_lock_delay_is_in_seconds() {
        let fields = body(br#"{"A":5,"B":"5ms","C":5000}"#).expect("an object");
        let delay = |name| Object::new(&fields, "").lock_delay(name);
        assert_eq!(delay("A"), Ok(Some(Duration::from_secs(5))));
        assert_eq!(delay("B"), Ok(Some(Duration::from_millis(5))));
        assert_eq!(delay("C"), Ok(Some(Duration::from_nanos(5000))));
        assert_eq!(delay("D"), Ok(None));
    }
}
