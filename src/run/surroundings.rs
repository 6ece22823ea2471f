//! What the services of a system need around them: what the environment names, else what is built
//! in.

use std::net::{Ipv4Addr, SocketAddr};

use crate::context::Context;
use crate::env_vars::{CONSUL_HTTP_ADDR, ETCDCTL_ENDPOINTS};
use crate::error::Result;
use crate::infra::embedded::{self, Embedded, Parts};
use crate::manifest::RegistryKind;
use crate::run::registry::{self, Registry};

/// What is around a system; what of it is built in ends with this.
#[derive(Debug, Default)]
pub struct Surroundings {
    /// Where its services find each other.
    pub registry: Option<Registry>,
    embedded: Embedded,
}

/// Finds or starts what a system needs.
///
/// # Errors
/// When what the environment names does not answer, or nothing can be listened on.
pub async fn provide(context: &Context, kind: RegistryKind) -> Result<Surroundings> {
    let named = registry::named(context, kind).await?;
    let is_missing = |it: RegistryKind| kind == it && named.is_none();
    let local = |port| SocketAddr::from((Ipv4Addr::LOCALHOST, port));
    let parts = Parts {
        consul: is_missing(RegistryKind::Consul).then(|| local(embedded::consul::STANDARD_PORT)),
        etcd: is_missing(RegistryKind::Etcd).then(|| local(embedded::etcd::STANDARD_PORT)),
    };
    let embedded = embedded::start(&parts).await?;
    let own = |kind, address: Option<SocketAddr>| {
        address.map(|address| Registry {
            kind,
            url: format!("http://{address}"),
        })
    };
    let consul = embedded.consul();
    let etcd = embedded.etcd();
    for (api, variable, preferred, address) in [
        ("Consul's", CONSUL_HTTP_ADDR, parts.consul, consul),
        ("etcd's", ETCDCTL_ENDPOINTS, parts.etcd, etcd),
    ] {
        if let (Some(preferred), Some(address)) = (preferred, address) {
            let note = match address == preferred {
                true => String::new(),
                false => format!(
                    ", for {} is taken: {variable} uses what is there",
                    preferred.port()
                ),
            };
            let text = format!("http://{address} ({api} API, built in, in memory{note})");
            context.printer.step("Registry", text);
        }
    }
    let own = own(RegistryKind::Consul, consul).or_else(|| own(RegistryKind::Etcd, etcd));
    Ok(Surroundings {
        registry: named.or(own),
        embedded: embedded,
    })
}

impl Surroundings {
    /// The variables by which services learn of it.
    pub fn variables(&self) -> Vec<(&'static str, String)> {
        let mut variables = Vec::new();
        if let Some(Registry { kind, url }) = &self.registry {
            match kind {
                RegistryKind::Consul => {
                    variables.push(("APP_REGISTRY__KIND", "consul".to_owned()));
                    variables.push(("APP_REGISTRY__CONSUL__ADDRESS", url.clone()));
                }
                RegistryKind::Etcd if self.embedded.etcd().is_some() => {
                    variables.push(("APP_REGISTRY__KIND", "etcd".to_owned()));
                    variables.push(("APP_REGISTRY__ETCD__ENDPOINTS", format!("[{url:?}]")));
                }
                // They find it by the variable by which it was found.
                RegistryKind::Etcd | RegistryKind::Static => {}
            }
        }
        variables
    }
}
