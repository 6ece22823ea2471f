//! Addresses on the web. They differ in what may be written: all have a scheme and a host, and none has
//! a user or a password, since whoever may read logs may not have those.

use std::fmt;
use std::marker::PhantomData;
use std::str::FromStr;

use http::Uri;
use serde::de::{Deserialize, Deserializer};

use super::units::{NotAValue, Parse};

/// The address of something on the web: `https://host/path`.
pub type WebUrl = Url<Web>;

/// The address of something on an HTTP server: `http://host:port/path`, the path being optional.
pub type HttpEndpoint = Url<Endpoint>;

/// The address of a registry: `http://host:port`, or `https://host:port` over TLS.
pub type RegistryUrl = Url<Registry>;

/// An address of which `K` says what may be written.
pub struct Url<K> {
    uri: Uri,
    kind: PhantomData<fn() -> K>,
}

/// What may be written.
pub trait Kind {
    /// As it is told in errors.
    const EXPECTED: &str;
    /// Whether it may be reached over TLS.
    const MAY_BE_HTTPS: bool;
    /// Whether it may say more than a host and a port.
    const MAY_HAVE_PATH: bool;
}

/// That of [`WebUrl`].
#[derive(Debug)]
pub enum Web {}

impl Kind for Web {
    const EXPECTED: &str = "an address of the form \"https://host/path\"";
    const MAY_BE_HTTPS: bool = true;
    const MAY_HAVE_PATH: bool = true;
}

/// That of [`HttpEndpoint`].
#[derive(Debug)]
pub enum Endpoint {}

impl Kind for Endpoint {
    const EXPECTED: &str = "an address of the form \"http://host:port/path\"";
    const MAY_BE_HTTPS: bool = false;
    const MAY_HAVE_PATH: bool = true;
}

/// That of [`RegistryUrl`].
#[derive(Debug)]
pub enum Registry {}

impl Kind for Registry {
    const EXPECTED: &str = "an address of the form \"http://host:port\" or \"https://host:port\"";
    const MAY_BE_HTTPS: bool = true;
    const MAY_HAVE_PATH: bool = false;
}

impl<K: Kind> Url<K> {
    pub(super) const EXPECTED: &str = K::EXPECTED;

    /// Whether it is reached over TLS.
    #[must_use]
    pub fn is_https(&self) -> bool {
        self.uri.scheme() == Some(&http::uri::Scheme::HTTPS)
    }

    /// The host, without brackets when it is an IPv6 address.
    #[must_use]
    pub fn host(&self) -> &str {
        let host = self.uri.host().unwrap_or_default();
        host.trim_start_matches('[').trim_end_matches(']')
    }

    /// The port; when none is written, that of the scheme.
    #[must_use]
    pub fn port(&self) -> u16 {
        let default = if self.is_https() { 443 } else { 80 };
        self.uri.port_u16().unwrap_or(default)
    }

    /// The host and port as they are written.
    #[must_use]
    pub fn authority(&self) -> &str {
        self.uri
            .authority()
            .map_or("", http::uri::Authority::as_str)
    }

    /// The path, with what follows it; `/` when there is none.
    #[must_use]
    pub fn path_and_query(&self) -> &str {
        self.uri.path_and_query().map_or("/", |path| path.as_str())
    }

    /// The path, with what follows it; `None` when there is nothing but `/`.
    #[must_use]
    pub fn path(&self) -> Option<&str> {
        Some(self.path_and_query()).filter(|path| *path != "/")
    }

