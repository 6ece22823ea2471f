//! The command line's types; each command's own arguments stand in its file.

use std::ffi::OsString;
use std::path::PathBuf;

use clap::{Args, Parser, Subcommand, ValueEnum, ValueHint};

use crate::commands::{
    add, bench, call, cert, completions, doctor, down, logs, new, proto, restart, run, secret,
    status, trace, up,
};
use crate::error::{Diagnostic, Exit};

/// From a .proto to gRPC microservices that run, are discovered, observed and load-tested.
#[derive(Debug, Parser)]
#[command(
    name = "msvc",
    version,
    propagate_version = true,
    subcommand_required = true,
    arg_required_else_help = true,
    max_term_width = 100,
    after_help = "Start here:\n  \
        msvc new user-service     a workspace with one service\n  \
        msvc run                  build it and run it\n  \
        msvc call user-service    list its methods"
)]
pub struct Cli {
    /// Options of every command.
    #[command(flatten)]
    pub global: GlobalArgs,
    /// What to do.
    #[command(subcommand)]
    pub command: Command,
}

/// Options of every command.
#[derive(Args, Clone, Debug, Default)]
#[command(next_help_heading = "Global options")]
pub struct GlobalArgs {
    /// How results are printed.
    #[arg(long, global = true, value_enum, default_value_t)]
    pub format: Format,
    /// Print results and errors only.
    #[arg(short, long, global = true, conflicts_with = "verbose")]
    pub quiet: bool,
    /// Print more of what happens; twice for everything.
    #[arg(short, long, global = true, action = clap::ArgAction::Count)]
    pub verbose: u8,
    /// When to use colours.
    #[arg(long, global = true, value_enum, default_value_t, value_name = "WHEN")]
    pub color: ColorChoice,
    /// Work as if started in this folder.
    #[arg(long, global = true, value_name = "DIR", value_hint = ValueHint::DirPath)]
    pub project: Option<PathBuf>,
}

impl GlobalArgs {
    /// What can be told from a command line that is wrong somewhere: the format of the answer.
    pub fn of_unparsed(args: &[OsString]) -> Self {
        let pairs = args.iter().zip(args.iter().skip(1));
        let is_json = pairs
            .into_iter()
            .any(|(a, b)| a == "--format" && b == "json")
            || args.iter().any(|it| it == "--format=json");
        Self {
            format: if is_json { Format::Json } else { Format::Human },
            ..Self::default()
        }
    }
}

/// A command line that makes no sense, for those who read JSON.
#[derive(Debug, thiserror::Error)]
#[error("{message}")]
pub struct UsageError {
    message: String,
    hint: Option<String>,
}

impl From<clap::Error> for UsageError {
    fn from(error: clap::Error) -> Self {
        let text = error.render().to_string();
        let mut lines = text.lines().map(str::trim);
        let first = lines.next().unwrap_or_default();
        let details = lines.by_ref().take_while(|line| {
            let is_advice = ["tip:", "Usage:", "For more"].iter();
            !is_advice.clone().any(|start| line.starts_with(start))
        });
        let details: Vec<&str> = details.filter(|line| !line.is_empty()).collect();
        let message = [&[first.trim_start_matches("error: ")], &details[..]].concat();
        let tip = text
            .lines()
            .find_map(|line| line.trim().strip_prefix("tip: "));
        Self {
            message: message.join(" "),
            hint: tip.map(str::to_owned),
        }
    }
}

impl Diagnostic for UsageError {
    fn hint(&self) -> Option<String> {
        let hint = self.hint.clone();
        Some(hint.unwrap_or_else(|| "`--help` says what is understood".to_owned()))
    }

    fn exit(&self) -> Exit {
        Exit::Usage
    }
}

/// How results are printed.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, ValueEnum)]
pub enum Format {
    /// For people.
    #[default]
    Human,
    /// One JSON document on stdout, or one a line where there is a stream of them.
    Json,
}

/// When to use colours.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, ValueEnum)]
pub enum ColorChoice {
    /// On a terminal, unless NO_COLOR is set.
    #[default]
    Auto,
    /// Always.
    Always,
    /// Never.
    Never,
}

/// The commands.
#[derive(Debug, Subcommand)]
pub enum Command {
    /// Make a service: a new workspace, or one more service in this one.
    New(new::NewArgs),
    /// Add something to this workspace: a service, or something to one of its services.
    #[command(subcommand)]
    Add(AddCommand),
    /// Work with the protos of a workspace.
    #[command(subcommand)]
    Proto(proto::ProtoCommand),
    /// Start what the services need: in containers, or built in.
    Up(up::UpArgs),
    /// Stop what `up` started.
    Down(down::DownArgs),
    /// Say what of it runs, and where.
    Status(status::StatusArgs),
    /// Show what it says.
    Logs(logs::LogsArgs),
    /// Stop some of it and start it again.
    Restart(restart::RestartArgs),
    /// Build the services and run them with a registry.
    Run(run::RunArgs),
    /// Call a gRPC method, or list what a service offers.
    Call(call::CallArgs),
    /// Load-test a gRPC method.
    Bench(Box<bench::BenchArgs>),
    /// List the traces of calls through services, and show what happened in one.
    #[command(subcommand)]
    Trace(trace::TraceCommand),
    /// Make certificates for TLS between services in development.
    Cert(cert::CertArgs),
    /// Encrypt secrets for the configuration of services.
    #[command(subcommand)]
    Secret(secret::SecretCommand),
    /// Say what is installed, what is missing and what it would be needed for.
    Doctor(doctor::DoctorArgs),
    /// Print the completion script for a shell.
    Completions(completions::CompletionsArgs),
}

/// What can be added.
#[derive(Debug, Subcommand)]
pub enum AddCommand {
    /// Add a service, as `msvc new` does inside a workspace.
    Service(new::NewArgs),
    /// Add something to a service.
    #[command(flatten)]
    Part(add::Addition),
}
