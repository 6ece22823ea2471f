//! `msvc down`: stops what `msvc up` started.

use std::time::Instant;

use clap::Args;
use dialoguer::Confirm;
use serde_json::json;

use crate::context::Context;
use crate::error::{Diagnostic, Exit, IoFailure, Result};
use crate::infra::background;
use crate::infra::docker::error::DockerError;
use crate::infra::docker::perform;
use crate::infra::reconcile::{self, Action};
use crate::infra::resource::Resource;
use crate::infra::stack;
use crate::infra::state_file::{self, CHANGE_LOCK, Carrier, Change, Lock};
use crate::project::{self, Project};
use crate::run::signals::Signals;

/// Arguments of `msvc down`.
#[derive(Args, Debug)]
#[command(after_help = "Examples:\n  \
    msvc down              stop all; data in volumes stays for the next `msvc up`\n  \
    msvc down redis        stop one\n  \
    msvc down --volumes    and remove the data")]
pub struct DownArgs {
    /// What to stop [default: all].
    #[arg(value_name = "RESOURCE")]
    pub resources: Vec<Resource>,
    /// Remove the data too.
    #[arg(long)]
    pub volumes: bool,
    /// Do not ask.
    #[arg(short, long)]
    pub yes: bool,
}

/// Why not all is gone.
#[derive(Debug, thiserror::Error)]
pub enum DownError {
    /// Ctrl-C in the middle.
    #[error("interrupted")]
    Interrupted,
    /// The answer was no.
    #[error("nothing was removed")]
    Declined,
}

impl Diagnostic for DownError {
    fn hint(&self) -> Option<String> {
        match self {
            Self::Interrupted => Some("`msvc down` goes on where this ended".to_owned()),
            Self::Declined => Some("`msvc down` without `--volumes` keeps the data".to_owned()),
        }
    }

    fn exit(&self) -> Exit {
        match self {
            Self::Interrupted => Exit::Interrupted,
            Self::Declined => Exit::Failed,
        }
    }
}

/// Runs `msvc down`.
///
/// # Errors
/// When the engine does not remove something. Interrupted: exit code 130.
pub fn run(context: &Context, args: DownArgs) -> Result {
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()
        .map_err(|source| IoFailure {
            attempt: "start the runtime".to_owned(),
            source,
        })?;
    runtime.block_on(async {
        let project = project::find(&context.directory)?;
        let mut signals = Signals::listen()?;
        tokio::select! {
            done = down(context, &args, &project) => done,
            () = signals.next() => Err(DownError::Interrupted.into()),
        }
    })
}

async fn down(context: &Context, args: &DownArgs, project: &Project) -> Result {
    let start = Instant::now();
    let state_folder = project.state_folder();
    let _lock = Lock::take(&state_folder, CHANGE_LOCK)?;
    let state = state_file::read(&state_folder);
    let is_embedded = state
        .as_ref()
        .is_some_and(|it| it.engine == Carrier::Embedded);
    if is_embedded {
        background::stop(&state_folder).await?;
        context.printer.step("Stopped", "the embedded engine");
    }
    let engine = match stack::engine(context, project).await {
        Ok(engine) => engine,
        // Where there is no engine, there is nothing of it to stop; unless something was started.
        Err(DockerError::NoEngine(_)) if is_embedded || state.is_none() => {
            return report(context, &[], start);
        }
        Err(error) => return Err(error.into()),
    };
    let change = Change::begin(&state_folder)?;
    let inventory = match change.follows_broken {
        true => engine.settled_inventory().await?,
        false => engine.inventory().await?,
    };
    let only = (!args.resources.is_empty()).then_some(args.resources.as_slice());
    let actions = reconcile::tear_down(&inventory.observed, only, args.volumes);
    let lost = actions.iter().filter_map(|action| match action {
        Action::RemoveVolume(resource) => Some(resource.name()),
        _ => None,
    });
    let lost: Vec<&str> = lost.collect();
    if !lost.is_empty() && !args.yes && context.is_interactive() {
        let question = format!("Remove the data of {}?", lost.join(", "));
        let answer = Confirm::new()
            .with_prompt(question)
            .default(false)
            .interact();
        if !answer.unwrap_or(false) {
            change.end();
            return Err(DownError::Declined.into());
        }
    }
    perform::tear_down(&engine, &actions, &|_, _| {}).await?;
    change.end();
    match (only, state) {
        (Some(only), Some(mut state)) => {
            state
                .resources
                .retain(|resource, _| !only.contains(resource));
            state.write(&state_folder)?;
        }
        _ => state_file::remove(&state_folder),
    }
    report(context, &actions, start)
}

/// Says what has gone.
fn report(context: &Context, actions: &[Action], start: Instant) -> Result {
    let gone = actions.iter().filter_map(|action| match action {
        Action::Remove { resource, .. } => Some(resource.map_or("a container", Resource::name)),
        _ => None,
    });
    let gone: Vec<&str> = gone.collect();
    let data = actions.iter().filter_map(|action| match action {
        Action::RemoveVolume(resource) => Some(resource.name()),
        _ => None,
    });
    let data: Vec<&str> = data.collect();
    if context.printer.is_json() {
        return context.printer.json(&json!({
            "stopped": gone,
            "removed_data": data,
            "seconds": start.elapsed().as_secs_f64(),
        }));
    }
    let took = start.elapsed().as_secs_f64();
    match gone.is_empty() && data.is_empty() {
        true => context.printer.step("Down", "nothing runs"),
        false => context
            .printer
            .step("Down", format!("{} ({took:.2} s)", gone.join(", "))),
    }
    if !data.is_empty() {
        context
            .printer
            .step("Removed", format!("the data of {}", data.join(", ")));
    }
    Ok(())
}
