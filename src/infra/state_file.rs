//! `.msvc/infra.json`: where what `msvc up` started is found, for `msvc run` and the services.
//!
//! It is a note, not the truth: containers are known by their labels, and who reads this asks whether
//! what it names answers. What is built in runs in a process that holds a lock as long as it lives.

use std::collections::BTreeMap;
use std::fs::{self, File, TryLockError};
use std::path::{Path, PathBuf};
use std::time::Duration;

use serde::{Deserialize, Serialize};
use tokio::time::sleep;

use crate::error::{Diagnostic, IoContext, IoFailure};
use crate::infra::resource::urls::Found;
use crate::infra::resource::{Port, Resource};

/// The format that is written.
const VERSION: u32 = 1;
/// How often, and how long apart, a lock is tried before its holder is told of.
const TRIES: u32 = 100;
const PAUSE: Duration = Duration::from_millis(20);

/// What carries the infrastructure.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Carrier {
    /// Containers.
    Docker,
    /// A process of ours.
    Embedded,
}

/// What was started, and where it is.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct InfraState {
    version: u32,
    /// What carries it.
    pub engine: Carrier,
    /// The process that is all of it, where there is one.
    pub pid: Option<u32>,
    /// The host by which it is reached.
    pub host: String,
    /// The database that services find.
    pub database: String,
    /// The ports of each resource there.
    pub resources: BTreeMap<Resource, BTreeMap<Port, u16>>,
}

impl InfraState {
    /// What `engine` carries, on this host, with this database.
    pub fn new(engine: Carrier, host: &str, database: &str) -> Self {
        Self {
            version: VERSION,
            engine,
            pid: None,
            host: host.to_owned(),
            database: database.to_owned(),
            resources: BTreeMap::new(),
        }
    }

    /// The URL of a resource that was started.
    pub fn url(&self, resource: Resource) -> Option<String> {
        let ports = self.resources.get(&resource)?;
        Some(self.found(ports).url(resource))
    }

    /// The environment variables by which services find all that was started.
    pub fn variables(&self) -> Vec<(&'static str, String)> {
        let resources = self.resources.iter();
        let variables =
            resources.filter_map(|(resource, ports)| self.found(ports).variable(*resource));
        variables.collect()
    }

    fn found<'a>(&'a self, ports: &'a BTreeMap<Port, u16>) -> Found<'a> {
        Found {
            host: &self.host,
            ports,
            database: &self.database,
        }
    }

    /// Writes it as a whole.
    ///
    /// # Errors
    /// When it cannot be written.
    pub fn write(&self, state_folder: &Path) -> Result<(), IoFailure> {
        fs::create_dir_all(state_folder).when("create", state_folder)?;
        let path = path(state_folder);
        let draft = path.with_extension("draft");
        let text = serde_json::to_vec_pretty(self).expect("the state serializes");
        fs::write(&draft, text).when("write", &draft)?;
        fs::rename(&draft, &path).when("write", &path)
    }
}

/// What was started, if it is noted and, where it is a process, that lives.
pub fn read(state_folder: &Path) -> Option<InfraState> {
    let text = fs::read(path(state_folder)).ok()?;
    let state: InfraState = serde_json::from_slice(&text).ok()?;
    let lives = match state.engine {
        Carrier::Docker => true,
        Carrier::Embedded => is_held(&state_folder.join(EMBEDDED_LOCK)),
    };
    lives.then_some(state)
}

/// What is built in, if it runs.
pub fn built_in(state_folder: &Path) -> Option<InfraState> {
    read(state_folder).filter(|state| state.engine == Carrier::Embedded)
}

/// Forgets what this process carried; what another has noted since stays.
pub fn remove_of(state_folder: &Path, pid: u32) {
    if read(state_folder).is_some_and(|state| state.pid == Some(pid)) {
        remove(state_folder);
    }
}

/// Forgets what was started.
pub fn remove(state_folder: &Path) {
    // That there is none is what is wanted.
    let _ = fs::remove_file(path(state_folder));
}

fn path(state_folder: &Path) -> PathBuf {
    state_folder.join("infra.json")
}

/// The lock of who changes the infrastructure of a workspace.
pub const CHANGE_LOCK: &str = "infra.lock";
/// The lock of the process that is the infrastructure.
pub const EMBEDDED_LOCK: &str = "embedded.lock";

/// A change that was begun. Its file stays when the process dies in the middle of it.
#[derive(Debug)]
pub struct Change {
    path: PathBuf,
    /// Whether the one before it was broken off.
    pub follows_broken: bool,
}

impl Change {
    /// Notes that a change begins.
    ///
    /// # Errors
    /// When the file system refuses.
    pub fn begin(state_folder: &Path) -> Result<Self, IoFailure> {
        let path = changing_path(state_folder);
        let follows_broken = path.exists();
        fs::write(&path, "").when("write", &path)?;
        Ok(Self {
            path,
            follows_broken,
        })
    }

    /// Notes that it has ended, well or not: nothing that was asked for is still to come.
    pub fn end(self) {
        let _ = fs::remove_file(&self.path);
    }
}

