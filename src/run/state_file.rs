//! `.msvc/run.json`: what runs, for the other commands to find it.

use std::fs;
use std::path::{Path, PathBuf};

use serde::{Deserialize, Serialize};

use crate::error::{IoContext, IoFailure};

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
    /// Its services.
    pub services: Vec<ServiceState>,
}

/// The registry of a running system.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct RegistryState {
    /// `consul`.
    pub kind: String,
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

/// The file, which is there as long as this is.
#[derive(Debug)]
pub struct StateFile(PathBuf);

impl RunState {
    /// The system that this process runs.
    pub fn new(registry: Option<String>, services: Vec<ServiceState>) -> Self {
        Self {
            version: VERSION,
            pid: std::process::id(),
            registry: registry.map(|address| RegistryState {
                kind: "consul".to_owned(),
                address,
            }),
            services,
        }
    }
}

impl StateFile {
    /// Writes the file as a whole.
    ///
    /// # Errors
    /// When it cannot be written.
    pub fn write(state_folder: &Path, state: &RunState) -> Result<Self, IoFailure> {
        let path = path(state_folder);
        let draft = path.with_extension("draft");
        fs::create_dir_all(state_folder).when("create", state_folder)?;
        let text = serde_json::to_vec_pretty(state).expect("the state serializes");
        fs::write(&draft, text).when("write", &draft)?;
        fs::rename(&draft, &path).when("write", &path)?;
        Ok(Self(path))
    }
}

impl Drop for StateFile {
    fn drop(&mut self) {
        let _ = fs::remove_file(&self.0);
    }
}

/// The system that runs in a workspace, if its `msvc run` is alive.
pub fn read(state_folder: &Path) -> Option<RunState> {
    let text = fs::read(path(state_folder)).ok()?;
    let state: RunState = serde_json::from_slice(&text).ok()?;
    is_alive(state.pid).then_some(state)
}

fn path(state_folder: &Path) -> PathBuf {
    state_folder.join("run.json")
}

/// Whether there is a process of that id.
fn is_alive(pid: u32) -> bool {
    let pid = i32::try_from(pid)
        .ok()
        .and_then(rustix::process::Pid::from_raw);
    pid.is_some_and(|pid| rustix::process::test_kill_process(pid).is_ok())
}
