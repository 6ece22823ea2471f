//! From a service's name to the addresses of its instances, by asking a registry.
//!
//! The registry of a running `msvc run` is asked first, then the Consul agent of the environment, else
//! that of `msvc up`, else the one on Consul's default port. Only instances that pass their health checks
//! are used.

use std::fmt;
use std::path::{Path, PathBuf};

use serde::Deserialize;

use crate::client::target::{Endpoint, Target};
use crate::error::{Diagnostic, Exit};
use crate::infra::consul_agent::{AddressError, AgentError, ConsulAgent, DEFAULT_ADDRESS};
use crate::infra::resource::Resource;
use crate::manifest::RegistryKind;
use crate::run::state_file::{self, RunState};
use crate::suggestion::{did_you_mean, similar};
use crate::{infra, manifest, project};

/// Where to look for services.
#[derive(Clone, Copy, Debug)]
pub struct Lookup<'a> {
    /// The folder to look for a workspace from.
    pub directory: &'a Path,
    /// The address of the Consul agent that the environment names.
    pub consul_address: Option<&'a str>,
    /// The token for it.
    pub consul_token: Option<&'a str>,
}

/// Why a service's name has no address.
#[derive(Debug, thiserror::Error)]
pub enum RegistryError {
    /// No registry answers.
    #[error("cannot look up `{service}`: no registry answers")]
    Unreachable {
        /// The service.
        service: String,
        /// The registries that were asked, and why that failed.
        #[source]
        tried: Tried,
    },
    /// A registry answers, but not as one.
    #[error("cannot look up `{service}` in the registry at {registry}: {problem}")]
    Answer {
        /// The service.
        service: String,
        /// The registry's address.
        registry: String,
        /// What is wrong with its answer.
        problem: String,
    },
    /// The registry does not know the service.
    #[error("{registry} has no service `{service}`")]
    Unknown {
        /// The service.
        service: String,
        /// Where it was looked up.
        registry: String,
        /// Registered names that resemble it.
        similar: Vec<String>,
        /// Whether the workspace at hand has such a service, which then is not running.
        in_workspace: bool,
    },
    /// All instances fail their health checks.
    #[error("`{service}` is registered at {registry}, but no instance passes its health checks")]
    Unhealthy {
        /// The service.
        service: String,
        /// The registry's address.
        registry: String,
    },
    /// The address of the registry is of no use.
    #[error("`{address}` is not the address of a registry: {problem}")]
    Address {
        /// As it was given.
        address: String,
        /// What is wrong with it.
        problem: AddressError,
    },
}

impl Diagnostic for RegistryError {
    fn hint(&self) -> Option<String> {
        match self {
            Self::Unreachable { .. } => Some(
                "start the services with `msvc run`, set CONSUL_HTTP_ADDR, or give the address \
                 as `HOST:PORT`"
                    .to_owned(),
            ),
            Self::Answer { .. } => Some(
                "is it a Consul agent? CONSUL_HTTP_ADDR says where it is, CONSUL_HTTP_TOKEN who asks"
                    .to_owned(),
            ),
            Self::Unknown { service, .. } if service == "localhost" => {
                Some("an address needs its port: `localhost:50051`".to_owned())
            }
            Self::Unknown {
                in_workspace: true,
                service,
                ..
            } => Some(format!("start it with `msvc run {service}`")),
            Self::Unknown { similar, .. } => Some(did_you_mean(similar).unwrap_or_else(|| {
                "start it with `msvc run`, or give its address as `HOST:PORT`".to_owned()
            })),
            Self::Unhealthy { .. } => {
                Some("its logs and its `/readyz` say why; it can be called by `HOST:PORT`".to_owned())
            }
            Self::Address { .. } => Some(format!("Consul's default is {DEFAULT_ADDRESS}")),
        }
    }

    fn exit(&self) -> Exit {
        match self {
            Self::Address { .. } => Exit::Usage,
            _ => Exit::Unreachable,
        }
    }
}

/// The registries that did not answer, and why.
#[derive(Clone, Debug, Default)]
pub struct Tried(Vec<(String, String)>);

impl fmt::Display for Tried {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (index, (address, problem)) in self.0.iter().enumerate() {
            let separator = if index == 0 { "" } else { "; " };
            write!(formatter, "{separator}{address}: {problem}")?;
        }
        Ok(())
    }
}

impl std::error::Error for Tried {}

/// The addresses of a target, at least one.
///
/// # Errors
/// [`RegistryError`] when the target is a service's name and has no address.
pub async fn resolve(target: &Target, lookup: Lookup<'_>) -> Result<Vec<Endpoint>, RegistryError> {
    match target {
        Target::Endpoint(endpoint) => Ok(vec![endpoint.clone()]),
        Target::Service(name) => resolve_name(name, lookup).await,
    }
}

