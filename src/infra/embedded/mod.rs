//! Stand-ins for infrastructure that run inside this process and speak the real wire protocols,
//! for the subset that clients need. They are for development: nothing is replicated, and traces
//! alone are kept, where that is wanted.

pub mod collector;
pub mod consul;
pub mod etcd;
mod random;
mod serve;

use std::io;
use std::net::SocketAddr;
use std::path::Path;

use tokio::sync::mpsc::UnboundedReceiver;

use crate::error::{Diagnostic, Exit, IoFailure};
use collector::{Addresses, EmbeddedCollector, Keeping};
use consul::EmbeddedConsul;
use etcd::EmbeddedEtcd;

/// Which parts are to run, each where it is looked for; where that is taken, on a free port of the
/// same IP.
#[derive(Clone, Copy, Debug, Default)]
pub struct Parts {
    /// Consul's HTTP API.
    pub consul: Option<SocketAddr>,
    /// etcd's gRPC API.
    pub etcd: Option<SocketAddr>,
    /// A collector of traces.
    pub collector: Option<Addresses>,
}

/// Parts that run; they stop when this is dropped.
#[derive(Debug, Default)]
pub struct Embedded {
    consul: Option<EmbeddedConsul>,
    etcd: Option<EmbeddedEtcd>,
    collector: Option<EmbeddedCollector>,
}

/// Starts parts. Must be called within a tokio runtime, which then drives them.
///
/// # Errors
/// When one can listen nowhere; then none is left.
pub async fn start(parts: &Parts) -> Result<Embedded, EmbeddedError> {
    let mut embedded = Embedded::default();
    if let Some(address) = parts.consul {
        embedded.consul = Some(consul::start(address).await?);
    }
    if let Some(address) = parts.etcd {
        embedded.etcd = Some(etcd::start(address).await?);
    }
    if let Some(addresses) = &parts.collector {
        embedded.collector = Some(collector::start(addresses).await?);
    }
    Ok(embedded)
}

impl Embedded {
    /// Where Consul's API is served.
    pub fn consul(&self) -> Option<SocketAddr> {
        self.consul.as_ref().map(EmbeddedConsul::address)
    }

    /// Where etcd's API is served.
    pub fn etcd(&self) -> Option<SocketAddr> {
        self.etcd.as_ref().map(EmbeddedEtcd::address)
    }

    /// Where traces are collected and told.
    pub fn collector(&self) -> Option<Addresses> {
        self.collector.as_ref().map(EmbeddedCollector::addresses)
    }

    /// Keeps the traces that are collected, if they are, in a folder too, and takes those that are there;
    /// what is returned tells what becomes of that.
    ///
    /// # Errors
    /// When the file system refuses.
    pub fn keep_traces_in(
        &self,
        folder: &Path,
    ) -> Result<Option<UnboundedReceiver<Keeping>>, IoFailure> {
        let collector = self.collector.as_ref();
        collector.map(|it| it.keep_in(folder)).transpose()
    }
}

/// Why an embedded part could not start.
#[derive(Debug, thiserror::Error)]
pub enum EmbeddedError {
    /// Neither the preferred port nor a free one could be bound.
    #[error("failed to listen on `{address}`")]
    Bind {
        /// The preferred address.
        address: SocketAddr,
        /// What the operating system said.
        #[source]
        source: io::Error,
    },
}

impl Diagnostic for EmbeddedError {
    fn hint(&self) -> Option<String> {
        Some("Choose an address that belongs to this machine.".to_owned())
    }

    fn exit(&self) -> Exit {
        Exit::Unreachable
    }
}