/// Whether something may be there that an engine carries: it is noted, or a change was broken off before
/// it could be.
pub fn was_started(state_folder: &Path) -> bool {
    read(state_folder).is_some() || changing_path(state_folder).exists()
}

fn changing_path(state_folder: &Path) -> PathBuf {
    state_folder.join("infra.changing")
}

/// A right that one process has at a time, until this is dropped or the process ends.
#[derive(Debug)]
pub struct Lock(#[expect(dead_code, reason = "it is kept open")] File);

/// Why a right cannot be had.
#[derive(Debug, thiserror::Error)]
pub enum LockError {
    /// Another process has it.
    #[error("another `msvc` changes the infrastructure of this workspace")]
    Busy,
    /// The file system refuses.
    #[error(transparent)]
    Io(#[from] IoFailure),
}

impl Diagnostic for LockError {
    fn hint(&self) -> Option<String> {
        match self {
            Self::Busy => Some("wait until it has ended, or end it".to_owned()),
            Self::Io(_) => None,
        }
    }
}

impl Lock {
    /// Waits a moment for a right; whoever waits for a signal besides gets it meanwhile.
    ///
    /// # Errors
    /// When another process keeps it, or the file system refuses.
    pub async fn take(state_folder: &Path, name: &str) -> Result<Self, LockError> {
        fs::create_dir_all(state_folder).when("create", state_folder)?;
        let path = state_folder.join(name);
        let file = File::create(&path).when("create", &path)?;
        for _ in 0..TRIES {
            match file.try_lock() {
                Ok(()) => return Ok(Self(file)),
                Err(TryLockError::WouldBlock) => sleep(PAUSE).await,
                Err(TryLockError::Error(source)) => Err(source).when("lock", &path)?,
            }
        }
        Err(LockError::Busy)
    }
}

fn is_held(path: &Path) -> bool {
    let Ok(file) = File::open(path) else {
        return false;
    };
    matches!(file.try_lock_shared(), Err(TryLockError::WouldBlock))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn what_a_process_carried_is_gone_with_it() {
        let folder = tempfile::tempdir().expect("a folder");
        let mut state = InfraState::new(Carrier::Embedded, "127.0.0.1", "shop");
        let ports = BTreeMap::from([(Port::Consul, 8501)]);
        state.resources.insert(Resource::Consul, ports);
        state.write(folder.path()).expect("written");
        assert_eq!(read(folder.path()), None);
        let lock = Lock::take(folder.path(), EMBEDDED_LOCK).await;
        let lock = lock.expect("free");
        assert_eq!(read(folder.path()), Some(state.clone()));
        let url = state.url(Resource::Consul);
        assert_eq!(url.as_deref(), Some("http://127.0.0.1:8501"));
        drop(lock);
        assert_eq!(read(folder.path()), None);
    }

    #[tokio::test]
    async fn a_process_forgets_its_own_note_alone() {
        let folder = tempfile::tempdir().expect("a folder");
        let lock = Lock::take(folder.path(), EMBEDDED_LOCK).await;
        let _lock = lock.expect("free");
        let mut state = InfraState::new(Carrier::Embedded, "127.0.0.1", "shop");
        state.pid = Some(7);
        state.write(folder.path()).expect("written");
        assert_eq!(built_in(folder.path()), Some(state));
        remove_of(folder.path(), 8);
        assert!(built_in(folder.path()).is_some());
        remove_of(folder.path(), 7);
        assert_eq!(read(folder.path()), None);
        let containers = InfraState::new(Carrier::Docker, "127.0.0.1", "shop");
        containers.write(folder.path()).expect("written");
        remove_of(folder.path(), 7);
        assert_eq!(read(folder.path()), Some(containers));
        assert_eq!(built_in(folder.path()), None);
    }

    #[tokio::test]
    async fn who_waits_for_a_right_lets_others_go_on() {
        let folder = tempfile::tempdir().expect("a folder");
        let first = Lock::take(folder.path(), CHANGE_LOCK).await.expect("free");
        let second = Lock::take(folder.path(), CHANGE_LOCK);
        // On the same thread: it is given back only if the one who waits leaves that alone.
        let (second, ()) = tokio::join!(second, async { drop(first) });
        assert!(second.is_ok(), "given back");
    }

    #[test]
    fn a_change_that_was_broken_off_is_known_to_the_next() {
        let folder = tempfile::tempdir().expect("a folder");
        let first = Change::begin(folder.path()).expect("written");
        assert!(!first.follows_broken);
        drop(first);
        let second = Change::begin(folder.path()).expect("written");
        assert!(second.follows_broken);
        second.end();
        assert!(
            !Change::begin(folder.path())
                .expect("written")
                .follows_broken
        );
    }

    #[test]
    fn what_containers_carry_is_there_until_it_is_removed() {
        let folder = tempfile::tempdir().expect("a folder");
        let state = InfraState::new(Carrier::Docker, "127.0.0.1", "shop");
        state.write(folder.path()).expect("written");
        assert_eq!(read(folder.path()), Some(state));
        remove(folder.path());
        assert_eq!(read(folder.path()), None);
    }
}
