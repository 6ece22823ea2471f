//! `msvc trace`: what happened in a call through several services.

mod follow;
mod list;
mod show;
mod source;

use std::time::Duration;

use clap::{Args, Subcommand};
use clap_complete::engine::ArgValueCompleter;

use crate::client::completion;
use crate::context::Context;
use crate::duration;
use crate::error::{IoFailure, Result};

/// The subcommands of `msvc trace`.
#[derive(Debug, Subcommand)]
pub enum TraceCommand {
    /// List traces, the newest last.
    #[command(after_help = "Examples:\n  \
        msvc trace list                                   of the last hour\n  \
        msvc trace list --service user-service --errors   those that failed\n  \
        msvc trace list --min-duration 100ms              those that were slow\n  \
        msvc trace list -f                                as they come; Ctrl-C ends it")]
    List(ListArgs),
    /// Show a trace as a tree of its spans with their times.
    #[command(after_help = "Examples:\n  \
        msvc trace show                   the newest\n  \
        msvc trace show 4bf92f35          by its id, or the beginning of it\n  \
        msvc trace show --details         with all that is known of each span\n  \
        msvc trace show --format json     for a script")]
    Show(ShowArgs),
}

/// Where traces are.
#[derive(Args, Clone, Debug)]
pub struct FromArgs {
    /// Ask this Jaeger, or what speaks its JSON API [default: the collector of the `msvc run` of
    /// this workspace, else JAEGER_QUERY_URL, else port 16686 of this host].
    #[arg(long, value_name = "URL")]
    pub from: Option<String>,
}

/// Arguments of `msvc trace list`.
#[derive(Args, Clone, Debug)]
pub struct ListArgs {
    /// Only traces in which this service took part; the other filters are then about its spans.
    #[arg(long, value_name = "NAME", add = ArgValueCompleter::new(completion::services))]
    pub service: Option<String>,
    /// Only traces with a span of this name.
    #[arg(long, value_name = "NAME")]
    pub operation: Option<String>,
    /// Only traces with a span that failed; a call that a server refused for what its client asked,
    /// such as NOT_FOUND, is no failure of the server's (OpenTelemetry's conventions).
    #[arg(long)]
    pub errors: bool,
    /// Only traces with a span that took at least as long.
    #[arg(long, value_name = "DURATION", value_parser = duration::parse)]
    pub min_duration: Option<Duration>,
    /// Only traces with a span that took no longer.
    #[arg(long, value_name = "DURATION", value_parser = duration::parse)]
    pub max_duration: Option<Duration>,
    /// How far back to look.
    #[arg(long, value_name = "DURATION", default_value = "1h")]
    #[arg(value_parser = duration::parse_positive)]
    pub since: Duration,
    /// The most traces: the newest ones.
    #[arg(long, value_name = "N", default_value_t = 20)]
    #[arg(value_parser = clap::value_parser!(u16).range(1..=1000))]
    pub limit: u16,
    /// Go on, and list traces as they come.
    #[arg(short, long)]
    pub follow: bool,
    /// Where they are.
    #[command(flatten)]
    pub from: FromArgs,
}

/// Arguments of `msvc trace show`.
#[derive(Args, Clone, Debug)]
pub struct ShowArgs {
    /// The trace, or the beginning of its id [default: the newest].
    pub id: Option<String>,
    /// Tell what is known of each span.
    #[arg(long)]
    pub details: bool,
    /// Where it is.
    #[command(flatten)]
    pub from: FromArgs,
}

/// Runs `msvc trace`.
///
/// # Errors
/// When nobody has traces, or not those that are wanted.
pub fn run(context: &Context, command: TraceCommand) -> Result {
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()
        .map_err(|source| IoFailure {
            attempt: "start the runtime".to_owned(),
            source,
        })?;
    runtime.block_on(async {
        match command {
            TraceCommand::List(args) if args.follow => follow::follow(context, &args).await,
            TraceCommand::List(args) => list::list(context, &args).await,
            TraceCommand::Show(args) => show::show(context, &args).await,
        }
    })
}
