//! Writing what a plan makes below the staging folder: nothing else of a workspace is touched.
//!
//! Most of the time that it takes is the file system's, so two threads write, and git makes its
//! repository meanwhile.

use std::fs;
use std::path::{Path, PathBuf};
use std::thread;

use crate::error::{IoContext, IoFailure};
use crate::scaffold::apply::{FILES, JOURNAL, Journal, is_absence};
use crate::scaffold::fail_point::passed;
use crate::scaffold::git;
use crate::scaffold::lock::WorkspaceLock;
use crate::scaffold::plan::{Change, Plan};

/// With fewer files another thread costs more than it saves.
const WORTH_A_THREAD: usize = 32;

/// A file to be written.
struct Written<'a> {
    /// Which of the plan's changes it is, from one.
    number: usize,
    path: &'a str,
    contents: &'a [u8],
    /// Those of the file whose place it takes.
    permissions: Option<fs::Permissions>,
}

/// Writes everything below the staging folder, the journal last; whether git has made the
/// repository that the plan may want.
pub(super) fn stage(
    lock: &WorkspaceLock,
    staging: &Path,
    plan: &Plan,
) -> Result<git::Made, IoFailure> {
    if staging.exists() {
        fs::remove_dir_all(staging).when("clear", staging)?;
    }
    let files = staging.join(FILES);
    for folder in [staging, &files] {
        fs::create_dir(folder).when("create", folder)?;
    }
    passed("staging-made", 1);
    let repository = plan.wants_repository().then(|| git::begin(lock, &files));
    let outcome = write_all(lock.root(), &files, plan);
    // Also where writing failed: what git is busy with could not be cleared.
    let made = repository.map_or(git::Made::Unneeded, git::Beginning::wait);
    let mut journal = outcome?;
    if let git::Made::Folder(name) = made {
        journal.moves.push(name.to_owned());
    }
    let text = serde_json::to_vec(&journal).expect("a journal serializes");
    let draft = staging.join("journal.draft");
    fs::write(&draft, &text).when("write", &draft)?;
    passed("drafted", 1);
    fs::rename(&draft, staging.join(JOURNAL)).when("commit", &draft)?;
    passed("committed", 1);
    Ok(made)
}

/// Writes the files of a plan; what is to be done with them.
fn write_all(root: &Path, files: &Path, plan: &Plan) -> Result<Journal, IoFailure> {
    let mut journal = Journal::default();
    let mut missing = Missing::default();
    let mut written = Vec::with_capacity(plan.len());
    for ((path, change), number) in plan.changes().zip(1..) {
        match change {
            Change::Create(contents) | Change::Write(contents) => {
                let moved = missing.topmost(root, path);
                if journal.moves.last().map(String::as_str) != Some(moved) {
                    journal.moves.push(moved.to_owned());
                }
                written.push(Written {
                    number,
                    path,
                    contents,
                    permissions: match change {
                        Change::Write(_) => permissions(&root.join(path))?,
                        _ => None,
                    },
                });
            }
            Change::Remove => {
                journal.removals.push(path.to_owned());
                passed("staged", number);
            }
        }
    }
    if written.len() < WORTH_A_THREAD {
        write(files, &written)?;
        return Ok(journal);
    }
    let (one, other) = written.split_at(written.len() / 2);
    thread::scope(|scope| {
        let other = scope.spawn(|| write(files, other));
        let outcome = write(files, one);
        let other = other.join().expect("writing does not panic");
        outcome.and(other)
    })?;
    Ok(journal)
}

/// The permissions of a file, or of what a link leads to, if it is there.
fn permissions(path: &Path) -> Result<Option<fs::Permissions>, IoFailure> {
    match fs::metadata(path) {
        Ok(metadata) => Ok(Some(metadata.permissions())),
        Err(error) if is_absence(&error) => Ok(None),
        Err(error) => Err(error).when("read", path),
    }
}

fn write(files: &Path, written: &[Written<'_>]) -> Result<(), IoFailure> {
    let mut made = PathBuf::new();
    for file in written {
        let staged = files.join(file.path);
        if let Some(folder) = staged.parent().filter(|folder| *folder != made) {
            fs::create_dir_all(folder).when("create", folder)?;
            made = folder.to_owned();
        }
        fs::write(&staged, file.contents).when("write", &staged)?;
        if let Some(permissions) = &file.permissions {
            fs::set_permissions(&staged, permissions.clone()).when("write", &staged)?;
        }
        passed("staged", file.number);
    }
    Ok(())
}

/// Looks for what of a path is not there, and remembers it for the paths that come next in order.
#[derive(Debug, Default)]
pub(super) struct Missing {
    folder: Option<String>,
}

impl Missing {
    /// The part of a path that can be moved as a whole because nothing of it is there yet: the
    /// highest folder above it that is missing or no folder, or the file itself.
    pub(super) fn topmost<'p>(&mut self, root: &Path, path: &'p str) -> &'p str {
        if let Some(folder) = &self.folder
            && let Some(rest) = path.strip_prefix(folder.as_str())
            && rest.starts_with('/')
        {
            return &path[..folder.len()];
        }
        let folders = path.match_indices('/').map(|(at, _)| &path[..at]);
        let missing = folders
            .into_iter()
            .find(|folder| !root.join(folder).is_dir());
        self.folder = missing.map(str::to_owned);
        missing.unwrap_or(path)
    }
}
