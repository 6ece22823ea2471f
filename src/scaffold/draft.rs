//! The files of a workspace as an addition will leave them, before anything is written: several edits of
//! one file build on each other.

use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};

use similar::TextDiff;

use crate::error::{IoContext, Result};
use crate::scaffold::edit::Obstacle;
use crate::scaffold::plan::{Change, Plan};
use crate::scaffold::rustfmt;

/// Files that are to change; paths are relative to the workspace, with `/` between their parts.
#[derive(Debug)]
pub struct Draft {
    root: PathBuf,
    files: BTreeMap<String, Drafted>,
}

#[derive(Debug)]
struct Drafted {
    /// What is on disk; nothing for a new file. Both with lines as Unix ends them.
    before: Option<String>,
    after: String,
    /// Whether the lines on disk end as on Windows, every one.
    is_crlf: bool,
    /// Whether it is placed as it is.
    is_verbatim: bool,
}

impl Draft {
    /// No changes yet.
    pub fn new(root: &Path) -> Self {
        Self {
            root: root.to_owned(),
            files: BTreeMap::new(),
        }
    }

    /// A file as it will be.
    ///
    /// # Errors
    /// When it cannot be read.
    pub fn text(&mut self, path: &str) -> Result<&str> {
        if !self.files.contains_key(path) {
            let on_disk = self.root.join(path);
            let mut text = fs::read_to_string(&on_disk).when("read", &on_disk)?;
            let is_crlf = ends_in_crlf(&text);
            if is_crlf {
                text = text.replace("\r\n", "\n");
            }
            let drafted = Drafted {
                before: Some(text.clone()),
                after: text,
                is_crlf,
                is_verbatim: false,
            };
            self.files.insert(path.to_owned(), drafted);
        }
        Ok(&self.files[path].after)
    }

    /// Edits a file.
    ///
    /// # Errors
    /// When it cannot be read, or its place for the edit is not recognised.
    pub fn edit(
        &mut self,
        path: &str,
        edit: impl FnOnce(&str) -> Result<String, Obstacle>,
    ) -> Result {
        let edited = edit(self.text(path)?).map_err(|obstacle| obstacle.of(path))?;
        if let Some(drafted) = self.files.get_mut(path) {
            drafted.after = edited;
        }
        Ok(())
    }

    /// Adds a file that must not be there yet.
    pub fn create(&mut self, path: impl Into<String>, text: impl Into<String>) {
        let drafted = Drafted {
            before: None,
            after: text.into(),
            is_crlf: false,
            is_verbatim: false,
        };
        self.files.insert(path.into(), drafted);
    }

    /// As [`create`](Self::create), for a file that is built in and laid out already.
    ///
    /// # Panics
    /// When it is no text: what is built in is.
    pub fn create_verbatim(&mut self, path: String, contents: &'static [u8]) {
        let text = std::str::from_utf8(contents).expect("what is built in is text");
        let drafted = Drafted {
            before: None,
            after: text.to_owned(),
            is_crlf: false,
            is_verbatim: true,
        };
        self.files.insert(path, drafted);
    }

    /// Whether a file will be there.
    pub fn has(&self, path: &str) -> bool {
        self.files.contains_key(path) || self.root.join(path).exists()
    }

    /// Adds all that changes to a plan.
    pub fn finish(self, plan: &mut Plan) {
        for (path, drafted) in self.files {
            let Drafted {
                before,
                after,
                is_crlf,
                is_verbatim,
            } = drafted;
            if before.as_ref() == Some(&after) {
                continue;
            }
            let after = match path.ends_with(".rs") && !is_verbatim {
                true => rustfmt::lay_out(&self.root, before.as_deref(), after),
                false => after,
            };
            let after = match is_crlf {
                true => after.replace('\n', "\r\n"),
                false => after,
            };
            match before {
                Some(_) => plan.write(path, after),
                None => plan.create(path, after),
            }
        }
    }
}

/// Whether all lines of a text, and there are some, end as on Windows.
fn ends_in_crlf(text: &str) -> bool {
    let ends = text.matches('\n').count();
    ends > 0 && text.matches("\r\n").count() == ends
}

/// What a plan changes in the files that a person reads: those that are there and are not generated.
///
/// # Errors
/// When one of them cannot be read.
pub fn diff(root: &Path, plan: &Plan) -> Result<String> {
    let mut all = String::new();
    for (path, change) in plan.changes() {
        let Change::Write(after) = change else {
            continue;
        };
        let on_disk = root.join(path);
        if !on_disk.is_file() {
            continue;
        }
        let before = fs::read(&on_disk).when("read", &on_disk)?;
        let (Ok(before), Ok(after)) = (std::str::from_utf8(&before), std::str::from_utf8(after))
        else {
            continue;
        };
        let is_machines = before.starts_with("// @generated") || path.ends_with("Cargo.lock");
        if is_machines {
            continue;
        }
        let diff = TextDiff::from_lines(before, after)
            .unified_diff()
            .header(&format!("a/{path}"), &format!("b/{path}"))
            .to_string();
        all.push_str(&diff);
    }
    Ok(all)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lines_end_as_they_did() {
        let folder = tempfile::tempdir().expect("a folder");
        let texts = [
            ("unix", "a\nb\n"),
            ("windows", "a\r\nb\r\n"),
            ("both", "a\r\nb\n"),
        ];
        let mut draft = Draft::new(folder.path());
        for (path, text) in texts {
            fs::write(folder.path().join(path), text).expect("a file");
            let edit = |text: &str| Ok(format!("{text}c\n"));
            draft.edit(path, edit).expect("an edit");
        }
        let mut plan = Plan::default();
        draft.finish(&mut plan);
        let written = plan.changes().map(|(path, change)| match change {
            Change::Write(text) => (path, std::str::from_utf8(text).expect("text")),
            _ => panic!("`{path}` is there"),
        });
        let expected = [
            ("both", "a\r\nb\nc\n"),
            ("unix", "a\nb\nc\n"),
            ("windows", "a\r\nb\r\nc\r\n"),
        ];
        assert_eq!(written.collect::<Vec<_>>(), expected);
    }
}
