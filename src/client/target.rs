//! What a call is aimed at, as the user names it: `SERVICE`, `HOST:PORT` or a URL.
//!
//! Pure: text in, values out.

use std::fmt;
use std::str::FromStr;

use crate::error::{Diagnostic, Exit};

/// What a call is aimed at.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Target {
    /// A service by the name that it is registered under.
    Service(String),
    /// A server by its address.
    Endpoint(Endpoint),
}

/// The address of one server.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct Endpoint {
    /// A host name or an IP address, the latter without brackets.
    pub host: String,
    /// The port.
    pub port: u16,
    /// Whether TLS is spoken there.
    pub tls: bool,
}

impl Endpoint {
    /// `host:port`, with brackets where the host has colons.
    pub fn authority(&self) -> String {
        if self.host.contains(':') {
            format!("[{}]:{}", self.host, self.port)
        } else {
            format!("{}:{}", self.host, self.port)
        }
    }

    /// `http` or `https`.
    pub fn scheme(&self) -> &'static str {
        if self.tls { "https" } else { "http" }
    }
}

impl fmt::Display for Endpoint {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        if self.tls {
            formatter.write_str("https://")?;
        }
        formatter.write_str(&self.authority())
    }
}

impl fmt::Display for Target {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Service(name) => formatter.write_str(name),
            Self::Endpoint(endpoint) => endpoint.fmt(formatter),
        }
    }
}

/// Why a text is no target.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum TargetError {
    /// The URL's scheme is not one of ours.
    #[error("`{0}://` is not supported: use `http://`, `https://` or `consul:///`")]
    Scheme(String),
    /// The URL has more than an address.
    #[error("`{0}` has a path: gRPC methods are given as the second argument")]
    Path(String),
    /// The port is no port.
    #[error("`{0}` is not a port: expected a number from 1 to 65535")]
    Port(String),
    /// Something else.
    #[error("expected a service's name, `HOST:PORT` or a URL")]
    Invalid,
}

impl Diagnostic for TargetError {
    fn exit(&self) -> Exit {
        Exit::Usage
    }
}

impl FromStr for Target {
    type Err = TargetError;

    fn from_str(text: &str) -> Result<Self, TargetError> {
        if let Some((scheme, rest)) = text.split_once("://") {
            return match scheme.to_ascii_lowercase().as_str() {
                "http" => endpoint_of_url(rest, false).map(Self::Endpoint),
                "https" => endpoint_of_url(rest, true).map(Self::Endpoint),
                "consul" => service(rest.strip_prefix('/').unwrap_or(rest)),
                _ => Err(TargetError::Scheme(scheme.to_owned())),
            };
        }
        if text.contains(':') {
            endpoint(text, None, false).map(Self::Endpoint)
        } else {
            service(text)
        }
    }
}

fn service(name: &str) -> Result<Target, TargetError> {
    let is_name = |c: char| c.is_ascii_alphanumeric() || matches!(c, '-' | '_' | '.');
    if name.is_empty() || !name.chars().all(is_name) {
        return Err(TargetError::Invalid);
    }
    Ok(Target::Service(name.to_owned()))
}

fn endpoint_of_url(rest: &str, tls: bool) -> Result<Endpoint, TargetError> {
    let authority = rest.strip_suffix('/').unwrap_or(rest);
    if authority.contains(['/', '?', '#']) {
        return Err(TargetError::Path(rest.to_owned()));
    }
    endpoint(authority, Some(if tls { 443 } else { 80 }), tls)
}

fn endpoint(
    authority: &str,
    default_port: Option<u16>,
    tls: bool,
) -> Result<Endpoint, TargetError> {
    let (host, port) = if let Some(rest) = authority.strip_prefix('[') {
        let (host, after) = rest.split_once(']').ok_or(TargetError::Invalid)?;
        host.parse::<core::net::Ipv6Addr>()
            .map_err(|_| TargetError::Invalid)?;
        match after.strip_prefix(':') {
            Some(port) => (host, Some(port)),
            None if after.is_empty() => (host, None),
            None => return Err(TargetError::Invalid),
        }
    } else {
        match authority.split_once(':') {
            Some((host, port)) => (host, Some(port)),
            None => (authority, None),
        }
    };
    // As in `:50051`, what listens on this machine.
    let host = if host.is_empty() && port.is_some() {
        "localhost"
    } else {
        host
    };
    let is_host = |c: char| c.is_ascii_alphanumeric() || matches!(c, '-' | '_' | '.' | ':');
    if host.is_empty() || !host.chars().all(is_host) {
        return Err(TargetError::Invalid);
    }
    let port = match port {
        Some(port) => port
            .parse()
            .ok()
            .filter(|port| *port > 0)
            .ok_or_else(|| TargetError::Port(port.to_owned()))?,
        None => default_port.ok_or(TargetError::Invalid)?,
    };
    Ok(Endpoint {
        host: host.to_owned(),
        port,
        tls,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn shown(text: &str) -> String {
        match text.parse::<Target>() {
            Ok(Target::Service(name)) => format!("service {name}"),
            Ok(Target::Endpoint(endpoint)) => format!("endpoint {endpoint}"),
            Err(error) => error.to_string(),
        }
    }

    #[test]
    fn names_addresses_and_urls_are_told_apart() {
        for (text, expected) in [
            ("user-service", "service user-service"),
            ("consul:///user-service", "service user-service"),
            ("localhost:50051", "endpoint localhost:50051"),
            (":50051", "endpoint localhost:50051"),
            ("[::1]:50051", "endpoint [::1]:50051"),
            ("http://example.org", "endpoint example.org:80"),
            ("https://example.org/", "endpoint https://example.org:443"),
            (
                "HTTPS://example.org:8443",
                "endpoint https://example.org:8443",
            ),
        ] {
            assert_eq!(shown(text), expected, "{text}");
        }
    }

    #[test]
    fn what_is_wrong_with_a_target_is_said() {
        for (text, expected) in [
            (
                "tcp://a:1",
                "`tcp://` is not supported: use `http://`, `https://` or `consul:///`",
            ),
            (
                "http://a:1/user.v1.UserService",
                "`a:1/user.v1.UserService` has a path: gRPC methods are given as the second argument",
            ),
            (
                "a:http",
                "`http` is not a port: expected a number from 1 to 65535",
            ),
            (
                "a:0",
                "`0` is not a port: expected a number from 1 to 65535",
            ),
            ("", "expected a service's name, `HOST:PORT` or a URL"),
            ("a b", "expected a service's name, `HOST:PORT` or a URL"),
            (
                "::1",
                "`:1` is not a port: expected a number from 1 to 65535",
            ),
        ] {
            assert_eq!(shown(text), expected, "{text}");
        }
    }
}
