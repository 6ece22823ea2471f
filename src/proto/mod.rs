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
pub mod options;
pub mod pieces;
pub mod replace;
pub mod report;
pub mod schema;
pub mod set;
pub mod sources;
pub mod stubs;
pub mod tokens;

use crate::error::Result;
use crate::proto::codegen::{CodegenError, Generated};
use crate::proto::compile::{CompileErrors, Compiled};
use crate::proto::diagnostic::ProtoDiagnostic;
use crate::proto::options::GenConfig;
use crate::proto::sources::Sources;

/// Compiles every proto of a workspace and generates its crate `protocol`. `manifest` is the text of
/// `msvc.toml`, in which `config` stands.
///
/// # Errors
/// When a folder cannot be read, a proto does not compile or no Rust can be made of it.
pub fn generate_all(
    sources: &Sources,
    (config, manifest): (&GenConfig, &str),
) -> Result<(Compiled, Generated)> {
    let compiled = compile::compile(sources, &sources.all_names()?)?;
    match codegen::generate_with(&compiled.descriptors, config) {
        Ok(generated) => Ok((compiled, generated)),
        Err(CodegenError::Options(problems)) => {
            let problems = problems.into_iter();
            let told = problems.map(|it| ProtoDiagnostic::of_manifest(it, manifest));
            let mut told: Vec<ProtoDiagnostic> = told.collect();
            told.sort_by_key(|it| it.place.as_ref().map(|place| (place.line, place.column)));
            Err(CompileErrors(told).into())
        }
        Err(error) => Err(error.into()),
    }
}
