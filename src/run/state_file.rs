//! `.msvc/run.json`: what runs, for the other commands to find it.
//!
//! Whoever runs the workspace holds a lock on `.msvc/run.lock` for as long as it lives; the system
//! takes it back however that ends. So the file of an `msvc run` that was killed is told from that
//! of one that lives, even when its process id has been given to somebody else.

use std::fs::{self, File, TryLockError};
use std::path::{Path, PathBuf};
use std::time::Duration;

use serde::{Deserialize, Serialize};

use crate::error::{IoContext, IoFailure};
use crate::manifest::RegistryKind;
use crate::run::registry::Registry;

/// The format that is written.
const VERSION: u32 = 1;

/// A running system.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct RunState {
    version: u32,
    /// The `msvc run` that runs it.
    pub pid: u32,
    /// Where its services find each other.
    pub registry: Option<RegistryState>,
    /// The URL at which its traces can be asked for.
    #[serde(default)]
    pub traces: Option<String>,
    /// Its services.
    pub services: Vec<ServiceState>,
}

/// The registry of a running system.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct RegistryState {
    /// What it is.
    pub kind: RegistryKind,
    /// Its URL.
    pub address: String,
}

/// A running service.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct ServiceState {
    /// What it is called.
    pub name: String,
    /// Its processes.
    pub instances: Vec<InstanceState>,
}

/// A process of a running service.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct InstanceState {
    /// The process.
    pub pid: u32,
    /// Its gRPC address.
    pub grpc: String,
    /// Its admin address.
    pub admin: String,
}

/// The right to run a workspace, which nobody else has as long as this is kept.
#[derive(Debug)]
pub struct RunLock {
    state_folder: PathBuf,
    _file: File,
}

impl RunState {
    /// The system that this process runs.
    pub fn new(
        registry: Option<&Registry>,
        traces: Option<String>,
        services: Vec<ServiceState>,
    ) -> Self {
        Self {
            version: VERSION,
            pid: std::process::id(),
            registry: registry.map(|registry| RegistryState {
                kind: registry.kind,
                address: registry.url.clone(),
            }),
            traces,
            services,
        }
    }

    /// Its processes.
    pub fn pids(&self) -> impl Iterator<Item = u32> {
        let instances = self.services.iter().flat_map(|it| &it.instances);
        instances.map(|instance| instance.pid)
    }
}

/// How often, and how long apart, the lock is tried: commands that only look hold it for a moment.
const LOCK_TRIES: u32 = 10;
const LOCK_PAUSE: Duration = Duration::from_millis(10);

impl RunLock {
    /// Takes the right to run the workspace; `None` when somebody else has it.
    ///
    /// # Errors
    /// When the lock file cannot be made.
    pub fn take(state_folder: &Path) -> Result<Option<Self>, IoFailure> {
        fs::create_dir_all(state_folder).when("create", state_folder)?;
        let lock_path = lock_path(state_folder);
        let file = File::create(&lock_path).when("create", &lock_path)?;
        for _ in 0..LOCK_TRIES {
            match file.try_lock() {
                Ok(()) => {
                    // From here on a file of that name is ours.
                    let _ = fs::rename(path(state_folder), left_over_path(state_folder));
                    return Ok(Some(Self {
                        state_folder: state_folder.to_owned(),
                        _file: file,
                    }));
                }
                Err(TryLockError::WouldBlock) => std::thread::sleep(LOCK_PAUSE),
                Err(TryLockError::Error(source)) => return Err(source).when("lock", &lock_path),
            }
        }
        Ok(None)
    }

    /// What an `msvc run` that was killed has left written.
    pub fn left_over(&self) -> Option<RunState> {
        parse(&left_over_path(&self.state_folder))
    }

    /// Writes what runs, as a whole.
    ///
    /// # Errors
    /// When it cannot be written.
    pub fn write(&self, state: &RunState) -> Result<(), IoFailure> {
        let path = path(&self.state_folder);
        let draft = path.with_extension("draft");
        let text = serde_json::to_vec_pretty(state).expect("the state serializes");
        fs::write(&draft, text).when("write", &draft)?;
        fs::rename(&draft, &path).when("write", &path)?;
        // Whatever was left behind did not hinder us.
        let _ = fs::remove_file(left_over_path(&self.state_folder));
        Ok(())
    }
}

impl Drop for RunLock {
    fn drop(&mut self) {
        let _ = fs::remove_file(path(&self.state_folder));
    }
}

/// The system that runs in a workspace, if its `msvc run` is alive.
pub fn read(state_folder: &Path) -> Option<RunState> {
    let state = parse(&path(state_folder))?;
    let lock = File::open(lock_path(state_folder)).ok()?;
    // A shared lock, so that two commands that look do not take each other for a running system.
    match lock.try_lock_shared() {
        Err(TryLockError::WouldBlock) => Some(state),
        Ok(()) | Err(TryLockError::Error(_)) => None,
    }
}

fn parse(path: &Path) -> Option<RunState> {
    let text = fs::read(path).ok()?;
    serde_json::from_slice(&text).ok()
}

/// Where the file of an `msvc run` that was killed is kept until all runs again.
fn left_over_path(state_folder: &Path) -> PathBuf {
    state_folder.join("run.left-over.json")
}

fn lock_path(state_folder: &Path) -> PathBuf {
    state_folder.join("run.lock")
}

fn path(state_folder: &Path) -> PathBuf {
    state_folder.join("run.json")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_runs_is_seen_while_its_lock_is_held() {
        let folder = tempfile::tempdir().expect("a folder");
        let state = RunState::new(None, None, Vec::new());
        let lock = RunLock::take(folder.path()).expect("a lock file");
        let lock = lock.expect("nobody has it");
        assert_eq!(read(folder.path()), None);
        lock.write(&state).expect("written");
        assert_eq!(read(folder.path()).as_ref(), Some(&state));
        assert!(RunLock::take(folder.path()).expect("a lock file").is_none());

        // A killed process removes nothing, but the system takes its lock back.
        let text = fs::read(path(folder.path())).expect("readable");
        drop(lock);
        assert!(!path(folder.path()).exists());
        fs::write(path(folder.path()), text).expect("written");
        assert_eq!(read(folder.path()), None);
        let lock = RunLock::take(folder.path()).expect("a lock file");
        let lock = lock.expect("nobody has it");
        assert_eq!(read(folder.path()), None, "nothing runs yet");
        assert_eq!(lock.left_over().as_ref(), Some(&state));

        // It is remembered until a start succeeds.
        drop(lock);
        let lock = RunLock::take(folder.path()).expect("a lock file");
        let lock = lock.expect("nobody has it");
        assert_eq!(lock.left_over().as_ref(), Some(&state));
        lock.write(&state).expect("written");
        assert_eq!(lock.left_over(), None);
    }
}
