//! `msvc proto lint`: rules for names, layout and evolution.

use clap::Args;

use crate::commands::proto::input::{self, FindingArgs, InputArgs};
use crate::context::Context;
use crate::error::Result;
use crate::proto::lint;
use crate::proto::module::Modules;
use crate::proto::schema::File;

/// Arguments of `msvc proto lint`.
#[derive(Args, Debug)]
#[command(after_help = "Examples:\n  \
    msvc proto lint                              all protos of the workspace\n  \
    msvc proto lint proto/user/v1/user.proto     one of them\n  \
    msvc proto lint --error-format github        in CI: shown beside the changed lines\n  \
    msvc proto lint -I vendor/protos             any folder of protos\n\n\
    In msvc.toml:\n  \
    [proto.lint]\n  \
    use = [\"STANDARD\", \"COMMENTS\"]\n  \
    except = [\"PACKAGE_VERSION_SUFFIX\"]\n  \
    ignore = [\"vendor\"]")]
pub struct LintArgs {
    #[command(flatten)]
    input: InputArgs,
    #[command(flatten)]
    findings: FindingArgs,
    /// List the rules with their categories, and check nothing.
    #[arg(long)]
    list_rules: bool,
}

/// Runs `msvc proto lint`.
///
/// # Errors
/// When a rule finds something, a proto does not compile or the configuration makes no sense.
pub fn run(context: &Context, args: &LintArgs) -> Result {
    if args.list_rules {
        return input::list_rules(context, &lint::all());
    }
    let format = args.findings.format(context);
    let modules = Modules::find(&context.directory, &args.input.include)?;
    let names = modules.names(&args.input.paths)?;
    let all_names: Vec<String> = names.iter().flatten().cloned().collect();
    let pool = input::compile(context, &modules, &all_names, format)?;
    let files: Vec<File<'_>> = pool.file_descriptor_protos().map(File::new).collect();
    let mut findings = Vec::new();
    for (module, names) in modules.list.iter().zip(&names) {
        findings.extend(lint::lint(&pool, &files, names, &module.lint)?);
    }
    findings.sort();
    let checked = all_names.len();
    input::tell(context, &modules, format, checked, (findings, &lint::all()))
}
