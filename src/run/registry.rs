//! The registry of a system's services that is there already, if one is.

use crate::context::Context;
use crate::env_vars::{CONSUL_HTTP_ADDR, ETCDCTL_ENDPOINTS};
use crate::error::Result;
use crate::infra::consul_agent::ConsulAgent;
use crate::infra::etcd;
use crate::infra::resource::Resource;
use crate::manifest::RegistryKind;
use crate::run::error::RunError;
use crate::run::infrastructure::Infrastructure;

/// Where services find each other.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Registry {
    /// What it is.
    pub kind: RegistryKind,
    /// Its URL.
    pub url: String,
    /// Whether it can reach the services: what runs in a container has a loopback address of its own.
    pub reaches_services: bool,
}

/// The registry that the environment names, else the one that `msvc up` started.
///
/// # Errors
/// When the environment names one that does not answer as one.
pub async fn find(
    context: &Context,
    kind: RegistryKind,
    infrastructure: &Infrastructure,
) -> Result<Option<Registry>> {
    let (name, resource, variable) = match kind {
        RegistryKind::Consul => ("Consul", Resource::Consul, CONSUL_HTTP_ADDR),
        RegistryKind::Etcd => ("etcd", Resource::Etcd, ETCDCTL_ENDPOINTS),
        RegistryKind::Static => return Ok(None),
    };
    let (registry, source) = if let Some(url) = named(context, kind).await? {
        let registry = Registry {
            kind,
            url,
            reaches_services: true,
        };
        (registry, variable)
    } else if let Some(url) = infrastructure.url(resource) {
        let registry = Registry {
            kind,
            url,
            reaches_services: infrastructure.reaches_services(),
        };
        (registry, "started by `msvc up`")
    } else {
        return Ok(None);
    };
    let told = format!("{name} at {} ({source})", registry.url);
    context.printer.step("Using", told);
    Ok(Some(registry))
}

/// The URL of the registry that the environment names.
async fn named(context: &Context, kind: RegistryKind) -> Result<Option<String>, RunError> {
    let environment = &context.environment;
    match kind {
        RegistryKind::Consul => match &environment.consul_http_addr {
            None => Ok(None),
            Some(address) => {
                let token = environment.consul_http_token.as_deref();
                consul(address, token).await.map(Some)
            }
        },
        RegistryKind::Etcd => match &environment.etcdctl_endpoints {
            None => Ok(None),
            Some(endpoints) => {
                let endpoints = etcd::endpoints(endpoints);
                let url = etcd::first_healthy(&endpoints).await;
                url.map(|it| Some(it.to_owned())).map_err(RunError::NoEtcd)
            }
        },
        RegistryKind::Static => Ok(None),
    }
}

async fn consul(address: &str, token: Option<&str>) -> Result<String, RunError> {
    let agent = ConsulAgent::new(address, token).map_err(|problem| RunError::ConsulAddress {
        address: address.to_owned(),
        problem,
    })?;
    let url = agent.address().to_owned();
    agent.leader().await.map_err(|source| RunError::NoConsul {
        address: url.clone(),
        source,
    })?;
    Ok(url)
}
