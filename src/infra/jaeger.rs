//! Asking Jaeger, or what speaks its JSON API, for traces.

use std::time::Duration;

use serde::Deserialize;
use serde::de::DeserializeOwned;

use crate::infra::json_api::{AddressError, ApiError, JsonApi};
use crate::trace::model::Trace;

/// Where Jaeger answers queries unless told otherwise.
pub const DEFAULT_ADDRESS: &str = "http://127.0.0.1:16686";

/// A server that has traces.
#[derive(Clone, Debug)]
pub struct Jaeger(JsonApi);

/// Which traces of a service are wanted.
#[derive(Clone, Debug, Default)]
pub struct Search {
    /// Only those with a span of this operation.
    pub operation: Option<String>,
    /// Only those with a span that failed.
    pub errors: bool,
    /// Only those with a span that took as long.
    pub at_least: Option<Duration>,
    /// Only those with a span that took no longer.
    pub at_most: Option<Duration>,
    /// The first and the last moment at which a span began, in microseconds since 1970.
    pub start: (u64, u64),
    /// The most traces: the newest ones.
    pub limit: usize,
}

/// What all answers have in common.
#[derive(Debug, Deserialize)]
struct Answer<T> {
    data: Option<T>,
}

impl Jaeger {
    /// The server at `address`: a URL, or `HOST:PORT`.
    ///
    /// # Errors
    /// [`AddressError`] when it is neither.
    pub fn new(address: &str) -> Result<Self, AddressError> {
        JsonApi::new("Jaeger", address).map(Self)
    }

    /// Its URL.
    pub fn address(&self) -> &str {
        self.0.address()
    }

    /// The services of which it has spans.
    ///
    /// # Errors
    /// [`ApiError`] when it does not answer, or not as Jaeger does; so below.
    pub async fn services(&self) -> Result<Vec<String>, ApiError> {
        let mut services: Vec<String> = self.list("/api/services").await?;
        services.sort();
        Ok(services)
    }

    /// The names of the spans that it has of a service.
    pub async fn operations(&self, service: &str) -> Result<Vec<String>, ApiError> {
        self.list(&format!("/api/services/{}/operations", escaped(service)))
            .await
    }

    /// A trace by its id, which is hexadecimal.
    pub async fn trace(&self, id: &str) -> Result<Option<Trace>, ApiError> {
        let path = format!("/api/traces/{}", escaped(id));
        let answer: Option<Answer<Vec<Trace>>> = self.0.find(&path).await?;
        let traces = answer.and_then(|answer| answer.data).unwrap_or_default();
        Ok(traces.into_iter().next())
    }

    /// Traces of a service.
    pub async fn find(&self, service: &str, search: &Search) -> Result<Vec<Trace>, ApiError> {
        let (first, last) = search.start;
        let mut path = format!(
            "/api/traces?service={}&start={first}&end={last}&limit={}",
            escaped(service),
            search.limit
        );
        if let Some(operation) = &search.operation {
            path += &format!("&operation={}", escaped(operation));
        }
        if search.errors {
            path += "&tags=%7B%22error%22%3A%22true%22%7D";
        }
        let durations = [
            ("minDuration", search.at_least),
            ("maxDuration", search.at_most),
        ];
        for (name, duration) in durations {
            if let Some(duration) = duration {
                path += &format!("&{name}={}us", duration.as_micros());
            }
        }
        self.list(&path).await
    }

    async fn list<T: DeserializeOwned>(&self, path: &str) -> Result<Vec<T>, ApiError> {
        let answer: Answer<Vec<T>> = self.0.get(path).await?;
        Ok(answer.data.unwrap_or_default())
    }
}

/// As a part of a URL.
fn escaped(text: &str) -> String {
    let is_plain = |byte: u8| byte.is_ascii_alphanumeric() || b"-._~".contains(&byte);
    let escape = |byte: u8| match is_plain(byte) {
        true => char::from(byte).to_string(),
        false => format!("%{byte:02X}"),
    };
    text.bytes().map(escape).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_special_in_a_url_is_escaped() {
        assert_eq!(escaped("a-b.c/d e&f=ü"), "a-b.c%2Fd%20e%26f%3D%C3%BC");
    }
}
