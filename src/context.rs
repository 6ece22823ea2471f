//! What every command may know of the world around it, read once at the start.

use std::path::{Path, PathBuf};

use crate::cli::GlobalArgs;
use crate::env_vars::Environment;
use crate::error::{IoContext, Result};
use crate::printer::Printer;

/// The world around a command.
#[derive(Clone, Debug)]
pub struct Context {
    /// The folder to work in: `--project`, or the one the process was started in; absolute.
    pub directory: PathBuf,
    /// What the environment variables said.
    pub environment: Environment,
    /// The only way to the terminal.
    pub printer: Printer,
}

impl Context {
    /// Resolves the folder to work in.
    ///
    /// # Errors
    /// When the current folder or the one named by `--project` cannot be resolved.
    pub fn new(global: &GlobalArgs, environment: Environment, printer: Printer) -> Result<Self> {
        let given = global.project.as_deref().unwrap_or(Path::new("."));
        let directory = std::path::absolute(given)
            .and_then(|path| path.canonicalize())
            .when("open the project folder", given)?;
        Ok(Self {
            directory,
            environment,
            printer,
        })
    }

    /// Whether a person can be asked: prompts need a terminal on both sides and human output.
    pub fn is_interactive(&self) -> bool {
        self.printer.is_interactive() && !self.environment.ci
    }
}
