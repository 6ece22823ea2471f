//! Replacing the text of a file at once: whoever reads it sees the old or the new one, whatever dies when.

use std::ffi::OsString;
use std::fs;
use std::path::Path;

use crate::error::{IoContext, IoFailure};

/// Gives a file another text; its permissions stay, and so does a link to it.
///
/// # Errors
/// When the folder or the file cannot be written to; the file is then as it was.
pub fn replace(path: &Path, text: &str) -> Result<(), IoFailure> {
    let path = path.canonicalize().when("resolve", path)?;
    let mut staged_name = OsString::from(".");
    staged_name.push(path.file_name().unwrap_or_default());
    staged_name.push(format!(".{}", std::process::id()));
    let staged = path.with_file_name(staged_name);
    let written = fs::write(&staged, text)
        .when("write", &staged)
        .and_then(|()| {
            let permissions = fs::metadata(&path).when("read", &path)?.permissions();
            fs::set_permissions(&staged, permissions).when("write", &staged)
        })
        .and_then(|()| fs::rename(&staged, &path).when("replace", &path));
    if written.is_err() {
        // What is wrong is told; a file that was never there cannot be removed.
        let _ = fs::remove_file(&staged);
    }
    written
}
