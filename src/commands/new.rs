//! `msvc new`: a workspace with one service, or one more service in a workspace.

mod choose;
mod error;
mod make;
mod report;

use std::path::PathBuf;

use clap::{Args, ValueHint};

use self::error::NewError;
use self::make::Outcome;
use crate::context::Context;
use crate::error::Result;
use crate::manifest::{ADMIN_PORT_OFFSET, RegistryKind};
use crate::project;
use crate::proto;
use crate::scaffold::example::Example;
use crate::scaffold::{apply, taken};

/// Arguments of `msvc new`.
#[derive(Args, Debug)]
#[command(after_help = "Examples:\n  \
    msvc new user-service                            a starter, made from the name\n  \
    msvc new chat-service --proto chat.proto         from your proto\n  \
    msvc new order-service --proto order/v1/order.proto -I protos -I third_party\n  \
    msvc new shop --example shop                     a whole system to learn from\n  \
    msvc new user-service --dry-run                  only show what would be made")]
pub struct NewArgs {
    /// What the service is called: lowercase words joined by hyphens.
    pub name: Option<String>,
    /// What it is: a gRPC service, or a gateway in front of those that the workspace has.
    #[arg(long, value_enum, default_value_t)]
    pub kind: Kind,
    /// Make a whole system to learn from, in a workspace of this name.
    #[arg(long, value_enum, conflicts_with_all = ["kind", "proto", "registry", "port"])]
    pub example: Option<Example>,
    /// A proto file with the services to serve; again for more. Without it a starter is made.
    #[arg(long, value_name = "FILE", value_hint = ValueHint::FilePath)]
    pub proto: Vec<PathBuf>,
    /// A folder that imports are relative to; again for more [default: the folder of each proto].
    #[arg(short = 'I', long = "include", value_name = "DIR", requires = "proto", value_hint = ValueHint::DirPath)]
    pub include: Vec<PathBuf>,
    /// How services find each other [default: consul, or what the workspace has].
    #[arg(long, value_enum)]
    pub registry: Option<RegistryKind>,
    /// The gRPC port in development [default: the first free one from 50051]; the admin port is
    /// 1000 above it.
    #[arg(long, value_parser = clap::value_parser!(u16).range(1..=i64::from(u16::MAX - ADMIN_PORT_OFFSET)))]
    pub port: Option<u16>,
    /// The folder of the workspace, or of a new one [default: the workspace that this folder is in, else
    /// this folder].
    #[arg(long, value_name = "DIR", value_hint = ValueHint::DirPath)]
    pub path: Option<PathBuf>,
    /// Make no git repository.
    #[arg(long)]
    pub no_git: bool,
    /// Ask nothing, take the defaults.
    #[arg(short, long)]
    pub yes: bool,
    /// Show what would be made and make nothing.
    #[arg(long)]
    pub dry_run: bool,
}

/// What is made.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, clap::ValueEnum)]
pub enum Kind {
    /// A gRPC service.
    #[default]
    Service,
    /// HTTP and JSON in front of the services of a workspace.
    Gateway,
}

/// Runs `msvc new`.
///
/// # Errors
/// When a name, a proto or the target does not do; nothing has changed then.
pub fn run(context: &Context, args: NewArgs) -> Result {
    let name = taken::parse(&choose::name(context, &args)?)?;
    let target = match &args.path {
        Some(path) => project::resolve(&context.directory.join(path))?,
        None => context.directory.clone(),
    };
    proto::prepare();
    while let Outcome::Overtaken = make::make(context, &args, &name, &target)? {}
    Ok(())
}

/// Runs `msvc add service`: as `msvc new`, in a workspace that is there.
///
/// # Errors
/// As [`run`], and where there is no workspace.
pub fn add(context: &Context, args: NewArgs) -> Result {
    let target = match &args.path {
        Some(path) => project::resolve(&context.directory.join(path))?,
        None => context.directory.clone(),
    };
    if args.dry_run {
        apply::refuse_interrupted(&target)?;
    } else {
        apply::recover_above(&target)?;
    }
    project::find(&target)?;
    run(context, args)
}

/// Where `msvc new --kind gateway` is to make one, which is what `msvc add gateway` does there.
///
/// # Errors
/// Where there is no workspace, or with a flag that is of services alone.
pub fn of_gateway(context: &Context, args: &NewArgs) -> Result<Context> {
    let flags = [
        ("proto", !args.proto.is_empty()),
        ("registry", args.registry.is_some()),
    ];
    if let Some((flag, _)) = flags.iter().find(|(_, is_given)| *is_given) {
        return Err(NewError::NotOfGateway(flag).into());
    }
    let mut context = context.clone();
    if let Some(path) = &args.path {
        context.directory = project::resolve(&context.directory.join(path))?;
    }
    if project::find_if_any(&context.directory)?.is_none() {
        return Err(NewError::NoServices.into());
    }
    Ok(context)
}
