//! What the services of a system need around them: what the environment names, else what `msvc up`
//! has started, else what is built in.

use std::collections::BTreeMap;
use std::net::{Ipv4Addr, SocketAddr};
use std::time::Duration;

use crate::context::Context;
use crate::env_vars::{
    CONSUL_HTTP_ADDR, ETCDCTL_ENDPOINTS, OTEL_BSP_SCHEDULE_DELAY, OTEL_EXPORTER_OTLP_ENDPOINT,
};
use crate::error::Result;
use crate::infra::embedded::collector::{self, Addresses};
use crate::infra::embedded::{self, Embedded, Parts};
use crate::infra::resource::Resource;
use crate::manifest::RegistryKind;
use crate::project::Project;
use crate::run::infrastructure;
use crate::run::registry::{self, Registry};

/// How long services gather spans: who develops looks for a trace right after the call.
const SPANS_DELAY: Duration = Duration::from_millis(200);

/// What is around a system; what of it is built in ends with this.
#[derive(Debug, Default)]
pub struct Surroundings {
    /// Where its services find each other.
    pub registry: Option<Registry>,
    /// The variables by which the services learn of it all.
    pub variables: Vec<(String, String)>,
    /// Where what `msvc up` started is, for the services that need it.
    pub urls: BTreeMap<Resource, String>,
    /// The URL at which the traces of the system can be asked for.
    pub traces: Option<String>,
    _embedded: Embedded,
}

/// Finds or starts what a system needs.
///
/// # Errors
/// When what the environment names does not answer, or nothing can be listened on.
pub async fn provide(context: &Context, project: &Project) -> Result<Surroundings> {
    let kind = project.manifest.registry.kind;
    let infrastructure = infrastructure::started(context, project).await;
    let found = registry::find(context, kind, &infrastructure).await?;
    let jaeger = infrastructure.url(Resource::Jaeger);
    let decided = context.environment.traces_decided;

    let is_missing = |it: RegistryKind| kind == it && found.is_none();
    let local = |port| SocketAddr::from((Ipv4Addr::LOCALHOST, port));
    let is_collecting = decided.is_none() && jaeger.is_none();
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
    tell_registry(context, &parts, &embedded);

    // What services inherit is not set again.
    let mut variables = infrastructure.variables(&context.environment);
    let mut set = |name: &str, value: String| variables.push((name.to_owned(), value));
    let traces = match (decided, jaeger, embedded.collector()) {
        (Some(variable), _, _) => {
            let told = format!("traces go where {variable} says");
            context.printer.detail(told);
            None
        }
        (None, Some(url), _) => Some(url),
        (None, None, addresses) => addresses.map(|addresses| {
            let url = format!("http://{}", addresses.grpc);
            let told = format!("{url} (OTLP, built in, in memory; `msvc trace list` shows them)");
            context.printer.step("Traces", told);
            // What a service's own configuration says about its traces comes before it.
            set(OTEL_EXPORTER_OTLP_ENDPOINT, url);
            format!("http://{}", addresses.query)
        }),
    };
    if traces.is_some() && !context.environment.has_schedule_delay {
        set(OTEL_BSP_SCHEDULE_DELAY, SPANS_DELAY.as_millis().to_string());
    }
    let registry = found.or_else(|| built_in(&embedded));
    if let Some(registry) = &registry {
        for (name, value) in registry_variables(registry, embedded.etcd().is_some()) {
            set(name, value);
        }
    }
    Ok(Surroundings {
        registry,
        variables,
        urls: infrastructure.urls(),
        traces,
        _embedded: embedded,
    })
}

/// The registry among what is built in.
fn built_in(embedded: &Embedded) -> Option<Registry> {
    let (kind, address) = match (embedded.consul(), embedded.etcd()) {
        (Some(address), _) => (RegistryKind::Consul, address),
        (None, Some(address)) => (RegistryKind::Etcd, address),
        (None, None) => return None,
    };
    Some(Registry {
        kind,
        url: format!("http://{address}"),
        reaches_services: true,
    })
}

/// Says where the registry that is built in is found, and why not at its standard port.
fn tell_registry(context: &Context, parts: &Parts, embedded: &Embedded) {
    let consul = ("Consul's", CONSUL_HTTP_ADDR, parts.consul);
    let etcd = ("etcd's", ETCDCTL_ENDPOINTS, parts.etcd);
    for ((api, variable, preferred), address) in
        [(consul, embedded.consul()), (etcd, embedded.etcd())]
    {
        let (Some(preferred), Some(address)) = (preferred, address) else {
            continue;
        };
        let note = match address == preferred {
            true => String::new(),
            false => format!(
                ", for {} is taken: {variable} uses what is there",
                preferred.port()
            ),
        };
        let told = format!("http://{address} ({api} API, built in, in memory{note})");
        context.printer.step("Registry", told);
    }
}

/// The variables by which services learn of the registry.
fn registry_variables(registry: &Registry, is_own_etcd: bool) -> Vec<(&'static str, String)> {
    let mut variables = Vec::new();
    let url = &registry.url;
    match registry.kind {
        RegistryKind::Consul => {
            variables.push(("APP_REGISTRY__KIND", "consul".to_owned()));
            variables.push(("APP_REGISTRY__CONSUL__ADDRESS", url.clone()));
            if !registry.reaches_services {
                // It is told by them how they are.
                variables.push(("APP_REGISTRY__CONSUL__CHECK", "ttl".to_owned()));
            }
        }
        RegistryKind::Etcd if is_own_etcd => {
            variables.push(("APP_REGISTRY__KIND", "etcd".to_owned()));
            variables.push(("APP_REGISTRY__ETCD__ENDPOINTS", format!("[{url:?}]")));
        }
        // They find it by the variable by which it was found.
        RegistryKind::Etcd | RegistryKind::Static => {}
    }
    variables
}
