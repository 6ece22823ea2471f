//! Where services register themselves and find each other.
//!
//! | registry | registers by | finds by |
//! |---|---|---|
//! | `consul` | a service of the agent, with a check | blocking queries for those that pass |
//! | `etcd` | a key that a lease holds | a list and a watch of the keys |
//! | `kubernetes` | nothing: it knows its pods | a list and a watch of the EndpointSlices |
//! | `dns`, `static_list` | nothing | names that are resolved again and again, addresses |
//!
//! [`Registrar`] keeps this instance registered; [`discover`] follows the instances of another
//! service. Neither ever gives up: a registry that is away for a while costs nothing but news.

mod consul;
mod dns;
mod etcd;
mod http;
mod kubernetes;
mod membership;
mod registrar;
mod resolve;
mod static_list;
mod store;
mod watch;

use std::collections::BTreeMap;
use std::net::SocketAddr;
use std::sync::Arc;

pub(crate) use registrar::Registrar;
pub(crate) use store::{Store, Value};
pub(crate) use watch::Instances;

use crate::Error;
use crate::client::Target;
use crate::config::{Config, RegistryKind};

/// What this instance tells a registry about itself.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Registration {
    pub(crate) service: String,
    pub(crate) host: String,
    pub(crate) port: u16,
    pub(crate) tags: Vec<String>,
    pub(crate) meta: BTreeMap<String, String>,
    /// `host:port` of the admin server, when there is one.
    pub(crate) admin: Option<String>,
    /// How its gRPC server is reached.
    pub(crate) security: Security,
}

/// How a gRPC server is reached.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Security {
    /// Without TLS.
    Plain,
    Tls,
    /// Over TLS, by clients that show a certificate.
    Mutual,
}

impl Registration {
    /// `{service}-{host}-{port}`: the same after a restart in place, so that it replaces itself.
    pub(crate) fn id(&self) -> String {
        format!("{}-{}-{}", self.service, self.host, self.port)
    }
}

/// An instance of a service, as a registry tells it.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct Instance {
    pub(crate) address: SocketAddr,
    pub(crate) meta: BTreeMap<String, String>,
}

impl From<SocketAddr> for Instance {
    fn from(address: SocketAddr) -> Self {
        Self {
            address,
            meta: BTreeMap::new(),
        }
    }
}

/// Follows the instances of `target` for as long as the result, or a clone of it, is kept.
///
/// # Errors
/// When the configuration does not say where the registry is, and when the files for TLS cannot be
/// used.
pub(crate) fn discover(target: Target, config: &Config) -> Result<Instances, Error> {
    let registry = &config.registry;
    Ok(match target {
        Target::Consul(service) => consul::watch(service, &registry.consul)?,
        Target::Etcd(service) => etcd::watch(service, &registry.etcd)?,
        Target::Kubernetes(service) => kubernetes::watch(service, &registry.kubernetes)?,
        Target::Static(addresses) => static_list::watch(addresses),
        Target::Dns(address) => dns::watch(vec![address]),
        Target::Registry(service) => match registry.kind {
            RegistryKind::Consul => consul::watch(service, &registry.consul)?,
            RegistryKind::Etcd => etcd::watch(service, &registry.etcd)?,
            RegistryKind::Kubernetes => {
                let service = registry.kubernetes.service(service);
                kubernetes::watch(service, &registry.kubernetes)?
            }
            RegistryKind::Static | RegistryKind::None => {
                let addresses = registry.static_list.get(&service).cloned();
                static_list::watch(addresses.unwrap_or_default())
            }
        },
    })
}

/// A set of instances in a canonical order, so that equal sets compare equal.
fn canonical(mut instances: Vec<Instance>) -> Arc<[Instance]> {
    instances.sort_unstable();
    instances.dedup_by_key(|instance| instance.address);
    instances.into()
}
