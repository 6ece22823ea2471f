//! This instance in a registry: which one it is, is decided once, by the configuration.

use std::fmt;
use std::time::Duration;

use super::{Registration, consul, etcd, http};
use crate::config::{Registry, RegistryKind};
use crate::readiness::Readiness;
use crate::tls::TlsError;

/// An instance and the registry that is to know it.
#[derive(Debug)]
pub(super) enum Membership {
    /// A service of a Consul agent.
    Consul(Box<consul::Membership>),
    /// A key in etcd.
    Etcd(Box<etcd::Lease>),
}

/// Why a registry did not do what was asked.
#[derive(Debug)]
pub(super) enum Error {
    Consul(http::Error),
    Etcd(etcd::Error),
}

impl fmt::Display for Error {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Consul(error) => fmt::Display::fmt(error, f),
            Self::Etcd(error) => fmt::Display::fmt(error, f),
        }
    }
}

impl std::error::Error for Error {}

impl fmt::Display for Membership {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Consul(membership) => fmt::Display::fmt(membership, f),
            Self::Etcd(lease) => fmt::Display::fmt(lease, f),
        }
    }
}

impl Membership {
    /// The membership that `config` asks for; `None` where instances do not register themselves:
    /// Kubernetes knows its pods.
    ///
    /// # Errors
    /// When the files for TLS cannot be used.
    pub(super) fn new(
        registration: Registration,
        config: &Registry,
    ) -> Result<Option<Self>, TlsError> {
        Ok(match config.kind {
            RegistryKind::Consul => {
                let membership = consul::Membership::new(registration, &config.consul)?;
                Some(Self::Consul(Box::new(membership)))
            }
            RegistryKind::Etcd => {
                let lease = etcd::Lease::new(&registration, &config.etcd)?;
                Some(Self::Etcd(Box::new(lease)))
            }
            RegistryKind::Kubernetes | RegistryKind::Static | RegistryKind::None => None,
        })
    }

    /// How long it holds without a call of [`keep`](Self::keep), at most.
    pub(super) fn interval(&self) -> Duration {
        match self {
            Self::Consul(membership) => membership.interval(),
            Self::Etcd(lease) => lease.interval(),
        }
    }

    /// Keeps the membership up where that must be done, and looks whether it holds: a registry
    /// that restarts without its data, or that others told to forget us, does not say so. A registry
    /// that wants to hear how we are is told.
    pub(super) async fn keep(&self, readiness: &Readiness) -> Result<bool, Error> {
        match self {
            Self::Consul(membership) => membership.keep(readiness).await.map_err(Error::Consul),
            Self::Etcd(lease) => lease.keep().await.map_err(Error::Etcd),
        }
    }

    /// Begins, or replaces, the membership.
    pub(super) async fn register(&self, readiness: &Readiness) -> Result<(), Error> {
        match self {
            Self::Consul(membership) => membership.register(readiness).await.map_err(Error::Consul),
            Self::Etcd(lease) => lease.register().await.map_err(Error::Etcd),
        }
    }

    /// Ends it. That there is none is as good.
    pub(super) async fn deregister(&self) -> Result<(), Error> {
        match self {
            Self::Consul(membership) => membership.deregister().await.map_err(Error::Consul),
            Self::Etcd(lease) => lease.deregister().await.map_err(Error::Etcd),
        }
    }
}
