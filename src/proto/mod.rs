//! Protos: from files to descriptors, from descriptors to Rust, and stubs into the user's code.
//!
//! - [`sources`] and [`entries`] find files, [`compile`](mod@compile) makes descriptors of them (the adapters);
//! - [`model`], [`codegen`], [`pieces`], [`modules`], [`namer`] and [`stubs`] are pure: descriptors and text in,
//!   text out.

pub mod acceptance;
pub mod breaking;
pub mod buf_yaml;
pub mod codegen;
pub mod compile;
pub mod describe;
pub mod diagnostic;
pub mod dialect;
pub mod doc;
pub mod earlier;
pub mod edition;
pub mod entries;
pub mod finding;
pub mod format;
pub mod groups;
pub mod layout;
pub mod lint;
pub mod mend;
pub mod model;
pub mod module;
pub mod modules;
pub mod namer;
pub mod pieces;
pub mod replace;
pub mod report;
pub mod schema;
pub mod set;
pub mod sources;
pub mod stubs;
pub mod tokens;

use crate::error::Result;
use crate::proto::codegen::Generated;
use crate::proto::compile::Compiled;
use crate::proto::sources::Sources;

/// Compiles every proto of a workspace and generates its crate `protocol`.
///
/// # Errors
/// When a folder cannot be read, a proto does not compile or no Rust can be made of it.
pub fn generate_all(sources: &Sources) -> Result<(Compiled, Generated)> {
    let compiled = compile::compile(sources, &sources.all_names()?)?;
    let generated = codegen::generate(&compiled.descriptors)?;
    Ok((compiled, generated))
}
