//! Writing what a plan makes below the staging folder: nothing else of a workspace is touched.
//!
//! Most of the time that it takes is the file system's, so what stands early is written while the
//! rest of a plan is being made, two threads share what is left, and git makes its repository meanwhile.

use std::fs;
use std::io;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::thread::{self, JoinHandle};

use crate::error::{IoContext, IoFailure};
use crate::scaffold::apply::{FILES, JOURNAL, Journal, is_absence, staging as folder};
use crate::scaffold::fail_point::passed;
use crate::scaffold::git;
use crate::scaffold::lock::WorkspaceLock;
use crate::scaffold::plan::{Change, Plan};

/// With fewer files another thread costs more than it saves.
const WORTH_A_THREAD: usize = 32;

/// How many files in order, most of them in one folder, a thread takes at a time.
const AT_A_TIME: usize = 8;

/// A file to be written.
struct Written<'a> {
    /// Which of the plan's changes it is, from one.
    number: usize,
    path: &'a str,
    contents: &'a [u8],
    /// Those of the file whose place it takes.
    permissions: Option<fs::Permissions>,
}

/// The staging folder while it is being filled. Dropped before it is complete, it
/// is cleared as soon as nobody writes there.
#[derive(Debug)]
pub struct Staging {
    folder: PathBuf,
    /// Files that are written while the rest of the plan is being made.
    ahead: Option<Ahead>,
    repository: Option<git::Beginning>,
    is_committed: bool,
}

impl Staging {
    /// Makes the folder, has git begin where a repository is wanted, and begins with the files of
    /// `first`: a part of the plan that stands already and creates files only.
    pub(super) fn begin(lock: &WorkspaceLock, first: Plan) -> Result<Self, IoFailure> {
        let folder = folder(lock.root());
        if folder.exists() {
            fs::remove_dir_all(&folder).when("clear", &folder)?;
        }
        let files = folder.join(FILES);
        for folder in [&folder, &files] {
            fs::create_dir(folder).when("create", folder)?;
        }
        passed("staging-made", 1);
        let repository = first.wants_repository().then(|| git::begin(lock, &files));
        let ahead = (!first.is_empty()).then(|| Ahead::begin(files, first));
        Ok(Self {
            folder,
            ahead,
            repository,
            is_committed: false,
        })
    }

    /// Writes what is missing of the plan, the journal last; whether git has made the repository
    /// that it may want.
    pub(super) fn complete(
        mut self,
        lock: &WorkspaceLock,
        plan: &Plan,
    ) -> Result<git::Made, IoFailure> {
        let files = self.folder.join(FILES);
        if plan.wants_repository() && self.repository.is_none() {
            self.repository = Some(git::begin(lock, &files));
        }
        let outcome = write_all(lock.root(), &files, plan, self.ahead.take());
        // Also where writing failed: what git is busy with could not be cleared.
        let made = self.repository.take();
        let made = made.map_or(git::Made::Unneeded, git::Beginning::wait);
        let mut journal = outcome?;
        if let git::Made::Folder(name) = made {
            journal.moves.push(name.to_owned());
        }
        let text = serde_json::to_vec(&journal).expect("a journal serializes");
        let draft = self.folder.join("journal.draft");
        fs::write(&draft, &text).when("write", &draft)?;
        passed("drafted", 1);
        fs::rename(&draft, self.folder.join(JOURNAL)).when("commit", &draft)?;
        self.is_committed = true;
        passed("committed", 1);
        Ok(made)
    }
}

impl Drop for Staging {
    fn drop(&mut self) {
        if self.is_committed {
            return;
        }
        if let Some(ahead) = self.ahead.take() {
            let _ = ahead.give_up();
        }
        if let Some(git) = self.repository.take() {
            git.wait();
        }
        // What went wrong before is what is reported.
        let _ = fs::remove_dir_all(&self.folder);
    }
}

/// Files that another thread writes, until this one has the time to help it.
#[derive(Debug)]
struct Ahead {
    plan: Arc<Plan>,
    next: Arc<AtomicUsize>,
    thread: JoinHandle<Result<(), IoFailure>>,
}

impl Ahead {
    fn begin(files: PathBuf, plan: Plan) -> Self {
        let (plan, next) = (Arc::new(plan), Arc::new(AtomicUsize::new(0)));
        let thread = thread::spawn({
            let (plan, next) = (Arc::clone(&plan), Arc::clone(&next));
            move || share(&files, &created(&plan), &next)
        });
        Self { plan, next, thread }
    }

    /// Writes what is left together with the thread; the plan that is written then.
    fn finish(self, files: &Path) -> Result<Arc<Plan>, IoFailure> {
        let outcome = share(files, &created(&self.plan), &self.next);
        let other = self.thread.join().expect("writing does not panic");
        outcome.and(other)?;
        Ok(self.plan)
    }

