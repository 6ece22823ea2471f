//! `msvc down`: stops what `msvc up` started.

use std::fs;
use std::path::{Path, PathBuf};
use std::time::Instant;

use clap::Args;
use dialoguer::Confirm;
use serde_json::json;

use crate::context::Context;
use crate::error::{Diagnostic, Exit, IoContext, IoFailure, Result};
use crate::infra::background;
use crate::infra::docker::error::DockerError;
use crate::infra::docker::perform;
use crate::infra::reconcile::{self, Action};
use crate::infra::resource::Resource;
use crate::infra::stack;
use crate::infra::state_file::{self, CHANGE_LOCK, Carrier, Change, InfraState, Lock};
use crate::manifest::RegistryKind;
use crate::project::{self, Project};
use crate::run::signals::Signals;
use crate::run::state_file as run_state;

/// Arguments of `msvc down`.
#[derive(Args, Debug)]
#[command(after_help = "Examples:\n  \
    msvc down              stop all; data in volumes stays for the next `msvc up`\n  \
    msvc down redis        stop one\n  \
    msvc down --volumes    and remove the data, once that is confirmed\n  \
    msvc down --volumes --yes    unasked, as scripts need it")]
pub struct DownArgs {
    /// What to stop [default: all].
    #[arg(value_name = "RESOURCE")]
    pub resources: Vec<Resource>,
    /// Remove the data too.
    #[arg(long)]
    pub volumes: bool,
    /// Do not ask: where nobody can be asked, data is removed only with this.
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
    /// Nobody can be asked.
    #[error("the data of {0} would be lost, and nobody can be asked")]
    Unasked(String),
    /// One process is all that is built in.
    #[error("what is built in stops as a whole, and {} would stop too", list(.0))]
    StopsAsWhole(Vec<Resource>),
}

fn list(resources: &[Resource]) -> String {
    let names: Vec<&str> = resources.iter().map(|it| it.name()).collect();
    names.join(", ")
}

impl Diagnostic for DownError {
    fn hint(&self) -> Option<String> {
        match self {
            Self::Interrupted => Some("`msvc down` goes on where this ended".to_owned()),
            Self::Declined => Some("`msvc down` without `--volumes` keeps the data".to_owned()),
            Self::Unasked(_) => Some(
                "`--yes` removes it unasked; `msvc down` without `--volumes` keeps it".to_owned(),
            ),
            Self::StopsAsWhole(_) => Some("`msvc down` stops all of it".to_owned()),
        }
    }