async fn resolve_name(name: &str, lookup: Lookup<'_>) -> Result<Vec<Endpoint>, RegistryError> {
    let mut addresses = Vec::new();
    if let Some(run) = running(lookup.directory) {
        match &run.registry {
            Some(registry) if registry.kind == RegistryKind::Consul => {
                addresses.push(registry.address.clone());
            }
            // Who runs it knows the instances as well.
            Some(_) | None => return listed_instances(name, &run),
        }
    }
    let named = lookup.consul_address.map(str::to_owned);
    let outer = named.or_else(|| started(lookup.directory));
    let outer = outer.unwrap_or_else(|| DEFAULT_ADDRESS.to_owned());
    if !addresses.contains(&outer) {
        addresses.push(outer);
    }
    let mut tried = Tried::default();
    for address in addresses {
        let agent = ConsulAgent::new(&address, lookup.consul_token).map_err(|problem| {
            RegistryError::Address {
                address: address.clone(),
                problem,
            }
        })?;
        match passing(&agent, name).await {
            Ok(endpoints) if !endpoints.is_empty() => return Ok(endpoints),
            Ok(_) => return Err(why_none(&agent, name, lookup.directory).await),
            Err(AgentError::Unreachable(problem)) => tried.0.push((address, problem)),
            Err(AgentError::Answer(problem)) => {
                return Err(RegistryError::Answer {
                    service: name.to_owned(),
                    registry: address,
                    problem,
                });
            }
        }
    }
    Err(RegistryError::Unreachable {
        service: name.to_owned(),
        tried,
    })
}

/// What runs in the workspace around a folder.
fn running(directory: &Path) -> Option<RunState> {
    state_file::read(&state_folder(directory)?)
}

/// The Consul that `msvc up` started for the workspace around a folder.
fn started(directory: &Path) -> Option<String> {
    infra::state_file::read(&state_folder(directory)?)?.url(Resource::Consul)
}

fn state_folder(directory: &Path) -> Option<PathBuf> {
    let root = directory
        .ancestors()
        .find(|folder| folder.join(manifest::FILE_NAME).is_file())?;
    Some(root.join(project::STATE_FOLDER))
}

fn listed_instances(name: &str, run: &RunState) -> Result<Vec<Endpoint>, RegistryError> {
    let unknown = || RegistryError::Unknown {
        service: name.to_owned(),
        registry: "`msvc run`".to_owned(),
        similar: similar(
            name,
            run.services.iter().map(|service| service.name.as_str()),
        ),
        in_workspace: false,
    };
    let service = run
        .services
        .iter()
        .find(|service| service.name == name)
        .ok_or_else(unknown)?;
    let endpoints: Vec<Endpoint> = service
        .instances
        .iter()
        .filter_map(|instance| match instance.grpc.parse() {
            Ok(Target::Endpoint(endpoint)) => Some(endpoint),
            _ => None,
        })
        .collect();
    if endpoints.is_empty() {
        return Err(unknown());
    }
    Ok(endpoints)
}

/// One entry of `/v1/health/service/NAME`.
#[derive(Debug, Deserialize)]
#[serde(rename_all = "PascalCase")]
struct HealthEntry {
    node: HealthNode,
    service: HealthService,
}

#[derive(Debug, Deserialize)]
#[serde(rename_all = "PascalCase")]
struct HealthNode {
    address: String,
}

#[derive(Debug, Deserialize)]
#[serde(rename_all = "PascalCase")]
struct HealthService {
    address: String,
    port: u16,
}

async fn passing(agent: &ConsulAgent, name: &str) -> Result<Vec<Endpoint>, AgentError> {
    let entries: Vec<HealthEntry> = agent
        .get(&format!("/v1/health/service/{name}?passing"))
        .await?;
    let endpoints = entries.into_iter().map(|entry| Endpoint {
        host: if entry.service.address.is_empty() {
            entry.node.address
        } else {
            entry.service.address
        },
        port: entry.service.port,
        tls: false,
    });
    Ok(endpoints.collect())
}

/// Why a name has no passing instance: unknown, or known and unhealthy.
async fn why_none(agent: &ConsulAgent, name: &str, directory: &Path) -> RegistryError {
    type Catalog = std::collections::BTreeMap<String, serde_json::Value>;
    // The answer only improves the message.
    let known: Catalog = agent.get("/v1/catalog/services").await.unwrap_or_default();
    if known.contains_key(name) {
        return RegistryError::Unhealthy {
            service: name.to_owned(),
            registry: agent.address().to_owned(),
        };
    }
    let in_workspace = project::find_if_any(directory)
        .ok()
        .flatten()
        .is_some_and(|project| {
            let mut names = project.manifest.services.keys();
            names.any(|service| service.as_str() == name)
        });
    RegistryError::Unknown {
        service: name.to_owned(),
        registry: format!("the registry at {}", agent.address()),
        similar: similar(name, known.keys().map(String::as_str)),
        in_workspace,
    }
}
