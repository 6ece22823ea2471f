//! The names that a new service cannot have, although they are well formed.
//!
//! They are asked about when a service is made only: a workspace that has one is not refused for it.
//! Pure: no I/O.

use crate::scaffold::names::{NameError, ServiceName};
use crate::scaffold::parts::Part;
use crate::scaffold::templates;

/// What cargo forbids as the name of a binary: folders in its target folder.
const FORBIDDEN_BINARIES: &[&str] = &["build", "deps", "examples", "incremental"];

/// The lock file of every new workspace.
const LOCK: &str = "workspace/Cargo.lock";

/// Checks and takes the name of a new service.
///
/// # Errors
/// [`NameError`] with a name that would do.
pub fn parse(given: &str) -> Result<ServiceName, NameError> {
    let name = ServiceName::parse(given)?;
    if FORBIDDEN_BINARIES.contains(&given) {
        return Err(NameError::Reserved {
            given: given.to_owned(),
            taken_by: "cargo keeps that name for a folder of its own",
            suggestion: format!("{given}-service"),
        });
    }
    if Part::ALL.iter().any(|part| part.name() == given) {
        return Err(NameError::Reserved {
            given: given.to_owned(),
            taken_by: "a crate of `msvc add` is called so",
            suggestion: format!("{given}-service"),
        });
    }
    refuse_dependency(&name, templates::text(LOCK))?;
    Ok(name)
}

/// Refuses the name of a crate that a lock file has: `cargo build -p` would not know which is meant.
///
/// # Errors
/// [`NameError::Reserved`].
pub fn refuse_dependency(name: &ServiceName, lock: &str) -> Result<(), NameError> {
    // Cargo takes `-` and `_` for the same in the files it makes.
    let is_there = |name: &str| dependencies(lock).any(|it| it.replace('_', "-") == name);
    if !is_there(name.as_str()) {
        return Ok(());
    }
    let mut suggestions = ["service", "api", "server"]
        .map(|it| format!("{name}-{it}"))
        .into_iter();
    Err(NameError::Reserved {
        given: name.to_string(),
        taken_by: "the workspace depends on a crate of that name",
        suggestion: suggestions.find(|it| !is_there(it)).unwrap_or_default(),
    })
}

/// The packages in a lock file that come from elsewhere.
fn dependencies(lock: &str) -> impl Iterator<Item = &str> {
    let packages = lock.split("[[package]]").skip(1);
    let foreign = packages.filter(|package| package.contains("\nsource = "));
    foreign.filter_map(|package| {
        let mut lines = package.lines();
        lines.find_map(|line| line.strip_prefix("name = \"")?.strip_suffix('"'))
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::error::Diagnostic as _;
    use crate::scaffold::names::kebab;

    #[test]
    fn the_crates_of_every_workspace_are_refused_with_a_suggestion() {
        let lock = templates::text(LOCK);
        let names: Vec<&str> = lock
            .lines()
            .filter_map(|line| line.strip_prefix("name = \"")?.strip_suffix('"'))
            .collect();
        for known in ["http", "tracing", "tower", "proc-macro2"] {
            assert!(names.contains(&known), "{known} is a dependency");
        }
        for name in names {
            let name = kebab(name);
            let error = parse(&name).expect_err(&name);
            let hint = error.hint().unwrap_or_default();
            let suggestion = hint
                .strip_prefix("try `")
                .and_then(|it| it.strip_suffix('`'));
            parse(suggestion.expect(&hint)).expect("would do");
        }
    }

    #[test]
    fn names_of_cargos_own_folders_are_refused() {
        let error = parse("build").expect_err("is refused");
        assert_eq!(
            error.to_string(),
            "`build` cannot name a service: cargo keeps that name for a folder of its own"
        );
        let error = parse("gateway").expect_err("is refused");
        assert_eq!(
            error.to_string(),
            "`gateway` cannot name a service: a crate of `msvc add` is called so"
        );
        for name in ["deps", "examples", "incremental", "storage"] {
            parse(name).expect_err(name);
        }
    }

    #[test]
    fn members_of_the_workspace_are_no_dependencies() {
        let lock = "[[package]]\nname = \"users\"\nversion = \"1\"\n\n[[package]]\n\
            name = \"sqlx\"\nversion = \"1\"\nsource = \"registry\"\n";
        assert_eq!(dependencies(lock).collect::<Vec<_>>(), ["sqlx"]);
    }
}
