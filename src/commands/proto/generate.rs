//! `msvc proto gen`: the code that is generated from the protos of a workspace.

use std::collections::BTreeSet;
use std::fs;
use std::path::{Path, PathBuf};

use clap::Args;
use serde::Serialize;

use crate::context::Context;
use crate::error::{Diagnostic, IoContext, Result};
use crate::project::{self, Project};
use crate::proto;
use crate::proto::model::Service;
use crate::proto::namer::Rename;
use crate::proto::sources::Sources;
use crate::proto::stubs;
use crate::scaffold::apply;
use crate::scaffold::lock::WorkspaceLock;
use crate::scaffold::plan::{ChangeSummary, Plan};
use crate::scaffold::protocol;

/// Arguments of `msvc proto gen`.
#[derive(Args, Debug)]
#[command(after_help = "Examples:\n  \
    msvc proto gen            after a change in proto/\n  \
    msvc proto gen --check    in CI: exit code 1 when something is stale")]
pub struct GenArgs {
    /// Change nothing; fail when something would change.
    #[arg(long)]
    pub check: bool,
    /// Change nothing; show what would change.
    #[arg(long, conflicts_with = "check")]
    pub dry_run: bool,
}

/// Why code was not generated.
#[derive(Debug, thiserror::Error)]
enum GenError {
    #[error("{}", stale_message(.0))]
    Stale(Vec<String>),
    #[error("{}", undefined_message(.0))]
    Undefined(Vec<String>),
    #[error("`{}` is not valid Rust: line {line}, column {column}: {message}", .path.display())]
    Unreadable {
        path: PathBuf,
        line: usize,
        column: usize,
        message: String,
    },
}

impl Diagnostic for GenError {
    fn hint(&self) -> Option<String> {
        Some(match self {
            Self::Undefined(_) => {
                "mend `serves` in `msvc.toml`, or add the proto that defines it".to_owned()
            }
            Self::Stale(_) => "run `msvc proto gen` and commit what it changes".to_owned(),
            Self::Unreadable { .. } => {
                "mend it first: stubs are put into the `impl` blocks that are found by parsing it"
                    .to_owned()
            }
        })
    }
}

fn stale_message(paths: &[String]) -> String {
    let mut message = match paths.len() {
        1 => "a file does not match the protos:".to_owned(),
        count => format!("{count} files do not match the protos:"),
    };
    for path in paths {
        message.push_str("\n  ");
        message.push_str(path);
    }
    message
}

fn undefined_message(services: &[String]) -> String {
    format!(
        "no proto defines what `serves` has: {}",
        services.join(", ")
    )
}

/// A function that implements a method which the protos do not have.
#[derive(Debug, Serialize)]
struct Leftover {
    service: String,
    function: String,
    file: String,
    line: usize,
}

/// An `impl` block that was left alone because its trait comes by way of another file.
#[derive(Debug, Serialize)]
struct Unclear {
    service: String,
    file: String,
    line: usize,
    /// The path that makes it certain.
    import: String,
}

/// What was done, as it is printed.
#[derive(Debug, Serialize)]
struct Report<'a> {
    up_to_date: bool,
    dry_run: bool,
    changes: Vec<ChangeSummary<'a>>,
    stubs_added: &'a [String],
    leftovers: &'a [Leftover],
    not_implemented: &'a [String],
    not_defined: &'a [String],
    unclear: &'a [Unclear],
    renames: &'a [Rename],
}

/// Runs `msvc proto gen`.
///
/// # Errors
/// When a proto does not compile, the code of a service cannot be read, or something is stale with
/// `--check`.
pub fn run(context: &Context, args: &GenArgs) -> Result {
    let looks_only = args.check || args.dry_run;
    match looks_only {
        true => apply::refuse_interrupted(&context.directory)?,
        // The manifest may be among what is not there yet.
        false => apply::recover_above(&context.directory)?,
    }
    let root = project::find(&context.directory)?.root;
    let lock = match looks_only {
        true => None,
        false => Some(WorkspaceLock::take(&root)?),
    };
    if let Some(lock) = &lock {
        apply::recover(lock)?;
    }
    // What the plan is made from is read under the lock.
    let project = project::find(&context.directory)?;
    project.refuse_missing_roots()?;
    let sources = Sources {
        memory: Default::default(),
        folders: project.proto_roots(),
    };
    let config = &project.manifest.proto.generation;
    let (compiled, generated) = proto::generate_all(&sources, (config, &project.manifest_text))?;
    let mut plan = Plan::default();
    protocol::plan_options(&project, &mut plan)?;
    let existing = protocol::read_generated(&project.root)?;
    protocol::plan_sources(&generated, &compiled.encoded, &existing, &mut plan);
    let user_code = plan_stubs(&project, &generated.services, &mut plan)?;

    if args.check && !plan.is_empty() {
        let stale = plan.changes().map(|(path, _)| path.to_owned()).collect();
        return Err(GenError::Stale(stale).into());
    }
    if args.check && !user_code.not_defined.is_empty() {
        return Err(GenError::Undefined(user_code.not_defined).into());
    }
    if let Some(lock) = lock.filter(|_| !plan.is_empty()) {
        apply::apply(&lock, &plan)?;
    }
    let report = Report {
        up_to_date: plan.is_empty(),
        dry_run: args.dry_run,
        changes: plan.summary(),
        stubs_added: &user_code.added,
        leftovers: &user_code.leftovers,
        not_implemented: &user_code.not_implemented,
        not_defined: &user_code.not_defined,
        unclear: &user_code.unclear,
        renames: &generated.renames,
    };
    print(context, &report)
}

