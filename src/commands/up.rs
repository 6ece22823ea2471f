//! `msvc up`: starts what the services of a workspace need, and returns when all of it is of use.

mod embedded;
mod view;

use std::time::{Duration, Instant};

use clap::Args;
use serde_json::{Value, json};

use crate::context::Context;
use crate::duration;
use crate::error::{Diagnostic, Exit, IoFailure, Result};
use crate::infra::background;
use crate::infra::docker::engine::Engine;
use crate::infra::docker::error::DockerError;
use crate::infra::docker::perform::{self, Options};
use crate::infra::docker::pull::Pull;
use crate::infra::reconcile::{self, Action, Why};
use crate::infra::resource::Resource;
use crate::infra::resource::containers::{self, Stack};
use crate::infra::resource::spec::Spec;
use crate::infra::stack::{self, StackError};
use crate::infra::state_file::{self, CHANGE_LOCK, Carrier, Change, InfraState, Lock};
use crate::manifest::EngineKind;
use crate::project::{self, Project};
use crate::run::signals::Signals;
use view::View;

/// How often it is looked whether a port is taken by what is ours and still starts.
const MOST_LOOKS: u32 = 10;

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

/// Why nothing came up.
#[derive(Debug, thiserror::Error)]
pub enum UpError {
    /// Ctrl-C in the middle.
    #[error("interrupted")]
    Interrupted,
    /// Docker was wanted, and is not there.
    #[error(transparent)]
    NoEngine(DockerError),
    /// Docker would take the place of a process that nobody would know of any more.
    #[error("the embedded engine runs{}, and Docker would take its place", process(.0))]
    EmbeddedRuns(Option<u32>),
    /// Services would not be told of the containers any more.
    #[error(
        "containers of this workspace run ({}), and the embedded engine would take their place",
        list(.0)
    )]
    ContainersRun(Vec<Resource>),
    /// What is built in takes no more while it runs.
    #[error(
        "the embedded engine runs with {}, and takes no {} besides",
        list(running),
        list(wanted)
    )]
    RunsWithout {
        /// What it has.
        running: Vec<Resource>,
        /// What it has not.
        wanted: Vec<Resource>,
    },
}

/// The process in parentheses, where it is known.
fn process(pid: &Option<u32>) -> String {
    pid.map(|pid| format!(" (pid {pid})")).unwrap_or_default()
}

fn list(resources: &[Resource]) -> String {
    let names: Vec<&str> = resources.iter().map(|it| it.name()).collect();
    names.join(", ")
}

impl Diagnostic for UpError {
    fn hint(&self) -> Option<String> {
        Some(match self {
            Self::Interrupted => {
                "what was made stays: `msvc up` goes on from there, `msvc down` removes it".to_owned()
            }
            Self::NoEngine(error) => {
                let hint = error.hint().unwrap_or_default();
                format!("{hint}; `--engine embedded` does without")
            }
            Self::EmbeddedRuns(_) => {
                "`msvc down` ends it, with what it keeps in memory; `msvc up --engine embedded` stays \
                 with it"
                    .to_owned()
            }
            Self::ContainersRun(_) => "`msvc down` stops them, and keeps their data; `msvc up --engine docker` stays \
                 with them"
                .to_owned(),
            Self::RunsWithout { running, wanted } => {
                let all: Vec<&str> = running.iter().chain(wanted).map(|it| it.name()).collect();
                format!(
                    "`msvc down` ends it, with what it keeps in memory; then `msvc up {}` starts all",
                    all.join(" ")
                )
            }
        })
    }

    fn exit(&self) -> Exit {
        match self {
            Self::Interrupted => Exit::Interrupted,
            Self::NoEngine(error) => error.exit(),
            Self::EmbeddedRuns(_) | Self::ContainersRun(_) | Self::RunsWithout { .. } => {
                Exit::Failed
            }
        }
    }
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
                done = with_docker((context, args), &project, &engine, (resources, start)) => done,
                () = signals.next() => interrupted(),
            }
        }
        None => embedded::up((context, args), &project, &resources, &mut signals).await,
    }
}

async fn with_docker(
    (context, args): (&Context, &UpArgs),
    project: &Project,
    engine: &Engine,
    (resources, start): (Vec<Resource>, Instant),
) -> Result {
    let state_folder = project.state_folder();
    let _lock = match args.dry_run {
        true => None,
        false => Some(Lock::take(&state_folder, CHANGE_LOCK).await?),
    };
    if let Some(state) = state_file::built_in(&state_folder) {
        return Err(UpError::EmbeddedRuns(state.pid).into());
    }
    let change = match args.dry_run {
        true => None,
        false => Some(Change::begin(&state_folder)?),
    };
    let done = bring_up(
        (context, args),
        project,
        engine,
        (resources, start),
        &change,
    )
    .await;
    // After a failure the engine may still be at what it was asked for.
    if let (Some(change), Ok(())) = (change, &done) {
        change.end();
    }
    done
}

