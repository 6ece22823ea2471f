//! Services that come into a workspace while it runs: `msvc new` in another terminal.

use std::collections::BTreeSet;
use std::fs;
use std::path::PathBuf;

use crate::manifest::{self, Manifest};
use crate::project::Project;
use crate::scaffold::names::ServiceName;

/// The manifest of a running workspace, to be looked at again and again.
#[derive(Clone, Debug)]
pub struct Newcomers {
    path: PathBuf,
    /// The manifest at the last look.
    text: String,
    known: BTreeSet<ServiceName>,
}

impl Newcomers {
    /// Those that come after a workspace was read.
    pub fn to(project: &Project) -> Self {
        Self {
            path: project.root.join(manifest::FILE_NAME),
            text: project.manifest_text.clone(),
            known: project.manifest.services.keys().cloned().collect(),
        }
    }

    /// The services that have come since the last look. A manifest that cannot be read now is looked at
    /// again the next time.
    pub fn look(&mut self) -> Vec<String> {
        let Ok(text) = fs::read_to_string(&self.path) else {
            return Vec::new();
        };
        if text == self.text {
            return Vec::new();
        }
        let Ok(manifest) = Manifest::parse(&text) else {
            return Vec::new();
        };
        self.text = text;
        let names = manifest.services.into_keys();
        let new = names.filter(|name| self.known.insert(name.clone()));
        new.map(|name| name.to_string()).collect()
    }
}
