//! The names that a service's own name gives: crate, package, entity, file names.
//!
//! Pure: no I/O.

use std::fmt;

use serde::{Deserialize, Serialize};

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

/// Entity names whose Rust type would shadow a name that generated code uses; a test in `service`
/// derives those of the starter's own code. A field `kind` or `update_mask` would be there twice.
const SHADOWING: &[&str] = &[
    "Arc",
    "BTreeMap",
    "Body",
    "Box",
    "BoxStream",
    "Clone",
    "Code",
    "Config",
    "Debug",
    "Default",
    "Deserialize",
    "Err",
    "Error",
    "Excluded",
    "FieldMask",
    "Future",
    "Kind",
    "Message",
    "Mutex",
    "MutexGuard",
    "None",
    "Ok",
    "Option",
    "Output",
    "Path",
    "Pin",
    "PoisonError",
    "R",
    "Request",
    "Response",
    "Result",
    "Self",
    "Send",
    "Services",
    "Settings",
    "Some",
    "Status",
    "Stream",
    "String",
    "Sync",
    "TestServer",
    "Timestamp",
    "Unbounded",
    "UpdateMask",
    "Vec",
    "Violations",
];

/// The longest subject that names an entity; a longer one is cut to its last word, or "item". It
/// keeps lines of generated code in the width that rustfmt allows.
const LONGEST_ENTITY: usize = 12;

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

/// The names in a starter service, which is made from its name alone.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct StarterNames {
    /// The message, and the Rust type: `User`.
    pub entity: String,
    /// Many of them: `Users`.
    pub entities: String,
    /// A field or a variable: `user`.
    pub variable: String,
    /// A field or a variable of many: `users`.
    pub variables: String,
    /// In a sentence: `user`, `line item`.
    pub words: String,
    /// Many in a sentence: `users`, `line items`.
    pub plural_words: String,
    /// The gRPC service: `UserService`.
    pub service: String,
    /// The proto package: `user.v1`.
    pub package: String,
    /// The proto file, as imports name it: `user/v1/user.proto`.
    pub proto_file: String,
}

