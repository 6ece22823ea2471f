//! `msvc call`: calls a method, or lists what a server offers.

mod invoke;
mod list;
mod requests;

use clap::Args;
use clap_complete::engine::ArgValueCompleter;
use serde_json::Value;
use std::time::Duration;

use crate::client::status::{Detail, Outcome};
use crate::client::{completion, methods};
use crate::commands::rpc::{self, RpcArgs};
use crate::context::Context;
use crate::duration;
use crate::error::{Diagnostic, Exit, Failure, IoFailure, Result, Silent};

/// Arguments of `msvc call`.
#[derive(Args, Debug)]
#[command(after_help = "\
Requests are JSON, as proto3 maps messages to it: several values, one after the other, for methods that \
take a stream. With `-d -` they are read from stdin and sent as they come. Without `-d`, methods that \
take a stream read stdin; other methods read it when it is not a terminal, else send an empty message.

Responses are JSON on stdout: indented when there is only one, one on a line for streams and with \
`--format json`. A call that fails ends with exit code 1, a server that cannot be reached with 3.

A service's name is looked up where `msvc run` registered it, else in the Consul agent at \
CONSUL_HTTP_ADDR or http://127.0.0.1:8500.

Examples:
  msvc call user-service                                     list the methods of a service
  msvc call user-service user.v1.UserService/GetUser -d '{\"id\": 1}'
  msvc call localhost:50051 GetUser -d @request.json -H 'authorization: Bearer abc' --max-time 2s
  msvc call https://grpc.example.org shop.v1.Shop/Get --proto shop.proto -I protos
  msvc call chat-service Chat                                a conversation by JSON values")]
pub struct CallArgs {
    #[command(flatten)]
    rpc: RpcArgs,
    /// The method: `pkg.Service/Method`, or less of it where that is unambiguous. None: list all.
    #[arg(value_name = "METHOD", add = ArgValueCompleter::new(completion::workspace_methods))]
    method: Option<String>,
    /// The requests: JSON, `@FILE`, or `-` for stdin.
    #[arg(short, long, value_name = "JSON|@FILE|-", requires = "method")]
    data: Option<String>,
    /// Give up after this time, which the server is told as the call's deadline.
    #[arg(long, value_name = "DURATION", value_parser = duration::parse_positive)]
    max_time: Option<Duration>,
    /// Print the fields that have their default value as well.
    #[arg(long)]
    emit_defaults: bool,
}

/// Why a call failed.
#[derive(Debug, thiserror::Error)]
enum CallError {
    /// The call ended with a status other than OK.
    #[error("{}", human(.outcome))]
    Status {
        outcome: Box<Outcome>,
        /// Whether the connection broke, rather than the server answered.
        is_transport: bool,
        hint: Option<String>,
    },
    /// A response that is no JSON.
    #[error("the response cannot be written as JSON: {problem}")]
    Unwritable { problem: String },
    /// Requests cannot be read.
    #[error(transparent)]
    Io(#[from] IoFailure),
}

impl Diagnostic for CallError {
    fn hint(&self) -> Option<String> {
        match self {
            Self::Status { hint, .. } => hint.clone(),
            Self::Unwritable { .. } => {
                Some("give the proto that declares the type with `--proto FILE -I DIR`".to_owned())
            }
            Self::Io(_) => None,
        }
    }

    fn exit(&self) -> Exit {
        match self {
            Self::Status {
                is_transport: true, ..
            } => Exit::Unreachable,
            _ => Exit::Failed,
        }
    }
}

/// Runs `msvc call`.
///
/// # Errors
/// When the target cannot be reached, the method is not known, the requests are not what it takes, or
/// the call fails.
pub fn run(context: &Context, args: CallArgs) -> Result {
    rpc::block_on(execute(context, &args))
}

async fn execute(context: &Context, args: &CallArgs) -> Result {
    let session = rpc::open(context, &args.rpc, args.method.as_deref()).await?;
    let target = args.rpc.target.to_string();
    let Some(given) = &args.method else {
        return list::print(context, &target, session.pool.services().collect());
    };
    if let Some(service) = methods::find_service(&session.pool, given) {
        return list::print(context, &target, vec![service]);
    }
    let method = methods::find(&session.pool, given, &target)?;
    let call = invoke::Call {
        context,
        args,
        channel: &session.channel,
        pool: &session.pool,
        method,
    };
    match invoke::invoke(&call).await {
        Err(invoke::Failed::Call(error)) => Err(report(context, error)),
        Err(invoke::Failed::Other(failure)) => Err(failure),
        Ok(()) => Ok(()),
    }
}

/// A status is a document of its own in JSON; everything else is reported as everywhere.
fn report(context: &Context, error: CallError) -> Failure {
    let CallError::Status { outcome, hint, .. } = &error else {
        return error.into();
    };
    if !context.printer.is_json() {
        return error.into();
    }
    let mut document = serde_json::to_value(outcome).expect("outcomes serialize");
    document["hint"] = hint.clone().map_or(Value::Null, Value::String);
    document["exit_code"] = Value::from(error.exit() as u8);
    match context
        .printer
        .json_line(&serde_json::json!({ "error": document }))
    {
        Ok(()) => Silent(error.exit()).into(),
        Err(failure) => failure,
    }
}

/// Code and message, then details and trailers, a line each.
fn human(outcome: &Outcome) -> String {
    let mut text = format!("{} ({})", outcome.name, outcome.code);
    if !outcome.message.is_empty() {
        text.push_str(": ");
        text.push_str(&outcome.message);
    }
    for detail in &outcome.details {
        for line in human_detail(detail) {
            text.push_str("\n  ");
            text.push_str(&line);
        }
    }
    for (key, value) in &outcome.trailers {
        let values = match value {
            Value::Array(values) => values.as_slice(),
            single => std::slice::from_ref(single),
        };
        for value in values {
            let value = value.as_str().unwrap_or_default();
            text.push_str(&format!("\n  trailer {key}: {value}"));
        }
    }
    text
}

/// Details that say what is wrong with which field read as sentences, all others as JSON.
fn human_detail(detail: &Detail) -> Vec<String> {
    let detail = match detail {
        Detail::Known(detail) => detail,
        Detail::Unknown { type_url, value } => {
            return vec![format!(
                "detail {type_url}: {value} (base64, its type is not known)"
            )];
        }
    };
    let kind = detail["@type"].as_str().unwrap_or_default();
    let name = kind.rsplit('/').next().unwrap_or_default();
    if name == "google.rpc.BadRequest"
        && let Some(violations) = detail["fieldViolations"].as_array()
    {
        let line = |violation: &Value| {
            let field = violation["field"].as_str().unwrap_or_default();
            let description = violation["description"].as_str().unwrap_or_default();
            format!("field `{field}`: {description}")
        };
        return violations.iter().map(line).collect();
    }
    let mut rest = detail.clone();
    if let Some(object) = rest.as_object_mut() {
        object.shift_remove("@type");
    }
    vec![format!("detail {name}: {rest}")]
}
