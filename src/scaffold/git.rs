//! Putting a new workspace under git.

use std::path::Path;
use std::process::{Child, Command, Stdio};

use crate::scaffold::lock::WorkspaceLock;

/// What `git init` makes.
const REPOSITORY: &str = ".git";

/// What has become of a repository.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Made {
    /// This folder is there, below the one that it was to be made in.
    Folder(&'static str),
    /// None is wanted, the workspace is in one, or the machine has no git: that is no failure.
    Unneeded,
    /// Git failed.
    Failed,
}

/// A repository that git is making.
#[derive(Debug)]
pub struct Beginning(Result<Child, Made>);

/// Lets git make a repository for a workspace, in the folder `place` from where it will be moved:
/// nothing in it tells where it is.
pub fn begin(lock: &WorkspaceLock, place: &Path) -> Beginning {
    Beginning(start(lock, place))
}

fn start(lock: &WorkspaceLock, place: &Path) -> Result<Child, Made> {
    // The folders above are those of the resolved path.
    let root = lock.root().canonicalize().map_err(|_| Made::Failed)?;
    let mut folders = root.ancestors();
    if folders.any(|folder| folder.join(REPOSITORY).exists()) {
        return Err(Made::Unneeded);
    }
    let git = which::which("git").map_err(|_| Made::Unneeded)?;
    Command::new(git)
        .args(["init", "--quiet"])
        .current_dir(place)
        // They would name another place: git sets them where a hook runs `msvc`.
        .env_remove("GIT_DIR")
        .env_remove("GIT_WORK_TREE")
        // It reads nothing, but has the lock for as long as it runs: if this process dies, the next
        // one waits for git before it clears what git is writing.
        .stdin(lock.share().map_err(|_| Made::Failed)?)
        .stdout(Stdio::null())
        .stderr(Stdio::null())
        .spawn()
        .map_err(|_| Made::Failed)
}

impl Beginning {
    /// Waits for git to end.
    pub fn wait(self) -> Made {
        match self.0.map(|mut git| git.wait()) {
            Ok(Ok(status)) if status.success() => Made::Folder(REPOSITORY),
            Ok(_) => Made::Failed,
            Err(made) => made,
        }
    }
}
