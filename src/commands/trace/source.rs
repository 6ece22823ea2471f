//! Who is asked for traces, and why there are none.

use std::collections::BTreeMap;
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use super::FromArgs;
use crate::context::Context;
use crate::env_vars::JAEGER_QUERY_URL;
use crate::error::{Diagnostic, Exit};
use crate::infra::jaeger::{self, Jaeger, Search};
use crate::infra::json_api::{AddressError, ApiError};
use crate::infra::resource::Resource;
use crate::run::state_file;
use crate::suggestion::{did_you_mean, similar};
use crate::trace::escape::escaped;
use crate::trace::model::Trace;
use crate::trace::tree::Tree;
use crate::{infra, manifest, project};

/// Who is asked.
pub(super) fn source(context: &Context, args: &FromArgs) -> Result<Jaeger, TraceError> {
    let running = || {
        let mut folders = context.directory.ancestors();
        let root = folders.find(|it| it.join(manifest::FILE_NAME).is_file())?;
        let folder = root.join(project::STATE_FOLDER);
        let of_run = state_file::read(&folder).and_then(|it| it.traces);
        of_run.or_else(|| infra::state_file::read(&folder)?.url(Resource::Jaeger))
    };
    let named = args.from.clone().or_else(running);
    let named = named.or_else(|| context.environment.jaeger_query_url.clone());
    let address = named.unwrap_or_else(|| jaeger::DEFAULT_ADDRESS.to_owned());
    Jaeger::new(&address).map_err(|problem| TraceError::Address { address, problem })
}

pub(super) fn failed(jaeger: &Jaeger) -> impl Fn(ApiError) -> TraceError {
    let address = jaeger.address().to_owned();
    move |problem| TraceError::Api {
        address: address.clone(),
        problem,
    }
}

/// Microseconds since 1970.
pub(super) fn now() -> u64 {
    let since = SystemTime::now().duration_since(UNIX_EPOCH);
    since.map_or(0, micros)
}

pub(super) fn micros(duration: Duration) -> u64 {
    u64::try_from(duration.as_micros()).unwrap_or(u64::MAX)
}

/// The window of time that ends now; a little later, for clocks of others may be ahead.
pub(super) fn since(duration: Duration) -> (u64, u64) {
    const AHEAD: Duration = Duration::from_secs(60);
    let now = now();
    (now.saturating_sub(micros(duration)), now + micros(AHEAD))
}

/// All the time that there was.
pub(super) fn ever() -> (u64, u64) {
    let (_, end) = since(Duration::ZERO);
    (0, end)
}

/// Traces of one service or of all, the oldest first, each once.
pub(super) async fn find(
    jaeger: &Jaeger,
    service: Option<&str>,
    search: &Search,
) -> Result<Vec<Tree>, ApiError> {
    let services = match service {
        Some(service) => vec![service.to_owned()],
        None => jaeger.services().await?,
    };
    let mut found: BTreeMap<String, Trace> = BTreeMap::new();
    for service in services {
        for trace in jaeger.find(&service, search).await? {
            found.insert(trace.trace_id.clone(), trace);
        }
    }
    let mut trees: Vec<Tree> = found.values().map(Tree::new).collect();
    trees.sort_by(|a, b| (a.start, &a.id).cmp(&(b.start, &b.id)));
    let surplus = trees.len().saturating_sub(search.limit);
    trees.drain(..surplus);
    Ok(trees)
}

/// Why there are no traces.
#[derive(Debug, thiserror::Error)]
pub(super) enum TraceError {
    #[error("cannot ask {address} for traces: {problem}")]
    Api { address: String, problem: ApiError },
    #[error("`{address}` is not where traces are: {problem}")]
    Address {
        address: String,
        problem: AddressError,
    },
    #[error("there is no trace `{id}` at {address}")]
    Unknown { id: String, address: String },
    #[error("there are no traces at {address} yet")]
    Empty { address: String },
    #[error("`{id}` is the beginning of {} traces", .found.len())]
    Ambiguous { id: String, found: Vec<String> },
    #[error("`{0}` is not the id of a trace: those are hexadecimal")]
    NotAnId(String),
    #[error("there are no spans of `{service}` at {address}")]
    UnknownService {
        service: String,
        address: String,
        known: Vec<String>,
    },
    #[error("there are no spans `{operation}` at {address}")]
    UnknownOperation {
        operation: String,
        address: String,
        known: Vec<String>,
    },
}

/// What of what is known was meant, else what is known of it.
fn meant(given: &str, known: &[String]) -> String {
    /// So many names can be read at a glance.
    const FEW: usize = 10;
    let alike = similar(given, known.iter().map(String::as_str));
    match (did_you_mean(&alike), known.len()) {
        (Some(hint), _) => escaped(&hint),
        (None, 0) => "nothing has sent any yet".to_owned(),
        (None, 1..=FEW) => format!("there are some of {}", escaped(&known.join(", "))),
        (None, count) => format!(
            "there are some of {} and {} more",
            escaped(&known[..FEW].join(", ")),
            count - FEW
        ),
    }
}

impl Diagnostic for TraceError {
    fn hint(&self) -> Option<String> {
        match self {
            Self::Api {
                problem: ApiError::Unreachable(_),
                ..
            } => Some(format!(
                "start the services with `msvc run`, or name a Jaeger by `--from` or {JAEGER_QUERY_URL}"
            )),
            Self::Api { .. } => Some("is it Jaeger's query service?".to_owned()),
            Self::Unknown { .. } => Some("`msvc trace list` lists those that there are".to_owned()),
            Self::Empty { .. } => Some("`msvc call` makes a call, which makes one".to_owned()),
            Self::Ambiguous { found, .. } => Some(format!("they are {}", found.join(", "))),
            Self::UnknownService { service, known, .. } => Some(meant(service, known)),
            Self::UnknownOperation {
                operation, known, ..
            } => Some(meant(operation, known)),
            Self::Address { .. } | Self::NotAnId(_) => None,
        }
    }

    fn exit(&self) -> Exit {
        match self {
            Self::Api { .. } => Exit::Unreachable,
            Self::Address { .. } | Self::NotAnId(_) | Self::Ambiguous { .. } => Exit::Usage,
            _ => Exit::Failed,
        }
    }
}
