//! Performing a plan: the only writer of a workspace.
//!
//! Whoever changes a workspace holds its [`WorkspaceLock`] from before it reads what the plan is made
//! from. Files are written to a staging folder first. A journal, put there by one rename, is the moment of
//! commitment: before it nothing outside the staging folder has changed, after it the plan will be
//! finished, if need be by the next command ([`recover`]). So a process that dies leaves either the
//! old state or, once another command has run, the new one.

use std::ffi::OsString;
use std::fs;
use std::io;
use std::path::{Component, Path, PathBuf};

use serde::{Deserialize, Serialize};

use crate::error::{Diagnostic, IoContext, IoFailure};
use crate::manifest;
use crate::project::STATE_FOLDER;
use crate::scaffold::apply::stage::Missing;
use crate::scaffold::fail_point::passed;
use crate::scaffold::git;
use crate::scaffold::lock::WorkspaceLock;
use crate::scaffold::plan::{Change, Plan};

mod stage;
#[cfg(test)]
mod tests;

pub use crate::scaffold::apply::stage::Staging;

/// The staging folder, below the state folder.
const STAGING: &str = "staging";
/// What was written, in the staging folder.
const FILES: &str = "files";
/// The journal, in the staging folder: what is to be moved and removed.
const JOURNAL: &str = "journal.json";

