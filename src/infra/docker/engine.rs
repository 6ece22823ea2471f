//! What an engine says is there, and what containers stand on: networks and volumes.

use std::collections::BTreeMap;
use std::path::PathBuf;
use std::time::Duration;

use bollard::Docker;
use bollard::auth::DockerCredentials;
use bollard::errors::Error as EngineError;
use bollard::models::{
    ContainerSummary, ContainerSummaryStateEnum, NetworkCreateRequest, VolumeCreateRequest,
};
use bollard::query_parameters::{
    ListContainersOptions, ListNetworksOptions, ListVolumesOptions, RemoveVolumeOptions,
};
use tokio::time::sleep;

use super::connect::Connection;
use super::credentials;
use super::error::DockerError;
use super::labels::{self, Project};
use crate::infra::reconcile::{Observed, Seen, State};
use crate::infra::resource::containers::{Place, WayToServices};
use crate::infra::resource::ports::Taken;
use crate::infra::resource::{Port, Resource};

/// How far apart what is there is listed until it stays the same, and how often it must.
const SETTLING: Duration = Duration::from_millis(400);
const SETTLED_AFTER: u32 = 3;

/// An engine, and the workspace that it is asked for.
#[derive(Clone, Debug)]
pub struct Engine {
    pub(super) docker: Docker,
    /// Where it is.
    pub address: String,
    /// The workspace.
    pub project: Project,
    /// The folder of Docker's configuration.
    config: Option<PathBuf>,
}

/// A container that is there, with what is told of it.
#[derive(Clone, Debug)]
pub struct Container {
    /// As far as it is compared.
    pub seen: Seen,
    /// Its name.
    pub name: String,
    /// Its image.
    pub image: String,
    /// What that was when it was made.
    pub image_id: String,
    /// Its ports on the engine's machine.
    pub ports: BTreeMap<Port, u16>,
    /// What the engine says of how long it does what it does: `Up 2 minutes`.
    pub status: String,
}

/// Everything of a workspace that is there.
#[derive(Clone, Debug, Default)]
pub struct Inventory {
    /// As far as it is compared.
    pub observed: Observed,
    /// Its containers, in the order of those that are observed.
    pub containers: Vec<Container>,
}

impl Inventory {
    /// Whether who has a port may be a container of ours that starts: the engine opens its ports
    /// before it says that it runs.
    pub fn may_be_starting(&self, taken: Taken) -> bool {
        let has = |it: &&Container| it.ports.get(&taken.port) == Some(&taken.number);
        let mut containers = self.containers.iter().filter(has);
        containers.any(|it| !it.seen.state.holds_ports())
    }
}

impl Engine {
    /// The engine that answers, for this workspace. `config` is the folder of Docker's configuration.
    pub fn new(connection: Connection, project: Project, config: Option<PathBuf>) -> Self {
        Self {
            docker: connection.docker,
            address: connection.address,
            project,
            config,
        }
    }

    /// Who asks the registry of an image.
    pub(super) fn credentials(&self, image: &str) -> Option<DockerCredentials> {
        credentials::find(self.config.as_deref(), image)
    }

    /// Everything of the workspace that is there.
    ///
    /// # Errors
    /// When the engine does not say, here as everywhere below.
    pub async fn inventory(&self) -> Result<Inventory, DockerError> {
        let filters = Some(self.project.filter());
        let containers = self.docker.list_containers(Some(ListContainersOptions {
            all: true,
            filters: filters.clone(),
            ..ListContainersOptions::default()
        }));
        let networks = self.docker.list_networks(Some(ListNetworksOptions {
            filters: filters.clone(),
        }));
        let volumes = self
            .docker
            .list_volumes(Some(ListVolumesOptions { filters }));
        let (containers, networks, volumes) = tokio::join!(containers, networks, volumes);
        let failed = |what: &str| {
            let attempt = format!("list {what}");
            move |error| DockerError::of(attempt, error)
        };
        let containers = containers.map_err(failed("containers"))?;
        let networks = networks.map_err(failed("networks"))?;
        let volumes = volumes.map_err(failed("volumes"))?;
        let containers: Vec<Container> = containers.into_iter().map(container).collect();
        let volumes = volumes.volumes.unwrap_or_default();
        let volumes = volumes.iter().filter_map(|volume| {
            let resource = labels::read(&volume.labels).resource?;
            // Only by this name is it mounted.
            (volume.name == self.project.name_of(resource)).then_some(resource)
        });
        Ok(Inventory {
            observed: Observed {
                networks: networks.into_iter().filter_map(|it| it.id).collect(),
                volumes: volumes.collect(),
                containers: containers.iter().map(|it| it.seen.clone()).collect(),
            },
            containers,
        })
    }

