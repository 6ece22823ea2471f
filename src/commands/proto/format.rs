//! `msvc proto format`: one layout for all protos.

use std::fs;
use std::io::{self, Read};
use std::path::{Path, PathBuf};

use clap::Args;
use serde::Serialize;
use similar::TextDiff;

use crate::commands::proto::input::InputArgs;
use crate::context::Context;
use crate::error::{Diagnostic, Exit, IoContext, IoFailure, Result, Silent};
use crate::proto::compile::{self, CompileErrors};
use crate::proto::diagnostic::ProtoDiagnostic;
use crate::proto::format::{self, FormatError};
use crate::proto::module::Modules;
use crate::proto::{acceptance, replace};

/// Arguments of `msvc proto format`.
#[derive(Args, Debug)]
#[command(after_help = "Examples:\n  \
    msvc proto format                   all protos of the workspace\n  \
    msvc proto format --check           in CI: exit code 1 when one would change\n  \
    msvc proto format --diff            show what would change, and write nothing\n  \
    msvc proto format - < user.proto    from stdin to stdout, for editors")]
pub struct FormatArgs {
    /// Write nothing; fail when a file would change.
    #[arg(long)]
    check: bool,
    /// Write nothing; show what would change. With `--check`, fail as well.
    #[arg(long)]
    diff: bool,
    #[command(flatten)]
    input: InputArgs,
}

/// Why protos are left as they are.
#[derive(Debug, thiserror::Error)]
enum RefusedError {
    #[error("{}", listed(.0))]
    Unformatted(Vec<String>),
    #[error(transparent)]
    Changed(FormatError),
}

impl Diagnostic for RefusedError {
    fn hint(&self) -> Option<String> {
        match self {
            Self::Unformatted(_) => Some("run `msvc proto format`".to_owned()),
            Self::Changed(_) => Some("nothing was written; please report it".to_owned()),
        }
    }

    fn exit(&self) -> Exit {
        match self {
            Self::Unformatted(_) => Exit::Failed,
            Self::Changed(_) => Exit::Bug,
        }
    }
}

fn listed(files: &[String]) -> String {
    let mut message = match files.len() {
        1 => "a file is not formatted:".to_owned(),
        count => format!("{count} files are not formatted:"),
    };
    for file in files {
        message.push_str("\n  ");
        message.push_str(file);
    }
    message
}

/// A file with what becomes of it.
struct Formatted {
    path: PathBuf,
    shown: String,
    before: String,
    after: String,
}

/// What was done, as JSON has it.
#[derive(Debug, Serialize)]
struct Report<'a> {
    files: usize,
    changed: Vec<&'a str>,
    written: bool,
    #[serde(skip_serializing_if = "Option::is_none")]
    diff: Option<String>,
}

/// Runs `msvc proto format`.
///
/// # Errors
/// When a proto does not parse, cannot be written, or would change with `--check`.
pub fn run(context: &Context, args: &FormatArgs) -> Result {
    if args.input.paths == [PathBuf::from("-")] {
        return pass_through(context);
    }
    let modules = Modules::find(&context.directory, &args.input.include)?;
    let names = modules.names(&args.input.paths)?;
    let mut formatted = Vec::new();
    let mut broken = Vec::new();
    let mut files = 0;
    for (module, names) in modules.list.iter().zip(&names) {
        for name in names {
            files += 1;
            let path = module.root.join(name);
            let shown = modules.shown(name);
            let before = match read(&path, &shown)? {
                Ok(text) => text,
                Err(diagnostic) => {
                    broken.push(*diagnostic);
                    continue;
                }
            };
            match formatted_text(&shown, &before)? {
                Ok(after) if after == before => {}
                Ok(after) => formatted.push(Formatted {
                    path,
                    shown,
                    before,
                    after,
                }),
                Err(errors) => broken.extend(errors.0),
            }
        }
    }
    if !broken.is_empty() {
        return Err(CompileErrors(broken).into());
    }
    let writes = !args.check && !args.diff;
    if writes {
        for file in &formatted {
            replace::replace(&file.path, &file.after)?;
        }
    }
    tell(context, args, files, &formatted)
}

/// The text of a file, or what keeps it from being read as a proto.
fn read(path: &Path, shown: &str) -> Result<Result<String, Box<ProtoDiagnostic>>, IoFailure> {
    let length = fs::metadata(path).when("read", path)?.len();
    if length > acceptance::MAX_BYTES {
        return Ok(Err(Box::new(acceptance::too_large(shown, length))));
    }
    let bytes = fs::read(path).when("read", path)?;
    Ok(acceptance::accept(shown, bytes))
}

/// A proto in the layout, or what is wrong with it.
fn formatted_text(name: &str, text: &str) -> Result<Result<String, CompileErrors>, RefusedError> {
    let formatted = match format::format(name, text) {
        Ok(formatted) => formatted,
        Err(FormatError::Broken(diagnostic)) => {
            // The parser says more exactly what is wrong, where it agrees that something is.
            let parsed = compile::parse(name, text);
            return Ok(Err(parsed
                .err()
                .unwrap_or(CompileErrors(vec![*diagnostic]))));
        }
        Err(changed) => return Err(RefusedError::Changed(changed)),
    };
    // The parser knows no editions; their layout is the same.
    let is_edition = formatted.lines().any(|line| line.starts_with("edition = "));
    match is_edition {
        true => Ok(Ok(formatted)),
        false => Ok(compile::parse(name, text.trim_start_matches('\u{feff}')).map(|()| formatted)),
    }
}

fn tell(context: &Context, args: &FormatArgs, files: usize, formatted: &[Formatted]) -> Result {
    let printer = &context.printer;
    let changed: Vec<&str> = formatted.iter().map(|file| file.shown.as_str()).collect();
    let diff = args
        .diff
        .then(|| formatted.iter().map(diff).collect::<String>());
    let fails = args.check && !changed.is_empty();
    if printer.is_json() {
        printer.json(&Report {
            files,
            changed,
            written: !args.check && !args.diff,
            diff,
        })?;
        return match fails {
            true => Err(Silent(Exit::Failed).into()),
            false => Ok(()),
        };
    }
    if let Some(diff) = diff {
        printer.data(&diff)?;
    }
    if fails {
        let changed = changed.into_iter().map(str::to_owned).collect();
        return Err(RefusedError::Unformatted(changed).into());
    }
    if !args.diff {
        for file in &changed {
            printer.step("Formatted", file);
        }
        if changed.is_empty() {
            let told = match files {
                1 => "the file is formatted".to_owned(),
                count => format!("{count} files are formatted"),
            };
            printer.step("Fresh", told);
        }
    }
    Ok(())
}

fn diff(file: &Formatted) -> String {
    TextDiff::from_lines(&file.before, &file.after)
        .unified_diff()
        .header(&format!("a/{}", file.shown), &format!("b/{}", file.shown))
        .to_string()
}

/// Formats stdin to stdout.
fn pass_through(context: &Context) -> Result {
    const NAME: &str = "<stdin>";
    let mut bytes = Vec::new();
    io::stdin()
        .read_to_end(&mut bytes)
        .map_err(|source| IoFailure {
            attempt: "read stdin".to_owned(),
            source,
        })?;
    let text = match acceptance::accept(NAME, bytes) {
        Ok(text) => text,
        Err(diagnostic) => return Err(CompileErrors(vec![*diagnostic]).into()),
    };
    let formatted = formatted_text(NAME, &text)??;
    context.printer.data(&formatted)
}
