//! What is sent: the messages and the metadata of the calls, the same for all or made by templates.

use std::hash::{BuildHasher as _, Hasher as _, RandomState};
use std::path::{Path, PathBuf};

use prost_reflect::{DynamicMessage, MethodDescriptor};

use super::{BenchArgs, BenchError};
use crate::bench::dialogue::Talk;
use crate::bench::payload::{self, Compression, Payload};
use crate::bench::responses::{Checks, Expectation, Extraction};
use crate::bench::template::{
    self, Plan, Rows, RowsError, Sources, Syntax, TemplateError, Text, has_placeholders,
};
use crate::client::metadata::Header;
use crate::client::{json, methods};
use crate::commands::rpc;
use crate::context::Context;
use crate::env_vars;
use crate::error::{Diagnostic, Exit, IoContext as _, Result};
use crate::proto::diagnostic::ProtoDiagnostic;

/// The messages of a call.
pub(super) enum Messages {
    /// The same for all calls.
    Fixed(Vec<DynamicMessage>),
    /// Those of templates.
    Templates(Vec<Plan>),
}

impl Messages {
    pub(super) fn count(&self) -> usize {
        match self {
            Self::Fixed(messages) => messages.len(),
            Self::Templates(plans) => plans.len(),
        }
    }
}

/// Why requests cannot be made.
#[derive(Debug, thiserror::Error)]
pub(super) enum RequestsError {
    #[error("`{}` has no rows to read", .path.display())]
    Rows {
        path: PathBuf,
        #[source]
        source: RowsError,
    },
    #[error("`{}` is neither `.csv` nor `.jsonl`", .0.display())]
    UnknownRows(PathBuf),
    #[error("`{method}` is no method that `{option}` is for: {}", streams(.option))]
    NoStream {
        option: &'static str,
        method: String,
    },
    #[error("there are no messages to send: `-d` has none")]
    NoMessages,
    #[error("the value of `{name}` has characters outside printable ASCII: `{value}`")]
    Unprintable { name: String, value: String },
}

/// What an option is for.
fn streams(option: &str) -> &'static str {
    match option {
        "--ping-pong" => "it does not stream both ways",
        _ => "its requests are no stream",
    }
}

impl Diagnostic for RequestsError {
    fn exit(&self) -> Exit {
        Exit::Usage
    }
}

/// The messages of `-d`; without it, one that the schema allows.
pub(super) fn messages(
    context: &Context,
    args: &BenchArgs,
    method: &MethodDescriptor,
) -> Result<Messages> {
    let (text, origin) = match &args.data {
        Some(data) => rpc::read_data(context, data)?,
        None => {
            let example = template::example(&method.input());
            let said = format!("{example} from the schema: there is no `-d`");
            context.printer.step("Made", said);
            (example, "the example".to_owned())
        }
    };
    let messages = if has_placeholders(&text) {
        let plans = template::compile(&text, &origin, &method.input(), &sources(context, args)?)?;
        Messages::Templates(plans)
    } else {
        Messages::Fixed(json::read_all(&text, &method.input(), &origin)?)
    };
    if !method.is_client_streaming() {
        if messages.count() == 0 {
            return Ok(Messages::Fixed(vec![DynamicMessage::new(method.input())]));
        }
        rpc::check_single(method, messages.count())?;
    }
    Ok(messages)
}

/// How the messages of a call follow each other.
pub(super) fn talk(args: &BenchArgs, method: &MethodDescriptor) -> Result<Talk, RequestsError> {
    let (talk, takes) = match (args.message_interval, args.ping_pong, args.messages) {
        (Some(interval), ..) => (Talk::Every { interval }, "--message-interval"),
        (None, true, _) => (Talk::InTurn, "--ping-pong"),
        (None, false, Some(_)) => (Talk::AtOnce, "--messages"),
        (None, false, None) => return Ok(Talk::AtOnce),
    };
    let is_wrong =
        !method.is_client_streaming() || (talk == Talk::InTurn && !method.is_server_streaming());
    if is_wrong {
        return Err(RequestsError::NoStream {
            option: takes,
            method: methods::full_name(method),
        });
    }
    Ok(talk)
}

