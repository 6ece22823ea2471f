//! The parameters of Jaeger's searches. Pure.

use std::ops::RangeInclusive;

use serde_json::Value;

use super::super::state::Query;
use crate::duration;

/// How far back is looked unless told otherwise, in nanoseconds: Jaeger's two days.
const LOOK_BACK: u64 = 48 * 3600 * 1_000_000_000;
/// How many traces are told unless told otherwise: Jaeger's default.
const DEFAULT_LIMIT: usize = 100;

/// The parameters of a URL.
#[derive(Debug)]
pub(super) struct Parameters(Vec<(String, String)>);

/// Which traces are asked for.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Search {
    Ids(Vec<u128>),
    Query(Query),
}

impl Parameters {
    pub fn new(query: &str) -> Self {
        let uri = axum::http::Uri::builder()
            .path_and_query(format!("/?{query}"))
            .build();
        let pairs = uri.ok().and_then(|uri| {
            let pairs = axum::extract::Query::<Vec<(String, String)>>::try_from_uri(&uri);
            pairs.ok()
        });
        Self(pairs.map(|it| it.0).unwrap_or_default())
    }

    /// The first of a name that is not empty.
    pub fn get(&self, name: &str) -> Option<&str> {
        self.all(name).find(|value| !value.is_empty())
    }

    fn all(&self, name: &str) -> impl Iterator<Item = &str> {
        let same = self.0.iter().filter(move |(key, _)| key == name);
        same.map(|(_, value)| value.as_str())
    }

    /// # Errors
    /// When it is not there.
    pub fn required(&self, name: &str) -> Result<&str, String> {
        self.get(name)
            .ok_or_else(|| format!("parameter '{name}' is required"))
    }

    /// A number of microseconds, in nanoseconds.
    fn time(&self, name: &str) -> Result<Option<u64>, String> {
        let number = self.number(name)?;
        Ok(number.map(|micros| micros.saturating_mul(1000)))
    }

    fn number(&self, name: &str) -> Result<Option<u64>, String> {
        let wrong = |text: &str| {
            format!(
                "unable to parse param '{name}': strconv.ParseInt: parsing {text:?}: invalid syntax"
            )
        };
        let parse = |text: &str| text.parse().map_err(|_| wrong(text));
        self.get(name).map(parse).transpose()
    }

    /// A duration such as `1.5ms`, in nanoseconds.
    fn duration(&self, name: &str) -> Result<Option<u64>, String> {
        let parse = |text: &str| {
            let wrong = format!("unable to parse param '{name}': time: invalid duration {text:?}");
            let parsed = duration::parse(text).map_err(|_| wrong)?;
            Ok(u64::try_from(parsed.as_nanos()).unwrap_or(u64::MAX))
        };
        self.get(name).map(parse).transpose()
    }
}

/// An id of a trace, of up to 32 hexadecimal digits.
pub(super) fn trace_id(text: &str) -> Result<u128, String> {
    if text.len() > 32 {
        return Err(format!(
            "TraceID cannot be longer than 32 hex characters: {text}"
        ));
    }
    u128::from_str_radix(text, 16)
        .map_err(|_| format!("strconv.ParseUint: parsing {text:?}: invalid syntax"))
}

/// Reads what is searched for at a time, which is in nanoseconds since 1970.
pub(super) fn parse(parameters: &Parameters, now: u64) -> Result<Search, String> {
    let ids: Result<Vec<u128>, String> = parameters.all("traceID").map(trace_id).collect();
    let ids = ids?;
    if !ids.is_empty() {
        return Ok(Search::Ids(ids));
    }
    let service = parameters.required("service")?.to_owned();
    let start = parameters.time("start")?;
    let end = parameters.time("end")?.unwrap_or(now);
    let start = start.unwrap_or_else(|| now.saturating_sub(LOOK_BACK));
    let shortest = parameters.duration("minDuration")?.unwrap_or(0);
    let longest = parameters.duration("maxDuration")?.unwrap_or(u64::MAX);
    let limit = parameters.number("limit")?;
    let limit = limit.map_or(DEFAULT_LIMIT, |it| {
        usize::try_from(it).unwrap_or(usize::MAX)
    });
    Ok(Search::Query(Query {
        service,
        operation: parameters.get("operation").map(str::to_owned),
        tags: tags(parameters)?,
        start: start..=end,
        duration: shortest..=longest,
        limit,
    }))
}

/// `tag=key:value`, as often as one likes, and `tags={"key":"value"}`.
fn tags(parameters: &Parameters) -> Result<Vec<(String, String)>, String> {
    let mut tags = Vec::new();
    for tag in parameters.all("tag") {
        let (key, value) = tag.split_once(':').ok_or_else(|| {
            format!("malformed 'tag' parameter, expecting key:value, received: {tag}")
        })?;
        tags.push((key.to_owned(), value.to_owned()));
    }
    for text in parameters.all("tags") {
        let Ok(Value::Object(fields)) = serde_json::from_str(text) else {
            return Err(format!(
                "malformed 'tags' parameter, cannot unmarshal JSON: {text}"
            ));
        };
        for (key, value) in fields {
            let Value::String(value) = value else {
                return Err(format!(
                    "malformed 'tags' parameter, cannot unmarshal JSON: `{key}` is not text"
                ));
            };
            tags.push((key, value));
        }
    }
    Ok(tags)
}

/// The time of calls between services that are asked for at a time; both in nanoseconds since 1970.
pub(super) fn dependencies(
    parameters: &Parameters,
    now: u64,
) -> Result<RangeInclusive<u64>, String> {
    const MILLISECOND: u64 = 1_000_000;
    const DAY: u64 = 24 * 3600 * 1000;
    let end = parameters.number("endTs")?.unwrap_or(now / MILLISECOND);
    let look_back = parameters.number("lookback")?.unwrap_or(DAY);
    let start = end.saturating_sub(look_back);
    Ok(start.saturating_mul(MILLISECOND)..=end.saturating_mul(MILLISECOND))
}
