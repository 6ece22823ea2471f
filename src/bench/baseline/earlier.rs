//! What is read of earlier reports, and whether they are of the same load.

use serde::{Deserialize, Serialize};

use serde_json::Value;

use super::blocks::Slices;
use crate::bench::report::{MIXED_SCHEMA, Point, Report, SCHEMA};

/// What is read of an earlier report.
#[derive(Clone, Debug, Deserialize)]
pub struct Baseline {
    schema: String,
    /// That of a call of a mix; there was none before there were mixes.
    #[serde(default)]
    pub(super) name: Option<String>,
    method: String,
    model: Value,
    profile: Option<String>,
    arrivals: Option<String>,
    connections: usize,
    invalid: Vec<String>,
    pub(super) timeline: Slices,
    pub(super) quantile_curve: Vec<Point>,
}

/// Why a bench cannot be compared.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum BaselineError {
    /// It is no report.
    #[error("it is no report of a bench: {0}")]
    NoReport(String),
    /// It is one of another version.
    #[error("it is a report of `{found}`, not of `{wanted}`")]
    OtherSchema {
        /// What it is of.
        found: String,
        /// What it should be of.
        wanted: &'static str,
    },
    /// It is one of another load.
    #[error("it is of another bench: its `{name}` is {before}, not {now}")]
    OtherLoad {
        /// What is another.
        name: &'static str,
        /// What it was.
        before: String,
        /// What it is.
        now: String,
    },
    /// It measured nothing.
    #[error("it is invalid itself: {0}")]
    Invalid(String),
}

impl Baseline {
    /// Reads an earlier report of one method.
    ///
    /// # Errors
    /// [`BaselineError`] when it is none.
    pub fn read(json: &str) -> Result<Self, BaselineError> {
        let value = document(json, SCHEMA)?;
        serde_json::from_value(value).map_err(told)
    }

    /// Reads the reports of the methods of an earlier mix.
    ///
    /// # Errors
    /// [`BaselineError`] when it is none.
    pub fn read_mix(json: &str) -> Result<Vec<Self>, BaselineError> {
        let mut value = document(json, MIXED_SCHEMA)?;
        let reports = value.get_mut("reports").map(Value::take);
        serde_json::from_value(reports.unwrap_or_default()).map_err(told)
    }

    pub(super) fn check(&self, report: &Report) -> Result<(), BaselineError> {
        debug_assert_eq!(self.schema, report.schema);
        let pairs = [
            ("method", self.method.clone(), report.subject.method.clone()),
            ("model", self.model.to_string(), text(&report.model)),
            ("profile", text(&self.profile), text(&report.profile)),
            ("arrivals", text(&self.arrivals), text(&report.arrivals)),
            (
                "connections",
                self.connections.to_string(),
                report.connections.to_string(),
            ),
        ];
        match pairs.into_iter().find(|(_, before, now)| before != now) {
            Some((name, before, now)) => Err(BaselineError::OtherLoad { name, before, now }),
            None if self.invalid.is_empty() => Ok(()),
            None => Err(BaselineError::Invalid(self.invalid.join("; "))),
        }
    }
}

fn told(error: serde_json::Error) -> BaselineError {
    BaselineError::NoReport(error.to_string())
}

/// A document of this schema.
fn document(json: &str, wanted: &'static str) -> Result<Value, BaselineError> {
    let value: Value = serde_json::from_str(json).map_err(told)?;
    match value.get("schema").and_then(Value::as_str) {
        Some(found) if found == wanted => Ok(value),
        Some(found) => Err(BaselineError::OtherSchema {
            found: found.to_owned(),
            wanted,
        }),
        None => Err(BaselineError::NoReport("it has no `schema`".to_owned())),
    }
}

/// Whatever it is, as JSON.
fn text(value: &impl Serialize) -> String {
    serde_json::to_value(value).unwrap_or_default().to_string()
}