    /// Leaves what is not begun, and waits for what is.
    fn give_up(self) -> Result<(), IoFailure> {
        self.next.store(usize::MAX / 2, Ordering::Relaxed);
        self.thread.join().expect("writing does not panic")
    }
}

/// Writes the files of a plan but those that are written `ahead`; what is to be done with all.
fn write_all(
    root: &Path,
    files: &Path,
    plan: &Plan,
    ahead: Option<Ahead>,
) -> Result<Journal, IoFailure> {
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
    if let Some(ahead) = ahead {
        let ahead = ahead.finish(files)?;
        written.retain(|file| !ahead.has(file.path));
    }
    if written.len() < WORTH_A_THREAD {
        write(files, &written, &mut Folders::default())?;
        return Ok(journal);
    }
    let next = AtomicUsize::new(0);
    thread::scope(|scope| {
        let other = scope.spawn(|| share(files, &written, &next));
        let outcome = share(files, &written, &next);
        let other = other.join().expect("writing does not panic");
        outcome.and(other)
    })?;
    Ok(journal)
}

/// The files that a plan creates.
fn created(plan: &Plan) -> Vec<Written<'_>> {
    let changes = plan.changes().zip(1..);
    changes
        .filter_map(|((path, change), number)| match change {
            Change::Create(contents) => Some(Written {
                number,
                path,
                contents,
                permissions: None,
            }),
            Change::Write(_) | Change::Remove => None,
        })
        .collect()
}

/// The permissions of a file, or of what a link leads to, if it is there.
fn permissions(path: &Path) -> Result<Option<fs::Permissions>, IoFailure> {
    match fs::metadata(path) {
        Ok(metadata) => Ok(Some(metadata.permissions())),
        Err(error) if is_absence(&error) => Ok(None),
        Err(error) => Err(error).when("read", path),
    }
}

/// Writes what the other thread, which does the same, has not taken yet.
fn share(files: &Path, written: &[Written<'_>], next: &AtomicUsize) -> Result<(), IoFailure> {
    let mut made = Folders::default();
    loop {
        let first = next.fetch_add(AT_A_TIME, Ordering::Relaxed);
        let Some(rest) = written.get(first..).filter(|rest| !rest.is_empty()) else {
            return Ok(());
        };
        write(files, &rest[..rest.len().min(AT_A_TIME)], &mut made)?;
    }
}

fn write<'p>(
    files: &Path,
    written: &[Written<'p>],
    made: &mut Folders<'p>,
) -> Result<(), IoFailure> {
    for file in written {
        let staged = files.join(file.path);
        made.make_above(files, file.path)?;
        fs::write(&staged, file.contents).when("write", &staged)?;
        if let Some(permissions) = &file.permissions {
            fs::set_permissions(&staged, permissions.clone()).when("write", &staged)?;
        }
        passed("staged", file.number);
    }
    Ok(())
}

/// The folders above a file, from the highest.
fn folders_above(path: &str) -> impl Iterator<Item = &str> {
    path.match_indices('/').map(|(at, _)| &path[..at])
}

/// Makes the folders of files that come in order, and asks the file system once for each.
#[derive(Debug, Default)]
struct Folders<'p> {
    /// Those above the last file, from the highest.
    made: Vec<&'p str>,
}

impl<'p> Folders<'p> {
    fn make_above(&mut self, files: &Path, path: &'p str) -> Result<(), IoFailure> {
        for (depth, folder) in folders_above(path).enumerate() {
            if self.made.get(depth) != Some(&folder) {
                self.made.truncate(depth);
                let made = files.join(folder);
                match fs::create_dir(&made) {
                    // The other thread may have made it.
                    Err(error) if error.kind() == io::ErrorKind::AlreadyExists => {}
                    outcome => outcome.when("create", &made)?,
                }
                self.made.push(folder);
            }
        }
        Ok(())
    }
}

/// Looks for what of a path is not there, and remembers it for the paths that come next in order.
#[derive(Debug, Default)]
pub(super) struct Missing {
    /// The folders above the last path that are there, from the highest.
    there: Vec<String>,
    /// The one below them that is not.
    folder: Option<String>,
}

impl Missing {
    /// The part of a path that can be moved as a whole because nothing of it is there yet: the
    /// highest folder above it that is missing or no folder, or the file itself.
    pub(super) fn topmost<'p>(&mut self, root: &Path, path: &'p str) -> &'p str {
        for (depth, folder) in folders_above(path).enumerate() {
            if self.there.get(depth).is_some_and(|there| there == folder) {
                continue;
            }
            self.there.truncate(depth);
            if self.folder.as_deref() == Some(folder) {
                return folder;
            }
            if !root.join(folder).is_dir() {
                self.folder = Some(folder.to_owned());
                return folder;
            }
            self.there.push(folder.to_owned());
        }
        path
    }
}
