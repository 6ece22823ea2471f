//! `msvc new NAME --example …`: a whole system to learn from.

use std::path::PathBuf;

use serde::Serialize;

use crate::context::Context;
use crate::error::{Diagnostic, Exit, Result};
use crate::project;
use crate::scaffold::apply::{self, ApplyError};
use crate::scaffold::example::{self, Example};
use crate::scaffold::git;
use crate::scaffold::lock::WorkspaceLock;
use crate::scaffold::plan::ChangeSummary;
use crate::scaffold::vacant;

/// What is to be made, and where.
#[derive(Clone, Debug)]
pub struct ExampleArgs {
    /// Which system.
    pub example: Example,
    /// What the workspace is called.
    pub name: Option<String>,
    /// Its folder.
    pub path: Option<PathBuf>,
    /// Whether to make no git repository.
    pub no_git: bool,
    /// Whether to show it only.
    pub dry_run: bool,
}

#[derive(Debug, thiserror::Error)]
enum ExampleError {
    #[error("no name was given")]
    NameMissing,
    #[error("`{}` is in a workspace", .0.display())]
    Inside(PathBuf),
}

impl Diagnostic for ExampleError {
    fn hint(&self) -> Option<String> {
        Some(match self {
            Self::NameMissing => {
                "say what the workspace is called: `msvc new shop --example shop`".to_owned()
            }
            Self::Inside(_) => {
                "an example is a workspace of its own: go to an empty folder outside".to_owned()
            }
        })
    }

    fn exit(&self) -> Exit {
        match self {
            Self::NameMissing => Exit::Usage,
            Self::Inside(_) => Exit::Failed,
        }
    }
}

/// What was made, as it is printed.
#[derive(Debug, Serialize)]
struct Report<'a> {
    folder: String,
    services: Vec<&'a str>,
    dry_run: bool,
    changes: Vec<ChangeSummary<'a>>,
}

/// Makes an example.
///
/// # Errors
/// When the folder is not empty, or in a workspace.
pub fn run(context: &Context, args: &ExampleArgs) -> Result {
    let name = args.name.as_deref().ok_or(ExampleError::NameMissing)?;
    let root = match &args.path {
        Some(path) => project::resolve(&context.directory.join(path))?,
        None => context.directory.clone(),
    };
    apply::refuse_interrupted(&root)?;
    if project::find_if_any(&root)?.is_some() {
        return Err(ExampleError::Inside(root).into());
    }
    vacant::refuse_unless_empty(&root)?;
    let mut plan = example::plan(args.example, name, &root)?;
    if !args.no_git {
        plan.put_under_git();
    }
    let printer = &context.printer;
    if !args.dry_run {
        let lock = WorkspaceLock::take(&root)?;
        apply::recover(&lock)?;
        // Somebody may have come between the look and the lock.
        let conflicts = apply::conflicts(&root, &plan);
        if !conflicts.is_empty() {
            return Err(ApplyError::Conflicts(conflicts).into());
        }
        if apply::apply(&lock, &plan)? == git::Made::Failed {
            printer.warning("`git init` failed; the workspace is not under git");
        }
    }
    let changes = plan.summary();
    if printer.is_json() {
        return printer.json(&Report {
            folder: root.display().to_string(),
            services: example::services(args.example),
            dry_run: args.dry_run,
            changes,
        });
    }
    if args.dry_run {
        for change in changes {
            printer.data(&format!("{:>6} {}\n", change.action, change.path))?;
        }
        return Ok(());
    }
    printer.step("Created", format!("a workspace in {}", root.display()));
    for service in example::services(args.example) {
        printer.step("Created", format!("services/{service}"));
    }
    printer.hint("`msvc run` builds it and runs it; README.md says what there is to see");
    Ok(())
}
