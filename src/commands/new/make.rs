//! One attempt: planned as a whole, then made as a whole.

use std::fs;
use std::path::Path;

use super::report::Report;
use super::{NewArgs, choose, report};
use crate::context::Context;
use crate::error::{IoContext, Result};
use crate::manifest::{self, ADMIN_PORT_OFFSET};
use crate::project::{self, Project, STATE_FOLDER};
use crate::proto::options::GenConfig;
use crate::proto::{self, Generation};
use crate::run::state_file as run_state;
use crate::scaffold::apply::{self, ApplyError};
use crate::scaffold::lock::WorkspaceLock;
use crate::scaffold::names::ServiceName;
use crate::scaffold::plan::Plan;
use crate::scaffold::service::{self, NewService};
use crate::scaffold::workspace::{self, NewWorkspace};
use crate::scaffold::{git, incoming, protocol, taken, vacant};

/// How an attempt to make a service ended.
pub(super) enum Outcome {
    Done,
    /// Another process has made a workspace in the same folder: the plan was for an empty one.
    Overtaken,
}

/// Plans a service, and the workspace where there is none yet, and makes them.
///
/// # Errors
/// When a name, a proto or the target does not do; nothing has changed then.
pub(super) fn make(
    context: &Context,
    args: &NewArgs,
    name: &ServiceName,
    target: &Path,
) -> Result<Outcome> {
    // A folder that is named is meant itself, not the workspace above it.
    let find = match &args.path {
        Some(_) => project::at,
        None => project::find_if_any,
    };
    if args.dry_run {
        apply::refuse_interrupted(target)?;
    }
    let found = find(target)?;
    let root = found.map_or_else(|| target.to_owned(), |project| project.root);
    // A refused `new` leaves an empty folder empty, so there the lock is taken once the plan stands.
    let mut lock = None;
    let is_there = [STATE_FOLDER, manifest::FILE_NAME]
        .iter()
        .any(|it| root.join(it).exists());
    if is_there && !args.dry_run {
        let taken = WorkspaceLock::take(&root)?;
        apply::recover(&taken)?;
        lock = Some(taken);
    }
    // What the plan is made from is read under the lock.
    let project = project::at(&root)?;
    let is_overtaken = |lock: &Option<WorkspaceLock>| {
        lock.is_none() && !args.dry_run && root.join(STATE_FOLDER).exists()
    };
    if project.is_none() {
        match vacant::refuse_unless_empty(&root) {
            Err(_) if is_overtaken(&lock) => return Ok(Outcome::Overtaken),
            outcome => outcome?,
        }
    }
    // A workspace without services has nothing to lose, and may have lost its empty folder in git.
    if let Some(project) = project
        .as_ref()
        .filter(|it| !it.manifest.services.is_empty())
    {
        project.refuse_missing_roots()?;
    }
    let lock_file = root.join("Cargo.lock");
    if project.is_some() && lock_file.is_file() {
        let text = fs::read_to_string(&lock_file).when("read", &lock_file)?;
        taken::refuse_dependency(name, &text)?;
    }
    let port = choose::port(args, project.as_ref(), name)?;
    let registry = choose::registry(args, project.as_ref())?;

    let mut plan = Plan::default();
    if project.is_none() {
        plan = workspace::verbatim();
        if !args.no_git {
            plan.put_under_git();
        }
    }
    // A starter in an empty folder cannot be refused any more.
    let mut staging = None;
    if project.is_none() && args.proto.is_empty() && !args.dry_run && is_bare(&root) {
        let Some(taken) = lock_new(&root)? else {
            return Ok(Outcome::Overtaken);
        };
        staging = Some(apply::begin(&taken, plan.clone())?);
        lock = Some(taken);
    }

    let protos = match args.proto.as_slice() {
        [] => incoming::starter(name)?,
        files => incoming::given(&context.directory, files, &args.include)?,
    };
    let proto_roots = match &project {
        Some(project) => project.proto_roots(),
        None => vec![root.join("proto")],
    };
    let vendored = project.as_ref().map_or_else(Vec::new, Project::vendored);
    let sources = protos.among(proto_roots, vendored)?;
    let usual = GenConfig::default();
    let generation = match &project {
        Some(project) => project.generation(&context.directory),
        None => Generation {
            config: &usual,
            manifest: "",
            root: &root,
            directory: &context.directory,
        },
    };
    let (compiled, generated) = proto::generate_all(&sources, &generation)?;
    let serves = protos.services(&compiled, &generated.services)?;

    let manifest = project.as_ref().map(|project| &project.manifest);
    let proto_root = manifest.and_then(|manifest| manifest.proto.roots.first());
    let proto_root = proto_root.map_or("proto", String::as_str);
    for (file, text) in &sources.memory {
        plan.create(format!("{proto_root}/{file}"), text.clone());
    }
    protocol::plan_options(&generation, &mut plan)?;
    let existing = protocol::read_generated(&root)?;
    protocol::plan_sources(&generated, &compiled.encoded, &existing, &mut plan);
    let new_service = NewService {
        name,
        serves: &serves,
        starter: protos.starter.as_ref(),
        port,
        admin_port: port + ADMIN_PORT_OFFSET,
        registry,
    };
    service::plan(&new_service, &mut plan)?;
    let manifest_text = match &project {
        Some(project) => project.manifest_text.clone(),
        None => {
            let folder_name = root.file_name().and_then(|name| name.to_str());
            let (example_method, example_request) =
                choose::example(&serves, protos.starter.is_some());
            let new_workspace = NewWorkspace {
                name: folder_name.unwrap_or(name.as_str()),
                registry,
                service: name.as_str(),
                example_method: &example_method,
                example_request,
            };
            workspace::plan(&new_workspace, &mut plan)?;
            workspace::manifest(&new_workspace)?
        }
    };
    let entry = manifest::Service {
        port,
        admin_port: None,
        serves: serves
            .iter()
            .map(|service| service.full_name.clone())
            .collect(),
        needs: Vec::new(),
    };
    let manifest_text = manifest::with_service(&manifest_text, name, &entry)?;
    plan.write(manifest::FILE_NAME, manifest_text);

    let conflicts = apply::conflicts(&root, &plan);
    if is_overtaken(&lock) {
        return Ok(Outcome::Overtaken);
    }
    if !conflicts.is_empty() {
        return Err(ApplyError::Conflicts(conflicts).into());
    }
    if !args.dry_run {
        let lock = match lock {
            Some(lock) => lock,
            None => match lock_new(&root)? {
                Some(lock) => lock,
                None => return Ok(Outcome::Overtaken),
            },
        };
        let made = match staging {
            Some(staging) => apply::complete(&lock, staging, &plan)?,
            None => apply::apply(&lock, &plan)?,
        };
        if made == git::Made::Failed {
            context
                .printer
                .warning("`git init` failed; the workspace is not under git");
        }
    }
    for rename in &generated.renames {
        context.printer.line(format!("note: {rename}"));
    }
    report::print(
        context,
        &Report {
            service: name.as_str(),
            folder: root.display().to_string(),
            workspace_created: project.is_none(),
            port,
            admin_port: port + ADMIN_PORT_OFFSET,
            serves: serves
                .iter()
                .map(|service| service.full_name.as_str())
                .collect(),
            dry_run: args.dry_run,
            changes: plan.summary(),
            running: run_state::read(&root.join(STATE_FOLDER)).map(|it| it.pid),
        },
    )?;
    Ok(Outcome::Done)
}

/// Takes the lock of a folder without a workspace; nothing if somebody has made one between the last
/// look and the lock.
fn lock_new(root: &Path) -> Result<Option<WorkspaceLock>> {
    let lock = WorkspaceLock::take(root)?;
    apply::recover(&lock)?;
    let is_overtaken = project::at(root)?.is_some();
    Ok((!is_overtaken).then_some(lock))
}

/// Whether a folder is not there or has nothing in it, hidden or not.
fn is_bare(folder: &Path) -> bool {
    !folder.exists() || fs::read_dir(folder).is_ok_and(|mut entries| entries.next().is_none())
}
