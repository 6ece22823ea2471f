//! What is going to be done to a folder, as data: printed by `--dry-run`, carried by JSON, asserted by
//! tests, performed by [`apply`](crate::scaffold::apply).
//!
//! Pure: no I/O.

use std::borrow::Cow;
use std::collections::BTreeMap;
use std::ops::Deref;

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
    Create(Contents),
    /// Write a file whether it is there or not.
    Write(Contents),
    /// Remove a file.
    Remove,
}

/// What a file will hold; what is built into the program is not copied.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Contents(Cow<'static, [u8]>);

impl Deref for Contents {
    type Target = [u8];

    fn deref(&self) -> &[u8] {
        &self.0
    }
}

impl From<Vec<u8>> for Contents {
    fn from(bytes: Vec<u8>) -> Self {
        Self(Cow::Owned(bytes))
    }
}

impl From<String> for Contents {
    fn from(text: String) -> Self {
        text.into_bytes().into()
    }
}

impl From<&'static [u8]> for Contents {
    fn from(bytes: &'static [u8]) -> Self {
        Self(Cow::Borrowed(bytes))
    }
}

impl From<&'static str> for Contents {
    fn from(text: &'static str) -> Self {
        text.as_bytes().into()
    }
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
    pub fn create(&mut self, path: impl Into<String>, contents: impl Into<Contents>) {
        self.changes
            .insert(path.into(), Change::Create(contents.into()));
    }

    /// Adds a file that is replaced where it is there.
    pub fn write(&mut self, path: impl Into<String>, contents: impl Into<Contents>) {
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

    /// Whether a file changes.
    pub fn has(&self, path: &str) -> bool {
        self.changes.contains_key(path)
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
