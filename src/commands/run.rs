//! `msvc run`.

use crate::context::Context;
use crate::error::Result;

/// Arguments of `msvc run`.
#[derive(Debug, clap::Args)]
pub struct RunArgs {}

/// Runs `msvc run`.
///
/// # Errors
/// See the module's error type.
pub fn run(_context: &Context, _args: RunArgs) -> Result {
    Ok(())
}
