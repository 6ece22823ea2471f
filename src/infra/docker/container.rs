//! Making, starting, stopping and removing containers, one request each.

use std::collections::HashMap;
use std::time::Duration;

use bollard::errors::Error as EngineError;
use bollard::models::{
    ContainerCreateBody, EndpointSettings, HostConfig, HostConfigLogConfig, Mount, MountType,
    NetworkingConfig, PortBinding,
};
use bollard::query_parameters::{
    CreateContainerOptions, InspectContainerOptions, RemoveContainerOptions,
    RestartContainerOptions, StopContainerOptions, UploadToContainerOptions,
};
use tokio::time::sleep;
use tokio_stream::StreamExt;

use super::engine::{Engine, unless_gone};
use super::error::{DockerError, is_disk_full};
use super::{archive, labels};
use crate::infra::resource::Resource;
use crate::infra::resource::spec::{Network, Spec};

/// How long a container with data may take to stop before it is ended.
const GRACE: Duration = Duration::from_secs(10);
/// How often a name is freed that something of ours has.
const NAME_TRIES: u32 = 10;
/// How long it is waited before each, where the container is not there yet.
const MAKING: Duration = Duration::from_millis(400);
/// The most that a container may write to its log before the oldest goes.
const LOG_SIZE: &str = "10m";

impl Engine {
    /// Makes a container, with its files in it; returns its id.
    pub(super) async fn create(&self, spec: &Spec) -> Result<String, DockerError> {
        let name = self.project.name_of(spec.resource);
        let options = CreateContainerOptions {
            name: Some(name.clone()),
            ..CreateContainerOptions::default()
        };
        let mut tries = 0;
        let created = loop {
            let options = Some(options.clone());
            match self.docker.create_container(options, self.body(spec)).await {
                Ok(created) => break created,
                Err(error) if is_name_taken(&error) => {
                    tries += 1;
                    match self.owner(&name).await {
                        _ if tries > NAME_TRIES => return Err(DockerError::NameTaken(name)),
                        // A change that was broken off has had it made meanwhile,
                        Some(true) => self.remove(&name, Some(spec.resource)).await?,
                        // or has it made now: its name is taken before it is there.
                        None => sleep(MAKING).await,
                        Some(false) => return Err(DockerError::NameTaken(name)),
                    }
                }
                Err(error) => {
                    let attempt = format!("make the container `{name}`");
                    return Err(DockerError::of(attempt, error));
                }
            }
        };
        if !spec.files.is_empty() {
            let options = UploadToContainerOptions {
                path: "/".to_owned(),
                ..UploadToContainerOptions::default()
            };
            let body = bollard::body_full(archive::tar(&spec.files).into());
            let placed = self
                .docker
                .upload_to_container(&created.id, Some(options), body);
            let attempt = || format!("place the files of `{name}`");
            placed
                .await
                .map_err(|error| DockerError::of(attempt(), error))?;
        }
        Ok(created.id)
    }

    /// Whether a container belongs to this workspace; `None` when it is not there.
    async fn owner(&self, name: &str) -> Option<bool> {
        let options = None::<InspectContainerOptions>;
        let container = self.docker.inspect_container(name, options).await;
        let labels = container.ok()?.config.and_then(|it| it.labels);
        Some(labels.is_some_and(|it| it.get(labels::PROJECT) == Some(&self.project.id)))
    }

