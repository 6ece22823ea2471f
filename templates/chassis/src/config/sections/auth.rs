//! `[server.auth]`.

use std::path::PathBuf;
use std::str::FromStr;

use serde::{Deserialize, Deserializer, Serialize};

use crate::config::units::Parse;
use crate::config::{Duration, NotAValue, Secret, Size, WebUrl};

/// `[server.auth]`: who may call, by the JSON Web Token (RFC 7519) in `authorization: Bearer …`.
///
/// The keys come from exactly one of `jwks_file`, `jwks_url` and `secret`. Each is for one
/// algorithm, whatever a token says: RS256, ES256 or HS256.
///
/// A change is in force at once, for calls that begin then; one that cannot be used (methods that
/// are not there, a file without keys, two sources of keys) is refused. Where the keys come from
/// elsewhere than before, it waits until they are there, and the last settings stay meanwhile.
#[derive(Debug, Clone, PartialEq, Deserialize, Serialize)]
#[serde(deny_unknown_fields, default)]
pub struct Auth {
    /// Default: false.
    pub enabled: bool,
    /// A file with a JSON Web Key Set (RFC 7517). Default: none.
    pub jwks_file: Option<PathBuf>,
    /// The address of a JSON Web Key Set; `https` needs the feature `tls`. Default: none.
    pub jwks_url: Option<WebUrl>,
    /// The authorities of the server at `jwks_url`. Default: those of the operating system.
    pub jwks_ca: Option<PathBuf>,
    /// The secret of HS256, of 32 bytes or more (RFC 7518, section 3.2). Default: none.
    pub secret: Option<Secret>,
    /// One of these must have issued the token. Default: none, which is anybody who has a key.
    pub issuers: Vec<String>,
    /// The token must be for one of these. Default: none, and tokens for somebody are refused.
    pub audiences: Vec<String>,
    /// By how much clocks may differ. Default: `"60s"`; at most a day.
    pub leeway: Duration,
    /// The largest token. Default: `"8KiB"`.
    pub max_token_size: Size,
    /// How often keys are fetched. Default: `"5m"`; `"0s"` is only for keys that are not known.
    pub refresh: Duration,
    /// Keys that are not known are looked for no more often than this. Default: `"30s"`.
    pub min_refresh: Duration,
    /// Tokens that are remembered as good until they expire. Default: 10000.
    pub cached_tokens: u32,
    /// Methods without a token, as in `"shop.v1.Catalogue/*"`. Default:
    /// `["grpc.health.v1.Health/*"]`.
    pub public: Vec<MethodPattern>,
    /// `[[server.auth.rules]]`: what tokens must say. Default: none, any good token will do.
    pub rules: Vec<AuthRule>,
}

impl Default for Auth {
    fn default() -> Self {
        Self {
            enabled: false,
            jwks_file: None,
            jwks_url: None,
            jwks_ca: None,
            secret: None,
            issuers: Vec::new(),
            audiences: Vec::new(),
            leeway: Duration::from_secs(60),
            max_token_size: Size::from_kib(8),
            refresh: Duration::from_secs(300),
            min_refresh: Duration::from_secs(30),
            cached_tokens: 10_000,
            public: vec![MethodPattern::Service("grpc.health.v1.Health".to_owned())],
            rules: Vec::new(),
        }
    }
}

/// One of `[[server.auth.rules]]`. All that fit a method hold for it.
#[derive(Debug, Clone, Default, PartialEq, Eq, Deserialize, Serialize)]
#[serde(deny_unknown_fields, default)]
pub struct AuthRule {
    /// The methods, as in `"shop.v1.Orders/*"`; `"*"` is all. Default: none.
    pub methods: Vec<MethodPattern>,
    /// The token must have all of these scopes (claim `scope` or `scp`). Default: none.
    pub scopes: Vec<String>,
    /// The token must have one of these roles (claim `roles`). Default: none, no role is needed.
    pub roles: Vec<String>,
}

/// Some methods.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum MethodPattern {
    /// `"*"`
    All,
    /// `"shop.v1.Orders/*"`
    Service(String),
    /// `"shop.v1.Orders/PlaceOrder"`
    Method(String),
}

impl MethodPattern {
    /// Whether the method at `path` (`/shop.v1.Orders/PlaceOrder`) is one of them.
    #[must_use]
    pub fn matches(&self, path: &str) -> bool {
        let path = path.strip_prefix('/').unwrap_or(path);
        match self {
            Self::All => true,
            Self::Service(service) => path
                .strip_prefix(service.as_str())
                .and_then(|rest| rest.strip_prefix('/'))
                .is_some_and(|method| !method.contains('/')),
            Self::Method(method) => path == method,
        }
    }
}

impl std::fmt::Display for MethodPattern {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::All => f.write_str("*"),
            Self::Service(service) => write!(f, "{service}/*"),
            Self::Method(method) => f.write_str(method),
        }
    }
}

impl FromStr for MethodPattern {
    type Err = NotAValue;

    fn from_str(text: &str) -> Result<Self, NotAValue> {
        if text == "*" {
            return Ok(Self::All);
        }
        let is_name = |name: &str, also: char| {
            let allowed = |c: char| c.is_ascii_alphanumeric() || c == '_' || c == also;
            !name.is_empty() && name.chars().all(allowed)
        };
        match text.split_once('/') {
            Some((service, "*")) if is_name(service, '.') => Ok(Self::Service(service.to_owned())),
            Some((service, method)) if is_name(service, '.') && is_name(method, '_') => {
                Ok(Self::Method(text.to_owned()))
            }
            _ => Err(NotAValue),
        }
    }
}

impl<'de> Deserialize<'de> for MethodPattern {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_str(Parse::<Self>::expecting(
            "\"package.Service/Method\", \"package.Service/*\" or \"*\"",
        ))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn patterns_match_whole_names() {
        let matches = |pattern: &str, path: &str| {
            let pattern: MethodPattern = pattern.parse().expect("a pattern");
            pattern.matches(path)
        };
        assert!(matches("*", "/a.B/C"));
        assert!(matches("a.B/*", "/a.B/C"));
        assert!(matches("a.B/C", "/a.B/C"));
        for (pattern, path) in [
            ("a.B/*", "/a.Bc/C"),
            ("a.B/*", "/x.a.B/C"),
            ("a.B/*", "/a.B/C/D"),
            ("a.B/*", "/a.B"),
            ("a.B/C", "/a.B/Cd"),
            ("a.B/C", "/a.b/C"),
        ] {
            assert!(!matches(pattern, path), "{pattern} {path}");
        }
        for text in ["", "a.B", "a.B/", "/a.B/C", "a.*/C", "a.B/C*", "a.B/C/D"] {
            assert!(text.parse::<MethodPattern>().is_err(), "{text}");
        }
    }
}
