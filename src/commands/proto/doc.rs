//! `msvc proto doc`: documentation out of the protos and their comments.

use std::collections::BTreeSet;
use std::fs;
use std::path::PathBuf;

use clap::{Args, ValueHint};

use crate::commands::proto::input::{self, InputArgs};
use crate::context::Context;
use crate::error::{IoContext, Result};
use crate::proto::doc::{self, DocFormat};
use crate::proto::module::Modules;
use crate::proto::report::ErrorFormat;
use crate::proto::schema::File;

/// Arguments of `msvc proto doc`.
#[derive(Args, Debug)]
#[command(after_help = "Examples:\n  \
    msvc proto doc > API.md                Markdown\n  \
    msvc proto doc -o api.html             one page for a browser, with nothing beside it\n  \
    msvc proto doc proto/user -o user.md   a part of the protos")]
pub struct DocArgs {
    /// The file to write [default: stdout]; one that ends in `.html` becomes a page.
    #[arg(short, long, value_name = "FILE", value_hint = ValueHint::FilePath)]
    output: Option<PathBuf>,
    /// What to write [default: by the file's name, else Markdown].
    #[arg(long, value_enum, value_name = "KIND")]
    kind: Option<DocFormat>,
    /// What stands at the top.
    #[arg(long, default_value = "API")]
    title: String,
    #[command(flatten)]
    input: InputArgs,
}

/// Runs `msvc proto doc`.
///
/// # Errors
/// When a proto does not compile, or the file cannot be written.
pub fn run(context: &Context, args: &DocArgs) -> Result {
    let modules = Modules::find(&context.directory, &args.input.include)?;
    let names = modules.names(&args.input.paths)?;
    let names: Vec<String> = names.into_iter().flatten().collect();
    let pool = input::compile(context, &modules, &names, ErrorFormat::Human)?;
    let files: Vec<File<'_>> = pool.file_descriptor_protos().map(File::new).collect();
    let names: BTreeSet<String> = names.into_iter().collect();
    let documentation = doc::document(&args.title, &files, &names);
    let is_html = args.output.as_ref().and_then(|path| path.extension());
    let by_name = match is_html.is_some_and(|it| it == "html" || it == "htm") {
        true => DocFormat::Html,
        false => DocFormat::Markdown,
    };
    let page = doc::render(&documentation, args.kind.unwrap_or(by_name))?;
    let Some(output) = &args.output else {
        return context.printer.data(&page);
    };
    let path = context.directory.join(output);
    fs::write(&path, page).when("write", &path)?;
    context.printer.step("Wrote", output.display());
    Ok(())
}
