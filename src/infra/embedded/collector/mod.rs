//! A collector of traces for development, in this process: OpenTelemetry's protocol (OTLP) over
//! gRPC and HTTP, and what was sent by the part of Jaeger's JSON API that its user interface and
//! `msvc trace` read.
//!
//! It differs from Jaeger where development gains by it or cannot tell:
//! - nothing survives it unless it is told [where to keep it](EmbeddedCollector::keep_in), and it keeps
//!   no more than [`LIMIT`] bytes: the trace that came first goes first;
//! - traces come newest first, and clocks are taken to be right;
//! - metrics and logs are refused as unimplemented; there is no user interface.

mod api;
mod jaeger;
mod journal;
pub mod proto;
mod state;

use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use tokio::sync::mpsc::{UnboundedReceiver, UnboundedSender, unbounded_channel};
use tokio::sync::watch;

use super::{EmbeddedError, serve};
use crate::error::IoFailure;
use journal::Journal;
use proto::opentelemetry::proto::collector::trace::v1::{
    ExportTracePartialSuccess, ExportTraceServiceRequest,
};
use state::Store;

/// Where a collector takes OTLP over gRPC unless told otherwise.
pub const STANDARD_GRPC_PORT: u16 = 4317;
/// Where a collector takes OTLP over HTTP unless told otherwise.
pub const STANDARD_HTTP_PORT: u16 = 4318;
/// Where Jaeger answers queries unless told otherwise.
pub const STANDARD_QUERY_PORT: u16 = 16686;

/// How much is kept at most, in bytes, about.
pub const LIMIT: usize = 128 << 20;
/// How large each of the two files on disk may be, in bytes.
const FILE_LIMIT: u64 = 64 << 20;

/// Where a collector listens. What is sent to either of the first two is understood, however it is
/// sent.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Addresses {
    /// OTLP over gRPC.
    pub grpc: SocketAddr,
    /// OTLP over HTTP.
    pub http: SocketAddr,
    /// Jaeger's JSON API.
    pub query: SocketAddr,
}

/// A running collector; it stops when dropped.
#[derive(Debug)]
pub struct EmbeddedCollector {
    addresses: Addresses,
    shared: Arc<Shared>,
}

#[derive(Debug)]
struct Shared {
    store: Mutex<Store>,
    kept: Mutex<Option<Kept>>,
    stopping: watch::Sender<bool>,
}

/// A journal, and whether it is one.
#[derive(Debug)]
struct Kept {
    journal: Journal,
    folder: PathBuf,
    is_failing: bool,
    changes: UnboundedSender<Keeping>,
}

/// What becomes of traces that are to be kept on disk; told when it changes.
#[derive(Debug)]
pub enum Keeping {
    /// The file system refuses: they are in memory alone.
    Failed(IoFailure),
    /// They are on disk again, from now on.
    Again,
}

impl Kept {
    /// Writes what was sent; a failure is told where the last time was none.
    fn append(&mut self, request: &ExportTraceServiceRequest) -> Option<String> {
        let written = self.journal.append(request);
        let was_failing = std::mem::replace(&mut self.is_failing, written.is_err());
        let (change, warning) = match (written, was_failing) {
            (Ok(()), true) => (Keeping::Again, None),
            (Err(source), false) => {
                let warning = format!("the spans are kept in memory alone: {source}");
                let attempt = format!("write to `{}`", self.folder.display());
                (
                    Keeping::Failed(IoFailure { attempt, source }),
                    Some(warning),
                )
            }
            (Ok(()), false) | (Err(_), true) => return None,
        };
        // Who does not listen does not want to know.
        let _ = self.changes.send(change);
        warning
    }
}

impl Shared {
    fn store(&self) -> MutexGuard<'_, Store> {
        self.store.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn kept(&self) -> MutexGuard<'_, Option<Kept>> {
        self.kept.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Takes spans; tells how many it did not take, and what else went wrong.
    fn take(&self, request: ExportTraceServiceRequest) -> Option<ExportTracePartialSuccess> {
        let warning = self.kept().as_mut().and_then(|kept| kept.append(&request));
        let rejected = self.store().take(request);
        match (warning, rejected) {
            // The protocol has warnings so: a message, and nothing rejected.
            (Some(error_message), None) => Some(ExportTracePartialSuccess {
                rejected_spans: 0,
                error_message,
            }),
            (_, rejected) => rejected,
        }
    }
}

/// Serves on the preferred addresses or, where one is taken, on a free port of the same IP.
///
/// # Errors
/// When nothing can be bound.
pub async fn start(preferred: &Addresses) -> Result<EmbeddedCollector, EmbeddedError> {
    let (grpc_listener, grpc) = serve::listen(preferred.grpc).await?;
    let (http_listener, http) = serve::listen(preferred.http).await?;
    let (query_listener, query) = serve::listen(preferred.query).await?;
    let shared = Arc::new(Shared {
        store: Mutex::new(Store::new(LIMIT)),
        kept: Mutex::default(),
        stopping: watch::Sender::new(false),
    });
    let otlp = api::otlp_router(&shared);
    for (listener, router) in [
        (grpc_listener, otlp.clone()),
        (http_listener, otlp),
        (query_listener, api::query_router(&shared)),
    ] {
        tokio::spawn(serve::serve(listener, router, shared.stopping.subscribe()));
    }
    let addresses = Addresses { grpc, http, query };
    Ok(EmbeddedCollector { addresses, shared })
}

impl EmbeddedCollector {
    /// Where it listens.
    pub fn addresses(&self) -> Addresses {
        self.addresses
    }

    /// Keeps what is sent from now on in a folder too, and takes what is there already. Where that fails
    /// later, the collector goes on; when it begins and when it ends is what is returned.
    ///
    /// # Errors
    /// When the file system refuses now.
    pub fn keep_in(&self, folder: &Path) -> Result<UnboundedReceiver<Keeping>, IoFailure> {
        let (changes, receiver) = unbounded_channel();
        // Nothing is taken meanwhile: what comes now is newer.
        let mut kept = self.shared.kept();
        let journal = Journal::open(folder, FILE_LIMIT, |request| {
            self.shared.store().take(request);
        })?;
        *kept = Some(Kept {
            journal,
            folder: folder.to_owned(),
            is_failing: false,
            changes,
        });
        Ok(receiver)
    }
}

impl Drop for EmbeddedCollector {
    fn drop(&mut self) {
        self.shared.stopping.send_replace(true);
    }
}
