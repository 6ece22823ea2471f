//! `msvc bench`.

use crate::context::Context;
use crate::error::Result;

/// Arguments of `msvc bench`.
#[derive(Debug, clap::Args)]
pub struct BenchArgs {}

/// Runs `msvc bench`.
///
/// # Errors
/// See the module's error type.
pub fn run(_context: &Context, _args: BenchArgs) -> Result {
    Ok(())
}
