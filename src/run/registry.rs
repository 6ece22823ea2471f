//! The registry that the environment names for the services of a system, if it does.

use crate::context::Context;
use crate::env_vars::{CONSUL_HTTP_ADDR, ETCDCTL_ENDPOINTS};
use crate::error::Result;
use crate::infra::consul_agent::ConsulAgent;
use crate::infra::etcd;
use crate::manifest::RegistryKind;
use crate::run::error::RunError;

/// Where services find each other.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Registry {
    /// What it is.
    pub kind: RegistryKind,
    /// Its URL.
    pub url: String,
}

/// The registry that the environment names, if it names one.
///
/// # Errors
/// When that one does not answer as one.
pub async fn named(context: &Context, kind: RegistryKind) -> Result<Option<Registry>> {
    let environment = &context.environment;
    let found = match kind {
        RegistryKind::Consul => match &environment.consul_http_addr {
            None => return Ok(None),
            Some(address) => consul(address, environment.consul_http_token.as_deref()).await?,
        },
        RegistryKind::Etcd => match &environment.etcdctl_endpoints {
            None => return Ok(None),
            Some(endpoints) => {
                let endpoints = etcd::endpoints(endpoints);
                let url = etcd::first_healthy(&endpoints).await;
                url.map_err(RunError::NoEtcd)?.to_owned()
            }
        },
        RegistryKind::Static => return Ok(None),
    };
    let what = match kind {
        RegistryKind::Etcd => format!("etcd at {found} ({ETCDCTL_ENDPOINTS})"),
        _ => format!("Consul at {found} ({CONSUL_HTTP_ADDR})"),
    };
    context.printer.step("Using", what);
    Ok(Some(Registry { kind, url: found }))
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