    /// As [`Engine::inventory`], after a change that was broken off: the engine goes on with what it
    /// was asked to do, so it is listed until that stays the same.
    ///
    /// # Errors
    /// As there.
    pub async fn settled_inventory(&self) -> Result<Inventory, DockerError> {
        let mut last = self.inventory().await?;
        let mut same = 0;
        while same < SETTLED_AFTER {
            sleep(SETTLING).await;
            let next = self.inventory().await?;
            same = match next.observed == last.observed {
                true => same + 1,
                false => 0,
            };
            last = next;
        }
        Ok(last)
    }

    /// Whose container publishes a port: its name and, for a workspace's, the workspace's folder.
    pub async fn publisher(&self, port: u16) -> Option<String> {
        let running = self.docker.list_containers(None::<ListContainersOptions>);
        let running = running.await.ok()?;
        let publishes = |it: &&ContainerSummary| {
            let mut ports = it.ports.iter().flatten();
            ports.any(|published| published.public_port == Some(port))
        };
        let holder = running.iter().find(publishes)?;
        let name = holder.names.iter().flatten().next()?;
        let root = holder.labels.iter().find_map(|it| it.get(labels::ROOT));
        let of = root.map(|root| format!(" of the workspace in {root}"));
        let name = name.trim_start_matches('/');
        Some(format!("the container `{name}`{}", of.unwrap_or_default()))
    }

    /// Where containers and services find each other. How containers reach services takes the engine
    /// a while to say, and is asked only where it matters.
    pub async fn place(&self, matters: bool) -> Result<Place, DockerError> {
        let host = remote_host(&self.address);
        if !matters {
            return Ok(Place::new(host, WayToServices::Gateway));
        }
        let info = self.docker.info().await;
        let info = info.map_err(|error| DockerError::of("ask what the engine is", error))?;
        let system = info.operating_system.unwrap_or_default();
        let options = info.security_options.unwrap_or_default();
        let is_rootless = options.iter().any(|it| it.contains("rootless"));
        let is_desktop = system.contains("Desktop");
        let is_here = host.is_none() && cfg!(target_os = "linux") && !is_rootless && !is_desktop;
        let way = match is_here {
            true => WayToServices::HostNetwork,
            false => WayToServices::Gateway,
        };
        Ok(Place::new(host, way))
    }

    /// Whether an image is there.
    pub async fn has_image(&self, image: &str) -> Result<bool, DockerError> {
        match self.docker.inspect_image(image).await {
            Ok(_) => Ok(true),
            Err(EngineError::DockerResponseServerError {
                status_code: 404, ..
            }) => Ok(false),
            Err(error) => Err(DockerError::of(format!("look for `{image}`"), error)),
        }
    }

    /// Marks the containers of images that have another of their name today: what they were made from
    /// has gone.
    pub async fn mark_outdated(&self, inventory: &mut Inventory) -> Result<(), DockerError> {
        let containers = inventory.containers.iter();
        let images = containers.zip(&mut inventory.observed.containers);
        for (container, seen) in images {
            let today = self.docker.inspect_image(&container.image).await;
            let today = today.ok().and_then(|image| image.id);
            if today.is_none_or(|id| id != container.image_id)
                && let Some(parts) = &mut seen.parts
            {
                parts.mark_outdated();
            }
        }
        Ok(())
    }

    /// Makes the workspace's network.
    pub(super) async fn create_network(&self) -> Result<(), DockerError> {
        let request = NetworkCreateRequest {
            name: self.project.id.clone(),
            labels: Some(self.project.labels(None)),
            ..NetworkCreateRequest::default()
        };
        let created = self.docker.create_network(request).await;
        created.map_err(|error| DockerError::of("make a network", error))?;
        Ok(())
    }

