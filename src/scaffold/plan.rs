//! What is going to be done to a folder, as data: printed by `--dry-run`, carried by JSON, asserted by
//! tests, performed by [`apply`](crate::scaffold::apply).
//!
//! Pure: no I/O.

use std::collections::BTreeMap;

use serde::Serialize;

/// Changes to a folder; paths are relative to it, with `/` between their parts.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Plan {
    changes: BTreeMap<String, Change>,
    wants_repository: bool,
}

/// A change to one file.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Change {
    /// Make a file that is not there.
    Create(Vec<u8>),
    /// Write a file whether it is there or not.
    Write(Vec<u8>),
    /// Remove a file.
    Remove,
}

/// A change as it is printed.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct ChangeSummary<'a> {
    /// `create`, `write` or `remove`.
    pub action: &'static str,
    /// The file, relative to the folder.
    pub path: &'a str,
    /// How large it will be.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub bytes: Option<usize>,
}

impl Plan {
    /// Adds a file that must not be there yet.
    pub fn create(&mut self, path: impl Into<String>, contents: impl Into<Vec<u8>>) {
        self.changes
            .insert(path.into(), Change::Create(contents.into()));
    }

    /// Adds a file that is replaced where it is there.
    pub fn write(&mut self, path: impl Into<String>, contents: impl Into<Vec<u8>>) {
        self.changes
            .insert(path.into(), Change::Write(contents.into()));
    }

    /// Adds a file that goes.
    pub fn remove(&mut self, path: impl Into<String>) {
        self.changes.insert(path.into(), Change::Remove);
    }

    /// Has the folder put under git, where it is not and the machine has git.
    pub fn put_under_git(&mut self) {
        self.wants_repository = true;
    }

    /// Whether the folder is to be put under git.
    pub fn wants_repository(&self) -> bool {
        self.wants_repository
    }

    /// The changes by path.
    pub fn changes(&self) -> impl Iterator<Item = (&str, &Change)> {
        self.changes
            .iter()
            .map(|(path, change)| (path.as_str(), change))
    }

    /// Whether there is nothing to do.
    pub fn is_empty(&self) -> bool {
        self.changes.is_empty()
    }

    /// How many files change.
    pub fn len(&self) -> usize {
        self.changes.len()
    }

    /// The changes as they are printed.
    pub fn summary(&self) -> Vec<ChangeSummary<'_>> {
        self.changes()
            .map(|(path, change)| change.summary(path))
            .collect()
    }
}

impl Change {
    fn summary<'a>(&self, path: &'a str) -> ChangeSummary<'a> {
        let (action, bytes) = match self {
            Self::Create(contents) => ("create", Some(contents.len())),
            Self::Write(contents) => ("write", Some(contents.len())),
            Self::Remove => ("remove", None),
        };
        ChangeSummary {
            action,
            path,
            bytes,
        }
    }
}
