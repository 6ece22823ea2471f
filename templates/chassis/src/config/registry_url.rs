//! Where a registry answers, with or without TLS.

use std::fmt;
use std::str::FromStr;

use serde::de::{Deserialize, Deserializer};

use super::units::{NotAValue, Parse};

/// The address of a registry: `http://host:port`, or `https://host:port` over TLS.
#[derive(Clone, PartialEq, Eq)]
pub struct RegistryUrl(http::Uri);

impl RegistryUrl {
    pub(super) const EXPECTED: &str =
        "an address of the form \"http://host:port\" or \"https://host:port\"";

    /// Whether it is reached over TLS.
    #[must_use]
    pub fn is_https(&self) -> bool {
        self.0.scheme() == Some(&http::uri::Scheme::HTTPS)
    }

    /// The host, without brackets when it is an IPv6 address.
    #[must_use]
    pub fn host(&self) -> &str {
        let host = self.0.host().unwrap_or_default();
        host.trim_start_matches('[').trim_end_matches(']')
    }

    /// The port; when none is written, that of the scheme.
    #[must_use]
    pub fn port(&self) -> u16 {
        let default = if self.is_https() { 443 } else { 80 };
        self.0.port_u16().unwrap_or(default)
    }

    /// The host and port as they are written.
    #[must_use]
    pub fn authority(&self) -> &str {
        self.0.authority().map_or("", http::uri::Authority::as_str)
    }

    /// `text`, which is of the scheme `https` with `tls`, and of `http` without, when it names none.
    pub(super) fn with_scheme(text: &str, tls: bool) -> Result<Self, NotAValue> {
        match text.contains("://") {
            true => text.parse(),
            false if tls => format!("https://{text}").parse(),
            false => format!("http://{text}").parse(),
        }
    }
}

impl FromStr for RegistryUrl {
    type Err = NotAValue;

    fn from_str(text: &str) -> Result<Self, NotAValue> {
        let uri: http::Uri = text.parse().map_err(|_| NotAValue)?;
        let is_known = matches!(uri.scheme_str(), Some("http" | "https"));
        // Whoever may read logs may not have what is before an `@`.
        let is_bare = matches!(uri.path_and_query().map(|p| p.as_str()), None | Some("/"))
            && uri.authority().is_some_and(|it| !it.as_str().contains('@'));
        match is_known && is_bare && uri.host().is_some_and(|host| !host.is_empty()) {
            true => Ok(Self(uri)),
            false => Err(NotAValue),
        }
    }
}

impl fmt::Display for RegistryUrl {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let scheme = self.0.scheme_str().unwrap_or_default();
        write!(f, "{scheme}://{}", self.authority())
    }
}

impl fmt::Debug for RegistryUrl {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

impl<'de> Deserialize<'de> for RegistryUrl {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_str(Parse::<Self>::expecting(Self::EXPECTED))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn addresses_have_a_scheme_a_host_and_the_port_of_the_scheme() {
        let parts = |text: &str| {
            let url: RegistryUrl = text.parse().expect(text);
            let host = url.host().to_owned();
            (url.is_https(), host, url.port(), url.to_string())
        };
        for (text, is_https, host, port) in [
            ("http://consul:8500", false, "consul", 8500),
            ("http://consul", false, "consul", 80),
            ("https://consul", true, "consul", 443),
            ("https://[::1]:2379", true, "::1", 2379),
        ] {
            let expected = (is_https, host.to_owned(), port, text.to_owned());
            assert_eq!(parts(text), expected);
        }
    }

    #[test]
    fn what_is_more_or_less_than_an_address_is_refused() {
        for text in [
            "consul:8500",
            "ftp://a:1",
            "https://",
            "http://a/b",
            "https://u:p@a",
        ] {
            assert!(text.parse::<RegistryUrl>().is_err(), "{text}");
        }
    }
}
