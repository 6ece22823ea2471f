//! Whether a new workspace may be made in a folder.

use std::fs;
use std::path::{Path, PathBuf};

use crate::error::{Diagnostic, IoContext, Result};

/// How many files are named.
const SHOWN: usize = 5;

/// A folder in which something is.
#[derive(Debug, thiserror::Error)]
#[error("`{}` is not empty: it has {}", .folder.display(), .found.join(", "))]
pub struct NotEmpty {
    folder: PathBuf,
    found: Vec<String>,
}

impl Diagnostic for NotEmpty {
    fn hint(&self) -> Option<String> {
        Some("go to an empty folder, or name a new one with `--path DIR`".to_owned())
    }
}

/// A new workspace wants a folder of its own; what is hidden, and a licence, may be there.
///
/// # Errors
/// [`NotEmpty`]; when the folder cannot be listed.
pub fn refuse_unless_empty(folder: &Path) -> Result {
    if !folder.exists() {
        return Ok(());
    }
    let mut found = Vec::new();
    for entry in fs::read_dir(folder).when("list", folder)? {
        let name = entry.when("list", folder)?.file_name();
        let name = name.to_string_lossy();
        if !name.starts_with('.') && !name.starts_with("LICENSE") {
            found.push(format!("`{name}`"));
        }
    }
    if found.is_empty() {
        return Ok(());
    }
    found.sort();
    if found.len() > SHOWN {
        let more = found.len() - SHOWN;
        found.truncate(SHOWN);
        found.push(format!("{more} more"));
    }
    Err(NotEmpty {
        folder: folder.to_owned(),
        found,
    }
    .into())
}
