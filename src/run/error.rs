//! Why the services of a workspace do not run.

use std::time::Duration;

use crate::duration;
use crate::error::{Diagnostic, Exit};
use crate::infra::consul_agent::{AddressError, AgentError};
use crate::infra::etcd::Unavailable;
use crate::ports::Holder;
use crate::suggestion::did_you_mean;

/// Why the services do not run.
#[derive(Debug, thiserror::Error)]
pub enum RunError {
    /// There is nothing to run.
    #[error("the workspace has no services")]
    NoServices,
    /// A service that was named is not there.
    #[error("the workspace has no service `{given}`")]
    UnknownService {
        /// The name that was given.
        given: String,
        /// The names that it resembles.
        similar: Vec<String>,
        /// All names.
        known: Vec<String>,
    },
    /// Another `msvc run` has the workspace.
    #[error("this workspace runs already{}", .0.map(|pid| format!(" (pid {pid})")).unwrap_or_default())]
    Running(Option<u32>),
    /// Two addresses of the manifest are the same.
    #[error("`{first}` and `{second}` of `msvc.toml` are both {port}")]
    SamePort {
        /// The port.
        port: u16,
        /// The key that has it.
        first: String,
        /// The key that has it too.
        second: String,
    },
    /// A port that a service needs is taken.
    #[error("port {port} of `{service}` is taken{}", .holder.as_ref().map(|it| format!(" by {it}")).unwrap_or_default())]
    PortTaken {
        /// The port.
        port: u16,
        /// The service.
        service: String,
        /// The key of the port in the manifest.
        key: &'static str,
        /// Who has it, where the system tells.
        holder: Option<Holder>,
        /// Whether an `msvc run` that was killed has left that process behind.
        is_left_over: bool,
    },
    /// All ports are taken.
    #[error("no free port was found for `{0}`")]
    NoPort(String),
    /// The agent that the environment names cannot be used.
    #[error("the Consul agent at {address} does not answer as one")]
    NoConsul {
        /// Its address.
        address: String,
        /// What it did instead.
        #[source]
        source: AgentError,
    },
    /// The etcd that the environment names cannot be used.
    #[error("the etcd that ETCDCTL_ENDPOINTS names does not answer as one")]
    NoEtcd(
        /// What was tried.
        #[source]
        Unavailable,
    ),
    /// The address of the agent is of no use.
    #[error("CONSUL_HTTP_ADDR is `{address}`: {problem}")]
    ConsulAddress {
        /// As it was given.
        address: String,
        /// What is wrong with it.
        problem: AddressError,
    },
    /// A service ended instead of starting.
    #[error("`{label}` ended before it was ready ({status}){said}")]
    NotStarted {
        /// The process.
        label: String,
        /// How it ended.
        status: String,
        /// What it said last.
        said: String,
    },
    /// A service took too long.
    #[error("`{label}` was not ready within {}{said}", duration::exact(*.limit))]
    NotReady {
        /// The process.
        label: String,
        /// How long that was.
        limit: Duration,
        /// What it said last.
        said: String,
    },
    /// A service ended, and is not to be started again.
    #[error("`{label}` ended ({status})")]
    Ended {
        /// The process.
        label: String,
        /// How it ended.
        status: String,
    },
    /// Services did not stop when they were asked to.
    #[error("{} did not stop within {} and had to be ended", .labels.join(", "), duration::exact(*.limit))]
    NotStopped {
        /// The processes.
        labels: Vec<String>,
        /// How long that was.
        limit: Duration,
    },
    /// Ctrl-C before there was anything to stop.
    #[error("interrupted")]
    Interrupted,
}

impl Diagnostic for RunError {
    fn hint(&self) -> Option<String> {
        match self {
            Self::NoServices => Some("`msvc new user-service` makes one".to_owned()),
            Self::UnknownService { similar, known, .. } => Some(
                did_you_mean(similar).unwrap_or_else(|| format!("it has {}", known.join(", "))),
            ),
            Self::Running(_) => Some("stop it with Ctrl-C where it runs".to_owned()),
            Self::SamePort { .. } => Some("give one of them another port".to_owned()),
            Self::PortTaken {
                holder: Some(holder),
                is_left_over: true,
                ..
            } => Some(format!(
                "an `msvc run` that was killed has left it behind: `kill {}` ends it",
                holder.pid
            )),
            Self::PortTaken { service, key, .. } => Some(format!(
                "stop what has it, or change `{key}` of `[services.{service}]` in `msvc.toml`"
            )),
            Self::NoConsul { .. } => Some(
                "start it, or unset CONSUL_HTTP_ADDR to use the registry built into `msvc`"
                    .to_owned(),
            ),
            Self::NoEtcd(_) => Some(
                "start it, or unset ETCDCTL_ENDPOINTS to use the registry built into `msvc`"
                    .to_owned(),
            ),
            Self::NotReady { .. } => Some("`--ready-timeout` gives it longer".to_owned()),
            Self::ConsulAddress { .. }
            | Self::NoPort(_)
            | Self::NotStarted { .. }
            | Self::Ended { .. }
            | Self::NotStopped { .. }
            | Self::Interrupted => None,
        }
    }

    fn exit(&self) -> Exit {
        match self {
            Self::NoConsul { .. } | Self::NoEtcd(_) => Exit::Unreachable,
            Self::Interrupted => Exit::Interrupted,
            Self::UnknownService { .. } | Self::ConsulAddress { .. } => Exit::Usage,
            _ => Exit::Failed,
        }
    }
}