/// Why a plan was not performed.
#[derive(Debug, thiserror::Error)]
pub enum ApplyError {
    /// Files that the plan would make are there.
    #[error("{}", conflict_message(.0))]
    Conflicts(Vec<String>),
    /// What a process that died had begun would have to be finished first.
    #[error("a change of `{}` was interrupted and is not finished", .0.display())]
    Interrupted(PathBuf),
    /// The journal names something outside the workspace.
    #[error("`{}` names `{path}`, which is outside the workspace", .journal.display())]
    Outside {
        /// The journal.
        journal: PathBuf,
        /// What it names.
        path: String,
    },
    /// Another process is changing the workspace.
    #[error("another `msvc` is changing `{}` right now", .0.display())]
    Busy(PathBuf),
    /// The file system refused.
    #[error(transparent)]
    Io(#[from] IoFailure),
    /// The file system refused what was committed to: every command will try again.
    #[error("a change is half made")]
    Unfinished {
        /// What holds the rest of the change.
        staging: PathBuf,
        /// What was refused.
        #[source]
        failure: IoFailure,
    },
}

impl Diagnostic for ApplyError {
    fn hint(&self) -> Option<String> {
        match self {
            Self::Conflicts(_) => {
                Some("move them away or choose another name; nothing was changed".to_owned())
            }
            Self::Interrupted(_) => Some(
                "run the command without `--dry-run` or `--check`, which finishes it".to_owned(),
            ),
            Self::Outside { .. } => Some("remove that file: `msvc` did not write it".to_owned()),
            Self::Busy(_) => Some("wait for it to end, then try again".to_owned()),
            Self::Io(_) => None,
            Self::Unfinished { staging, .. } => Some(format!(
                "put that path right, then run any `msvc` command here, which finishes the change; \
                 or remove `{}` to leave everything as it is now",
                staging.display()
            )),
        }
    }
}

fn conflict_message(paths: &[String]) -> String {
    let mut message = match paths.len() {
        1 => "a file that would be made is there already:".to_owned(),
        count => format!("{count} files that would be made are there already:"),
    };
    for path in paths {
        message.push_str("\n  ");
        message.push_str(path);
    }
    message
}

#[derive(Debug, Default, Serialize, Deserialize)]
struct Journal {
    moves: Vec<String>,
    removals: Vec<String>,
}

/// Performs a plan; what has become of the repository that it may want.
///
/// # Errors
/// [`ApplyError`]; nothing has changed then, unless the file system refuses in the last step, which
/// the next command takes up again.
pub fn apply(lock: &WorkspaceLock, plan: &Plan) -> Result<git::Made, ApplyError> {
    let conflicts = conflicts(lock.root(), plan);
    if !conflicts.is_empty() {
        return Err(ApplyError::Conflicts(conflicts));
    }
    complete(lock, begin(lock, Plan::default())?, plan)
}

/// Begins to stage the part of a plan that stands before the rest of it is made. It creates files
/// only. Nothing has changed if the rest is never made.
///
/// # Errors
/// When the file system refuses.
pub fn begin(lock: &WorkspaceLock, first: Plan) -> Result<Staging, ApplyError> {
    Ok(Staging::begin(lock, first)?)
}

/// Performs a plan of which a part is staged. Who calls has looked for [`conflicts`].
///
/// # Errors
/// As [`apply`].
pub fn complete(
    lock: &WorkspaceLock,
    staging: Staging,
    plan: &Plan,
) -> Result<git::Made, ApplyError> {
    let made = staging.complete(lock, plan)?;
    finish(lock.root(), &self::staging(lock.root()))?;
    Ok(made)
}

/// Finishes what a process that died had committed to, and clears what it had not.
///
/// # Errors
/// When the file system refuses.
pub fn recover(lock: &WorkspaceLock) -> Result<(), ApplyError> {
    let staging = staging(lock.root());
    if staging.exists() {
        finish(lock.root(), &staging)?;
    }
    Ok(())
}

/// As [`recover`], for the workspace that holds a folder, before it is opened for work that does not
/// change it. Nothing is written where nothing was committed to.
///
/// # Errors
/// When the file system refuses.
pub fn recover_above(directory: &Path) -> Result<(), ApplyError> {
    match interrupted(directory) {
        Some(root) => recover(&WorkspaceLock::take(root)?),
        None => Ok(()),
    }
}

/// Refuses to look at a workspace that is half changed.
///
/// # Errors
/// [`ApplyError::Interrupted`].
pub fn refuse_interrupted(directory: &Path) -> Result<(), ApplyError> {
    match interrupted(directory) {
        Some(root) => Err(ApplyError::Interrupted(root.to_owned())),
        None => Ok(()),
    }
}

/// The folder, this or above, with a committed change that is not finished. Its manifest may be among
/// what is not there yet.
fn interrupted(directory: &Path) -> Option<&Path> {
    let mut folders = directory.ancestors();
    let nearest = folders.find(|folder| {
        folder.join(manifest::FILE_NAME).is_file() || staging(folder).join(JOURNAL).is_file()
    })?;
    staging(nearest).join(JOURNAL).is_file().then_some(nearest)
}

fn staging(root: &Path) -> PathBuf {
    root.join(STATE_FOLDER).join(STAGING)
}

/// What is in the way of a plan, in its order: the files that it would make and that are there, and
/// whatever is no folder, or is one, where the plan needs the other.
pub fn conflicts(root: &Path, plan: &Plan) -> Vec<String> {
    // What is below a folder that is not there need not be looked for.
    let mut missing = Missing::default();
    let mut seen = "";
    let mut conflicts: Vec<String> = Vec::new();
    for (path, change) in plan.changes() {
        let topmost = missing.topmost(root, path);
        // It has been looked at for another of the files that it would have to hold.
        if topmost != path && topmost == seen {
            continue;
        }
        if *change != Change::Remove {
            seen = topmost;
        }
        let place = root.join(topmost);
        let is_in_the_way = match change {
            // A link that leads nowhere is there, too.
            Change::Create(_) => place.symlink_metadata().is_ok(),
            Change::Write(_) if topmost != path => place.symlink_metadata().is_ok(),
            Change::Write(_) => place.is_dir(),
            Change::Remove => topmost == path && place.is_dir() && !place.is_symlink(),
        };
        if is_in_the_way {
            conflicts.push(topmost.to_owned());
        }
    }
    conflicts
}

/// Performs what the journal says, as far as it is not done, and clears the staging folder. Each step
/// can be done again: what was moved is not there any more, nor what was removed.
fn finish(root: &Path, staging: &Path) -> Result<(), ApplyError> {
    let path = staging.join(JOURNAL);
    match fs::read(&path) {
        Ok(text) => {
            let journal: Journal = serde_json::from_slice(&text)
                .map_err(io::Error::from)
                .when("read", &path)?;
            perform(root, staging, &journal)?;
            // With it gone the change is done, whatever is left of the folder.
            fs::remove_file(&path).when("remove", &path)?;
            passed("closed", 1);
        }
        Err(error) if error.kind() == io::ErrorKind::NotFound => {}
        Err(error) => Err(error).when("read", &path)?,
    }
    fs::remove_dir_all(staging).when("clear", staging)?;
    passed("cleared", 1);
    Ok(())
}

fn perform(root: &Path, staging: &Path, journal: &Journal) -> Result<(), ApplyError> {
    let is_inside = |path: &String| {
        let mut parts = Path::new(path).components();
        parts.all(|part| matches!(part, Component::Normal(_)))
    };
    let mut named = journal.moves.iter().chain(&journal.removals);
    if let Some(path) = named.find(|path| !is_inside(path)) {
        return Err(ApplyError::Outside {
            journal: staging.join(JOURNAL),
            path: path.clone(),
        });
    }
    carry_out(root, staging, journal).map_err(|failure| ApplyError::Unfinished {
        staging: staging.to_owned(),
        failure,
    })
}

fn carry_out(root: &Path, staging: &Path, journal: &Journal) -> Result<(), IoFailure> {
    for (moved, times) in journal.moves.iter().zip(1..) {
        let from = staging.join(FILES).join(moved);
        if from.symlink_metadata().is_ok() {
            let to = root.join(moved);
            if let Some(folder) = to.parent() {
                fs::create_dir_all(folder).when("create", folder)?;
            }
            put(&from, &to)?;
        }
        passed("moved", times);
    }
    for (removed, times) in journal.removals.iter().zip(1..) {
        let path = root.join(removed);
        match fs::remove_file(&path) {
            Err(error) if is_absence(&error) => {}
            outcome => outcome.when("remove", &path)?,
        }
        passed("removed", times);
    }
    Ok(())
}

/// Moves a file or a folder to its place. A link that is there stays and what it leads to, maybe in
/// another file system, is replaced.
fn put(from: &Path, to: &Path) -> Result<(), IoFailure> {
    let target = to.is_symlink().then(|| to.canonicalize().ok()).flatten();
    let Some(target) = target else {
        return fs::rename(from, to).when("write", to);
    };
    let mut beside = OsString::from(".");
    beside.push(target.file_name().unwrap_or_default());
    // Who has to do it again replaces what an interrupted copy has left.
    beside.push(".msvc");
    let beside = target.with_file_name(beside);
    let copied = fs::copy(from, &beside)
        .and_then(|_| fs::rename(&beside, &target))
        .when("write", &target);
    if copied.is_err() {
        // The first error is the one to report.
        let _ = fs::remove_file(&beside);
        return copied;
    }
    fs::remove_file(from).when("remove", from)
}

/// Whether there is no such file, be it that what should be a folder above it is none.
fn is_absence(error: &io::Error) -> bool {
    matches!(
        error.kind(),
        io::ErrorKind::NotFound | io::ErrorKind::NotADirectory
    )
}
