//! Parts: crates that a workspace gets when something in it wants them, and not before, so that a plain
//! workspace builds quickly.

use tera::Context;

use crate::error::Result;
use crate::scaffold::draft::Draft;
use crate::scaffold::edit::{cargo, lock_file};
use crate::scaffold::names::ServiceName;
use crate::scaffold::templates;

/// What the dependencies of all parts were when this was built, for the lock file of a workspace.
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
