//! The names of what is added to the inside of a service.

use crate::error::{Diagnostic, Exit};
use crate::scaffold::names::kebab;

/// The longest name: topics have no more in any broker.
const LONGEST: usize = 64;

/// Why something cannot be called so.
#[derive(Debug, thiserror::Error)]
#[error("`{given}` cannot name a {what}: 1 to {LONGEST} lowercase letters, digits and hyphens can")]
pub struct NameError {
    what: &'static str,
    given: String,
}

impl Diagnostic for NameError {
    fn hint(&self) -> Option<String> {
        let name = kebab(&self.given);
        is_name(&name).then(|| format!("try `{name}`"))
    }

    fn exit(&self) -> Exit {
        Exit::Usage
    }
}

/// Refuses a name that is not of lowercase words joined by hyphens. `what` is what would have it.
///
/// # Errors
/// With the nearest name that would do.
pub fn check(what: &'static str, given: &str) -> Result<(), NameError> {
    match is_name(given) {
        true => Ok(()),
        false => Err(NameError {
            what,
            given: given.to_owned(),
        }),
    }
}

fn is_name(name: &str) -> bool {
    name.starts_with(|first: char| first.is_ascii_lowercase())
        && name.len() <= LONGEST
        && kebab(name) == name
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_are_lowercase_words_and_others_lead_to_one() {
        for name in ["order-created", "a", "s3-objects"] {
            assert!(check("queue", name).is_ok(), "{name}");
        }
        for (given, hint) in [
            ("OrderCreated", Some("try `order-created`")),
            ("order.created", Some("try `order-created`")),
            ("a--b-", Some("try `a-b`")),
            ("7up", None),
            ("", None),
        ] {
            let error = check("queue", given).expect_err(given);
            assert_eq!(error.hint().as_deref(), hint, "{given}");
        }
        assert!(check("saga", &"a".repeat(LONGEST + 1)).is_err());
    }
}
