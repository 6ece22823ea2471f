//! The name of a service, checked.

use std::fmt;

use serde::{Deserialize, Serialize};

use super::words::{is_keyword, kebab};
use crate::error::{Diagnostic, Exit};

/// The longest service name: it becomes a DNS label in Consul and Kubernetes (RFC 1035).
pub const LONGEST_SERVICE_NAME: usize = 63;

/// Crate names that a service cannot have: Rust's own, and those of every workspace.
const RESERVED: &[&str] = &[
    "alloc",
    "chassis",
    "core",
    "google",
    "proc-macro",
    "prost",
    "protocol",
    "std",
    "test",
    "tokio",
    "tonic",
];

/// The endings that say "this is a service" and nothing of what it serves.
const SERVICE_ENDINGS: &[&str] = &["-service", "-svc", "-server", "-api"];

/// The name of a service: lowercase words joined by hyphens, a valid DNS label and crate name.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct ServiceName(String);

/// Why a text is no service name.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum NameError {
    /// It breaks the rules of form.
    #[error("`{given}` is not a service name: {reason}")]
    Form {
        /// What was given.
        given: String,
        /// The rule that it breaks.
        reason: &'static str,
        /// The nearest name that would do.
        suggestion: Option<String>,
    },
    /// Rust or the workspace has it already.
    #[error("`{given}` cannot name a service: {taken_by}")]
    Reserved {
        /// What was given.
        given: String,
        /// Who has it.
        taken_by: &'static str,
        /// A name that would do.
        suggestion: String,
    },
}

impl Diagnostic for NameError {
    fn hint(&self) -> Option<String> {
        Some(match self {
            Self::Form {
                suggestion: Some(suggestion),
                ..
            } => format!("try `{suggestion}`"),
            Self::Form { .. } => {
                "use lowercase letters, digits and hyphens, as in `user-service`".to_owned()
            }
            Self::Reserved { suggestion, .. } => format!("try `{suggestion}`"),
        })
    }

    fn exit(&self) -> Exit {
        Exit::Usage
    }
}

impl ServiceName {
    /// Checks and takes a name.
    ///
    /// # Errors
    /// [`NameError`] with the nearest valid name, where there is one.
    pub fn parse(given: &str) -> Result<Self, NameError> {
        if let Some(reason) = broken_rule(given) {
            let suggestion = Some(kebab(given)).filter(|name| broken_rule(name).is_none());
            return Err(NameError::Form {
                given: given.to_owned(),
                reason,
                suggestion,
            });
        }
        if RESERVED.contains(&given) {
            return Err(NameError::Reserved {
                given: given.to_owned(),
                taken_by: "a crate of that name is part of every workspace",
                suggestion: format!("{given}-service"),
            });
        }
        if is_keyword(given) {
            return Err(NameError::Reserved {
                given: given.to_owned(),
                taken_by: "it is a keyword of Rust",
                suggestion: format!("{given}-service"),
            });
        }
        Ok(Self(given.to_owned()))
    }

    /// The name as it was given.
    pub fn as_str(&self) -> &str {
        &self.0
    }

    /// The name as a Rust identifier: hyphens become underscores.
    pub fn crate_name(&self) -> String {
        self.0.replace('-', "_")
    }

    /// The name without an ending such as `-service`: what the service is about.
    pub fn subject(&self) -> &str {
        SERVICE_ENDINGS
            .iter()
            .find_map(|ending| self.0.strip_suffix(ending))
            .filter(|subject| !subject.is_empty())
            .unwrap_or(&self.0)
    }
}

impl fmt::Display for ServiceName {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str(&self.0)
    }
}

impl TryFrom<String> for ServiceName {
    type Error = NameError;

    fn try_from(given: String) -> Result<Self, NameError> {
        Self::parse(&given)
    }
}

impl From<ServiceName> for String {
    fn from(name: ServiceName) -> Self {
        name.0
    }
}

/// The rule of form that a service name breaks, if any.
fn broken_rule(name: &str) -> Option<&'static str> {
    if name.is_empty() {
        return Some("it is empty");
    }
    if name.len() > LONGEST_SERVICE_NAME {
        return Some("it is longer than 63 characters");
    }
    if !name.starts_with(|first: char| first.is_ascii_lowercase()) {
        return Some("it must start with a lowercase letter");
    }
    if !name
        .chars()
        .all(|one| one.is_ascii_lowercase() || one.is_ascii_digit() || one == '-')
    {
        return Some("only lowercase letters, digits and hyphens are allowed");
    }
    if name.ends_with('-') || name.contains("--") {
        return Some("hyphens stand alone and between words");
    }
    None
}

#[cfg(test)]
mod tests {
    use super::*;

    fn rejected(given: &str) -> String {
        let error = ServiceName::parse(given).expect_err("the name is refused");
        format!("{error}; {}", error.hint().unwrap_or_default())
    }

    #[test]
    fn good_names_are_taken_as_they_are() {
        for name in ["user-service", "a", "s3-gateway", "payments"] {
            assert_eq!(ServiceName::parse(name).expect("valid").as_str(), name);
        }
    }

    #[test]
    fn bad_names_are_refused_with_a_suggestion() {
        assert_eq!(
            rejected("UserService"),
            "`UserService` is not a service name: it must start with a lowercase letter; try `user-service`"
        );
        assert_eq!(
            rejected("user_service"),
            "`user_service` is not a service name: only lowercase letters, digits and hyphens are allowed; try `user-service`"
        );
        assert_eq!(
            rejected("-user--service-"),
            "`-user--service-` is not a service name: it must start with a lowercase letter; try `user-service`"
        );
        assert_eq!(
            rejected("../evil"),
            "`../evil` is not a service name: it must start with a lowercase letter; try `evil`"
        );
        assert_eq!(
            rejected("42"),
            "`42` is not a service name: it must start with a lowercase letter; use lowercase letters, digits and hyphens, as in `user-service`"
        );
        assert_eq!(
            rejected(&"a".repeat(64)),
            format!(
                "`{}` is not a service name: it is longer than 63 characters; use lowercase letters, digits and hyphens, as in `user-service`",
                "a".repeat(64)
            )
        );
    }

    #[test]
    fn names_that_rust_or_the_workspace_has_are_refused() {
        assert_eq!(
            rejected("async"),
            "`async` cannot name a service: it is a keyword of Rust; try `async-service`"
        );
        assert_eq!(
            rejected("chassis"),
            "`chassis` cannot name a service: a crate of that name is part of every workspace; try `chassis-service`"
        );
    }
}
