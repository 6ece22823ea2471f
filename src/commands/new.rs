//! `msvc new`: a workspace with one service, or one more service in a workspace.

use std::fs;
use std::path::{Path, PathBuf};

use clap::{Args, ValueHint};
use serde::Serialize;

use crate::context::Context;
use crate::error::{Diagnostic, Exit, IoContext, Result};
use crate::manifest::{self, ADMIN_PORT_OFFSET, FIRST_PORT, RegistryKind};
use crate::project::{self, Project, STATE_FOLDER};
use crate::proto::model::Service;
use crate::proto::options::GenConfig;
use crate::proto::{self, Generation};
use crate::scaffold::apply::{self, ApplyError};
use crate::scaffold::example::Example;
use crate::scaffold::incoming;
use crate::scaffold::lock::WorkspaceLock;
use crate::scaffold::names::ServiceName;
use crate::scaffold::plan::{ChangeSummary, Plan};
use crate::scaffold::service::{self, NewService};
use crate::scaffold::workspace::{self, NewWorkspace};
use crate::scaffold::{git, protocol, taken, vacant};

/// Arguments of `msvc new`.
#[derive(Args, Debug)]
#[command(after_help = "Examples:\n  \
    msvc new user-service                            a starter, made from the name\n  \
    msvc new chat-service --proto chat.proto         from your proto\n  \
    msvc new order-service --proto order/v1/order.proto -I protos -I third_party\n  \
    msvc new shop --example shop                     a whole system to learn from\n  \
    msvc new user-service --dry-run                  only show what would be made")]
pub struct NewArgs {
    /// What the service is called: lowercase words joined by hyphens.
    pub name: Option<String>,
    /// What it is: a gRPC service, or a gateway in front of those that the workspace has.
    #[arg(long, value_enum, default_value_t)]
    pub kind: Kind,
    /// Make a whole system to learn from, in a workspace of this name.
    #[arg(long, value_enum, conflicts_with_all = ["kind", "proto", "registry", "port"])]
    pub example: Option<Example>,
    /// A proto file with the services to serve; again for more. Without it a starter is made.
    #[arg(long, value_name = "FILE", value_hint = ValueHint::FilePath)]
    pub proto: Vec<PathBuf>,
    /// A folder that imports are relative to; again for more [default: the folder of each proto].
    #[arg(short = 'I', long = "include", value_name = "DIR", requires = "proto", value_hint = ValueHint::DirPath)]
    pub include: Vec<PathBuf>,
    /// How services find each other [default: consul, or what the workspace has].
    #[arg(long, value_enum)]
    pub registry: Option<RegistryKind>,
    /// The gRPC port in development [default: the first free one from 50051]; the admin port is
    /// 1000 above it.
    #[arg(long, value_parser = clap::value_parser!(u16).range(1..=i64::from(u16::MAX - ADMIN_PORT_OFFSET)))]
    pub port: Option<u16>,
    /// The folder of the workspace, or of a new one [default: the workspace that this folder is in, else
    /// this folder].
    #[arg(long, value_name = "DIR", value_hint = ValueHint::DirPath)]
    pub path: Option<PathBuf>,
    /// Make no git repository.
    #[arg(long)]
    pub no_git: bool,
    /// Ask nothing, take the defaults.
    #[arg(short, long)]
    pub yes: bool,
    /// Show what would be made and make nothing.
    #[arg(long)]
    pub dry_run: bool,
}

/// What is made.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, clap::ValueEnum)]
pub enum Kind {
    /// A gRPC service.
    #[default]
    Service,
    /// HTTP and JSON in front of the services of a workspace.
    Gateway,
}

/// Why no service was made.
#[derive(Debug, thiserror::Error)]
enum NewError {
    #[error("no name was given")]
    NameMissing,
    #[error("a gateway has nothing to stand in front of here")]
    NoServices,
    #[error("`--{0}` is of no use to a gateway")]
    NotOfGateway(&'static str),
    #[error("the workspace has a service `{0}` already")]
    ServiceExists(ServiceName),
    #[error("port {port} is taken by `{service}`")]
    PortTaken { port: u16, service: String },
    #[error("every port is taken")]
    NoPort,
    #[error("this workspace has the registry `{has}`, not `{asked}`")]
    OtherRegistry {
        has: &'static str,
        asked: &'static str,
    },
}

impl Diagnostic for NewError {
    fn hint(&self) -> Option<String> {
        Some(match self {
            Self::NameMissing => {
                "say what the service is called: `msvc new user-service`".to_owned()
            }
            Self::NoServices => {
                "make a workspace first: `msvc new user-service`, then `msvc add gateway` in it"
                    .to_owned()
            }
            Self::NotOfGateway(_) => {
                "leave it out: a gateway is made for all services of the workspace".to_owned()
            }
            Self::ServiceExists(name) => {
                format!("choose another name, or look at `services/{name}`")
            }
            Self::PortTaken { .. } => "leave `--port` out to get the first free one".to_owned(),
            Self::NoPort => "free one in `msvc.toml`".to_owned(),
            Self::OtherRegistry { .. } => {
                "a workspace has one registry: change `kind` in `msvc.toml`".to_owned()
            }
        })
    }

    fn exit(&self) -> Exit {
        match self {
            Self::NameMissing | Self::NotOfGateway(_) => Exit::Usage,
            _ => Exit::Failed,
        }
    }
}

/// What was made, as it is printed.
#[derive(Debug, Serialize)]
struct Report<'a> {
    service: &'a str,
    folder: String,
    workspace_created: bool,
    port: u16,
    admin_port: u16,
    serves: Vec<&'a str>,
    dry_run: bool,
    changes: Vec<ChangeSummary<'a>>,
}

