//! The registry that the services of a system find each other by.

use std::net::{Ipv4Addr, SocketAddr};

use crate::context::Context;
use crate::error::Result;
use crate::infra::consul_agent::ConsulAgent;
use crate::infra::embedded::consul::{self, EmbeddedConsul};
use crate::infra::etcd;
use crate::run::error::RunError;

/// Looks for the etcd that the services register with. They find it as it is found here, for they
/// inherit the environment.
///
/// # Errors
/// When none answers.
pub async fn find_etcd(context: &Context) -> Result {
    let endpoints = etcd::endpoints(context.environment.etcdctl_endpoints.as_deref());
    let url = etcd::first_healthy(&endpoints).await;
    let url = url.map_err(RunError::NoEtcd)?;
    context.printer.step("Using", format!("etcd at {url}"));
    Ok(())
}

/// A registry that answers.
#[derive(Debug)]
pub struct Registry {
    /// Its URL.
    pub url: String,
    /// It, where it runs in this process; it ends with this.
    _embedded: Option<EmbeddedConsul>,
}

/// The Consul agent that the environment names, else the registry that is built in: on Consul's
/// port, or on a free one.
///
/// # Errors
/// When the agent does not answer as one, or nothing can be listened on.
pub async fn provide(context: &Context) -> Result<Registry> {
    if let Some(address) = &context.environment.consul_http_addr {
        let token = context.environment.consul_http_token.as_deref();
        let agent =
            ConsulAgent::new(address, token).map_err(|problem| RunError::ConsulAddress {
                address: address.clone(),
                problem,
            })?;
        let url = agent.address().to_owned();
        agent.leader().await.map_err(|source| RunError::NoConsul {
            address: url.clone(),
            source,
        })?;
        context
            .printer
            .step("Using", format!("Consul at {url} (CONSUL_HTTP_ADDR)"));
        return Ok(Registry {
            url,
            _embedded: None,
        });
    }
    let preferred = SocketAddr::from((Ipv4Addr::LOCALHOST, consul::STANDARD_PORT));
    let embedded = consul::start(preferred).await?;
    let url = format!("http://{}", embedded.address());
    let note = if embedded.address() == preferred {
        ""
    } else {
        ", for 8500 is taken"
    };
    context.printer.step(
        "Registry",
        format!("{url} (Consul's API, built in, in memory{note})"),
    );
    Ok(Registry {
        url,
        _embedded: Some(embedded),
    })
}