/// What is looked for in responses.
pub(super) fn checks(
    args: &BenchArgs,
    method: &MethodDescriptor,
) -> Result<Option<Checks>, BenchError> {
    if args.expectations.is_empty() && args.extractions.is_empty() {
        return Ok(None);
    }
    let expected = args.expectations.iter().map(Expectation::path);
    let extracted = args.extractions.iter().map(Extraction::path);
    for path in expected.chain(extracted) {
        path.check(&method.output())
            .map_err(|source| BenchError::Path {
                given: path.to_string(),
                source,
            })?;
    }
    Ok(Some(Checks {
        descriptor: method.output(),
        every: args.sample as u64,
        expectations: args.expectations.clone(),
        extractions: args.extractions.clone(),
    }))
}

/// What the calls carry.
pub(super) fn payload(context: &Context, args: &BenchArgs, messages: Messages) -> Result<Payload> {
    let count = args.messages.unwrap_or(messages.count());
    if messages.count() == 0 && (count > 0 || args.message_interval.is_some() || args.ping_pong) {
        return Err(RequestsError::NoMessages.into());
    }
    let compression = match args.gzip {
        true => Compression::Gzip,
        false => Compression::Identity,
    };
    let (fixed, plans) = match messages {
        Messages::Fixed(messages) => {
            let messages: Vec<_> = messages.into_iter().cycle().take(count).collect();
            (payload::encode(&messages, compression), Vec::new())
        }
        Messages::Templates(plans) => (payload::encode(&[], compression), plans),
    };
    let (fixed, ends) = fixed;
    Ok(Payload {
        fixed,
        ends,
        count: count as u64,
        plans,
        metadata: metadata(context, args)?,
        compression,
        seed: args.seed.unwrap_or_else(any_seed),
    })
}

/// Whether the value of a header differs from call to call.
pub(super) fn is_template(header: &Header) -> bool {
    template_of(header).is_some()
}

fn template_of(header: &Header) -> Option<(&str, &str)> {
    let Header::Text(key, value) = header else {
        return None;
    };
    let value = value.to_str().ok()?;
    has_placeholders(value).then_some((key.as_str(), value))
}

fn metadata(context: &Context, args: &BenchArgs) -> Result<Vec<(String, Text)>> {
    let templates: Vec<_> = args.rpc.headers.iter().filter_map(template_of).collect();
    if templates.is_empty() {
        return Ok(Vec::new());
    }
    let sources = sources(context, args)?;
    let mut metadata = Vec::new();
    for (name, value) in templates {
        let text = template::scan(value, Syntax::Plain, &format!("-H {name}"), &sources)
            .map_err(|diagnostic: Box<ProtoDiagnostic>| TemplateError(diagnostic))?;
        if let Some(value) = text.unprintable() {
            let (name, value) = (name.to_owned(), value.to_owned());
            return Err(RequestsError::Unprintable { name, value }.into());
        }
        metadata.push((name.to_owned(), text));
    }
    Ok(metadata)
}

fn sources(context: &Context, args: &BenchArgs) -> Result<Sources> {
    let rows = args.rows.as_ref().map(|path| rows(context, path));
    Ok(Sources {
        rows: rows.transpose()?,
        environment: env_vars::all(),
    })
}

fn rows(context: &Context, path: &Path) -> Result<Rows> {
    let read = match path.extension().and_then(|extension| extension.to_str()) {
        Some("csv") => Rows::from_csv,
        Some("jsonl" | "ndjson" | "json") => Rows::from_json_lines,
        _ => return Err(RequestsError::UnknownRows(path.to_owned()).into()),
    };
    let text = std::fs::read_to_string(context.directory.join(path)).when("read", path)?;
    let rows = read(&text).map_err(|source| RequestsError::Rows {
        path: path.to_owned(),
        source,
    })?;
    Ok(rows)
}

/// Another seed every time.
fn any_seed() -> u64 {
    RandomState::new().build_hasher().finish()
}
