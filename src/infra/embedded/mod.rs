//! Stand-ins for infrastructure that run inside this process and speak the real wire protocols,
//! for the subset that clients need. They are for development: nothing is replicated or kept.

pub mod consul;
pub mod etcd;
mod random;
mod serve;

use std::io;
use std::net::SocketAddr;

use crate::error::{Diagnostic, Exit};

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
