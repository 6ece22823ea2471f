//! The names in a starter service, all from its own.

use serde::Serialize;

use super::service_name::ServiceName;
use super::words::{is_keyword, pascal, plural};

/// Entity names whose Rust type would shadow a name that generated code uses; a test in `service`
/// derives those of the starter's own code. A field `kind` or `update_mask` would be there twice.
const SHADOWING: &[&str] = &[
    "Arc",
    "BTreeMap",
    "Body",
    "Box",
    "BoxStream",
    "Channel",
    "Clone",
    "Code",
    "Config",
    "Database",
    "Debug",
    "Default",
    "Deserialize",
    "Err",
    "Error",
    "Excluded",
    "FieldMask",
    "FromRow",
    "Future",
    "Kind",
    "Message",
    "Migration",
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
    "Row",
    "Self",
    "Send",
    "Services",
    "Settings",
    "Some",
    "Status",
    "Stored",
    "Stream",
    "String",
    "Sync",
    "SystemTime",
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

#[cfg(test)]
mod tests {
    use super::*;

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
}
