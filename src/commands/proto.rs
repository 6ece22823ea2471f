//! `msvc proto`.

use crate::context::Context;
use crate::error::Result;

/// The subcommands of `msvc proto`.
#[derive(Debug, clap::Subcommand)]
pub enum ProtoCommand {
    /// Rewrite the generated code of the workspace from its protos.
    Gen {},
}

/// Runs `msvc proto`.
///
/// # Errors
/// See the module's error type.
pub fn run(_context: &Context, _args: ProtoCommand) -> Result {
    Ok(())
}
