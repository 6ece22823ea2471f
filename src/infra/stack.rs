//! From a workspace, what is configured and what is there to what is to run: what is common to
//! everything that asks an engine.

use std::collections::BTreeMap;
use std::fs;
use std::path::PathBuf;

use crate::context::Context;
use crate::error::{Diagnostic, Exit};
use crate::infra::docker::connect;
use crate::infra::docker::engine::{Engine, Inventory};
use crate::infra::docker::error::DockerError;
use crate::infra::docker::labels::Project as Named;
use crate::infra::resource::containers::{Place, Stack};
use crate::infra::resource::files::Monitoring;
use crate::infra::resource::ports::{self as wanted, Request, Taken};
use crate::infra::resource::{Port, Resource, needs};
use crate::ports;
use crate::project::Project;
use crate::scaffold::templates;

/// Where a workspace keeps its dashboard.
const DASHBOARD: &str = "deploy/grafana/dashboard.json";

/// Why it cannot be said what is to run.
#[derive(Debug, thiserror::Error)]
pub enum StackError {
    /// A port is taken by somebody else.
    #[error("port {} ({}) of `{}` is taken{}", .taken.number, .taken.port, .taken.resource, .holder.as_ref().map(|it| format!(" by {it}")).unwrap_or_default())]
    PortTaken {
        /// The port.
        taken: Taken,
        /// Who has it, where somebody tells.
        holder: Option<String>,
    },
}

impl Diagnostic for StackError {
    fn hint(&self) -> Option<String> {
        let Self::PortTaken { taken, .. } = self;
        Some(format!(
            "stop what has it, set `{} = …` in `[infra.ports]` of `msvc.toml`, or let \
             `--auto-ports` pick another and tell the services",
            taken.port
        ))
    }

    fn exit(&self) -> Exit {
        Exit::Failed
    }
}

/// The engine that answers, for a workspace.
///
/// # Errors
/// When none does.
pub async fn engine(context: &Context, project: &Project) -> Result<Engine, DockerError> {
    let settings = &context.environment.docker;
    let connection = connect::connect(settings).await?;
    let named = Named::new(&project.manifest.workspace.name, &project.root);
    Ok(Engine::new(connection, named, settings.config_folder()))
}

/// What is to run: what was named, else what is configured, else what the services need; and what
/// these need.
pub fn chosen(project: &Project, named: &[Resource]) -> Vec<Resource> {
    let manifest = &project.manifest;
    match (named, &manifest.infra.resources) {
        ([], Some(configured)) => needs::with_needs(configured.iter().copied()),
        ([], None) => {
            let texts = configurations(project);
            let services = manifest.services.values();
            let wanted = services.flat_map(|service| service.needs.iter().copied());
            let texts = texts.iter().map(String::as_str);
            needs::by_default(manifest.registry.kind, wanted, texts)
        }
        (named, _) => needs::with_needs(named.iter().copied()),
    }
}

/// What the services read in development. A file that is not there says nothing.
fn configurations(project: &Project) -> Vec<String> {
    let services = project.manifest.services.keys();
    let paths = services.flat_map(|name| {
        let folder = project.service_folder(name.as_str()).join("config");
        ["default.toml", "dev.toml"].map(|file| folder.join(file))
    });
    paths
        .filter_map(|path| fs::read_to_string(path).ok())
        .collect()
}

/// The database that services find: the workspace's name as SQL takes it without quotes.
pub fn database(project: &Project) -> String {
    let name = &project.manifest.workspace.name;
    let kept = name.chars().map(|it| match it.is_ascii_alphanumeric() {
        true => it.to_ascii_lowercase(),
        false => '_',
    });
    kept.collect()
}

/// The stack of a workspace, its ports settled before anything starts.
///
/// # Errors
/// When a port is taken.
pub async fn plan(
    (context, project): (&Context, &Project),
    resources: Vec<Resource>,
    (engine, inventory): (&Engine, &Inventory),
    place: Place,
    auto_ports: bool,
) -> Result<Stack, StackError> {
    let infra = &project.manifest.infra;
    let is_here = place.publish_on.is_loopback();
    let mut previous = BTreeMap::new();
    let mut own = BTreeMap::new();
    let mut others = Vec::new();
    for container in &inventory.containers {
        let Some(resource) = container.seen.resource else {
            continue;
        };
        previous.extend(&container.ports);
        if container.seen.state.holds_ports() {
            own.extend(&container.ports);
        }
        if !resources.contains(&resource) {
            others.push(resource);
        }
    }
    let request = Request {
        resources: &resources,
        configured: &infra.ports,
        previous: &previous,
        auto: auto_ports,
    };
    // The engine of another machine alone knows that machine's ports.
    let is_free = |port: Port, number: u16| {
        own.get(&port) == Some(&number) || !is_here || ports::is_free(number)
    };
    let settled = match wanted::settle(request, &is_free) {
        Ok(settled) => settled,
        Err(taken) => {
            let holder = match engine.publisher(taken.number).await {
                Some(container) => Some(container),
                None => ports::holder(taken.number).map(|it| it.to_string()),
            };
            return Err(StackError::PortTaken { taken, holder });
        }
    };
    // Others are found where they are.
    previous.extend(settled);
    let mut images = infra.images.clone();
    images.extend(context.environment.images.clone());
    let mirror = context.environment.registry_mirror.clone();
    Ok(Stack {
        resources,
        others,
        images,
        mirror: mirror.or_else(|| infra.mirror.clone()),
        ports: previous,
        place,
        database: database(project),
        monitoring: monitoring(project),
    })
}

/// What is to be monitored, with the workspace's own dashboard, which may have been changed.
fn monitoring(project: &Project) -> Monitoring {
    let path: PathBuf = project.root.join(DASHBOARD);
    let built_in = || templates::text(&format!("workspace/{DASHBOARD}")).to_owned();
    let services = project.manifest.services.iter();
    Monitoring {
        registry: project.manifest.registry.kind,
        services: services
            .map(|(name, it)| (name.to_string(), it.admin_port()))
            .collect(),
        dashboard: fs::read_to_string(path).unwrap_or_else(|_| built_in()),
    }
}
