//! Parts: crates that a workspace gets when something in it wants them, and not before, so that a plain
//! workspace builds quickly.

use tera::Context;

use crate::error::Result;
use crate::scaffold::draft::Draft;
use crate::scaffold::edit::{cargo, lock_file};
use crate::scaffold::names::ServiceName;
use crate::scaffold::templates;

/// What the dependencies of all parts, with every feature, were when this was built, for the lock file of a
/// workspace. It is made of this repository's own: in a new shop (`msvc new shop --example shop`) that gets it
/// as its lock file, `cargo metadata --offline` leaves what is needed.
const LOCK: &str = "parts/Cargo.lock";

/// A crate that a workspace may have.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Part {
    /// HTTP and JSON in front of gRPC.
    Gateway,
    /// Queues, the outbox and the inbox.
    Messaging,
    /// Work in several services that is done as a whole or undone.
    Saga,
    /// Databases, and caches.
    Storage,
}

impl Part {
    /// All of them.
    pub const ALL: [Self; 4] = [Self::Gateway, Self::Messaging, Self::Saga, Self::Storage];

    /// Its folder below `crates/`, and the name of the crate.
    pub fn name(self) -> &'static str {
        match self {
            Self::Gateway => "gateway",
            Self::Messaging => "messaging",
            Self::Saga => "saga",
            Self::Storage => "storage",
        }
    }

    /// The parts that it is built on.
    fn needs(self) -> &'static [Self] {
        match self {
            Self::Gateway | Self::Storage => &[],
            Self::Messaging | Self::Saga => &[Self::Storage],
        }
    }
}

/// Adds a part and those that it needs to a workspace, with Cargo features that it has for all from then on.
///
/// # Errors
/// When a manifest cannot be read or is not recognised.
pub fn lay(draft: &mut Draft, part: Part, features: &[&str]) -> Result {
    for needed in part.needs() {
        lay(draft, *needed, &[])?;
    }
    let name = part.name();
    let manifest = format!("crates/{name}/Cargo.toml");
    if !draft.has(&manifest) {
        let text = templates::render(&format!("{name}/Cargo.toml.tera"), &Context::new())?;
        draft.create(manifest.clone(), text);
        for (path, contents) in templates::files_below(&format!("{name}/src")) {
            draft.create_verbatim(format!("crates/{path}"), contents);
        }
        lock(draft)?;
    }
    draft.edit("Cargo.toml", |text| cargo::with_crate(text, name))?;
    if features.is_empty() {
        return Ok(());
    }
    draft.edit(&manifest, |text| {
        cargo::with_default_features(text, features)
    })
}

/// Lets the crate of a service use a part.
///
/// # Errors
/// When its manifest cannot be read or is not recognised.
pub fn use_in(draft: &mut Draft, part: Part, service: &ServiceName) -> Result {
    let manifest = format!("services/{service}/Cargo.toml");
    draft.edit(&manifest, |text| cargo::with_dependency(text, part.name()))
}

/// Has the lock file name the versions that the parts were tested with. Without one, Cargo chooses.
fn lock(draft: &mut Draft) -> Result {
    const FILE: &str = "Cargo.lock";
    match draft.has(FILE) {
        true => draft.edit(FILE, |text| {
            Ok(lock_file::with_packages(text, templates::text(LOCK)))
        }),
        false => Ok(()),
    }
}

#[cfg(test)]
mod tests {
    use std::collections::{BTreeMap, BTreeSet};

    use toml_edit::{ArrayOfTables, DocumentMut, Item, Table};

    use super::*;

    /// The versions of what comes from elsewhere, by name.
    fn locked(text: &str) -> BTreeMap<String, BTreeSet<String>> {
        let document: DocumentMut = text.parse().expect("a lock file is TOML");
        let packages = document.get("package").and_then(Item::as_array_of_tables);
        let text_of = |table: &Table, key: &str| Some(table.get(key)?.as_str()?.to_owned());
        let mut versions: BTreeMap<String, BTreeSet<String>> = BTreeMap::new();
        for table in packages.into_iter().flat_map(ArrayOfTables::iter) {
            if let (Some(name), Some(version), Some(_)) = (
                text_of(table, "name"),
                text_of(table, "version"),
                text_of(table, "source"),
            ) {
                versions.entry(name).or_default().insert(version);
            }
        }
        versions
    }

    #[test]
    fn the_lock_file_has_what_every_feature_needs_as_it_is_tested_here() {
        let (ours, lock) = (
            locked(include_str!("../../Cargo.lock")),
            locked(templates::text(LOCK)),
        );
        for (name, versions) in &lock {
            let tested = ours.get(name).expect(name);
            assert!(versions.is_subset(tested), "{name}: {versions:?}");
        }
        for part in Part::ALL {
            let manifest = format!("{}/Cargo.toml.tera", part.name());
            let manifest: DocumentMut = templates::text(&manifest).parse().expect("it is TOML");
            let dependencies = manifest["dependencies"].as_table().expect("there");
            for (name, entry) in dependencies {
                let is_member = entry.get("workspace").is_some();
                assert!(is_member || lock.contains_key(name), "{part:?}: {name}");
            }
        }
    }
}
