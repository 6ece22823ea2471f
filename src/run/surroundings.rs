//! What the services of a system need around them: what the environment names, else what is built
//! in.

use std::net::{Ipv4Addr, SocketAddr};
use std::time::Duration;

use crate::context::Context;
use crate::env_vars::{
    CONSUL_HTTP_ADDR, ETCDCTL_ENDPOINTS, OTEL_BSP_SCHEDULE_DELAY, OTEL_EXPORTER_OTLP_ENDPOINT,
};
use crate::error::Result;
use crate::infra::embedded::collector::{self, Addresses};
use crate::infra::embedded::{self, Embedded, Parts};
use crate::manifest::RegistryKind;
use crate::run::registry::{self, Registry};

/// How long services gather spans: who develops looks for a trace right after the call.
const SPANS_DELAY: Duration = Duration::from_millis(200);

/// What is around a system; what of it is built in ends with this.
#[derive(Debug, Default)]
pub struct Surroundings {
    /// Where its services find each other.
    pub registry: Option<Registry>,
    /// Whether the environment says how long spans are gathered before they are sent.
    gathers_spans: bool,
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
    let is_collecting = context.environment.traces_decided.is_none();
    let parts = Parts {
        consul: is_missing(RegistryKind::Consul).then(|| local(embedded::consul::STANDARD_PORT)),
        etcd: is_missing(RegistryKind::Etcd).then(|| local(embedded::etcd::STANDARD_PORT)),
        collector: is_collecting.then(|| Addresses {
            grpc: local(collector::STANDARD_GRPC_PORT),
            http: local(collector::STANDARD_HTTP_PORT),
            query: local(collector::STANDARD_QUERY_PORT),
        }),
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
    if let Some(addresses) = embedded.collector() {
        let text = format!(
            "http://{} (OpenTelemetry's OTLP, built in, in memory)",
            addresses.grpc
        );
        context.printer.step("Traces", text);
    } else if let Some(variable) = context.environment.traces_decided {
        context
            .printer
            .detail(format!("traces go where {variable} says"));
    }
    let own = own(RegistryKind::Consul, consul).or_else(|| own(RegistryKind::Etcd, etcd));
    Ok(Surroundings {
        registry: named.or(own),
        gathers_spans: context.environment.has_schedule_delay,
        embedded,
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
        // What a service's own configuration says about its traces comes before these.
        if let Some(addresses) = self.embedded.collector() {
            let url = format!("http://{}", addresses.grpc);
            variables.push((OTEL_EXPORTER_OTLP_ENDPOINT, url));
            if !self.gathers_spans {
                let delay = SPANS_DELAY.as_millis().to_string();
                variables.push((OTEL_BSP_SCHEDULE_DELAY, delay));
            }
        }
        variables
    }

    /// The URL at which the traces of the system can be asked for.
    pub fn traces(&self) -> Option<String> {
        let addresses = self.embedded.collector()?;
        Some(format!("http://{}", addresses.query))
    }
}