    fn body(&self, spec: &Spec) -> ContainerCreateBody {
        let name = self.project.name_of(spec.resource);
        let is_own = spec.network == Network::Own;
        let ports = spec.ports.iter().filter(|_| is_own);
        let bindings = ports.map(|(port, number)| {
            let binding = PortBinding {
                host_ip: Some(spec.publish_on.to_string()),
                host_port: Some(number.to_string()),
            };
            (format!("{}/tcp", port.standard()), Some(vec![binding]))
        });
        let bindings: HashMap<_, _> = bindings.collect();
        let mount = spec.resource.data_folder().map(|folder| Mount {
            target: Some(folder.to_owned()),
            source: Some(name.clone()),
            typ: Some(MountType::VOLUME),
            ..Mount::default()
        });
        let endpoint = EndpointSettings {
            aliases: Some(vec![spec.resource.name().to_owned()]),
            ..EndpointSettings::default()
        };
        let environment = spec.environment.iter();
        let environment = environment.map(|(name, value)| format!("{name}={value}"));
        let log = HashMap::from([("max-size".to_owned(), LOG_SIZE.to_owned())]);
        ContainerCreateBody {
            image: Some(spec.image.clone()),
            hostname: is_own.then(|| spec.resource.name().to_owned()),
            cmd: (!spec.command.is_empty()).then(|| spec.command.clone()),
            env: Some(environment.collect()),
            labels: Some(self.project.labels_of(spec)),
            exposed_ports: Some(bindings.keys().cloned().collect()),
            host_config: Some(HostConfig {
                network_mode: Some(match spec.network {
                    Network::Own => self.project.id.clone(),
                    Network::Host => "host".to_owned(),
                }),
                port_bindings: Some(bindings),
                mounts: Some(mount.into_iter().collect()),
                log_config: Some(HostConfigLogConfig {
                    typ: Some("json-file".to_owned()),
                    config: Some(log),
                }),
                ..HostConfig::default()
            }),
            networking_config: is_own.then(|| NetworkingConfig {
                endpoints_config: Some(HashMap::from([(self.project.id.clone(), endpoint)])),
            }),
            ..ContainerCreateBody::default()
        }
    }

    pub(super) async fn start(&self, id: &str, resource: Resource) -> Result<(), DockerError> {
        let started = self.docker.start_container(id, None).await;
        started.map_err(|error| match error {
            EngineError::DockerResponseServerError { message, .. }
                if !is_disk_full(&message)
                    && (message.contains("port is already allocated")
                        || message.contains("address already in use")) =>
            {
                DockerError::PortTaken { resource, message }
            }
            error => DockerError::of(format!("start `{resource}`"), error),
        })
    }

    pub(super) async fn unpause(&self, id: &str, resource: Resource) -> Result<(), DockerError> {
        let unpaused = self.docker.unpause_container(id).await;
        unpaused.map_err(|error| DockerError::of(format!("let `{resource}` go on"), error))
    }

    /// Stops and starts a container again.
    pub async fn restart(&self, id: &str, resource: Resource) -> Result<(), DockerError> {
        let options = RestartContainerOptions {
            t: Some(grace(Some(resource))),
            ..RestartContainerOptions::default()
        };
        let restarted = self.docker.restart_container(id, Some(options)).await;
        restarted.map_err(|error| DockerError::of(format!("restart `{resource}`"), error))
    }

    /// Removes a container; one with data is asked to stop first, so that it need not recover.
    pub(super) async fn remove(
        &self,
        id: &str,
        resource: Option<Resource>,
    ) -> Result<(), DockerError> {
        let what = resource.map_or("a container", Resource::name);
        if grace(resource) > 0 {
            let options = StopContainerOptions {
                t: Some(grace(resource)),
                ..StopContainerOptions::default()
            };
            let stopped = self.docker.stop_container(id, Some(options)).await;
            unless_gone(stopped).map_err(|error| DockerError::of(format!("stop {what}"), error))?;
        }
        let options = RemoveContainerOptions {
            force: true,
            // Volumes without a name, which an image may ask for.
            v: true,
            ..RemoveContainerOptions::default()
        };
        let removed = self.docker.remove_container(id, Some(options)).await;
        unless_gone(removed).map_err(|error| DockerError::of(format!("remove {what}"), error))
    }

    /// Returns when a container does not run any more, with its exit code.
    pub(super) async fn ended(&self, id: &str) -> Result<i64, EngineError> {
        let mut ends = Box::pin(self.docker.wait_container(id, None));
        match ends.next().await {
            Some(Ok(end)) => Ok(end.status_code),
            Some(Err(EngineError::DockerContainerWaitError { code, .. })) => Ok(code),
            Some(Err(error)) => Err(error),
            None => Err(EngineError::RequestTimeoutError),
        }
    }
}

/// Whether another container has the name.
fn is_name_taken(error: &EngineError) -> bool {
    matches!(
        error,
        EngineError::DockerResponseServerError { status_code: 409, message }
            if message.contains("name")
    )
}

/// How many seconds it may take to stop: what keeps nothing need not be asked.
fn grace(resource: Option<Resource>) -> i32 {
    match resource.and_then(Resource::data_folder) {
        Some(_) => i32::try_from(GRACE.as_secs()).unwrap_or(i32::MAX),
        None => 0,
    }
}
