//! What responses hold: assertions on some of them, and values taken from them.
//!
//! A load generator that decodes every response measures itself; so one of many is looked at.
//!
//! Pure: bytes in, findings out.

mod path;

use std::collections::BTreeMap;
use std::fmt;
use std::io::Read as _;
use std::str::FromStr;

use flate2::read::GzDecoder;
use prost_reflect::{DynamicMessage, MessageDescriptor};
use serde::Serialize;
use serde_json::Value;

use crate::bench::framing::PREFIX;
use crate::client::json::{self, WriteOptions};

pub use path::{Path, PathError};

/// How many different values that were not expected are kept for each expectation.
const SAMPLES: usize = 3;
/// How many different values are told apart for each that is extracted.
const MOST_VALUES: usize = 10;
/// A message that is larger when it is decompressed is not looked at.
const LARGEST_MESSAGE: u64 = 64 << 20;

/// The operators, the longer ones first where they begin alike.
const OPERATORS: [(&str, Operator); 7] = [
    ("==", Operator::Equal),
    ("!=", Operator::NotEqual),
    ("<=", Operator::AtMost),
    (">=", Operator::AtLeast),
    ("<", Operator::Below),
    (">", Operator::Above),
    ("~", Operator::Contains),
];

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Operator {
    Equal,
    NotEqual,
    AtMost,
    AtLeast,
    Below,
    Above,
    Contains,
}

/// What must hold of a response.
#[derive(Clone, Debug)]
pub struct Expectation {
    /// As the user wrote it.
    text: String,
    path: Path,
    operator: Operator,
    value: Value,
}

/// A value to take from responses.
#[derive(Clone, Debug)]
pub struct Extraction {
    name: String,
    path: Path,
}

/// Why a text is no expectation.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum ExpectationError {
    /// There is no operator in it.
    #[error(
        "expected a field, one of `==`, `!=`, `<`, `<=`, `>`, `>=`, `~`, and a value, such as `user.id==7`"
    )]
    NoOperator,
    /// The field is none.
    #[error(transparent)]
    Path(#[from] PathError),
}

impl FromStr for Expectation {
    type Err = ExpectationError;

    fn from_str(text: &str) -> Result<Self, ExpectationError> {
        let at = text
            .find(['=', '!', '<', '>', '~'])
            .ok_or(ExpectationError::NoOperator)?;
        let (symbol, operator) = OPERATORS
            .into_iter()
            .find(|(symbol, _)| text[at..].starts_with(symbol))
            .ok_or(ExpectationError::NoOperator)?;
        let value = text[at + symbol.len()..].trim();
        Ok(Self {
            text: text.to_owned(),
            path: text[..at].trim().parse()?,
            operator,
            value: serde_json::from_str(value).unwrap_or_else(|_| Value::from(value)),
        })
    }
}

impl FromStr for Extraction {
    type Err = PathError;

    /// `name=path`, or a path that is its own name.
    fn from_str(text: &str) -> Result<Self, PathError> {
        let (name, path) = text.split_once('=').unwrap_or((text, text));
        Ok(Self {
            name: name.trim().to_owned(),
            path: path.trim().parse()?,
        })
    }
}

impl Expectation {
    /// The field that it is on.
    pub fn path(&self) -> &Path {
        &self.path
    }

    /// Whether it holds of a value; of one that is not there, nothing but being different does.
    fn holds(&self, found: Option<&Value>) -> bool {
        let Some(found) = found else {
            return self.operator == Operator::NotEqual || self.value.is_null();
        };
        let numbers = number(found).zip(number(&self.value));
        let compare = |holds: fn(f64, f64) -> bool| numbers.is_some_and(|(a, b)| holds(a, b));
        // Integers of 64 bits are strings in JSON.
        let is_equal = || shown(found) == shown(&self.value) || compare(|a, b| a == b);
        match self.operator {
            Operator::Equal => is_equal(),
            Operator::NotEqual => !is_equal(),
            Operator::AtMost => compare(|a, b| a <= b),
            Operator::AtLeast => compare(|a, b| a >= b),
            Operator::Below => compare(|a, b| a < b),
            Operator::Above => compare(|a, b| a > b),
            Operator::Contains => contains(found, &self.value),
        }
    }
}

impl Extraction {
    /// The field that it takes.
    pub fn path(&self) -> &Path {
        &self.path
    }
}

fn number(value: &Value) -> Option<f64> {
    match value {
        Value::Number(number) => number.as_f64(),
        Value::String(text) => text.parse().ok(),
        _ => None,
    }
}

fn contains(found: &Value, wanted: &Value) -> bool {
    match found {
        Value::Array(values) => values.iter().any(|value| shown(value) == shown(wanted)),
        Value::Object(fields) => fields.contains_key(&shown(wanted)),
        other => shown(other).contains(&shown(wanted)),
    }
}

/// Text as it is, all else as JSON.
fn shown(value: &Value) -> String {
    match value {
        Value::String(text) => text.clone(),
        other => other.to_string(),
    }
}

/// What is looked for in responses.
#[derive(Clone, Debug)]
pub struct Checks {
    /// The type of the messages.
    pub descriptor: MessageDescriptor,
    /// One of so many calls is looked at, the first of them among those.
    pub every: u64,
    /// What must hold.
    pub expectations: Vec<Expectation>,
    /// What is taken.
    pub extractions: Vec<Extraction>,
}

/// What was found in the responses that were looked at.
#[derive(Clone, Debug, Default)]
pub struct Findings {
    /// How many calls were looked at.
    sampled: u64,
    /// How many of them were not what was expected.
    failed: u64,
    unmet: BTreeMap<String, Values>,
    extracted: BTreeMap<String, Values>,
}

