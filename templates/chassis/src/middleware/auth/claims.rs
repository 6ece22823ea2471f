//! What a token says.

use std::sync::Arc;

use serde::Deserialize;
use serde::de::DeserializeOwned;
use serde_json::{Map, Value};

/// What the token of a call says, once it is verified. In the extensions of requests. Clones share
/// it.
#[derive(Debug, Clone, PartialEq)]
pub struct Claims(Arc<Inner>);

#[derive(Debug, PartialEq)]
struct Inner {
    all: Map<String, Value>,
    scopes: Vec<String>,
    roles: Vec<String>,
}

/// A claim that is a list, or a text with blanks between (RFC 8693, section 4.2).
#[derive(Deserialize)]
#[serde(untagged)]
enum Words {
    Text(String),
    List(Vec<String>),
}

impl Claims {
    pub(super) fn new(all: Map<String, Value>) -> Self {
        let words = |name: &str| match all.get(name).map(Words::deserialize) {
            Some(Ok(Words::Text(text))) => text.split_whitespace().map(str::to_owned).collect(),
            Some(Ok(Words::List(list))) => list,
            Some(Err(_)) | None => Vec::new(),
        };
        let mut scopes = words("scope");
        scopes.extend(words("scp"));
        Self(Arc::new(Inner {
            scopes,
            roles: words("roles"),
            all,
        }))
    }

    /// Whom it is about (`sub`).
    #[must_use]
    pub fn subject(&self) -> Option<&str> {
        self.get("sub")?.as_str()
    }

    /// Who has issued it (`iss`).
    #[must_use]
    pub fn issuer(&self) -> Option<&str> {
        self.get("iss")?.as_str()
    }

    /// What it allows (`scope`, a text with blanks between, or `scp`).
    #[must_use]
    pub fn scopes(&self) -> &[String] {
        &self.0.scopes
    }

    /// Whether it has this scope.
    #[must_use]
    pub fn has_scope(&self, scope: &str) -> bool {
        self.0.scopes.iter().any(|it| it == scope)
    }

    /// What its subject is (`roles`).
    #[must_use]
    pub fn roles(&self) -> &[String] {
        &self.0.roles
    }

    /// Whether it has this role.
    #[must_use]
    pub fn has_role(&self, role: &str) -> bool {
        self.0.roles.iter().any(|it| it == role)
    }

    /// Any other claim.
    #[must_use]
    pub fn get(&self, name: &str) -> Option<&Value> {
        self.0.all.get(name)
    }

    /// All of them, as a type of your own.
    ///
    /// # Errors
    /// When they are not of that type.
    pub fn parse<T: DeserializeOwned>(&self) -> Result<T, serde_json::Error> {
        T::deserialize(Value::Object(self.0.all.clone()))
    }

    /// When it expires (`exp`), in seconds since 1970.
    pub(super) fn expires_at(&self) -> u64 {
        let seconds = self.get("exp").and_then(Value::as_f64);
        seconds.map_or(0, |seconds| seconds as u64)
    }
}
