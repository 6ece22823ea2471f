//! `msvc` takes a Rust team from a `.proto` to gRPC microservices that run, are discovered,
//! observed, protected and load-tested.
//!
//! The crate is cut in three layers; each may use only what is named before it:
//!
//! 1. the pure core, which does no I/O: it plans, computes and renders;
//! 2. the adapters, each the only place that talks to one part of the world;
//! 3. [`commands`], one file a subcommand, which never call one another.
//!
//! `ARCHITECTURE.md` has the map and the invariants; `tests/it/tidy.rs` checks them.

#[cfg(not(unix))]
compile_error!("msvc needs a Unix: it starts, watches and ends groups of processes");

pub mod bench;
pub mod certificates;
pub mod cli;
pub mod client;
pub mod code;
pub mod commands;
pub mod context;
pub mod duration;
pub mod env_vars;
pub mod error;
pub mod infra;
pub mod manifest;
pub mod paths;
pub mod ports;
pub mod printer;
pub mod project;
pub mod proto;
pub mod run;
pub mod scaffold;
pub mod secret;
pub mod suggestion;
pub mod trace;

use std::ffi::OsString;
use std::process::ExitCode;

use clap::{CommandFactory, Parser};

use crate::cli::Cli;
use crate::context::Context;
use crate::env_vars::Environment;
use crate::error::Exit;
use crate::printer::Printer;

/// Parses the arguments, runs the command and reports a failure once.
///
/// The first argument is the program's name. Shell completion requests (the environment
/// variable `COMPLETE`) are answered before anything else.
pub fn run(args: impl IntoIterator<Item = OsString>) -> ExitCode {
    clap_complete::CompleteEnv::with_factory(Cli::command).complete();
    let environment = Environment::read();
    let args: Vec<OsString> = args.into_iter().collect();
    let cli = match Cli::try_parse_from(&args) {
        Ok(cli) => cli,
        Err(usage) => return report_usage(usage, &args, &environment),
    };
    let printer = Printer::new(&cli.global, &environment);
    let outcome = Context::new(&cli.global, environment, printer.clone())
        .and_then(|context| commands::dispatch(&context, cli.command));
    match outcome {
        Ok(()) => Exit::Success.into(),
        Err(failure) => {
            let exit = failure.exit();
            printer.failure(&failure);
            exit.into()
        }
    }
}

/// Help and version go to stdout with success, anything else is a usage error: on stderr, or as JSON
/// where that is asked for.
fn report_usage(usage: clap::Error, args: &[OsString], environment: &Environment) -> ExitCode {
    if !usage.use_stderr() {
        // A closed pipe is the only thing that can fail here, and nobody is left to tell.
        let _ = usage.print();
        return Exit::Success.into();
    }
    let global = cli::GlobalArgs::of_unparsed(args);
    if global.format == cli::Format::Json {
        let failure = cli::UsageError::from(usage).into();
        Printer::new(&global, environment).failure(&failure);
    } else {
        let _ = usage.print();
    }
    Exit::Usage.into()
}
