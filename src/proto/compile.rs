//! From proto files to descriptors. The only module that calls the proto compiler.

use prost_types::FileDescriptorSet;
use protox::Compiler;

use crate::error::{Diagnostic, Exit};
use crate::proto::diagnostic::ProtoDiagnostic;
use crate::proto::sources::Sources;

/// Compiled protos: every file asked for and all that they import.
#[derive(Clone, Debug)]
pub struct Compiled {
    /// The files, each after those that it imports, with comments and places.
    pub descriptors: FileDescriptorSet,
    /// The same without comments and places, encoded, with the values of custom options.
    pub encoded: Vec<u8>,
}

/// Why protos do not compile.
#[derive(Clone, Debug, thiserror::Error)]
#[error("{0}")]
pub struct CompileError(pub Box<ProtoDiagnostic>);

impl Diagnostic for CompileError {
    fn exit(&self) -> Exit {
        Exit::Failed
    }
}

/// Compiles files, named as imports name them.
///
/// # Errors
/// The first error that the compiler finds.
pub fn compile(sources: &Sources, names: &[String]) -> Result<Compiled, CompileError> {
    let failed = |error: protox::Error| {
        let mut diagnostic = ProtoDiagnostic::from_compiler(&error);
        if error.is_file_not_found() && diagnostic.help.is_none() {
            diagnostic.help = Some(not_found_help(sources));
        }
        CompileError(Box::new(diagnostic))
    };
    let mut compiler = Compiler::with_file_resolver(sources.resolver());
    compiler.include_imports(true).include_source_info(true);
    for name in names {
        compiler.open_file(name).map_err(failed)?;
    }
    let descriptors = compiler.file_descriptor_set();
    let encoded = compiler
        .include_source_info(false)
        .encode_file_descriptor_set();
    Ok(Compiled {
        descriptors,
        encoded,
    })
}

fn not_found_help(sources: &Sources) -> String {
    let folders: Vec<String> = sources
        .folders
        .iter()
        .map(|folder| format!("`{}`", folder.display()))
        .collect();
    format!(
        "imports are looked for in {}; add a folder with `-I DIR`",
        if folders.is_empty() {
            "no folder".to_owned()
        } else {
            folders.join(", ")
        }
    )
}
