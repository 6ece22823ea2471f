//! `msvc add`: one more thing in a workspace that exists. Every addition is planned, shown, and then made
//! as a whole or not at all.

mod client;
mod database;
pub mod gateway;
mod method;
mod name;
mod payload;
mod queue;
mod saga;

use std::path::Path;

use anstyle::{AnsiColor, Style};
use clap::{Args, Subcommand};
use serde::Serialize;

use crate::context::Context;
use crate::error::{Diagnostic, Exit, Result};
use crate::manifest::Manifest;
use crate::project::{self, Project};
use crate::proto;
use crate::proto::model::Service;
use crate::scaffold::apply::{self, ApplyError};
use crate::scaffold::draft;
use crate::scaffold::lock::WorkspaceLock;
use crate::scaffold::names::ServiceName;
use crate::scaffold::plan::{ChangeSummary, Plan};
use crate::suggestion::{did_you_mean, similar};

/// What can be added to a service.
#[derive(Debug, Subcommand)]
pub enum Addition {
    /// Give a service a client of another one.
    Client(client::ClientArgs),
    /// Give a service a database of its own: SQLite, or PostgreSQL.
    Database(database::DatabaseArgs),
    /// Add a gateway: HTTP and JSON in front of the services.
    Gateway(gateway::GatewayArgs),
    /// Add a method to a gRPC service: to its proto, the generated code and the handler.
    Method(method::MethodArgs),
    /// Let a service publish messages and handle them: RabbitMQ, NATS or Kafka.
    Queue(queue::QueueArgs),
    /// Give a service a saga: steps that are done as a whole or undone.
    Saga(saga::SagaArgs),
}

/// How an addition is made.
#[derive(Args, Clone, Copy, Debug, Default)]
pub struct Options {
    /// Ask nothing.
    #[arg(short, long)]
    pub yes: bool,
    /// Show what would change and change nothing.
    #[arg(long)]
    pub dry_run: bool,
}

/// Why nothing was added.
#[derive(Debug, thiserror::Error)]
pub enum AddError {
    /// No service of the workspace has that name.
    #[error("the workspace has no service `{given}`")]
    UnknownService {
        /// What was given.
        given: String,
        /// What the workspace has.
        known: Vec<String>,
    },
    /// What was shown is not what would be done now.
    #[error("files of the workspace have changed since the question was asked")]
    ChangedMeanwhile,
    /// It was not said which service is meant.
    #[error("it is not said which service it is for")]
    WhichService {
        /// What the workspace has.
        known: Vec<String>,
    },
}

impl Diagnostic for AddError {
    fn hint(&self) -> Option<String> {
        Some(match self {
            Self::ChangedMeanwhile => {
                "nothing was changed by this command; run it again to see what it does now"
                    .to_owned()
            }
            Self::UnknownService { given, known } => {
                did_you_mean(&similar(given, known.iter().map(String::as_str)))
                    .unwrap_or_else(|| list(known))
            }
            Self::WhichService { known } => format!("name it with `--to`: {}", list(known)),
        })
    }

    fn exit(&self) -> Exit {
        match self {
            Self::ChangedMeanwhile => Exit::Failed,
            Self::UnknownService { .. } | Self::WhichService { .. } => Exit::Usage,
        }
    }
}

fn list(known: &[String]) -> String {
    match known {
        [] => "it has none: `msvc add service user-service` adds one".to_owned(),
        _ => format!("it has {}", known.join(", ")),
    }
}

/// What is to be done, and what is to be said of it.
#[derive(Debug, Default)]
pub struct Planned {
    /// What changes.
    pub plan: Plan,
    /// What was added, after the verb "Added".
    pub added: Vec<String>,
    /// What deserves attention.
    pub warnings: Vec<String>,
    /// What can be done next.
    pub hint: Option<String>,
}

/// What was done, as it is printed.
#[derive(Debug, Serialize)]
struct Report<'a> {
    added: &'a [String],
    dry_run: bool,
    changes: Vec<ChangeSummary<'a>>,
    diff: &'a str,
    warnings: &'a [String],
}

/// Runs `msvc add …`, but for services.
///
/// # Errors
/// When a name is unknown or the place for an edit is not recognised; nothing has changed then.
pub fn run(context: &Context, addition: Addition) -> Result {
    match addition {
        Addition::Client(args) => make(context, args.options, |project| {
            client::plan(project, &context.directory, &args)
        }),
        Addition::Database(args) => make(context, args.options, |project| {
            database::plan(project, &context.directory, &args)
        }),
        Addition::Gateway(args) => make(context, args.options, |project| {
            gateway::plan(project, &args)
        }),
        Addition::Method(args) => make(context, args.options, |project| {
            method::plan(project, &context.directory, &args)
        }),
        Addition::Queue(args) => make(context, args.options, |project| {
            queue::plan(project, &context.directory, &args)
        }),
        Addition::Saga(args) => make(context, args.options, |project| {
            saga::plan(project, &context.directory, &args)
        }),
    }
}

