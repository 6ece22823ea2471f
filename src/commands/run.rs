//! `msvc run`: builds the services, starts them with a registry and watches them.

use std::time::Duration;

use clap::Args;
use clap_complete::engine::ArgValueCompleter;
use serde_json::json;

use crate::client::completion;
use crate::context::Context;
use crate::duration;
use crate::error::{IoFailure, Result};
use crate::project::{self, Project};
use crate::run::build::{self, BuildOptions};
use crate::run::error::RunError;
use crate::run::front;
use crate::run::newcomers::Newcomers;
use crate::run::plan::{self, Common};
use crate::run::process::Instance;
use crate::run::signals::Signals;
use crate::run::state_file::{self, RunLock};
use crate::run::surroundings::{self, Surroundings};
use crate::run::system::{Options, System};
use crate::run::view::event;
use crate::scaffold::apply;

/// Arguments of `msvc run`.
#[derive(Args, Debug)]
#[command(after_help = "Examples:\n  \
    msvc run                              all services\n  \
    msvc run user-service --release       one of them, optimised\n  \
    msvc run --replicas user-service=3    three processes of one\n\n\
    Ctrl-C stops all: calls in flight are finished first. A second Ctrl-C ends them at once.")]
pub struct RunArgs {
    /// The services to run [default: all].
    #[arg(add = ArgValueCompleter::new(completion::services))]
    pub services: Vec<String>,
    /// Build with optimisations.
    #[arg(long)]
    pub release: bool,
    /// How many processes of a service; again for more services.
    #[arg(long, value_name = "SERVICE=N", value_parser = parse_replicas)]
    #[arg(add = ArgValueCompleter::new(completion::replicas))]
    pub replicas: Vec<(String, u16)>,
    /// Start no registry: services use what their configuration says.
    #[arg(long)]
    pub no_infra: bool,
    /// Stop all when a service ends, instead of starting it again.
    #[arg(long)]
    pub no_restart: bool,
    /// How long services may take until they are ready.
    #[arg(long, value_name = "DURATION", default_value = "60s")]
    #[arg(value_parser = duration::parse_positive)]
    pub ready_timeout: Duration,
}

fn parse_replicas(text: &str) -> std::result::Result<(String, u16), String> {
    let parsed = text.split_once('=').and_then(|(name, count)| {
        let count = count
            .parse()
            .ok()
            .filter(|count| (1..=100).contains(count))?;
        Some((name.to_owned(), count))
    });
    parsed.ok_or_else(|| "expected SERVICE=N with N from 1 to 100, as in user-service=3".to_owned())
}

/// Runs `msvc run`.
///
/// # Errors
/// When something cannot be built, started or reached. Interrupted while it starts: exit code 130;
/// a running system that is stopped by Ctrl-C is a success.
pub fn run(context: &Context, args: RunArgs) -> Result {
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()
        .map_err(|source| IoFailure {
            attempt: "start the runtime".to_owned(),
            source,
        })?;
    let outcome = runtime.block_on(build_and_run(context, &args));
    // Readers of pipes that a grandchild holds open must not hold the end up.
    runtime.shutdown_background();
    outcome
}

async fn build_and_run(context: &Context, args: &RunArgs) -> Result {
    let printer = &context.printer;
    apply::recover_above(&context.directory)?;
    let project = project::find(&context.directory)?;
    let manifest = &project.manifest;
    let services = plan::services(manifest, &args.services, &args.replicas)?;
    let Some(lock) = RunLock::take(&project.state_folder())? else {
        let running = state_file::read(&project.state_folder());
        return Err(RunError::Running(running.map(|it| it.pid)).into());
    };
    let left_over = lock.left_over();
    let mut signals = Signals::listen()?;
    let options = BuildOptions {
        cargo: context
            .environment
            .cargo
            .clone()
            .unwrap_or_else(|| "cargo".into()),
        root: project.root.clone(),
        services: services.clone(),
        release: args.release,
    };
    plan::check_ports(manifest, &services, left_over.as_ref())?;
    event(
        printer,
        json!({ "event": "building", "services": services }),
    )?;
    let programs = tokio::select! {
        built = build::build(&options, printer) => built?,
        () = signals.next() => return Err(RunError::Interrupted.into()),
    };
    // A build takes long enough for somebody else to take a port.
    plan::check_ports(manifest, &services, left_over.as_ref())?;
    let surroundings = match args.no_infra {
        true => Surroundings::default(),
        false => surroundings::provide(context, &project).await?,
    };
    let common = Common {
        replicas: &args.replicas,
        variables: &surroundings.variables,
        urls: &surroundings.urls,
        inherited: &context.environment.names,
        color: !printer.is_json() && printer.colors_stdout(),
    };
    let instances = plan::instances(&project, &programs, &common)?;
    let (callable, through_gateway) = to_call(&project, &instances);
    let options = Options {
        registry: surroundings.registry.clone(),
        traces: surroundings.traces.clone(),
        restarts: !args.no_restart,
        ready_timeout: args.ready_timeout,
        callable,
        through_gateway,
        named: args.services.clone(),
    };
    let newcomers = Newcomers::to(&project);
    let system = System::start(printer, lock, instances, (options, newcomers))?;
    system.supervise(&mut signals).await
}

/// A service that can be called, and a command that calls through a gateway, where there are such.
fn to_call(project: &Project, instances: &[Instance]) -> (Option<String>, Option<String>) {
    let example = |it: &Instance| front::example_call(project, &it.service, it.grpc);
    let serves = |it: &&Instance| {
        let mut entries = project.manifest.services.iter();
        entries.any(|(name, entry)| name.as_str() == it.service && !entry.serves.is_empty())
    };
    let callable = instances.iter().find(serves).or(instances.first());
    let gateways = instances.iter().filter(|it| !serves(it));
    (
        callable.map(|it| it.service.clone()),
        gateways.filter_map(example).next(),
    )
}