    fn exit(&self) -> Exit {
        match self {
            Self::Interrupted => Exit::Interrupted,
            Self::Unasked(_) => Exit::Usage,
            Self::Declined | Self::StopsAsWhole(_) => Exit::Failed,
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
    let _lock = Lock::take(&state_folder, CHANGE_LOCK).await?;
    let state = state_file::read(&state_folder);
    let is_embedded = state
        .as_ref()
        .is_some_and(|it| it.engine == Carrier::Embedded);
    let ends_built_in = ends_built_in(state.as_ref(), &args.resources)?;
    warn_of_run(context, args, (&state_folder, state.as_ref()));
    let traces = Traces::meant(args, &state_folder);
    // A question comes with volumes alone; without one it ends whatever an engine says.
    if ends_built_in && !args.volumes {
        end_built_in(context, &state_folder).await?;
    }
    let engine = match stack::engine(context, project).await {
        Ok(engine) => engine,
        // Where there is no engine, there is nothing of it to stop; unless something was started.
        Err(DockerError::NoEngine(_)) if is_embedded || !state_file::was_started(&state_folder) => {
            if !args.yes {
                ask(context, traces.names())?;
            }
            if ends_built_in && args.volumes {
                end_built_in(context, &state_folder).await?;
            }
            traces.remove()?;
            return report(context, (&[], traces.names()), start);
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
    let lost: Vec<&str> = lost.chain(traces.names().iter().copied()).collect();
    if !args.yes
        && let Err(error) = ask(context, &lost)
    {
        change.end();
        return Err(error.into());
    }
    if ends_built_in && args.volumes {
        end_built_in(context, &state_folder).await?;
    }
    perform::tear_down(&engine, &actions, &|_, _| {}).await?;
    traces.remove()?;
    change.end();
    match (only, state) {
        (Some(only), Some(mut state)) if !ends_built_in => {
            state
                .resources
                .retain(|resource, _| !only.contains(resource));
            state.write(&state_folder)?;
        }
        _ => state_file::remove(&state_folder),
    }
    report(context, (&actions, traces.names()), start)
}

/// The traces that the built-in collector keeps on disk, where they are to go.
struct Traces(Option<PathBuf>);

impl Traces {
    fn meant(args: &DownArgs, state_folder: &Path) -> Self {
        let is_meant = args.resources.is_empty() || args.resources.contains(&Resource::Jaeger);
        let folder = background::traces_folder(state_folder);
        Self(Some(folder).filter(|it| args.volumes && is_meant && it.is_dir()))
    }

    /// Whose data they are, if they are there.
    fn names(&self) -> &'static [&'static str] {
        match self.0 {
            Some(_) => &["jaeger"],
            None => &[],
        }
    }

    fn remove(&self) -> Result<(), IoFailure> {
        let folder = self.0.as_ref();
        folder.map_or(Ok(()), |it| fs::remove_dir_all(it).when("remove", it))
    }
}

/// Whether what is built in is to end: where all of it is meant, and not where none of it is.
fn ends_built_in(state: Option<&InfraState>, named: &[Resource]) -> Result<bool, DownError> {
    let Some(state) = state.filter(|it| it.engine == Carrier::Embedded) else {
        return Ok(false);
    };
    let running = state.resources.keys().copied();
    let (meant, others): (Vec<Resource>, Vec<Resource>) =
        running.partition(|it| named.is_empty() || named.contains(it));
    match (meant.is_empty(), others.is_empty()) {
        (_, true) => Ok(true),
        (true, false) => Ok(false),
        (false, false) => Err(DownError::StopsAsWhole(others)),
    }
}

/// Warns where services that run would lose the registry in which they find each other.
fn warn_of_run(
    context: &Context,
    args: &DownArgs,
    (state_folder, state): (&Path, Option<&InfraState>),
) {
    let Some(running) = run_state::read(state_folder) else {
        return;
    };
    let resource = running.registry.as_ref().and_then(|it| match it.kind {
        RegistryKind::Consul => Some(Resource::Consul),
        RegistryKind::Etcd => Some(Resource::Etcd),
        RegistryKind::Static => None,
    });
    let is_meant = |it: &Resource| args.resources.is_empty() || args.resources.contains(it);
    let Some(resource) = resource.filter(is_meant) else {
        return;
    };
    let ours = state.and_then(|it| it.url(resource));
    if ours.is_some() && ours == running.registry.map(|it| it.address) {
        let pid = running.pid;
        context.printer.warning(format!(
            "the services of `msvc run` (pid {pid}) find each other in {resource}, which stops: \
             `msvc up {resource}` brings it back"
        ));
    }
}

async fn end_built_in(context: &Context, state_folder: &Path) -> Result {
    background::stop(state_folder).await?;
    context.printer.step("Stopped", "the embedded engine");
    Ok(())
}

/// Asks whether data may be lost; where nobody can be asked, it may not.
fn ask(context: &Context, lost: &[&str]) -> Result<(), DownError> {
    if lost.is_empty() {
        return Ok(());
    }
    let lost = lost.join(", ");
    if !context.is_interactive() {
        return Err(DownError::Unasked(lost));
    }
    let answer = Confirm::new()
        .with_prompt(format!("Remove the data of {lost}?"))
        .default(false)
        .interact();
    match answer {
        Ok(true) => Ok(()),
        Ok(false) | Err(_) => Err(DownError::Declined),
    }
}

/// Says what has gone.
fn report(context: &Context, (actions, traces): (&[Action], &[&str]), start: Instant) -> Result {
    let gone = actions.iter().filter_map(|action| match action {
        Action::Remove { resource, .. } => Some(resource.map_or("a container", Resource::name)),
        _ => None,
    });
    let gone: Vec<&str> = gone.collect();
    let data = actions.iter().filter_map(|action| match action {
        Action::RemoveVolume(resource) => Some(resource.name()),
        _ => None,
    });
    let data: Vec<&str> = data.chain(traces.iter().copied()).collect();
    if context.printer.is_json() {
        return context.printer.json(&json!({
            "stopped": gone,
            "removed_data": data,
            "seconds": start.elapsed().as_secs_f64(),
        }));
    }
    let took = start.elapsed().as_secs_f64();
    match gone.is_empty() {
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
