//! The subcommands, one file each: its arguments, its `run`, then what only it needs.

pub mod add;
pub mod bench;
pub mod call;
pub mod cert;
pub mod completions;
pub mod doctor;
pub mod down;
pub mod example;
pub mod logs;
pub mod new;
pub mod proto;
pub mod restart;
pub mod rpc;
pub mod run;
pub mod secret;
pub mod status;
pub mod trace;
pub mod up;

use crate::cli::{AddCommand, Command};
use crate::context::Context;
use crate::error::Result;

/// Runs the command that was asked for.
///
/// # Errors
/// Whatever the command fails with.
pub fn dispatch(context: &Context, command: Command) -> Result {
    match command {
        Command::New(args) if args.example.is_some() => {
            let example = example::ExampleArgs {
                example: args.example.unwrap_or_default(),
                name: args.name,
                path: args.path,
                no_git: args.no_git,
                dry_run: args.dry_run,
            };
            example::run(context, &example)
        }
        Command::New(args) => match args.kind {
            new::Kind::Service => new::run(context, args),
            new::Kind::Gateway => {
                let context = new::of_gateway(context, &args)?;
                let gateway = add::gateway::GatewayArgs {
                    name: args.name,
                    port: args.port,
                    options: add::Options {
                        yes: args.yes,
                        dry_run: args.dry_run,
                    },
                };
                add::run(&context, add::Addition::Gateway(gateway))
            }
        },
        Command::Add(AddCommand::Service(args)) => new::add(context, args),
        Command::Add(AddCommand::Part(addition)) => add::run(context, addition),
        Command::Proto(args) => proto::run(context, args),
        Command::Up(args) => up::run(context, args),
        Command::Down(args) => down::run(context, args),
        Command::Status(args) => status::run(context, args),
        Command::Logs(args) => logs::run(context, args),
        Command::Restart(args) => restart::run(context, args),
        Command::Run(args) => run::run(context, args),
        Command::Call(args) => call::run(context, args),
        Command::Bench(args) => bench::run(context, *args),
        Command::Trace(command) => trace::run(context, command),
        Command::Cert(args) => cert::run(context, args),
        Command::Secret(command) => secret::run(context, command),
        Command::Doctor(args) => doctor::run(context, args),
        Command::Completions(args) => completions::run(context, args),
    }
}