/// Different values, and how often they came.
#[derive(Clone, Debug, Default)]
struct Values {
    counts: Vec<(String, u64)>,
    /// How often others came, of which there were too many.
    others: u64,
}

impl Values {
    fn count(&mut self, value: &str, times: u64, most: usize) {
        if let Some((_, count)) = self.counts.iter_mut().find(|(known, _)| known == value) {
            *count += times;
        } else if self.counts.len() < most {
            self.counts.push((value.to_owned(), times));
        } else {
            self.others += times;
        }
    }

    fn add(&mut self, other: &Self, most: usize) {
        for (value, times) in &other.counts {
            self.count(value, *times, most);
        }
        self.others += other.others;
    }

    fn total(&self) -> u64 {
        self.others + self.counts.iter().map(|(_, count)| count).sum::<u64>()
    }
}

impl Findings {
    /// Takes all that others found.
    pub fn add(&mut self, other: &Self) {
        self.sampled += other.sampled;
        self.failed += other.failed;
        for (text, values) in &other.unmet {
            self.unmet
                .entry(text.clone())
                .or_default()
                .add(values, SAMPLES);
        }
        for (name, values) in &other.extracted {
            let mine = self.extracted.entry(name.clone()).or_default();
            mine.add(values, MOST_VALUES);
        }
    }
}

impl Checks {
    /// Whether a call is looked at.
    pub fn samples(&self, number: u64) -> bool {
        number.is_multiple_of(self.every)
    }

    /// Looks at the messages of a response, with their prefixes.
    pub fn look(&self, mut body: &[u8], findings: &mut Findings) {
        findings.sampled += 1;
        let mut is_met = true;
        while let Some((prefix, rest)) = body.split_first_chunk::<PREFIX>() {
            let [flag, length @ ..] = *prefix;
            let length = u32::from_be_bytes(length) as usize;
            let (message, rest) = rest.split_at(length.min(rest.len()));
            is_met &= self.look_at(&decompressed(flag, message), findings);
            body = rest;
        }
        findings.failed += u64::from(!is_met);
    }

    fn look_at(&self, message: &[u8], findings: &mut Findings) -> bool {
        let value = match self.decode(message) {
            Ok(value) => value,
            Err(problem) => {
                let unmet = findings.unmet.entry("a response can be read".to_owned());
                unmet.or_default().count(&problem, 1, SAMPLES);
                return false;
            }
        };
        for Extraction { name, path } in &self.extractions {
            let found = path.find(&value).map_or("nothing".to_owned(), shown);
            let values = findings.extracted.entry(name.clone()).or_default();
            values.count(&found, 1, MOST_VALUES);
        }
        let mut is_met = true;
        for expectation in &self.expectations {
            let found = expectation.path.find(&value);
            if !expectation.holds(found) {
                is_met = false;
                let found = found.map_or("nothing".to_owned(), shown);
                let unmet = findings.unmet.entry(expectation.text.clone());
                unmet.or_default().count(&found, 1, SAMPLES);
            }
        }
        is_met
    }

    fn decode(&self, message: &[u8]) -> Result<Value, String> {
        let message = DynamicMessage::decode(self.descriptor.clone(), message)
            .map_err(|error| error.to_string())?;
        let how = WriteOptions {
            pretty: false,
            defaults: true,
        };
        let text = json::write(&message, how)?;
        serde_json::from_str(&text).map_err(|error| error.to_string())
    }
}

fn decompressed(flag: u8, message: &[u8]) -> Vec<u8> {
    if flag == 0 {
        return message.to_vec();
    }
    let mut plain = Vec::new();
    match GzDecoder::new(message)
        .take(LARGEST_MESSAGE)
        .read_to_end(&mut plain)
    {
        Ok(_) => plain,
        // What cannot be read then is told.
        Err(_) => message.to_vec(),
    }
}

/// What was found, for the report.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Responses {
    /// One of so many calls was looked at.
    pub every: u64,
    /// How many calls were.
    pub sampled: u64,
    /// How many of them were not what was expected.
    pub failed: u64,
    /// What did not hold, and how often.
    pub unmet: Vec<Unmet>,
    /// What was taken.
    pub extracted: Vec<Extracted>,
}

/// An expectation that did not hold.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Unmet {
    /// The expectation as it was given.
    pub expectation: String,
    /// Of how many messages it did not hold.
    pub count: u64,
    /// What was found instead.
    pub found: Vec<Found>,
}

/// The values of a field.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Extracted {
    /// Its name.
    pub name: String,
    /// The values, those that came first; at most ten different ones are told apart.
    pub values: Vec<Found>,
    /// How many other values came.
    pub others: u64,
}

/// A value, and how often it came.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Found {
    /// Text as it is, all else as JSON.
    pub value: String,
    /// How often.
    pub count: u64,
}

impl fmt::Display for Found {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(formatter, "{} ({} times)", self.value, self.count)
    }
}

impl Findings {
    /// What was found when one of so many calls was looked at.
    pub fn conclude(&self, every: u64) -> Responses {
        let found = |values: &Values| {
            let each = values.counts.iter().cloned();
            each.map(|(value, count)| Found { value, count }).collect()
        };
        let unmet = self.unmet.iter().map(|(expectation, values)| Unmet {
            expectation: expectation.clone(),
            count: values.total(),
            found: found(values),
        });
        let extracted = self.extracted.iter().map(|(name, values)| Extracted {
            name: name.clone(),
            values: found(values),
            others: values.others,
        });
        Responses {
            every,
            sampled: self.sampled,
            failed: self.failed,
            unmet: unmet.collect(),
            extracted: extracted.collect(),
        }
    }
}

#[cfg(test)]
mod tests;
