//! What the subcommands share: which protos they work on, and how they tell what they found.

use std::cell::RefCell;
use std::collections::BTreeMap;
use std::fs;
use std::path::PathBuf;

use clap::{Args, ValueHint};
use serde::Serialize;

use crate::context::Context;
use crate::error::{Diagnostic, Exit, Result, Silent};
use crate::proto::compile;
use crate::proto::diagnostic::ProtoDiagnostic;
use crate::proto::finding::{Category, Finding, RuleInfo, Span};
use crate::proto::module::Modules;
use crate::proto::report::{self, ErrorFormat, Shown};

/// Which protos to work on.
#[derive(Args, Debug)]
pub struct InputArgs {
    /// Files and folders [default: all protos of the workspace, or below this folder].
    #[arg(value_name = "PATH", value_hint = ValueHint::AnyPath)]
    pub paths: Vec<PathBuf>,
    /// A folder that imports are relative to; again for more [default: what `msvc.toml` or `buf.yaml`
    /// says, else this folder].
    #[arg(short = 'I', long = "include", value_name = "DIR", value_hint = ValueHint::DirPath)]
    pub include: Vec<PathBuf>,
}

/// How to tell what was found.
#[derive(Args, Debug)]
pub struct FindingArgs {
    /// How findings are written to stdout [default: as `--format` says].
    #[arg(long, value_enum, value_name = "FORMAT")]
    pub error_format: Option<ErrorFormat>,
}

impl FindingArgs {
    /// The format, from this option or the global one.
    pub fn format(&self, context: &Context) -> ErrorFormat {
        let global = match context.printer.is_json() {
            true => ErrorFormat::Json,
            false => ErrorFormat::Human,
        };
        self.error_format.unwrap_or(global)
    }
}

/// The end of a command that found something.
#[derive(Debug, thiserror::Error)]
#[error("{}", counted(*.findings, *.files))]
struct Found {
    findings: usize,
    files: usize,
}

impl Diagnostic for Found {}

fn plural(count: usize, one: &str) -> String {
    match count {
        1 => format!("1 {one}"),
        count => format!("{count} {one}s"),
    }
}

fn counted(findings: usize, files: usize) -> String {
    format!(
        "{} in {}",
        plural(findings, "finding"),
        plural(files, "file")
    )
}

/// The rule that stands for all that the compiler says.
const COMPILE: RuleInfo = RuleInfo {
    name: "COMPILE",
    categories: &[],
    purpose: "protos compile",
};

/// Writes findings in a format, and fails if there are any. `rules` are those that there are; in `checked`
/// files they were looked for.
///
/// # Errors
/// When there is a finding, or stdout cannot be written to.
pub fn tell(
    context: &Context,
    modules: &Modules,
    format: ErrorFormat,
    checked: usize,
    (findings, rules): (Vec<Finding>, &[RuleInfo]),
) -> Result {
    let lines = Lines::default();
    let mut shown: Vec<Shown> = Vec::with_capacity(findings.len());
    for mut finding in findings {
        let name = std::mem::take(&mut finding.file);
        finding.file = modules.shown(&name);
        shown.push(report::shown(finding, |number| {
            lines.get(modules, &name, number)
        }));
    }
    end(context, format, &shown, rules)?;
    if format == ErrorFormat::Human {
        let files = plural(checked, "file");
        context
            .printer
            .step("Clean", format!("no finding in {files}"));
    }
    Ok(())
}

/// Writes findings as they are.
fn end(context: &Context, format: ErrorFormat, shown: &[Shown], rules: &[RuleInfo]) -> Result {
    context
        .printer
        .data(&report::render(format, shown, rules))?;
    if shown.is_empty() {
        return Ok(());
    }
    match format {
        ErrorFormat::Json | ErrorFormat::Sarif => Err(Silent(Exit::Failed).into()),
        ErrorFormat::Human | ErrorFormat::Github => {
            let mut files: Vec<&str> = shown.iter().map(|it| it.finding.file.as_str()).collect();
            files.dedup();
            Err(Found {
                findings: shown.len(),
                files: files.len(),
            }
            .into())
        }
    }
}

/// Compiles, and tells what does not in the format of findings: a program that reads them finds all in
/// one place.
///
/// # Errors
/// When a proto does not compile.
pub fn compile(
    context: &Context,
    modules: &Modules,
    names: &[String],
    format: ErrorFormat,
) -> Result<prost_reflect::DescriptorPool> {
    let mut errors = match compile::link(&modules.sources(), names) {
        Ok(pool) => return Ok(pool),
        Err(errors) => errors,
    };
    for diagnostic in &mut errors.0 {
        if let Some(file) = &mut diagnostic.file {
            *file = modules.shown(file);
        }
    }
    match format {
        ErrorFormat::Human | ErrorFormat::Json => Err(errors.into()),
        ErrorFormat::Github | ErrorFormat::Sarif => {
            let shown: Vec<Shown> = errors.0.iter().map(as_finding).collect();
            let ended = end(context, format, &shown, &[COMPILE]);
            Err(ended.err().unwrap_or_else(|| errors.into()))
        }
    }
}

fn as_finding(diagnostic: &ProtoDiagnostic) -> Shown {
    Shown {
        finding: Finding {
            file: diagnostic.file.clone().unwrap_or_default(),
            span: diagnostic.place.as_ref().map(|place| Span {
                line: place.line,
                column: place.column,
                end_line: place.line,
                end_column: place.column + place.length,
            }),
            rule: COMPILE.name,
            message: diagnostic.message.clone(),
            help: diagnostic.help.clone(),
        },
        text: String::new(),
    }
}

/// The lines of the files that something was found in, read once.
#[derive(Default)]
struct Lines(RefCell<BTreeMap<String, Vec<String>>>);

impl Lines {
    fn get(&self, modules: &Modules, name: &str, number: usize) -> Option<String> {
        let mut files = self.0.borrow_mut();
        let lines = files.entry(name.to_owned()).or_insert_with(|| {
            let text = modules
                .path(name)
                .and_then(|it| fs::read_to_string(it).ok());
            let text = text.unwrap_or_default();
            text.lines().map(str::to_owned).collect()
        });
        lines.get(number - 1).cloned()
    }
}

/// A rule as JSON has it.
#[derive(Serialize)]
struct ListedRule {
    name: &'static str,
    categories: Vec<&'static str>,
    purpose: &'static str,
}

/// Prints rules with their categories.
///
/// # Errors
/// When stdout cannot be written to.
pub fn list_rules(context: &Context, rules: &[RuleInfo]) -> Result {
    let listed = rules.iter().map(|rule| ListedRule {
        name: rule.name,
        categories: rule
            .categories
            .iter()
            .copied()
            .map(Category::name)
            .collect(),
        purpose: rule.purpose,
    });
    let listed: Vec<ListedRule> = listed.collect();
    if context.printer.is_json() {
        return context.printer.json(&listed);
    }
    let width = listed.iter().map(|rule| rule.name.len()).max().unwrap_or(0);
    let sets = |rule: &ListedRule| rule.categories.join(", ");
    let set_width = listed
        .iter()
        .map(|rule| sets(rule).len())
        .max()
        .unwrap_or(0);
    let lines = listed.iter().map(|rule| {
        format!(
            "{:width$}  {:set_width$}  {}\n",
            rule.name,
            sets(rule),
            rule.purpose
        )
    });
    context.printer.data(&lines.collect::<String>())
}