async fn bring_up(
    (context, args): (&Context, &UpArgs),
    project: &Project,
    engine: &Engine,
    (resources, start): (Vec<Resource>, Instant),
    change: &Option<Change>,
) -> Result {
    let matters = resources.iter().any(|it| it.calls_services());
    let is_broken = change.as_ref().is_some_and(|it| it.follows_broken);
    let inventory = async {
        match is_broken {
            true => engine.settled_inventory().await,
            false => engine.inventory().await,
        }
    };
    let (inventory, place) = tokio::join!(inventory, engine.place(matters));
    let (inventory, place) = (inventory?, place?);
    let mut inventory = inventory;
    let mut looks = 0;
    let stack = loop {
        let found = (engine, &inventory);
        let (resources, place) = (resources.clone(), place.clone());
        let planned = stack::plan((context, project), resources, found, place, args.auto_ports);
        match planned.await {
            // A busy engine is at a start that was asked for by who was broken off.
            Err(StackError::PortTaken { taken, .. })
                if is_broken && looks < MOST_LOOKS && inventory.may_be_starting(taken) =>
            {
                looks += 1;
                inventory = engine.settled_inventory().await?;
            }
            planned => break planned?,
        }
    };
    let specs = containers::specs(&stack);
    let state = state(&stack);
    let view = View::new(&context.printer, &state);
    let tell = |resource, stage| view.show(resource, &stage);
    if args.pull == Pull::Always && !args.dry_run {
        perform::get_images(engine, specs.iter(), args.pull, &tell).await?;
        engine.mark_outdated(&mut inventory).await?;
    }
    let actions = reconcile::bring_up(&specs, &inventory.observed);
    let creates = actions.iter().any(|it| matches!(it, Action::Create(_)));
    if creates && let Some(exposure) = stack.place.exposure() {
        context.printer.warning(exposure);
    }
    if args.dry_run {
        return show_plan(context, &specs, &actions);
    }
    let is_new = |spec: &&Spec| actions.contains(&Action::Create(spec.resource));
    if args.pull != Pull::Always {
        perform::get_images(engine, specs.iter().filter(is_new), args.pull, &tell).await?;
    }
    let options = Options {
        wait: args.wait,
        host: stack.place.host.clone(),
    };
    perform::bring_up(engine, &specs, &actions, &options, &tell).await?;
    state.write(&project.state_folder())?;
    let report = Report {
        engine: "docker",
        address: Some(&engine.address),
        took: start.elapsed(),
    };
    view.finish(&report)
}

/// What services are told: everything that runs now.
fn state(stack: &Stack) -> InfraState {
    let mut state = InfraState::new(Carrier::Docker, &stack.place.host, &stack.database);
    for resource in stack.others.iter().chain(&stack.resources) {
        let ports = resource.ports().iter();
        let ports = ports.map(|port| {
            let number = stack.ports.get(port).copied();
            (*port, number.unwrap_or(port.standard()))
        });
        state.resources.insert(*resource, ports.collect());
    }
    state
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

/// Says what would be done.
fn show_plan(context: &Context, specs: &[Spec], actions: &[Action]) -> Result {
    let steps: Vec<(String, Value)> = actions.iter().filter_map(|it| step(it, specs)).collect();
    if context.printer.is_json() {
        let steps: Vec<&Value> = steps.iter().map(|(_, json)| json).collect();
        return context.printer.json(&json!({ "plan": steps }));
    }
    for (text, _) in &steps {
        context.printer.data(&format!("{text}\n"))?;
    }
    if steps.is_empty() {
        context.printer.line("nothing to do");
    }
    Ok(())
}

/// A step for people and for programs; to wait is none.
fn step(action: &Action, specs: &[Spec]) -> Option<(String, Value)> {
    let image = |resource: Resource| {
        let spec = specs.iter().find(|spec| spec.resource == resource);
        spec.map_or("", |spec| spec.image.as_str())
    };
    let named = |resource: &Resource, verb: &str| {
        let text = format!("{verb} {resource}");
        (text, json!({ "action": verb, "resource": resource }))
    };
    Some(match action {
        Action::CreateNetwork => {
            let text = "create the network".to_owned();
            (text, json!({ "action": "create-network" }))
        }
        Action::RemoveNetwork(id) => (
            "remove a second network".to_owned(),
            json!({ "action": "remove-network", "id": id }),
        ),
        Action::CreateVolume(resource) => {
            let text = format!("create the volume of {resource}");
            (
                text,
                json!({ "action": "create-volume", "resource": resource }),
            )
        }
        Action::Remove { resource, why, .. } => {
            let name = resource.map_or("a container", Resource::name);
            let why = reason(why);
            (
                format!("remove {name}: {why}"),
                json!({ "action": "remove", "resource": resource, "why": why }),
            )
        }
        Action::Create(resource) => {
            let image = image(*resource);
            (
                format!("create {resource} from {image}"),
                json!({ "action": "create", "resource": resource, "image": image }),
            )
        }
        Action::Start { resource, .. } => named(resource, "start"),
        Action::Unpause { resource, .. } => named(resource, "unpause"),
        Action::RemoveVolume(_) | Action::Await(_) => return None,
    })
}

/// Why a container cannot stay, as a fragment.
pub(super) fn reason(why: &Why) -> String {
    match why {
        Why::Changed(changes) => {
            let changes: Vec<String> = changes.iter().map(ToString::to_string).collect();
            format!("changed {}", changes.join(", "))
        }
        Why::HalfMade => "it was never finished".to_owned(),
        Why::Duplicate => "there is another".to_owned(),
        Why::NoNetwork => "its network has gone".to_owned(),
        Why::NotWanted => "nobody wants it".to_owned(),
    }
}
