//! `msvc proto`: the protos of a workspace, or of any folder.

pub mod breaking;
pub mod build;
pub mod describe;
pub mod doc;
pub mod format;
pub mod generate;
mod input;
pub mod lint;
pub mod list;
pub mod vendor;

use clap::Subcommand;

use crate::context::Context;
use crate::error::Result;

/// The subcommands of `msvc proto`.
#[derive(Debug, Subcommand)]
pub enum ProtoCommand {
    /// Rewrite the generated code from the protos and add stubs for new methods.
    Gen(generate::GenArgs),
    /// Check the protos against rules for names, layout and evolution.
    ///
    /// The rules have buf's names and meaning. `[proto.lint]` of `msvc.toml` chooses among them, or
    /// `lint` of a `buf.yaml`; a comment `buf:lint:ignore RULE` before a definition switches one off
    /// for it. Without either, the rules of STANDARD are asked.
    Lint(lint::LintArgs),
    /// Find what breaks since an earlier state of the protos.
    ///
    /// The rules have buf's names and meaning. FILE and PACKAGE keep generated code compiling, WIRE_JSON
    /// and WIRE only what is sent and stored. `[proto.breaking]` of `msvc.toml` chooses among them, or
    /// `breaking` of a `buf.yaml`; without either, the rules of FILE are asked. Nothing is checked out:
    /// commits are read from git's objects.
    Breaking(breaking::BreakingArgs),
    /// Lay the protos out as `buf format` does.
    ///
    /// Imports and options of a file are sorted, all else keeps its order, and every comment stays. A
    /// file that does not parse is told, and then nothing is written at all.
    Format(format::FormatArgs),
    /// List packages, services, methods, messages and enums.
    List(list::ListArgs),
    /// Show a definition as its proto has it, with its comment.
    Describe(describe::DescribeArgs),
    /// Write a descriptor set.
    Build(build::BuildArgs),
    /// Bring in protos from elsewhere: a git repository, a folder or a crate.
    ///
    /// What the protos of the workspace import, with what that imports, is put into `proto-vendor/` to be
    /// checked in, with a lock that has the commit and the checksum of every file.
    Vendor(vendor::VendorArgs),
    /// Write documentation out of the protos and their comments.
    Doc(doc::DocArgs),
}

/// Runs `msvc proto`.
///
/// # Errors
/// Whatever the subcommand fails with.
pub fn run(context: &Context, command: ProtoCommand) -> Result {
    match command {
        ProtoCommand::Gen(args) => generate::run(context, &args),
        ProtoCommand::Lint(args) => lint::run(context, &args),
        ProtoCommand::Format(args) => format::run(context, &args),
        ProtoCommand::List(args) => list::run(context, &args),
        ProtoCommand::Describe(args) => describe::run(context, &args),
        ProtoCommand::Build(args) => build::run(context, &args),
        ProtoCommand::Vendor(args) => vendor::run(context, &args),
        ProtoCommand::Doc(args) => doc::run(context, &args),
        ProtoCommand::Breaking(args) => breaking::run(context, &args),
    }
}
