//! The right to change a workspace, which one process has at a time.
//!
//! It is held from before the first read that a plan is made from until the plan is performed:
//! otherwise a plan would write over what another process has made meanwhile. The file is never
//! removed, because a lock on a file without a name keeps nobody out.

use std::fs::{self, File, TryLockError};
use std::io;
use std::path::{Path, PathBuf};
use std::time::Duration;

use crate::error::IoContext;
use crate::project::STATE_FOLDER;
use crate::scaffold::apply::ApplyError;

/// The file, below the state folder.
const FILE: &str = "lock";
/// How often, and how long apart, the lock is tried: another change takes well below a second.
const TRIES: u32 = 500;
const PAUSE: Duration = Duration::from_millis(20);

/// The right to change the workspace in a folder, for as long as this is kept.
#[derive(Debug)]
pub struct WorkspaceLock {
    root: PathBuf,
    file: File,
}

impl WorkspaceLock {
    /// Waits for the right to change what is in a folder, which is made where it is missing.
    ///
    /// # Errors
    /// When the file system refuses, or another process does not end its change.
    pub fn take(root: &Path) -> Result<Self, ApplyError> {
        let state = root.join(STATE_FOLDER);
        fs::create_dir_all(&state).when("create", &state)?;
        let path = state.join(FILE);
        let file = File::create(&path).when("create", &path)?;
        for _ in 0..TRIES {
            match file.try_lock() {
                Ok(()) => {
                    return Ok(Self {
                        root: root.to_owned(),
                        file,
                    });
                }
                Err(TryLockError::WouldBlock) => std::thread::sleep(PAUSE),
                Err(TryLockError::Error(source)) => Err(source).when("lock", &path)?,
            }
        }
        Err(ApplyError::Busy(root.to_owned()))
    }

    /// The lock for another process: it is held until that one has ended too.
    ///
    /// # Errors
    /// When the system refuses.
    pub fn share(&self) -> io::Result<File> {
        self.file.try_clone()
    }

    /// The folder.
    pub fn root(&self) -> &Path {
        &self.root
    }
}
