//! What is told of a service that was made.

use serde::Serialize;

use crate::context::Context;
use crate::error::Result;
use crate::scaffold::plan::ChangeSummary;

/// What was made, as it is printed.
#[derive(Debug, Serialize)]
pub(super) struct Report<'a> {
    pub(super) service: &'a str,
    pub(super) folder: String,
    pub(super) workspace_created: bool,
    pub(super) port: u16,
    pub(super) admin_port: u16,
    pub(super) serves: Vec<&'a str>,
    pub(super) dry_run: bool,
    pub(super) changes: Vec<ChangeSummary<'a>>,
    /// The `msvc run` that runs the other services.
    #[serde(skip)]
    pub(super) running: Option<u32>,
}

/// Prints it.
///
/// # Errors
/// When stdout cannot be written to.
pub(super) fn print(context: &Context, report: &Report<'_>) -> Result {
    let printer = &context.printer;
    if printer.is_json() {
        return printer.json(report);
    }
    if report.dry_run {
        for change in &report.changes {
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
    printer.hint(match (report.workspace_created, report.running) {
        (true, _) => {
            "`msvc run` builds it and runs it; README.md has the commands of the day".to_owned()
        }
        (false, None) => "`msvc run` builds and runs all services".to_owned(),
        (false, Some(pid)) => format!(
            "`msvc run` (pid {pid}) goes on without it: Ctrl-C there, then `msvc run` runs all services"
        ),
    });
    Ok(())
}
