//! What a set of protos offers, in terms of the Rust code that is generated from it.
//!
//! Pure: no I/O.

use serde::Serialize;

use crate::proto::namer::tonic_snake;

/// A gRPC service.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Service {
    /// `user.v1.UserService`.
    pub full_name: String,
    /// `UserService`, as the proto has it.
    pub proto_name: String,
    /// The Rust trait to implement: `UserService`.
    pub rust_name: String,
    /// The module of the service's package, as a path below the crate `protocol`; empty for protos
    /// without a package.
    pub module: Vec<String>,
    /// The methods in the order of the proto.
    pub methods: Vec<Method>,
    /// The comment above it, a line an entry.
    pub comments: Vec<String>,
}

/// A method of a service.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Method {
    /// `GetUser`, as it goes over the wire.
    pub proto_name: String,
    /// `get_user`, the trait's function.
    pub rust_name: String,
    /// The request's type.
    pub input: RustType,
    /// The response's type.
    pub output: RustType,
    /// Whether the client sends a stream.
    pub client_streaming: bool,
    /// Whether the server sends a stream.
    pub server_streaming: bool,
    /// The comment above it, a line an entry.
    pub comments: Vec<String>,
}

/// A Rust type as seen from a crate that depends on `protocol`.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize)]
#[serde(transparent)]
pub struct RustType(pub String);

impl RustType {
    /// Resolves a path that generated code in `module` uses into one from outside `protocol`.
    pub fn resolve(path: &str, module: &[String]) -> Self {
        match path {
            "::prost::alloc::string::String" => return Self("String".to_owned()),
            "::prost::alloc::vec::Vec<u8>" => return Self("Vec<u8>".to_owned()),
            _ => {}
        }
        if let Some(primitive) = path.strip_prefix("::core::primitive::") {
            return Self(primitive.to_owned());
        }
        if path.starts_with("::") || path.starts_with('(') {
            return Self(path.trim_start_matches("::").to_owned());
        }
        let ups = path.matches("super::").count();
        let below = path.trim_start_matches("super::");
        let mut parts: Vec<&str> = vec!["protocol"];
        parts.extend(
            module
                .iter()
                .take(module.len().saturating_sub(ups))
                .map(String::as_str),
        );
        parts.push(below);
        Self(parts.join("::"))
    }

    /// The module path and the name, for a type that can be imported.
    pub fn split(&self) -> Option<(&str, &str)> {
        self.0.rsplit_once("::")
    }
}

impl Service {
    /// The path of the module in which tonic puts the server's types:
    /// `protocol::user::v1::user_service_server`.
    pub fn server_module(&self) -> String {
        self.side_module("server")
    }

    /// As [`Service::server_module`], for the client.
    pub fn client_module(&self) -> String {
        self.side_module("client")
    }

    fn side_module(&self, side: &str) -> String {
        let mut path = vec!["protocol".to_owned()];
        path.extend(self.module.iter().cloned());
        // tonic derives the module from the trait's name by plain snake case.
        path.push(format!("{}_{side}", tonic_snake(&self.rust_name)));
        path.join("::")
    }
}

impl Method {
    /// The associated type of a streamed response: `WatchUsersStream`.
    pub fn stream_type(&self) -> String {
        format!("{}Stream", self.proto_name)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn types_are_resolved_as_seen_from_outside() {
        let module = ["user".to_owned(), "v1".to_owned()];
        for (path, expected) in [
            ("GetUserRequest", "protocol::user::v1::GetUserRequest"),
            ("user::Inner", "protocol::user::v1::user::Inner"),
            ("super::super::common::Page", "protocol::common::Page"),
            ("super::super::Unpackaged", "protocol::Unpackaged"),
            ("::prost_types::Timestamp", "prost_types::Timestamp"),
            ("()", "()"),
            ("::prost::alloc::string::String", "String"),
            ("::core::primitive::i64", "i64"),
        ] {
            assert_eq!(RustType::resolve(path, &module).0, expected);
        }
    }
}
