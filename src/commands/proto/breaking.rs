//! `msvc proto breaking`: what breaks between an earlier state of the protos and this one.

use std::collections::BTreeSet;

use clap::Args;

use crate::commands::proto::input::{self, FindingArgs, InputArgs};
use crate::context::Context;
use crate::error::{Diagnostic, Exit, Result};
use crate::proto::breaking::{self, State};
use crate::proto::earlier::{self, Present};
use crate::proto::module::Modules;
use crate::proto::schema::File;

/// Arguments of `msvc proto breaking`.
#[derive(Args, Debug)]
#[command(after_help = "Examples:\n  \
    msvc proto breaking --against main              what is committed on another branch\n  \
    msvc proto breaking --against HEAD~1            or on the commit before\n  \
    msvc proto breaking --against ../released       a folder\n  \
    msvc proto breaking --against released.binpb    a descriptor set\n\n\
    In msvc.toml:\n  \
    [proto.breaking]\n  \
    use = [\"WIRE_JSON\"]\n  \
    ignore-unstable-packages = true")]
pub struct BreakingArgs {
    /// The earlier state: a branch, a tag or a commit of git; a folder; or a descriptor set.
    #[arg(long, value_name = "STATE", required_unless_present = "list_rules")]
    against: Option<String>,
    #[command(flatten)]
    input: InputArgs,
    #[command(flatten)]
    findings: FindingArgs,
    /// List the rules with their categories, and compare nothing.
    #[arg(long)]
    list_rules: bool,
}

/// A folder of protos with nothing in it.
#[derive(Debug, thiserror::Error)]
#[error("there are no protos to compare")]
struct NoProtos;

impl Diagnostic for NoProtos {
    fn exit(&self) -> Exit {
        Exit::Usage
    }
}

/// Runs `msvc proto breaking`.
///
/// # Errors
/// When something breaks, one of the states does not compile or the configuration makes no sense.
pub fn run(context: &Context, args: &BreakingArgs) -> Result {
    let Some(against) = &args.against else {
        return input::list_rules(context, &breaking::all());
    };
    let format = args.findings.format(context);
    let modules = Modules::find(&context.directory, &args.input.include)?;
    let names = modules.names(&[])?;
    let all_names: Vec<String> = names.iter().flatten().cloned().collect();
    if all_names.is_empty() {
        return Err(NoProtos.into());
    }
    let pool = input::compile(context, &modules, &all_names, format)?;
    let present = Present {
        modules: &modules,
        pool: &pool,
    };
    let earlier = earlier::read(&context.directory, present, against)?;
    let files: Vec<File<'_>> = pool.file_descriptor_protos().map(File::new).collect();
    let changed: Vec<File<'_>> = earlier.changed().map(File::new).collect();
    let unchanged = files
        .iter()
        .filter(|file| earlier.unchanged.contains(file.name()));
    let after = State::new(&files, &all_names.into_iter().collect());
    let before = State::new(changed.iter().chain(unchanged), &earlier.names);
    let wanted = modules.names(&args.input.paths)?;
    let mut findings = Vec::new();
    for ((index, module), wanted) in modules.list.iter().enumerate().zip(&wanted) {
        let found = breaking::breaking(&before, &after, &module.breaking)?;
        findings.extend(found.into_iter().filter(|finding| {
            // What is gone belongs to no module any more: the first one's rules decide on it.
            let is_known = names.iter().any(|names| names.contains(&finding.file));
            match is_known {
                true => wanted.contains(&finding.file),
                false => index == 0 && args.input.paths.is_empty(),
            }
        }));
    }
    findings.sort();
    let checked = wanted.iter().map(BTreeSet::len).sum();
    let rules = breaking::all();
    input::tell(context, &modules, format, checked, (findings, &rules))
}
