//! `msvc call`.

use crate::context::Context;
use crate::error::Result;

/// Arguments of `msvc call`.
#[derive(Debug, clap::Args)]
pub struct CallArgs {}

/// Runs `msvc call`.
///
/// # Errors
/// See the module's error type.
pub fn run(_context: &Context, _args: CallArgs) -> Result {
    Ok(())
}
