//! `msvc proto gen`: the code that is generated from the protos of a workspace.

mod stamp;

use clap::Args;
use serde::Serialize;

use self::stamp::Stamp;
use crate::context::Context;
use crate::error::{Diagnostic, Result};
use crate::project;
use crate::proto::compile::CompileErrors;
use crate::proto::namer::Rename;
use crate::scaffold::apply;
use crate::scaffold::lock::WorkspaceLock;
use crate::scaffold::plan::{ChangeSummary, Plan};
use crate::scaffold::regenerate;
use crate::scaffold::user_code::{Gone, Misfit, Unclear, UserCode};

/// Arguments of `msvc proto gen`.
#[derive(Args, Debug)]
#[command(after_help = "Examples:\n  \
    msvc proto gen            after a change in proto/\n  \
    msvc proto gen --check    in CI: exit code 1 when something is stale, or a service's code does not fit")]
pub struct GenArgs {
    /// Change nothing; fail when something would change, or when a service's code does not fit the protos.
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
}

impl Diagnostic for GenError {
    fn hint(&self) -> Option<String> {
        Some(match self {
            Self::Undefined(_) => {
                "mend `serves` in `msvc.toml`, or add the proto that defines it".to_owned()
            }
            Self::Stale(_) => "run `msvc proto gen` and commit what it changes".to_owned(),
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

/// What was done, as it is printed.
#[derive(Debug, Serialize)]
struct Report<'a> {
    up_to_date: bool,
    dry_run: bool,
    changes: Vec<ChangeSummary<'a>>,
    stubs_added: &'a [String],
    mismatches: &'a [Misfit],
    gone: &'a [Gone],
    not_implemented: &'a [String],
    not_defined: &'a [String],
    unclear: &'a [Unclear],
    renames: &'a [Rename],
}

/// Runs `msvc proto gen`.
///
/// # Errors
/// When a proto does not compile, the code of a service cannot be read, or something is stale or does not
/// fit the protos with `--check`.
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
    let sources = project.sources();
    let stamp = Stamp::of(&project, &sources)?;
    if stamp.is_known(&project) {
        let user_code = UserCode::default();
        return print(context, &report(args, &Plan::default(), &user_code, &[]));
    }
    let mut plan = Plan::default();
    let generated = regenerate::plan(&project, &context.directory, &sources, &mut plan)?;
    let user_code = generated.user_code;

    if args.check && !plan.is_empty() {
        let stale = plan.changes().map(|(path, _)| path.to_owned()).collect();
        return Err(GenError::Stale(stale).into());
    }
    if args.check && !user_code.not_defined.is_empty() {
        return Err(GenError::Undefined(user_code.not_defined).into());
    }
    if args.check && !(user_code.mismatches.is_empty() && user_code.gone.is_empty()) {
        return Err(unfit(&user_code).into());
    }
    if let Some(lock) = lock.filter(|_| !plan.is_empty()) {
        apply::apply(&lock, &plan)?;
    }
    let report = report(args, &plan, &user_code, &generated.renames);
    if report.is_silent() {
        stamp.keep(&project);
    }
    print(context, &report)
}

/// The code that certainly does not compile with the protos. A run that writes only warns of it, for it has
/// done its part; a check vouches for what is committed.
fn unfit(user_code: &UserCode) -> CompileErrors {
    let mismatches = user_code.mismatches.iter().map(Misfit::shown);
    let gone = user_code.gone.iter().map(Gone::shown);
    CompileErrors(mismatches.chain(gone).collect())
}

fn report<'a>(
    args: &GenArgs,
    plan: &'a Plan,
    user_code: &'a UserCode,
    renames: &'a [Rename],
) -> Report<'a> {
    Report {
        up_to_date: plan.is_empty(),
        dry_run: args.dry_run,
        changes: plan.summary(),
        stubs_added: &user_code.added,
        mismatches: &user_code.mismatches,
        gone: &user_code.gone,
        not_implemented: &user_code.not_implemented,
        not_defined: &user_code.not_defined,
        unclear: &user_code.unclear,
        renames,
    }
}

impl Report<'_> {
    /// Whether there was nothing to do and nothing to tell.
    fn is_silent(&self) -> bool {
        self.up_to_date
            && self.mismatches.is_empty()
            && self.gone.is_empty()
            && self.not_implemented.is_empty()
            && self.not_defined.is_empty()
            && self.unclear.is_empty()
            && self.renames.is_empty()
    }
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
    for mismatch in report.mismatches {
        printer.warning(mismatch.shown());
    }
    for gone in report.gone {
        printer.warning(gone.shown());
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