#[derive(Default)]
struct UserCode {
    added: Vec<String>,
    leftovers: Vec<Leftover>,
    not_implemented: Vec<String>,
    /// Those in `serves` that no proto has.
    not_defined: Vec<String>,
    unclear: Vec<Unclear>,
}

/// Adds to the plan the stubs that the services' own code lacks.
fn plan_stubs(project: &Project, services: &[Service], plan: &mut Plan) -> Result<UserCode> {
    let mut user_code = UserCode::default();
    for (name, entry) in &project.manifest.services {
        let source = project.service_folder(name.as_str()).join("src");
        let served: Vec<Service> = services
            .iter()
            .filter(|service| entry.serves.contains(&service.full_name))
            .cloned()
            .collect();
        let mut implemented = BTreeSet::new();
        let mut unclear = Vec::new();
        for path in rust_files(&source)? {
            let text = fs::read_to_string(&path).when("read", &path)?;
            let found = stubs::examine(&text, &served).map_err(|error| {
                let start = error.span().start();
                GenError::Unreadable {
                    path: path.clone(),
                    line: start.line,
                    column: start.column + 1,
                    message: error.to_string(),
                }
            })?;
            let relative = relative(&project.root, &path);
            if !found.insertions.is_empty() {
                plan.write(relative.clone(), stubs::insert(&text, &found.insertions));
            }
            implemented.extend(found.implements);
            unclear.extend(found.unclear.into_iter().filter_map(|block| {
                let mut services = served.iter();
                let service = services.find(|service| service.full_name == block.service)?;
                Some(Unclear {
                    service: block.service,
                    file: relative.clone(),
                    line: block.line,
                    import: format!("{}::{}", service.server_module(), service.rust_name),
                })
            }));
            user_code.added.extend(found.added);
            user_code
                .leftovers
                .extend(found.leftovers.into_iter().map(|leftover| Leftover {
                    service: leftover.service,
                    function: leftover.function,
                    file: relative.clone(),
                    line: leftover.line,
                }));
        }
        // Beside a block that is certain, another is a wrapper or has a trait of the same name.
        unclear.retain(|block| !implemented.contains(&block.service));
        let told: BTreeSet<String> = unclear.iter().map(|block| block.service.clone()).collect();
        user_code.unclear.extend(unclear);
        for full_name in &entry.serves {
            let line = format!("{name}: {full_name}");
            if !served.iter().any(|service| service.full_name == *full_name) {
                user_code.not_defined.push(line);
            } else if !implemented.contains(full_name) && !told.contains(full_name) {
                user_code.not_implemented.push(line);
            }
        }
    }
    Ok(user_code)
}

fn print(context: &Context, report: &Report<'_>) -> Result {
    let printer = &context.printer;
    if printer.is_json() {
        return printer.json(report);
    }
    for change in &report.changes {
        if report.dry_run {
            printer.data(&format!("{:>6} {}\n", change.action, change.path))?;
        } else {
            let verb = if change.action == "remove" {
                "Removed"
            } else {
                "Wrote"
            };
            printer.step(verb, change.path);
        }
    }
    for stub in report.stubs_added {
        printer.step("Stub for", stub);
    }
    for rename in report.renames {
        printer.line(format!("note: {rename}"));
    }
    for leftover in report.leftovers {
        printer.warning(format!(
            "{}:{}: `{}` implements no method of `{}`; remove it when it is not needed",
            leftover.file, leftover.line, leftover.function, leftover.service
        ));
    }
    for block in report.unclear {
        printer.warning(format!(
            "{}:{}: this may implement `{}`, but its trait comes by way of another file, so it got \
             no stubs; import it as `{}`",
            block.file, block.line, block.service, block.import
        ));
    }
    for missing in report.not_defined {
        printer.warning(format!("{missing} is in `serves`, but no proto defines it"));
    }
    for missing in report.not_implemented {
        printer.warning(format!(
            "{missing} is in `serves`, but no `impl` block of it was found"
        ));
    }
    if report.up_to_date {
        printer.step("Fresh", "the generated code matches the protos");
    }
    Ok(())
}

fn rust_files(folder: &Path) -> Result<Vec<PathBuf>> {
    let mut files = Vec::new();
    if !folder.is_dir() {
        return Ok(files);
    }
    for entry in fs::read_dir(folder).when("list", folder)? {
        let path = entry.when("list", folder)?.path();
        if path.is_dir() {
            files.extend(rust_files(&path)?);
        } else if path.extension().is_some_and(|extension| extension == "rs") {
            files.push(path);
        }
    }
    files.sort();
    Ok(files)
}

/// A path below the workspace, with `/` between its parts.
fn relative(root: &Path, path: &Path) -> String {
    let below = path.strip_prefix(root).unwrap_or(path);
    let parts: Vec<_> = below.iter().map(|part| part.to_string_lossy()).collect();
    parts.join("/")
}
