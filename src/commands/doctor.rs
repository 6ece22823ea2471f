//! `msvc doctor`.

use crate::context::Context;
use crate::error::Result;

/// Arguments of `msvc doctor`.
#[derive(Debug, clap::Args)]
pub struct DoctorArgs {}

/// Runs `msvc doctor`.
///
/// # Errors
/// See the module's error type.
pub fn run(_context: &Context, _args: DoctorArgs) -> Result {
    Ok(())
}
