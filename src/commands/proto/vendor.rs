//! `msvc proto vendor`: protos from elsewhere, checked in.

mod added;
mod error;
mod fetched;
mod present;

use std::path::PathBuf;
use std::time::Duration;

use clap::{Args, ValueHint};
use serde::Serialize;

use self::error::VendorError;
use crate::context::Context;
use crate::duration;
use crate::error::Result;
use crate::manifest::{self, Manifest};
use crate::project;
use crate::proto::vendor::Source;
use crate::proto::vendor::lock::Lock;
use crate::proto::vendor::state::State;
use crate::scaffold::apply;
use crate::scaffold::lock::WorkspaceLock;
use crate::scaffold::plan::{ChangeSummary, Plan};

/// Arguments of `msvc proto vendor`.
#[derive(Args, Debug)]
#[command(after_help = "Examples:\n  \
    msvc proto vendor --git https://github.com/googleapis/googleapis     what the protos import of it\n  \
    msvc proto vendor --git git@example.com:protos --rev v3 billing/v1   and billing/v1, imported or not\n  \
    msvc proto vendor --crate opentelemetry-proto@0.31\n  \
    msvc proto vendor             after a change of imports or of [proto.vendor] in msvc.toml\n  \
    msvc proto vendor --update    the newest commits and versions\n  \
    msvc proto vendor --check     in CI: exit code 1 when something is not as locked")]
pub struct VendorArgs {
    /// Add a repository of git to `msvc.toml`: whatever `git fetch` takes.
    #[arg(long, value_name = "URL", group = "origin")]
    pub git: Option<String>,
    /// The branch, tag or commit of the repository [default: its HEAD].
    #[arg(long, requires = "git")]
    pub rev: Option<String>,
    /// Add a folder to `msvc.toml`.
    #[arg(long, value_name = "DIR", group = "origin", value_hint = ValueHint::DirPath)]
    pub path: Option<PathBuf>,
    /// Add a crate of cargo's registry to `msvc.toml`; `NAME@VERSION` for one of some versions.
    #[arg(long = "crate", value_name = "CRATE", group = "origin")]
    pub package: Option<String>,
    /// What to call it [default: the last part of what is added].
    #[arg(long, requires = "origin")]
    pub name: Option<String>,
    /// The folder in it that imports are relative to [default: where what is needed begins].
    #[arg(long, value_name = "DIR", requires = "origin")]
    pub root: Option<String>,
    /// Files and folders below it that are wanted whether or not anything imports them.
    #[arg(value_name = "FILE", requires = "origin")]
    pub files: Vec<String>,
    /// Take the newest of what `msvc.toml` allows, instead of what is locked.
    #[arg(long, conflicts_with = "check")]
    pub update: bool,
    /// Change and fetch nothing; fail when something would change.
    #[arg(long, conflicts_with_all = ["origin", "dry_run", "force"])]
    pub check: bool,
    /// Change nothing; show what would change.
    #[arg(long)]
    pub dry_run: bool,
    /// Overwrite files that were changed by hand.
    #[arg(long)]
    pub force: bool,
    /// How long each fetch may take.
    #[arg(long, value_name = "DURATION", default_value = "2m", value_parser = duration::parse_positive)]
    pub timeout: Duration,
}

/// What was done, as it is printed.
#[derive(Debug, Serialize)]
struct Report<'a> {
    up_to_date: bool,
    dry_run: bool,
    changes: Vec<ChangeSummary<'a>>,
    sources: &'a Lock,
}

/// Runs `msvc proto vendor`.
///
/// # Errors
/// When a source cannot be had, has not what is needed, or something would be overwritten.
pub fn run(context: &Context, args: &VendorArgs) -> Result {
    let root = project::find(&context.directory)?.root;
    let lock = match args.check || args.dry_run {
        true => {
            apply::refuse_interrupted(&context.directory)?;
            None
        }
        false => Some(WorkspaceLock::take(&root)?),
    };
    if let Some(lock) = &lock {
        apply::recover(lock)?;
    }
    let project = project::find(&context.directory)?;
    let own = present::own_imports(context, &project)?;
    let present = present::read_present(&project.root)?;
    let locked = present::read_lock(&project.root)?;
    let mut sources = project.manifest.proto.vendor.clone();
    let added = added::added(context, args, &project)?;
    if let Some((name, source)) = &added {
        sources.insert(name.clone(), source.clone());
    }
    let state = State {
        sources: &sources,
        lock: &locked,
        present: &present,
        own: &own,
    };
    let problems = state.problems();
    if args.check && !problems.is_empty() {
        return Err(VendorError::Stale(problems).into());
    }
    let mut plan = Plan::default();
    let mut new_lock = locked.clone();
    if !problems.is_empty() || args.update {
        let detect = added.as_ref().filter(|_| args.root.is_none());
        let detect = detect.map(|(name, _)| name.as_str());
        let fetched = fetched::fetch(args, &project, &state, detect)?;
        if let Some((name, source)) = &added {
            let source = Source {
                root: fetched.roots[name].clone(),
                ..source.clone()
            };
            let text = manifest::with_vendored(&project.manifest_text, name, &source)?;
            Manifest::parse(&text)?;
            plan.write(manifest::FILE_NAME, text);
        }
        new_lock = fetched::plan_files(&state, &fetched, args.force, &mut plan)?;
    }
    if let Some(lock) = lock.filter(|_| !plan.is_empty()) {
        apply::apply(&lock, &plan)?;
    }
    let report = Report {
        up_to_date: plan.is_empty(),
        dry_run: args.dry_run,
        changes: plan.summary(),
        sources: &new_lock,
    };
    print(context, &report)
}

fn print(context: &Context, report: &Report<'_>) -> Result {
    let printer = &context.printer;
    if printer.is_json() {
        return printer.json(report);
    }
    for change in &report.changes {
        match (report.dry_run, change.action) {
            (true, action) => printer.data(&format!("{action:>6} {}\n", change.path))?,
            (false, "remove") => printer.step("Removed", change.path),
            (false, _) => printer.step("Wrote", change.path),
        }
    }
    if report.up_to_date {
        printer.step("Fresh", "what is vendored is what is needed");
        return Ok(());
    }
    if report.dry_run {
        return Ok(());
    }
    for (name, locked) in &report.sources.0 {
        let count = match locked.files.len() {
            1 => "1 file".to_owned(),
            count => format!("{count} files"),
        };
        let at = match locked.pin.as_str() {
            "" => String::new(),
            pin => format!(" at {pin}"),
        };
        printer.step("Vendored", format!("{name}{at}: {count}"));
    }
    printer.hint("`msvc proto gen` makes code of it");
    Ok(())
}
