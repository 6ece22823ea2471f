//! `msvc status`: what of the infrastructure runs, whether it is of use, and where it is.

use std::collections::BTreeMap;

use anstyle::{AnsiColor, Style};
use clap::Args;
use futures_util::future::join_all;
use serde::Serialize;
use serde_json::json;

use crate::context::Context;
use crate::error::{IoFailure, Result};
use crate::infra::docker::engine::{Container, Engine};
use crate::infra::docker::error::DockerError;
use crate::infra::ready::{self, Target};
use crate::infra::reconcile::State;
use crate::infra::resource::urls::Found;
use crate::infra::resource::{Port, Resource};
use crate::infra::stack;
use crate::infra::state_file::{self, Carrier, InfraState};
use crate::project::{self, Project};
use crate::run::state_file as run_state;

/// Arguments of `msvc status`.
#[derive(Args, Debug)]
#[command(after_help = "Examples:\n  \
    msvc status                  a table\n  \
    msvc status --format json    for a script")]
pub struct StatusArgs {}

/// One resource.
#[derive(Debug, Serialize)]
struct Entry {
    resource: Resource,
    engine: &'static str,
    state: &'static str,
    healthy: bool,
    /// Why it is not healthy.
    problem: Option<String>,
    url: String,
    ports: BTreeMap<Port, u16>,
    image: Option<String>,
    container: Option<String>,
    /// What the engine says of how long.
    since: Option<String>,
}

/// Runs `msvc status`.
///
/// # Errors
/// When the engine that carries the infrastructure does not answer.
pub fn run(context: &Context, _args: StatusArgs) -> Result {
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()
        .map_err(|source| IoFailure {
            attempt: "start the runtime".to_owned(),
            source,
        })?;
    runtime.block_on(status(context))
}

async fn status(context: &Context) -> Result {
    let project = project::find(&context.directory)?;
    let state = state_file::read(&project.state_folder());
    let embedded = state.filter(|it| it.engine == Carrier::Embedded);
    let mut entries = match &embedded {
        Some(state) => of_process(state).await,
        None => Vec::new(),
    };
    let address = match stack::engine(context, &project).await {
        Ok(engine) => {
            entries.extend(of_containers(&engine, &project).await?);
            Some(engine.address)
        }
        Err(DockerError::NoEngine(_))
            if embedded.is_some() || !state_file::was_started(&project.state_folder()) =>
        {
            None
        }
        Err(error) => return Err(error.into()),
    };
    entries.sort_by_key(|entry| entry.resource);
    if context.printer.is_json() {
        return context.printer.json(&json!({
            "workspace": project.manifest.workspace.name,
            "docker": address,
            "resources": entries,
        }));
    }
    let running = run_state::read(&project.state_folder());
    if entries.is_empty() && running.is_none() {
        context.printer.line("nothing runs");
        context
            .printer
            .hint("`msvc up` starts what the services need");
        return Ok(());
    }
    if !entries.is_empty() {
        context.printer.data(&table(context, &entries))?;
    }
    if let Some(running) = running {
        let names: Vec<&str> = running.services.iter().map(|it| it.name.as_str()).collect();
        let (pid, names) = (running.pid, names.join(", "));
        context
            .printer
            .line(format!("`msvc run` (pid {pid}) runs {names}"));
    }
    Ok(())
}

async fn of_process(state: &InfraState) -> Vec<Entry> {
    let entries = state.resources.iter().map(|(resource, ports)| async {
        let answer = ask(*resource, &state.host, ports).await;
        Entry {
            resource: *resource,
            engine: "embedded",
            state: "running",
            healthy: answer.is_ok(),
            problem: answer.err(),
            url: state.url(*resource).unwrap_or_default(),
            ports: ports.clone(),
            image: None,
            container: None,
            since: None,
        }
    });
    join_all(entries).await
}

async fn of_containers(engine: &Engine, project: &Project) -> Result<Vec<Entry>, DockerError> {
    let inventory = engine.inventory().await?;
    let place = engine.place(false).await?;
    let database = stack::database(project);
    let entries = inventory.containers.iter().filter_map(|container| {
        let resource = container.seen.resource?;
        let (host, database) = (&place.host, &database);
        Some(async move {
            let answer = match container.seen.state {
                State::Running => ask(resource, host, &container.ports).await,
                state => Err(format!("it is {}", state.name())),
            };
            entry(resource, container, answer, (host, database))
        })
    });
    Ok(join_all(entries).await)
}

fn entry(
    resource: Resource,
    container: &Container,
    answer: Result<(), String>,
    (host, database): (&str, &str),
) -> Entry {
    let found = Found {
        host,
        ports: &container.ports,
        database,
    };
    Entry {
        resource,
        engine: "docker",
        state: container.seen.state.name(),
        healthy: answer.is_ok(),
        problem: answer.err(),
        url: found.url(resource),
        ports: container.ports.clone(),
        image: Some(container.image.clone()),
        container: Some(container.name.clone()),
        since: Some(container.status.clone()),
    }
}

async fn ask(resource: Resource, host: &str, ports: &BTreeMap<Port, u16>) -> Result<(), String> {
    let target = Target {
        resource,
        host: host.to_owned(),
        ports: ports.clone(),
    };
    ready::probe(&target).await
}

fn table(context: &Context, entries: &[Entry]) -> String {
    let paint = |color: AnsiColor, text: &str| {
        let style: Style = color.on_default().bold();
        match context.printer.colors_stdout() {
            true => format!("{style}{text}{style:#}"),
            false => text.to_owned(),
        }
    };
    let width = entries.iter().map(|it| it.url.len()).max().unwrap_or(0);
    let mut text = format!("resource    health     {:<width$}  from\n", "url");
    for entry in entries {
        let health = match (entry.healthy, entry.state) {
            (true, _) => paint(AnsiColor::Green, "healthy  "),
            (false, "running") => paint(AnsiColor::Yellow, "unhealthy"),
            (false, state) => paint(AnsiColor::Red, &format!("{state:<9}")),
        };
        let from = entry.image.as_deref().unwrap_or("built in");
        let name = entry.resource.name();
        text.push_str(&format!(
            "{name:<11} {health}  {:<width$}  {from}\n",
            entry.url
        ));
        if let Some(problem) = entry.problem.as_ref().filter(|_| entry.state == "running") {
            text.push_str(&format!("{:<11} {problem}\n", ""));
        }
    }
    text
}