/// Runs `msvc new`.
///
/// # Errors
/// When a name, a proto or the target does not do; nothing has changed then.
pub fn run(context: &Context, args: NewArgs) -> Result {
    let name = taken::parse(&given_name(context, &args)?)?;
    let target = match &args.path {
        Some(path) => project::resolve(&context.directory.join(path))?,
        None => context.directory.clone(),
    };
    proto::prepare();
    while let Outcome::Overtaken = make(context, &args, &name, &target)? {}
    Ok(())
}

/// Runs `msvc add service`: as `msvc new`, in a workspace that is there.
///
/// # Errors
/// As [`run`], and where there is no workspace.
pub fn add(context: &Context, args: NewArgs) -> Result {
    let target = match &args.path {
        Some(path) => project::resolve(&context.directory.join(path))?,
        None => context.directory.clone(),
    };
    if args.dry_run {
        apply::refuse_interrupted(&target)?;
    } else {
        apply::recover_above(&target)?;
    }
    project::find(&target)?;
    run(context, args)
}

/// Where `msvc new --kind gateway` is to make one, which is what `msvc add gateway` does there.
///
/// # Errors
/// Where there is no workspace, or with a flag that is of services alone.
pub fn of_gateway(context: &Context, args: &NewArgs) -> Result<Context> {
    let flags = [
        ("proto", !args.proto.is_empty()),
        ("registry", args.registry.is_some()),
    ];
    if let Some((flag, _)) = flags.iter().find(|(_, is_given)| *is_given) {
        return Err(NewError::NotOfGateway(flag).into());
    }
    let mut context = context.clone();
    if let Some(path) = &args.path {
        context.directory = project::resolve(&context.directory.join(path))?;
    }
    if project::find_if_any(&context.directory)?.is_none() {
        return Err(NewError::NoServices.into());
    }
    Ok(context)
}

/// How an attempt to make a service ended.
enum Outcome {
    Done,
    /// Another process has made a workspace in the same folder: the plan was for an empty one.
    Overtaken,
}

fn make(context: &Context, args: &NewArgs, name: &ServiceName, target: &Path) -> Result<Outcome> {
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
    let port = choose_port(args, project.as_ref(), name)?;
    let registry = choose_registry(args, project.as_ref())?;

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
            let (example_method, example_request) = example(&serves, protos.starter.is_some());
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
    report(
        context,
        &plan,
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

fn given_name(context: &Context, args: &NewArgs) -> Result<String> {
    if let Some(name) = &args.name {
        return Ok(name.clone());
    }
    if !context.is_interactive() || args.yes {
        return Err(NewError::NameMissing.into());
    }
    dialoguer::Input::new()
        .with_prompt("What is the service called?")
        .with_initial_text("user-service")
        .validate_with(|name: &String| match taken::parse(name) {
            Ok(_) => Ok(()),
            Err(error) => Err(error.to_string()),
        })
        .interact_text()
        .map_err(|_| NewError::NameMissing.into())
}

fn choose_port(args: &NewArgs, project: Option<&Project>, name: &ServiceName) -> Result<u16> {
    let Some(manifest) = project.map(|project| &project.manifest) else {
        return Ok(args.port.unwrap_or(FIRST_PORT));
    };
    if manifest.services.contains_key(name) {
        return Err(NewError::ServiceExists(name.clone()).into());
    }
    match args.port {
        None => Ok(manifest.free_port().ok_or(NewError::NoPort)?),
        Some(port) => match manifest.holder(port).map(ToString::to_string) {
            Some(service) => Err(NewError::PortTaken { port, service }.into()),
            None => Ok(port),
        },
    }
}

fn choose_registry(args: &NewArgs, project: Option<&Project>) -> Result<RegistryKind> {
    let Some(project) = project else {
        return Ok(args.registry.unwrap_or_default());
    };
    let has = project.manifest.registry.kind;
    match args.registry {
        Some(asked) if asked != has => Err(NewError::OtherRegistry {
            has: has.as_str(),
            asked: asked.as_str(),
        }
        .into()),
        _ => Ok(has),
    }
}

/// A method for examples, with a request where the service is a starter.
fn example(serves: &[Service], is_starter: bool) -> (String, &'static str) {
    let service = serves
        .iter()
        .find(|service| !service.methods.is_empty())
        .unwrap_or(&serves[0]);
    let method = service
        .methods
        .iter()
        .find(|method| !method.client_streaming);
    let method = method.or(service.methods.first());
    let name = method.map_or("", |method| method.proto_name.as_str());
    let request = if is_starter { r#"{"id": 1}"# } else { "" };
    (format!("{}/{name}", service.full_name), request)
}

fn report(context: &Context, plan: &Plan, report: &Report<'_>) -> Result {
    let printer = &context.printer;
    if printer.is_json() {
        return printer.json(report);
    }
    if report.dry_run {
        for change in plan.summary() {
            printer.data(&format!("{:>6} {}\n", change.action, change.path))?;
        }
        return Ok(());
    }
    if report.workspace_created {
        printer.step("Created", format!("a workspace in {}", report.folder));
    }
    printer.step(
        "Created",
        format!(
            "services/{} for {}",
            report.service,
            report.serves.join(", ")
        ),
    );
    printer.step(
        "Ports",
        format!("gRPC {}, admin {}", report.port, report.admin_port),
    );
    if report.workspace_created {
        printer.hint("`msvc run` builds it and runs it; README.md has the commands of the day");
    } else {
        printer.hint("`msvc run` builds and runs all services");
    }
    Ok(())
}
