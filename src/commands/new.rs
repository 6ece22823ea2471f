//! `msvc new`.

use crate::context::Context;
use crate::error::Result;

/// Arguments of `msvc new`.
#[derive(Debug, clap::Args)]
pub struct NewArgs {}

/// Runs `msvc new`.
///
/// # Errors
/// See the module's error type.
pub fn run(_context: &Context, _args: NewArgs) -> Result {
    Ok(())
}
