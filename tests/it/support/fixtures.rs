//! Folders of `tests/proto-fixtures`, each with an outcome that is committed beside its files.

use std::fs;
use std::path::{Path, PathBuf};

/// A folder below `tests/proto-fixtures`.
pub fn folder(path: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR"))
        .join("tests/proto-fixtures")
        .join(path)
}

/// The names of what is in a folder, sorted.
pub fn names_in(folder: &Path) -> Vec<String> {
    let entries = fs::read_dir(folder).expect("a folder");
    let names = entries.map(|entry| entry.expect("an entry").file_name());
    let mut names: Vec<String> = names
        .map(|name| name.into_string().expect("UTF-8"))
        .collect();
    names.sort();
    names
}

/// Copies what is in a folder into another.
pub fn copy(from: &Path, to: &Path) {
    fs::create_dir_all(to).expect("made");
    for name in names_in(from) {
        let source = from.join(&name);
        match source.is_dir() {
            true => copy(&source, &to.join(&name)),
            false => {
                fs::copy(&source, to.join(&name)).expect("copied");
            }
        }
    }
}

/// Compares a text with `<name>.snap` in a folder.
pub fn assert_snapshot(folder: &Path, name: &str, text: &str) {
    let mut settings = insta::Settings::clone_current();
    settings.set_snapshot_path(folder);
    settings.set_prepend_module_to_snapshot(false);
    settings.set_omit_expression(true);
    settings.bind(|| insta::assert_snapshot!(name, text));
}
