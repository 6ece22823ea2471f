//! `msvc up`: starts what the services of a workspace need, and returns when all of it is of use.

mod docker;
mod embedded;
mod error;
mod plan;
mod view;

use std::time::{Duration, Instant};

use clap::Args;

pub use self::error::UpError;
use crate::context::Context;
use crate::duration;
use crate::error::{IoFailure, Result};
use crate::infra::background;
use crate::infra::docker::error::DockerError;
use crate::infra::docker::pull::Pull;
use crate::infra::resource::Resource;
use crate::infra::{stack, state_file};
use crate::manifest::EngineKind;
use crate::project;
use crate::run::signals::Signals;

/// Arguments of `msvc up`.
#[derive(Args, Debug)]
#[command(after_help = "Examples:\n  \
    msvc up                          what the services need\n  \
    msvc up postgres redis           these, besides what runs already\n  \
    msvc up grafana --auto-ports     on other ports where the usual ones are taken\n  \
    msvc up --dry-run                only say what would be done\n\n\
    A second `msvc up` changes nothing. What is built in keeps all in one process, which takes no more\n\
    while it runs: name all at once, or `msvc down` first. `msvc status` says what runs, `msvc down` stops it.")]
pub struct UpArgs {
    /// What to start [default: `resources` in `msvc.toml`, else what the services need].
    #[arg(value_name = "RESOURCE")]
    pub resources: Vec<Resource>,
    /// What carries it [default: `engine` in `msvc.toml`, else Docker if it answers].
    #[arg(long, value_enum)]
    pub engine: Option<EngineKind>,
    /// When images are pulled.
    #[arg(long, value_enum, default_value_t, value_name = "WHEN")]
    pub pull: Pull,
    /// How long all may take until it is healthy, from when the images are there.
    #[arg(long, value_name = "DURATION", default_value = "60s")]
    #[arg(value_parser = duration::parse_positive)]
    pub wait: Duration,
    /// Take another port where one is taken; `msvc run` tells the services. What is built in does so
    /// unasked, and warns.
    #[arg(long)]
    pub auto_ports: bool,
    /// Say what would be done, and do nothing.
    #[arg(long)]
    pub dry_run: bool,
    /// With the embedded engine: stay, and stop it with Ctrl-C.
    #[arg(long)]
    pub foreground: bool,
}

/// Runs `msvc up`.
///
/// # Errors
/// When something cannot be started or does not become healthy. Interrupted: exit code 130.
pub fn run(context: &Context, args: UpArgs) -> Result {
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()
        .map_err(|source| IoFailure {
            attempt: "start the runtime".to_owned(),
            source,
        })?;
    let outcome = runtime.block_on(up(context, &args));
    runtime.shutdown_background();
    outcome
}

async fn up(context: &Context, args: &UpArgs) -> Result {
    let start = Instant::now();
    let project = project::find(&context.directory)?;
    let resources = stack::chosen(&project, &args.resources);
    let kind = args.engine.unwrap_or(project.manifest.infra.engine);
    let mut signals = Signals::listen()?;
    let running = state_file::built_in(&project.state_folder());
    let engine = match (kind, running) {
        (EngineKind::Embedded, Some(_)) => None,
        (EngineKind::Embedded, None) => {
            embedded::refuse_beside_containers(context, &project).await?;
            None
        }
        // A Docker that came back does not take the place of what has been at work meanwhile.
        (EngineKind::Auto, Some(state)) => {
            if !args.resources.iter().all(|it| background::is_built_in(*it)) {
                return Err(UpError::EmbeddedRuns(state.pid).into());
            }
            context.printer.step("Engine", "embedded, which runs");
            None
        }
        (EngineKind::Docker, _) => match stack::engine(context, &project).await {
            Ok(engine) => Some(engine),
            Err(error @ DockerError::NoEngine(_)) => return Err(UpError::NoEngine(error).into()),
            Err(error) => return Err(error.into()),
        },
        (EngineKind::Auto, None) => match stack::engine(context, &project).await {
            Ok(engine) => Some(engine),
            Err(error @ DockerError::NoEngine(_)) => {
                let told = format!("embedded, for {error}");
                context.printer.step("Engine", told);
                None
            }
            Err(error) => return Err(error.into()),
        },
    };
    let interrupted = || Err(UpError::Interrupted.into());
    match engine {
        Some(engine) => {
            let why = match kind {
                EngineKind::Auto => ", which answers",
                EngineKind::Docker | EngineKind::Embedded => "",
            };
            let told = format!("Docker at {}{why}", engine.address);
            context.printer.step("Engine", told);
            tokio::select! {
                done = docker::up((context, args), &project, &engine, (resources, start)) => done,
                () = signals.next() => interrupted(),
            }
        }
        None => embedded::up((context, args), &project, &resources, &mut signals).await,
    }
}

/// What is told when all is up.
pub(super) struct Report<'a> {
    /// What carries it.
    pub(super) engine: &'static str,
    /// Where that is.
    pub(super) address: Option<&'a str>,
    /// How long it took.
    pub(super) took: Duration,
}
