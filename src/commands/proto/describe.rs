//! `msvc proto describe`: a definition as its proto has it.

use clap::Args;
use serde::Serialize;

use crate::commands::proto::input::{self, InputArgs};
use crate::context::Context;
use crate::error::{Diagnostic, Exit, Result};
use crate::proto::describe::{self, Symbol};
use crate::proto::finding::most_similar;
use crate::proto::module::Modules;
use crate::proto::report::ErrorFormat;
use crate::proto::schema::{File, last_part};
use crate::proto::sources;

/// Arguments of `msvc proto describe`.
#[derive(Args, Debug)]
#[command(after_help = "Examples:\n  \
    msvc proto describe user.v1.User             a message, an enum, a service, a method, a field\n  \
    msvc proto describe GetUser                  the last part is enough where it is clear\n  \
    msvc proto describe google.protobuf.Any      what is built in, too")]
pub struct DescribeArgs {
    /// The name.
    symbol: String,
    #[command(flatten)]
    input: InputArgs,
}

/// Why nothing is described.
#[derive(Debug, thiserror::Error)]
enum DescribeError {
    #[error("nothing is called `{0}`")]
    Nothing(String, Option<String>),
    #[error("`{name}` may mean {} things:\n  {}", .meanings.len(), .meanings.join("\n  "))]
    Several { name: String, meanings: Vec<String> },
}

impl Diagnostic for DescribeError {
    fn hint(&self) -> Option<String> {
        Some(match self {
            Self::Nothing(_, Some(similar)) => format!("did you mean `{similar}`?"),
            Self::Nothing(_, None) => "`msvc proto list` says what there is".to_owned(),
            Self::Several { .. } => "give the name in full".to_owned(),
        })
    }

    fn exit(&self) -> Exit {
        Exit::Usage
    }
}

/// A definition as JSON has it.
#[derive(Debug, Serialize)]
struct Report<'a> {
    name: &'a str,
    kind: &'static str,
    file: String,
    line: Option<usize>,
    comment: String,
    source: String,
}

/// Runs `msvc proto describe`.
///
/// # Errors
/// When a proto does not compile, or the name is that of nothing or of several things.
pub fn run(context: &Context, args: &DescribeArgs) -> Result {
    let modules = Modules::find(&context.directory, &args.input.include)?;
    let names = modules.names(&args.input.paths)?;
    let mut names: Vec<String> = names.into_iter().flatten().collect();
    names.extend(sources::well_known_names());
    let pool = input::compile(context, &modules, &names, ErrorFormat::Human)?;
    let files: Vec<File<'_>> = pool.file_descriptor_protos().map(File::new).collect();
    let symbols: Vec<Symbol<'_>> = files.iter().flat_map(describe::symbols).collect();
    let symbol = find(&symbols, args.symbol.trim_start_matches('.'))?;
    let text = modules.sources().text(symbol.file.name());
    let source = describe::source(symbol, text.as_deref());
    let file = modules.shown(symbol.file.name());
    if context.printer.is_json() {
        return context.printer.json(&Report {
            name: &symbol.full_name,
            kind: symbol.kind.name(),
            line: symbol.line(),
            comment: symbol.comment().trim_end().to_owned(),
            file,
            source,
        });
    }
    let place = match symbol.line() {
        Some(line) => format!("{file}:{line}"),
        None => file,
    };
    let title = format!("// {} {}, {place}\n", symbol.kind.name(), symbol.full_name);
    context.printer.data(&format!("{title}{source}\n"))
}

/// The last parts of a name, or all of it where it has no more.
fn last_parts(name: &str, count: usize) -> &str {
    let dots = name.rmatch_indices('.');
    dots.map(|(at, _)| &name[at + 1..])
        .nth(count - 1)
        .unwrap_or(name)
}

/// What a name means: in full, or by its last parts where that is clear.
fn find<'a, 'b>(symbols: &'a [Symbol<'b>], name: &str) -> Result<&'a Symbol<'b>, DescribeError> {
    if let Some(symbol) = symbols.iter().find(|it| it.full_name == name) {
        return Ok(symbol);
    }
    let ends_so = |it: &&Symbol<'_>| {
        let rest = it.full_name.strip_suffix(name);
        rest.is_some_and(|rest| rest.ends_with('.'))
    };
    let mut found: Vec<&Symbol<'_>> = symbols.iter().filter(ends_so).collect();
    // A type is rather meant than a field that is called like it, and one's own rather than a built-in.
    if let Some(rank) = found.iter().map(|it| it.rank()).min() {
        found.retain(|it| it.rank() == rank);
    }
    match found.as_slice() {
        [symbol] => Ok(symbol),
        [] => {
            let full = symbols.iter().map(|it| it.full_name.as_str());
            // Of `User.nme` and `user.v1.User.name`, the last two parts are compared.
            let parts = name.split('.').count();
            let ends = symbols.iter().map(|it| last_parts(&it.full_name, parts));
            let by_ends = most_similar(name, ends).and_then(|similar| {
                let mut symbols = symbols.iter();
                let symbol = symbols.find(|it| last_parts(&it.full_name, parts) == similar);
                symbol.map(|it| it.full_name.clone())
            });
            let by_full = || most_similar(name, full).map(str::to_owned);
            let similar = by_ends.or_else(by_full).or_else(|| {
                let last = symbols.iter().map(|it| last_part(&it.full_name));
                let similar = most_similar(last_part(name), last)?;
                let mut symbols = symbols.iter();
                let symbol = symbols.find(|it| last_part(&it.full_name) == similar);
                symbol.map(|it| it.full_name.clone())
            });
            Err(DescribeError::Nothing(name.to_owned(), similar))
        }
        several => Err(DescribeError::Several {
            name: name.to_owned(),
            meanings: several.iter().map(|it| it.full_name.clone()).collect(),
        }),
    }
}
