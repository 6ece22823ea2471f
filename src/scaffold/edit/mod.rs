//! Edits of files that a user owns: text in, text out, everything else kept.
//!
//! Each edit finds its place by parsing, and finds what it has added before, so that doing it again
//! changes nothing. Where the place is not what a new workspace has, and so not certain, the edit is
//! refused with what is to be added by hand. Pure: no I/O.

pub mod cargo;
pub mod handler;
pub mod lock_file;
pub mod proto;
pub mod rust;
pub mod settings;
pub mod wiring;

use crate::error::Diagnostic;

/// Why a text is not edited.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Obstacle {
    /// What was looked for and not found, as a lowercase fragment.
    pub what: String,
    /// What is to be added by hand.
    pub snippet: String,
}

impl Obstacle {
    /// Something that is not there, and what is to be added.
    pub fn new(what: impl Into<String>, snippet: impl Into<String>) -> Self {
        Self {
            what: what.into(),
            snippet: snippet.into(),
        }
    }

    /// The same, of a file.
    pub fn of(self, path: &str) -> Unrecognised {
        Unrecognised {
            path: path.to_owned(),
            obstacle: self,
        }
    }
}

/// A file whose place for an edit is not recognised.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("`{path}` is not as `msvc` knows it: {}", .obstacle.what)]
pub struct Unrecognised {
    path: String,
    obstacle: Obstacle,
}

impl Diagnostic for Unrecognised {
    fn hint(&self) -> Option<String> {
        let snippet = self.obstacle.snippet.trim_end().replace('\n', "\n    ");
        Some(format!(
            "nothing was changed; add this by hand, then run the command again, which does the \
             rest:\n    {snippet}"
        ))
    }
}