    pub(super) async fn remove_network(&self, id: &str) -> Result<(), DockerError> {
        let removed = self.docker.remove_network(id).await;
        unless_gone(removed).map_err(|error| DockerError::of("remove a network", error))
    }

    pub(super) async fn create_volume(&self, resource: Resource) -> Result<(), DockerError> {
        let request = VolumeCreateRequest {
            name: Some(self.project.name_of(resource)),
            labels: Some(self.project.labels(Some(resource))),
            ..VolumeCreateRequest::default()
        };
        let created = self.docker.create_volume(request).await;
        let attempt = || format!("make the volume of `{resource}`");
        created.map_err(|error| DockerError::of(attempt(), error))?;
        Ok(())
    }

    pub(super) async fn remove_volume(&self, resource: Resource) -> Result<(), DockerError> {
        let name = self.project.name_of(resource);
        let removed = self
            .docker
            .remove_volume(&name, None::<RemoveVolumeOptions>)
            .await;
        let attempt = || format!("remove the volume `{name}`");
        unless_gone(removed).map_err(|error| DockerError::of(attempt(), error))
    }
}

/// What is to be removed, or stopped, may have gone by itself: that is as well.
pub(super) fn unless_gone(outcome: Result<(), EngineError>) -> Result<(), EngineError> {
    match outcome {
        Err(EngineError::DockerResponseServerError {
            status_code: 304 | 404,
            ..
        }) => Ok(()),
        // Somebody else is at it.
        Err(EngineError::DockerResponseServerError {
            status_code: 409,
            message,
        }) if message.contains("already in progress") => Ok(()),
        outcome => outcome,
    }
}

/// The host of an engine on another machine.
fn remote_host(address: &str) -> Option<String> {
    let (scheme, rest) = address.split_once("://")?;
    let authority = rest.split('/').next().unwrap_or(rest);
    let host = authority
        .rsplit_once(':')
        .map_or(authority, |(host, _)| host);
    let is_here = scheme == "unix" || ["127.0.0.1", "localhost", "[::1]"].contains(&host);
    (!is_here).then(|| host.to_owned())
}

fn container(summary: ContainerSummary) -> Container {
    let said = labels::read(&summary.labels.unwrap_or_default());
    let state = match summary.state {
        Some(ContainerSummaryStateEnum::RUNNING | ContainerSummaryStateEnum::RESTARTING) => {
            State::Running
        }
        Some(ContainerSummaryStateEnum::PAUSED) => State::Paused,
        Some(ContainerSummaryStateEnum::EXITED) => State::Exited,
        Some(ContainerSummaryStateEnum::CREATED) => State::Created,
        _ => State::Dead,
    };
    let named = said
        .parts
        .as_ref()
        .and_then(|parts| parts.image().map(str::to_owned));
    let networks = summary.network_settings.and_then(|it| it.networks);
    let networks = networks.unwrap_or_default();
    let name = summary.names.unwrap_or_default().into_iter().next();
    Container {
        seen: Seen {
            id: summary.id.unwrap_or_default(),
            resource: said.resource,
            parts: said.parts,
            state,
            networks: networks
                .into_values()
                .filter_map(|it| it.network_id)
                .collect(),
        },
        name: name.unwrap_or_default().trim_start_matches('/').to_owned(),
        // The engine tells a digest once the name stands for another.
        image: named.or(summary.image).unwrap_or_default(),
        image_id: summary.image_id.unwrap_or_default(),
        ports: said.ports,
        status: summary.status.unwrap_or_default(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_engine_elsewhere_is_told_by_its_address() {
        for (address, expected) in [
            ("unix:///var/run/docker.sock", None),
            ("tcp://127.0.0.1:2375", None),
            ("tcp://localhost:2375", None),
            ("tcp://engine:2376", Some("engine")),
            ("https://10.0.0.1:2376/", Some("10.0.0.1")),
        ] {
            assert_eq!(remote_host(address).as_deref(), expected, "{address}");
        }
    }
}