impl StarterNames {
    /// Derives all names from the service's.
    pub fn new(name: &ServiceName) -> Self {
        let subject = name.subject();
        let entity_subject = match subject.rsplit('-').next() {
            _ if subject.len() <= LONGEST_ENTITY => subject,
            Some(last) if last.len() <= LONGEST_ENTITY && !last.starts_with(char::is_numeric) => {
                last
            }
            _ => "item",
        };
        let mut entity = pascal(entity_subject);
        let mut words = entity_subject.replace('-', " ");
        if SHADOWING.contains(&entity.as_str()) || is_keyword(&words) || is_keyword(&plural(&words))
        {
            entity = format!("{}Item", entity.chars().take(8).collect::<String>());
            words.truncate(8);
            words.push_str(" item");
        }
        let variable = words.replace(' ', "_");
        let mut stem = subject.replace('-', "_");
        // Modules of these names would be taken for the files of a crate.
        if ["lib", "main"].contains(&stem.as_str()) {
            stem.push_str("_item");
        }
        Self {
            entities: plural(&entity),
            variables: plural(&variable),
            plural_words: plural(&words),
            service: format!("{}Service", pascal(subject)),
            package: format!("{stem}.v1"),
            proto_file: format!("{stem}/v1/{stem}.proto"),
            entity,
            variable,
            words,
        }
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

/// Whether Rust has the name as a keyword of any edition.
pub fn is_keyword(name: &str) -> bool {
    // `syn` parses an identifier only when it is no keyword, but does not know those of edition 2024.
    name == "gen" || syn::parse_str::<syn::Ident>(&name.replace(['-', ' '], "_")).is_err()
}

/// Words of any convention as lowercase words joined by hyphens: `UserService` → `user-service`.
pub fn kebab(text: &str) -> String {
    let mut words = String::new();
    let mut previous: Option<char> = None;
    let mut following = text.chars().skip(1);
    for one in text.chars() {
        let next = following.next();
        if one.is_ascii_alphanumeric() {
            let starts_word = one.is_ascii_uppercase()
                && previous.is_some_and(|before| {
                    before.is_ascii_lowercase()
                        || before.is_ascii_digit()
                        || (before.is_ascii_uppercase()
                            && next.is_some_and(|after| after.is_ascii_lowercase()))
                });
            if starts_word && !words.ends_with('-') {
                words.push('-');
            }
            words.push(one.to_ascii_lowercase());
        } else if !words.is_empty() && !words.ends_with('-') {
            words.push('-');
        }
        previous = Some(one);
    }
    words.trim_end_matches('-').to_owned()
}

/// Words of any convention as a file and variable name: `UserService` → `user_service`.
pub fn snake(text: &str) -> String {
    kebab(text).replace('-', "_")
}

/// Words joined by hyphens as a type name: `line-item` → `LineItem`.
pub fn pascal(words: &str) -> String {
    words
        .split(['-', '_'])
        .filter_map(|word| {
            let (first, rest) = word.split_at_checked(1)?;
            Some(first.to_ascii_uppercase() + rest)
        })
        .collect()
}

/// The English plural, by the regular rules.
fn plural(singular: &str) -> String {
    let consonant_before_y = singular
        .strip_suffix('y')
        .filter(|stem| !stem.ends_with(['a', 'e', 'i', 'o', 'u']));
    if let Some(stem) = consonant_before_y {
        return format!("{stem}ies");
    }
    if ["s", "x", "z", "ch", "sh"]
        .iter()
        .any(|ending| singular.ends_with(ending))
    {
        return format!("{singular}es");
    }
    format!("{singular}s")
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

    #[test]
    fn kebab_understands_every_convention() {
        for (given, expected) in [
            ("UserService", "user-service"),
            ("userService", "user-service"),
            ("HTTPServer", "http-server"),
            ("GetURL", "get-url"),
            ("S3Bucket", "s3-bucket"),
            ("user service!", "user-service"),
            ("__x__", "x"),
            ("", ""),
        ] {
            assert_eq!(kebab(given), expected, "{given}");
        }
    }

    #[test]
    fn starter_names_follow_from_the_service() {
        let names = StarterNames::new(&ServiceName::parse("line-item-service").expect("valid"));
        assert_eq!(
            names,
            StarterNames {
                entity: "LineItem".to_owned(),
                entities: "LineItems".to_owned(),
                variable: "line_item".to_owned(),
                variables: "line_items".to_owned(),
                words: "line item".to_owned(),
                plural_words: "line items".to_owned(),
                service: "LineItemService".to_owned(),
                package: "line_item.v1".to_owned(),
                proto_file: "line_item/v1/line_item.proto".to_owned(),
            }
        );
    }

    #[test]
    fn entities_never_shadow_names_of_generated_code() {
        let names = StarterNames::new(&ServiceName::parse("status-service").expect("valid"));
        assert_eq!(names.entity, "StatusItem");
        let main = StarterNames::new(&ServiceName::parse("main").expect("valid"));
        assert_eq!(
            (main.entity.as_str(), main.package.as_str()),
            ("Main", "main_item.v1")
        );
        assert_eq!(names.service, "StatusService");
        let names =
            StarterNames::new(&ServiceName::parse("user-notification-service").expect("valid"));
        assert_eq!(
            (names.entity.as_str(), names.package.as_str()),
            ("Notification", "user_notification.v1")
        );
        let names = StarterNames::new(&ServiceName::parse("type-service").expect("valid"));
        assert_eq!(
            (names.entity.as_str(), names.variable.as_str()),
            ("TypeItem", "type_item")
        );
    }

    #[test]
    fn plurals_are_regular() {
        for (one, many) in [
            ("User", "Users"),
            ("Category", "Categories"),
            ("Key", "Keys"),
            ("Address", "Addresses"),
            ("Batch", "Batches"),
        ] {
            assert_eq!(plural(one), many);
        }
    }
}
