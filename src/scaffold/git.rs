//! Putting a new workspace under git.

use std::path::Path;
use std::process::{Command, Stdio};

/// Makes a git repository, unless the folder is in one; whether that went well. A machine without
/// git is no failure.
pub fn make_repository(root: &Path) -> bool {
    // The folders above are those of the resolved path.
    let Ok(root) = root.canonicalize() else {
        return false;
    };
    if root.ancestors().any(|folder| folder.join(".git").exists()) {
        return true;
    }
    let Ok(git) = which::which("git") else {
        return true;
    };
    let made = Command::new(git)
        .args(["init", "--quiet"])
        .current_dir(root)
        .stdin(Stdio::null())
        .stdout(Stdio::null())
        .stderr(Stdio::null())
        .status();
    made.is_ok_and(|status| status.success())
}
