//! Laying out Rust that was put together, by the user's rustfmt.

use std::io::Write;
use std::path::Path;
use std::process::{Command, Stdio};

/// The edition of generated workspaces.
const EDITION: &str = "2024";

/// Lays out a file that was edited, if it was laid out `before`; a new one always. Without rustfmt the text
/// stays as it is.
pub fn lay_out(root: &Path, before: Option<&str>, after: String) -> String {
    if let Some(before) = before {
        // Whoever lays out by hand gets nothing moved.
        if formatted(root, before).is_none_or(|it| it != before) {
            return after;
        }
    }
    formatted(root, &after).unwrap_or(after)
}

/// A text as rustfmt lays it out in a folder; `None` where it cannot be asked or refuses.
fn formatted(root: &Path, text: &str) -> Option<String> {
    let mut command = Command::new("rustfmt");
    command
        .args(["--edition", EDITION, "--emit", "stdout"])
        .current_dir(root)
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::null());
    let mut child = command.spawn().ok()?;
    let mut stdin = child.stdin.take()?;
    let input = text.to_owned();
    // A reader that ends early is told by its exit code.
    let writer = std::thread::spawn(move || {
        let _ = stdin.write_all(input.as_bytes());
    });
    let output = child.wait_with_output().ok()?;
    let _ = writer.join();
    let is_done = output.status.success() && !output.stdout.is_empty();
    is_done.then(|| String::from_utf8(output.stdout).ok())?
}
