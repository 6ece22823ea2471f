//! `msvc restart`: stops some of the infrastructure and starts it again.

use std::time::{Duration, Instant};

use clap::Args;
use serde_json::{Value, json};
use tokio::sync::watch;
use tokio::time::timeout;

use crate::context::Context;
use crate::duration;
use crate::error::{Diagnostic, Exit, IoFailure, Result};
use crate::infra::docker::engine::{Container, Engine};
use crate::infra::docker::error::DockerError;
use crate::infra::ready::{self, Target};
use crate::infra::resource::Resource;
use crate::infra::stack;
use crate::infra::state_file::{self, CHANGE_LOCK, Carrier, Lock};
use crate::project;
use crate::run::signals::Signals;

/// Arguments of `msvc restart`.
#[derive(Args, Debug)]
#[command(after_help = "Examples:\n  \
    msvc restart           all of it\n  \
    msvc restart redis     one\n\n\
    What is built in is stopped with `msvc down` and started with `msvc up`.")]
pub struct RestartArgs {
    /// What to restart [default: all that there is].
    #[arg(value_name = "RESOURCE")]
    pub resources: Vec<Resource>,
    /// How long each may take until it is healthy.
    #[arg(long, value_name = "DURATION", default_value = "60s")]
    #[arg(value_parser = duration::parse_positive)]
    pub wait: Duration,
}

/// Why something did not come back.
#[derive(Debug, thiserror::Error)]
pub enum RestartError {
    /// It is not there.
    #[error("`{0}` is not there")]
    NotThere(Resource),
    /// It is no container.
    #[error("what is built in cannot be restarted by itself")]
    BuiltIn,
    /// It takes too long.
    #[error("`{resource}` was not healthy within {}: {problem}", duration::exact(*.limit))]
    NotHealthy {
        /// What it is.
        resource: Resource,
        /// How long that was.
        limit: Duration,
        /// What it answered last.
        problem: String,
    },
    /// Ctrl-C in the middle.
    #[error("interrupted")]
    Interrupted,
}

impl Diagnostic for RestartError {
    fn hint(&self) -> Option<String> {
        match self {
            Self::NotThere(resource) => Some(format!("`msvc up {resource}` starts it")),
            Self::NotHealthy { resource, .. } => {
                Some(format!("`msvc logs {resource}` says how far it is"))
            }
            Self::BuiltIn => Some("`msvc down`, then `msvc up`".to_owned()),
            Self::Interrupted => Some("`msvc up` starts what stands still".to_owned()),
        }
    }

    fn exit(&self) -> Exit {
        match self {
            Self::Interrupted => Exit::Interrupted,
            Self::NotThere(_) | Self::BuiltIn | Self::NotHealthy { .. } => Exit::Failed,
        }
    }
}

/// Runs `msvc restart`.
///
/// # Errors
/// When something does not come back. Interrupted: exit code 130.
pub fn run(context: &Context, args: RestartArgs) -> Result {
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()
        .map_err(|source| IoFailure {
            attempt: "start the runtime".to_owned(),
            source,
        })?;
    runtime.block_on(async {
        let mut signals = Signals::listen()?;
        tokio::select! {
            done = restart(context, &args) => done,
            () = signals.next() => Err(RestartError::Interrupted.into()),
        }
    })
}

async fn restart(context: &Context, args: &RestartArgs) -> Result {
    let project = project::find(&context.directory)?;
    let _lock = Lock::take(&project.state_folder(), CHANGE_LOCK).await?;
    let state = state_file::read(&project.state_folder());
    if state.is_some_and(|it| it.engine == Carrier::Embedded) {
        return Err(RestartError::BuiltIn.into());
    }
    let engine = match stack::engine(context, &project).await {
        Ok(engine) => engine,
        Err(DockerError::NoEngine(_)) if !state_file::was_started(&project.state_folder()) => {
            return match args.resources.first() {
                Some(missing) => Err(RestartError::NotThere(*missing).into()),
                None => report(context, &[]),
            };
        }
        Err(error) => return Err(error.into()),
    };
    let inventory = engine.inventory().await?;
    let there = |resource: Resource| {
        let mut containers = inventory.containers.iter();
        containers.find(|it| it.seen.resource == Some(resource))
    };
    for resource in &args.resources {
        if there(*resource).is_none() {
            return Err(RestartError::NotThere(*resource).into());
        }
    }
    let is_meant =
        |resource: &Resource| args.resources.is_empty() || args.resources.contains(resource);
    let host = engine.place(false).await?.host;
    let mut restarted = Vec::new();
    // What others need comes back before them.
    for resource in Resource::ALL.into_iter().filter(is_meant) {
        if let Some(container) = there(resource) {
            let start = Instant::now();
            one(&engine, (resource, container), &host, args.wait).await?;
            let seconds = start.elapsed().as_secs_f64();
            context
                .printer
                .step("Healthy", format!("{resource} again, in {seconds:.2} s"));
            restarted.push(json!({ "resource": resource, "seconds": seconds }));
        }
    }
    report(context, &restarted)
}

fn report(context: &Context, restarted: &[Value]) -> Result {
    if context.printer.is_json() {
        return context.printer.json(&json!({ "restarted": restarted }));
    }
    if restarted.is_empty() {
        context.printer.line("nothing runs");
    }
    Ok(())
}

async fn one(
    engine: &Engine,
    (resource, container): (Resource, &Container),
    host: &str,
    limit: Duration,
) -> Result {
    engine.restart(&container.seen.id, resource).await?;
    let target = Target {
        resource,
        host: host.to_owned(),
        ports: container.ports.clone(),
    };
    let problem = watch::Sender::new(String::new());
    match timeout(limit, ready::until_healthy(&target, &problem)).await {
        Ok(()) => Ok(()),
        Err(_) => Err(RestartError::NotHealthy {
            resource,
            limit,
            problem: problem.borrow().clone(),
        }
        .into()),
    }
}
