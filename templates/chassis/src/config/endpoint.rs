//! The address of something on an HTTP server.

use std::fmt;
use std::str::FromStr;

use serde::de::{Deserialize, Deserializer};

use super::units::{NotAValue, Parse};

/// The address of something on an HTTP server: `http://host:port/path`, the path being optional.
#[derive(Clone, PartialEq, Eq)]
pub struct HttpEndpoint(http::Uri);

impl HttpEndpoint {
    pub(super) const EXPECTED: &str = "an address of the form \"http://host:port/path\"";

    /// The host, without brackets when it is an IPv6 address.
    #[must_use]
    pub fn host(&self) -> &str {
        let host = self.0.host().unwrap_or_default();
        host.trim_start_matches('[').trim_end_matches(']')
    }

    /// The port; 80 when none is written.
    #[must_use]
    pub fn port(&self) -> u16 {
        self.0.port_u16().unwrap_or(80)
    }

    /// The host and port as they are written.
    #[must_use]
    pub fn authority(&self) -> &str {
        self.0.authority().map_or("", http::uri::Authority::as_str)
    }

    /// The path and query; `None` when there is nothing but `/`.
    #[must_use]
    pub fn path(&self) -> Option<&str> {
        let path = self.0.path_and_query().map(|path| path.as_str());
        path.filter(|path| *path != "/")
    }

    /// The address with `path`, which begins with `/`, added to its own.
    pub(super) fn join(&self, path: &str) -> Self {
        let base = self.path().unwrap_or_default().trim_end_matches('/');
        let joined = format!("http://{}{base}{path}", self.authority());
        joined.parse().unwrap_or_else(|_| self.clone())
    }
}

impl FromStr for HttpEndpoint {
    type Err = NotAValue;

    fn from_str(text: &str) -> Result<Self, NotAValue> {
        let uri: http::Uri = text.parse().map_err(|_| NotAValue)?;
        let is_http = uri.scheme() == Some(&http::uri::Scheme::HTTP);
        match is_http && uri.host().is_some_and(|host| !host.is_empty()) {
            true => Ok(Self(uri)),
            false => Err(NotAValue),
        }
    }
}

impl fmt::Display for HttpEndpoint {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let path = self.path().unwrap_or_default();
        write!(f, "http://{}{path}", self.authority())
    }
}

impl fmt::Debug for HttpEndpoint {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

impl<'de> Deserialize<'de> for HttpEndpoint {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_str(Parse::<Self>::expecting(Self::EXPECTED))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_endpoint_is_a_host_a_port_and_perhaps_a_path() {
        let parts = |text: &str| {
            let it: HttpEndpoint = text.parse().expect(text);
            (
                it.host().to_owned(),
                it.port(),
                it.path().map(str::to_owned),
                it.join("/v1/traces").to_string(),
            )
        };
        let path = |path: &str| Some(path.to_owned());
        assert_eq!(
            parts("http://[::1]:4318/"),
            (
                "::1".into(),
                4318,
                None,
                "http://[::1]:4318/v1/traces".into()
            )
        );
        assert_eq!(
            parts("http://otel/a/"),
            (
                "otel".into(),
                80,
                path("/a/"),
                "http://otel/a/v1/traces".into()
            )
        );
        for text in ["", "otel:4318", "https://otel", "http://", "ftp://otel"] {
            assert_eq!(text.parse::<HttpEndpoint>(), Err(NotAValue), "{text}");
        }
    }
}