/// Plans an addition under the lock, shows it, asks, and makes it.
fn make(context: &Context, options: Options, plan: impl Fn(&Project) -> Result<Planned>) -> Result {
    match options.dry_run {
        true => apply::refuse_interrupted(&context.directory)?,
        // The manifest may be among what is not there yet.
        false => apply::recover_above(&context.directory)?,
    }
    let root = project::find(&context.directory)?.root;
    let mut lock = match options.dry_run {
        true => None,
        false => Some(WorkspaceLock::take(&root)?),
    };
    if let Some(lock) = &lock {
        apply::recover(lock)?;
    }
    // What the plan is made from is read under the lock.
    let project = project::find(&context.directory)?;
    let mut planned = plan(&project)?;
    let conflicts = apply::conflicts(&root, &planned.plan);
    if !conflicts.is_empty() {
        return Err(ApplyError::Conflicts(conflicts).into());
    }
    let diff = draft::diff(&root, &planned.plan)?;
    let printer = &context.printer;
    let asks = context.is_interactive() && !options.yes && !planned.plan.is_empty();
    if !printer.is_json() && (options.dry_run || asks) {
        printer.data(&painted(&diff, printer.colors_stdout()))?;
        for change in planned.plan.summary() {
            printer.data(&format!("{:>6} {}\n", change.action, change.path))?;
        }
    }
    if asks && !options.dry_run {
        // However long the answer takes, others go on.
        drop(lock.take());
        if !confirmed() {
            printer.line("nothing was changed");
            return Ok(());
        }
        let taken = lock.insert(WorkspaceLock::take(&root)?);
        apply::recover(taken)?;
        planned = plan(&project::find(&context.directory)?)?;
        let conflicts = apply::conflicts(&root, &planned.plan);
        if !conflicts.is_empty() || draft::diff(&root, &planned.plan)? != diff {
            return Err(AddError::ChangedMeanwhile.into());
        }
    }
    if let Some(lock) = lock.filter(|_| !planned.plan.is_empty()) {
        apply::apply(&lock, &planned.plan)?;
    }
    report(context, &planned, options, &diff)
}

fn confirmed() -> bool {
    let answer = dialoguer::Confirm::new()
        .with_prompt("Make these changes?")
        .default(true)
        .interact_opt();
    matches!(answer, Ok(Some(true)))
}

fn report(context: &Context, planned: &Planned, options: Options, diff: &str) -> Result {
    let printer = &context.printer;
    if printer.is_json() {
        return printer.json(&Report {
            added: &planned.added,
            dry_run: options.dry_run,
            changes: planned.plan.summary(),
            diff,
            warnings: &planned.warnings,
        });
    }
    for warning in &planned.warnings {
        printer.warning(warning);
    }
    if options.dry_run {
        return Ok(());
    }
    if planned.plan.is_empty() {
        printer.step("Fresh", "all of it is there already");
        return Ok(());
    }
    for change in planned
        .plan
        .summary()
        .iter()
        .filter(|it| it.action == "write")
    {
        printer.step("Changed", change.path);
    }
    for added in &planned.added {
        printer.step("Added", added);
    }
    if let Some(hint) = &planned.hint {
        printer.hint(hint);
    }
    Ok(())
}

/// A diff with what goes in red and what comes in green.
fn painted(diff: &str, is_colored: bool) -> String {
    if !is_colored {
        return diff.to_owned();
    }
    let style = |line: &str| match line.as_bytes().first() {
        Some(b'+') => AnsiColor::Green.on_default(),
        Some(b'-') => AnsiColor::Red.on_default(),
        Some(b'@') => AnsiColor::Cyan.on_default(),
        _ => Style::new(),
    };
    let lines = diff.lines().map(|line| {
        let style = style(line);
        format!("{style}{line}{style:#}\n")
    });
    lines.collect()
}

/// The service that something is for: the one that was named, or the only one.
fn target(manifest: &Manifest, given: Option<&str>) -> Result<ServiceName, AddError> {
    let mut names = manifest.services.keys();
    let known = || manifest.services.keys().map(ToString::to_string).collect();
    match given {
        Some(given) => names
            .find(|name| name.as_str() == given)
            .cloned()
            .ok_or_else(|| AddError::UnknownService {
                given: given.to_owned(),
                known: known(),
            }),
        None => match (names.next(), names.next()) {
            (Some(only), None) => Ok(only.clone()),
            _ => Err(AddError::WhichService { known: known() }),
        },
    }
}

/// The gRPC services that a service serves, as the generated code has them. Errors show files as seen from
/// `directory`.
fn served(project: &Project, directory: &Path, name: &ServiceName) -> Result<Vec<Service>> {
    let sources = project.sources();
    let (_, generated) = proto::generate_all(&sources, &project.generation(directory))?;
    let serves = &project.manifest.services[name].serves;
    let all = generated.services.into_iter();
    Ok(all.filter(|it| serves.contains(&it.full_name)).collect())
}