    /// The address with `path`, which begins with `/`, added to its own.
    pub(super) fn join(&self, path: &str) -> Self {
        let joined = format!("{}{path}", self.to_string().trim_end_matches('/'));
        joined.parse().unwrap_or_else(|_| self.clone())
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

impl<K: Kind> FromStr for Url<K> {
    type Err = NotAValue;

    fn from_str(text: &str) -> Result<Self, NotAValue> {
        let uri: Uri = text.parse().map_err(|_| NotAValue)?;
        let has_scheme = match uri.scheme_str() {
            Some("http") => true,
            Some("https") => K::MAY_BE_HTTPS,
            _ => false,
        };
        let has_host = uri.host().is_some_and(|host| !host.is_empty())
            && uri.authority().is_some_and(|it| !it.as_str().contains('@'));
        let path = uri.path_and_query().map_or("/", |path| path.as_str());
        match has_scheme && has_host && (K::MAY_HAVE_PATH || path == "/") {
            true => Ok(Self {
                uri,
                kind: PhantomData,
            }),
            false => Err(NotAValue),
        }
    }
}

impl<K> Clone for Url<K> {
    fn clone(&self) -> Self {
        Self {
            uri: self.uri.clone(),
            kind: PhantomData,
        }
    }
}

impl<K> PartialEq for Url<K> {
    fn eq(&self, other: &Self) -> bool {
        self.uri == other.uri
    }
}

impl<K> Eq for Url<K> {}

impl<K: Kind> fmt::Display for Url<K> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let scheme = self.uri.scheme_str().unwrap_or_default();
        let path = self.path().unwrap_or_default();
        write!(f, "{scheme}://{}{path}", self.authority())
    }
}

impl<K: Kind> fmt::Debug for Url<K> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

impl<'de, K: Kind> Deserialize<'de> for Url<K> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_str(Parse::<Self>::expecting(K::EXPECTED))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Whether it is HTTPS, its host, its port, and how it is shown.
    fn parts<K: Kind>(text: &str) -> (bool, String, u16, String) {
        let url: Url<K> = text.parse().expect(text);
        let host = url.host().to_owned();
        (url.is_https(), host, url.port(), url.to_string())
    }

    fn is_refused<K: Kind>(text: &str) -> bool {
        text.parse::<Url<K>>().is_err()
    }

    #[test]
    fn addresses_have_a_scheme_a_host_and_the_port_of_the_scheme() {
        for (text, is_https, host, port) in [
            ("http://consul:8500", false, "consul", 8500),
            ("http://consul", false, "consul", 80),
            ("https://consul", true, "consul", 443),
            ("https://[::1]:2379", true, "::1", 2379),
        ] {
            let expected = (is_https, host.to_owned(), port, text.to_owned());
            assert_eq!(parts::<Registry>(text), expected);
            assert_eq!(parts::<Web>(text), expected);
            assert_eq!(is_refused::<Endpoint>(text), is_https);
        }
    }

    #[test]
    fn a_path_is_shown_and_a_registry_has_none() {
        let url: WebUrl = "https://issuer/keys?v=1".parse().expect("valid");
        assert_eq!(url.path_and_query(), "/keys?v=1");
        assert_eq!(url.to_string(), "https://issuer/keys?v=1");
        let bare: WebUrl = "https://issuer/".parse().expect("valid");
        assert_eq!((bare.path_and_query(), bare.path()), ("/", None));
        assert!(is_refused::<Registry>("http://a/b"));
        assert!(!is_refused::<Registry>("http://a/"));
    }

    #[test]
    fn a_path_is_added_to_the_one_that_is_there() {
        let joined = |text: &str| {
            let endpoint: HttpEndpoint = text.parse().expect(text);
            endpoint.join("/v1/traces").to_string()
        };
        assert_eq!(joined("http://[::1]:4318/"), "http://[::1]:4318/v1/traces");
        assert_eq!(joined("http://otel/a/"), "http://otel/a/v1/traces");
    }

    #[test]
    fn what_is_no_address_is_refused() {
        for text in [
            "",
            "consul:8500",
            "ftp://a:1",
            "http://",
            "https://",
            "http://u:p@a",
            "https://u:p@a",
        ] {
            assert!(is_refused::<Registry>(text), "{text}");
            assert!(is_refused::<Web>(text), "{text}");
            assert!(is_refused::<Endpoint>(text), "{text}");
        }
    }
}
