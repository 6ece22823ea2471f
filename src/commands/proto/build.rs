//! `msvc proto build`: a descriptor set, for other tools.

use std::collections::BTreeSet;
use std::fs;
use std::path::PathBuf;

use clap::{Args, ValueHint};
use serde::Serialize;

use crate::commands::proto::input::{self, InputArgs};
use crate::context::Context;
use crate::error::{IoContext, Result};
use crate::proto::module::Modules;
use crate::proto::report::ErrorFormat;
use crate::proto::set::{self, SetContents};

/// Arguments of `msvc proto build`.
#[derive(Args, Debug)]
#[command(after_help = "Examples:\n  \
    msvc proto build -o protos.binpb                              all protos, and what they import\n  \
    msvc proto build -o protos.binpb --exclude-source-info        without comments and places\n  \
    msvc proto breaking --against protos.binpb                    compare with it later")]
pub struct BuildArgs {
    /// The file to write: an encoded google.protobuf.FileDescriptorSet.
    #[arg(short, long, value_name = "FILE", value_hint = ValueHint::FilePath)]
    output: PathBuf,
    /// Leave out what is imported and not among the files.
    #[arg(long)]
    exclude_imports: bool,
    /// Leave out comments and places.
    #[arg(long)]
    exclude_source_info: bool,
    #[command(flatten)]
    input: InputArgs,
}

/// What was written.
#[derive(Debug, Serialize)]
struct Report {
    output: PathBuf,
    files: usize,
    bytes: usize,
}

/// Runs `msvc proto build`.
///
/// # Errors
/// When a proto does not compile, or the file cannot be written.
pub fn run(context: &Context, args: &BuildArgs) -> Result {
    let modules = Modules::find(&context.directory, &args.input.include)?;
    let names = modules.names(&args.input.paths)?;
    let names: Vec<String> = names.into_iter().flatten().collect();
    let pool = input::compile(context, &modules, &names, ErrorFormat::Human)?;
    let contents = SetContents {
        imports: !args.exclude_imports,
        source_info: !args.exclude_source_info,
    };
    let names: BTreeSet<String> = names.into_iter().collect();
    let encoded = set::encode(&pool, &names, contents);
    let path = context.directory.join(&args.output);
    // Written beside it and renamed: whoever reads it sees all of it.
    let mut staged = path.clone().into_os_string();
    staged.push(format!(".{}", std::process::id()));
    let staged = PathBuf::from(staged);
    let written = fs::write(&staged, &encoded)
        .when("write", &staged)
        .and_then(|()| fs::rename(&staged, &path).when("write", &path));
    if let Err(error) = written {
        let _ = fs::remove_file(&staged);
        return Err(error.into());
    }
    let report = Report {
        output: args.output.clone(),
        files: names.len(),
        bytes: encoded.len(),
    };
    if context.printer.is_json() {
        return context.printer.json(&report);
    }
    let (files, shown) = (report.files, args.output.display());
    context.printer.step(
        "Wrote",
        format!("{shown}: {files} files, {} bytes", report.bytes),
    );
    Ok(())
}
