//! The embedded engine in a process of its own, which outlives the command that starts it.
//!
//! The process is this program again, told to stay in the foreground. It holds a lock as long as it
//! lives, so that one that was killed is not taken for one that runs.

use std::collections::BTreeMap;
use std::fs::File;
use std::io;
use std::net::{Ipv4Addr, SocketAddr};
use std::os::unix::process::CommandExt;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::Duration;

use rustix::process::{Pid, Signal, kill_process};
use tokio::time::sleep;

use crate::error::{Diagnostic, IoContext, IoFailure};
use crate::infra::embedded::collector::Addresses;
use crate::infra::embedded::{self, Embedded, EmbeddedError, Parts};
use crate::infra::resource::{Port, Resource};
use crate::infra::state_file::{self, InfraState};

/// How often a process is looked at that starts or ends.
const LOOK: Duration = Duration::from_millis(10);
/// How often before it is too long.
const LOOKS: u32 = 1000;

/// Why what is built in does not run.
#[derive(Debug, thiserror::Error)]
pub enum BackgroundError {
    /// It is not built in.
    #[error("the embedded engine has no {0}")]
    NotBuiltIn(Resource),
    /// The process ended.
    #[error("the embedded engine did not start; its log is `{}`", .0.display())]
    Ended(PathBuf),
    /// The process does not end.
    #[error("the embedded engine (pid {0}) does not stop")]
    DoesNotStop(u32),
    /// The file system refuses.
    #[error(transparent)]
    Io(#[from] IoFailure),
}

impl Diagnostic for BackgroundError {
    fn hint(&self) -> Option<String> {
        match self {
            Self::NotBuiltIn(_) => {
                Some("it needs Docker: `msvc doctor` says whether an engine answers".to_owned())
            }
            Self::DoesNotStop(pid) => Some(format!("`kill -9 {pid}` ends it")),
            Self::Ended(_) | Self::Io(_) => None,
        }
    }
}

/// Whether a resource is built in.
pub fn is_built_in(resource: Resource) -> bool {
    matches!(
        resource,
        Resource::Consul | Resource::Etcd | Resource::Jaeger
    )
}

/// The ports of each resource that runs.
pub type Ports = BTreeMap<Resource, BTreeMap<Port, u16>>;

/// Starts those of the resources that are built in, in this process, until what is returned is
/// dropped; and where they listen then.
///
/// # Errors
/// When one can listen nowhere.
pub async fn start(
    resources: &[Resource],
    wanted: impl Fn(Port) -> u16,
) -> Result<(Embedded, Ports), EmbeddedError> {
    let local = |port| SocketAddr::from((Ipv4Addr::LOCALHOST, wanted(port)));
    let parts = Parts {
        consul: resources
            .contains(&Resource::Consul)
            .then(|| local(Port::Consul)),
        etcd: resources
            .contains(&Resource::Etcd)
            .then(|| local(Port::Etcd)),
        collector: resources.contains(&Resource::Jaeger).then(|| Addresses {
            grpc: local(Port::Otlp),
            http: local(Port::OtlpHttp),
            query: local(Port::Jaeger),
        }),
    };
    let embedded = embedded::start(&parts).await?;
    let mut ports = Ports::new();
    let mut listens = |resource, port, address: SocketAddr| {
        let own: &mut BTreeMap<Port, u16> = ports.entry(resource).or_default();
        own.insert(port, address.port());
    };
    if let Some(address) = embedded.consul() {
        listens(Resource::Consul, Port::Consul, address);
    }
    if let Some(address) = embedded.etcd() {
        listens(Resource::Etcd, Port::Etcd, address);
    }
    if let Some(Addresses { grpc, http, query }) = embedded.collector() {
        listens(Resource::Jaeger, Port::Jaeger, query);
        listens(Resource::Jaeger, Port::Otlp, grpc);
        listens(Resource::Jaeger, Port::OtlpHttp, http);
    }
    Ok((embedded, ports))
}

/// Where the process keeps traces, if it does.
pub fn traces_folder(state_folder: &Path) -> PathBuf {
    state_folder.join("traces")
}

/// Where the process writes what it has to say.
pub fn log_path(state_folder: &Path) -> PathBuf {
    state_folder.join("embedded.log")
}

/// Starts this program again with these arguments, apart from this terminal.
///
/// # Errors
/// When there can be no process.
pub fn spawn(state_folder: &Path, arguments: &[String]) -> Result<Child, BackgroundError> {
    let log_path = log_path(state_folder);
    let log = File::create(&log_path).when("create", &log_path)?;
    let errors = log.try_clone().when("open", &log_path)?;
    let program = std::env::current_exe().when("find", "this program")?;
    let mut command = Command::new(&program);
    command
        .args(arguments)
        .stdin(Stdio::null())
        .stdout(log)
        .stderr(errors);
    // A Ctrl-C on the terminal is not for it.
    command.process_group(0);
    Ok(command.spawn().when("start", &program)?)
}

/// Returns when the process says where everything is.
///
/// # Errors
/// When it ends first or takes too long.
pub async fn until_started(
    child: &mut Child,
    state_folder: &Path,
) -> Result<InfraState, BackgroundError> {
    for _ in 0..LOOKS {
        let pid = child.id();
        if let Some(state) = state_file::read(state_folder).filter(|it| it.pid == Some(pid)) {
            return Ok(state);
        }
        if !matches!(child.try_wait(), Ok(None)) {
            break;
        }
        sleep(LOOK).await;
    }
    // It must not come up later, unseen.
    let _ = child.kill();
    Err(BackgroundError::Ended(log_path(state_folder)))
}

/// Asks the process to end, if one runs, and waits for that.
///
/// # Errors
/// When it does not end.
pub async fn stop(state_folder: &Path) -> Result<(), BackgroundError> {
    let Some(pid) = state_file::read(state_folder).and_then(|state| state.pid) else {
        return Ok(());
    };
    let process = i32::try_from(pid).ok().and_then(Pid::from_raw);
    if let Some(process) = process {
        match kill_process(process, Signal::TERM) {
            Ok(()) => {}
            Err(error) if error.kind() == io::ErrorKind::NotFound => {}
            Err(error) => Err(io::Error::from(error)).when("end the process", pid.to_string())?,
        }
    }
    for _ in 0..LOOKS {
        if state_file::read(state_folder).is_none() {
            return Ok(());
        }
        sleep(LOOK).await;
    }
    Err(BackgroundError::DoesNotStop(pid))
}
