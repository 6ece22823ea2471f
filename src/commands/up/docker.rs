//! `msvc up` where a Docker engine carries the infrastructure.

use std::time::Instant;

use super::view::View;
use super::{Report, UpArgs, UpError, plan};
use crate::context::Context;
use crate::error::Result;
use crate::infra::docker::engine::Engine;
use crate::infra::docker::perform::{self, Options};
use crate::infra::docker::pull::Pull;
use crate::infra::reconcile::{self, Action};
use crate::infra::resource::Resource;
use crate::infra::resource::containers::{self, Stack};
use crate::infra::resource::spec::Spec;
use crate::infra::stack::{self, StackError};
use crate::infra::state_file::{self, CHANGE_LOCK, Carrier, Change, InfraState, Lock};
use crate::project::Project;

/// How often it is looked whether a port is taken by what is ours and still starts.
const MOST_LOOKS: u32 = 10;

/// Makes what there is what there is to be, or says what that would take.
pub(super) async fn up(
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
    let settling = is_broken.then(|| {
        let bar = context.printer.progress("Waiting", 0);
        bar.set_message("until the engine has done what it was asked for before");
        bar
    });
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
    if let Some(bar) = settling {
        bar.finish_and_clear();
    }
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
        return plan::show(context, &specs, &actions);
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
