//! `msvc up` where what is built in carries the infrastructure.

use std::future::pending;
use std::time::Instant;

use tokio::sync::mpsc::UnboundedReceiver;

use super::view::View;
use super::{Report, UpArgs, UpError};
use crate::context::Context;
use crate::error::Result;
use crate::infra::background::{self, BackgroundError};
use crate::infra::docker::perform::{Deed, Done, Stage};
use crate::infra::embedded::collector::Keeping;
use crate::infra::resource::{Port, Resource};
use crate::infra::stack;
use crate::infra::state_file::{self, CHANGE_LOCK, Carrier, EMBEDDED_LOCK, InfraState, Lock};
use crate::ports;
use crate::project::Project;
use crate::run::signals::Signals;

/// Starts what is built in, in a process of its own or in this one.
pub(super) async fn up(
    (context, args): (&Context, &UpArgs),
    project: &Project,
    resources: &[Resource],
    signals: &mut Signals,
) -> Result {
    let start = Instant::now();
    let (built_in, missing): (Vec<Resource>, Vec<Resource>) = resources
        .iter()
        .partition(|resource| background::is_built_in(**resource));
    if let Some(resource) = missing.iter().find(|it| args.resources.contains(it)) {
        return Err(BackgroundError::NotBuiltIn(*resource).into());
    }
    if args.foreground && !args.dry_run {
        return serve(context, project, &built_in, signals).await;
    }
    let state_folder = project.state_folder();
    let _lock = match args.dry_run {
        true => None,
        false => tokio::select! {
            lock = Lock::take(&state_folder, CHANGE_LOCK) => Some(lock?),
            () = signals.next() => return Err(UpError::Interrupted.into()),
        },
    };
    let running = state_file::built_in(&state_folder);
    let has = |it: &Resource| {
        let state = running.as_ref();
        state.is_some_and(|state| state.resources.contains_key(it))
    };
    let wanted: Vec<Resource> = built_in.iter().copied().filter(|it| !has(it)).collect();
    // Another process in its place would know nothing of what this one keeps in memory.
    if let Some(state) = &running
        && !wanted.is_empty()
    {
        let running = state.resources.keys().copied().collect();
        return Err(UpError::RunsWithout { running, wanted }.into());
    }
    if args.dry_run {
        for resource in &wanted {
            context
                .printer
                .data(&format!("start {resource} (built in)\n"))?;
        }
        if wanted.is_empty() {
            context.printer.line("nothing to do");
        }
        return Ok(());
    }
    for resource in missing {
        let note = format!("`{resource}` is not built in, and is left out");
        context.printer.warning(note);
    }
    let (state, deed) = match running {
        Some(state) => (state, Deed::Unchanged),
        None => (spawn(project, &wanted, signals).await?, Deed::Created),
    };
    if deed == Deed::Created && !args.auto_ports {
        tell_moved(context, project, &state);
    }
    let view = View::new(&context.printer, &state);
    for resource in &built_in {
        let took = start.elapsed();
        view.show(*resource, &Stage::Healthy(Done { deed, took }));
    }
    view.finish(&Report {
        engine: "embedded",
        address: None,
        took: start.elapsed(),
    })
}

/// Refuses to take the place of containers that run: their note is all that services are told by.
///
/// # Errors
/// When there are some, or the engine that has them does not say.
pub(super) async fn refuse_beside_containers(context: &Context, project: &Project) -> Result {
    let noted = state_file::read(&project.state_folder());
    if noted.is_none_or(|it| it.engine != Carrier::Docker) {
        return Ok(());
    }
    // Of an engine that does not answer, nothing is of use now.
    let Ok(engine) = stack::engine(context, project).await else {
        return Ok(());
    };
    let inventory = engine.inventory().await?;
    let containers = inventory.containers.iter();
    let running = containers.filter(|it| it.seen.state.holds_ports());
    let mut running: Vec<Resource> = running.filter_map(|it| it.seen.resource).collect();
    running.sort();
    match running.is_empty() {
        true => Ok(()),
        false => Err(UpError::ContainersRun(running).into()),
    }
}

/// The port that is taken if it is free.
fn wanted(project: &Project, port: Port) -> u16 {
    let configured = project.manifest.infra.ports.get(&port);
    configured.copied().unwrap_or(port.standard())
}

/// Tells of each port that somebody else had.
fn tell_moved(context: &Context, project: &Project, state: &InfraState) {
    for (resource, ports) in &state.resources {
        for (port, number) in ports {
            let usual = wanted(project, *port);
            if usual == *number {
                continue;
            }
            let holder = ports::holder(usual).map(|it| format!(" by {it}"));
            let holder = holder.unwrap_or_default();
            context.printer.warning(format!(
                "port {usual} ({port}) of `{resource}` is taken{holder}: it has {number}, and \
                 `msvc run` tells the services"
            ));
        }
    }
}

/// Starts this program again, to be what is built in.
async fn spawn(
    project: &Project,
    resources: &[Resource],
    signals: &mut Signals,
) -> Result<InfraState> {
    let mut arguments: Vec<String> = vec!["--project".to_owned()];
    arguments.push(project.root.display().to_string());
    arguments.extend(["up", "--engine", "embedded", "--foreground"].map(str::to_owned));
    arguments.extend(resources.iter().map(ToString::to_string));
    let state_folder = project.state_folder();
    let mut child = background::spawn(&state_folder, &arguments)?;
    tokio::select! {
        started = background::until_started(&mut child, &state_folder) => Ok(started?),
        () = signals.next() => {
            // It is nobody's child yet that `msvc down` would know of.
            let _ = child.kill();
            let _ = child.wait();
            Err(UpError::Interrupted.into())
        }
    }
}

/// What becomes next of traces that are to be kept; nothing ever where none are.
async fn next(kept: &mut Option<UnboundedReceiver<Keeping>>) -> Option<Keeping> {
    match kept {
        Some(changes) => changes.recv().await,
        None => pending().await,
    }
}

fn tell_keeping(context: &Context, change: Keeping) {
    match change {
        Keeping::Failed(failure) => context.printer.warning(format!(
            "`jaeger` has new traces in memory alone: {failure}: {}",
            failure.source
        )),
        Keeping::Again => context
            .printer
            .step("Keeping", "new traces of `jaeger` on disk again"),
    }
}

/// Is what is built in, until it is asked to stop.
async fn serve(
    context: &Context,
    project: &Project,
    resources: &[Resource],
    signals: &mut Signals,
) -> Result {
    let state_folder = project.state_folder();
    let _lock = Lock::take(&state_folder, EMBEDDED_LOCK).await?;
    let database = stack::database(project);
    let mut state = InfraState::new(Carrier::Embedded, "127.0.0.1", &database);
    state.pid = Some(std::process::id());
    let (running, ports) = background::start(resources, |port| wanted(project, port)).await?;
    let mut kept = match project.manifest.infra.keep_traces {
        true => running.keep_traces_in(&background::traces_folder(&state_folder))?,
        false => None,
    };
    state.resources = ports;
    tell_moved(context, project, &state);
    for resource in resources {
        let url = state.url(*resource).unwrap_or_default();
        context
            .printer
            .step("Healthy", format!("{resource:<10} {url}"));
    }
    state.write(&state_folder)?;
    loop {
        tokio::select! {
            Some(change) = next(&mut kept) => tell_keeping(context, change),
            () = signals.next() => break,
        }
    }
    state_file::remove_of(&state_folder, std::process::id());
    context.printer.step("Stopped", "the embedded engine");
    Ok(())
}
