//! A collector of traces for development, in this process: OpenTelemetry's protocol (OTLP) over
//! gRPC and HTTP, and what was sent by the part of Jaeger's JSON API that its user interface and
//! `msvc trace` read.
//!
//! It differs from Jaeger where development gains by it or cannot tell:
//! - nothing survives it, and it keeps no more than [`LIMIT`] bytes: the trace that came first goes
//!   first;
//! - traces come newest first, and clocks are taken to be right;
//! - metrics and logs are refused as unimplemented; there is no user interface.

mod api;
mod jaeger;
pub mod proto;
mod state;

use std::net::SocketAddr;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use tokio::sync::watch;

use super::{EmbeddedError, serve};
use state::Store;

/// Where a collector takes OTLP over gRPC unless told otherwise.
pub const STANDARD_GRPC_PORT: u16 = 4317;
/// Where a collector takes OTLP over HTTP unless told otherwise.
pub const STANDARD_HTTP_PORT: u16 = 4318;
/// Where Jaeger answers queries unless told otherwise.
pub const STANDARD_QUERY_PORT: u16 = 16686;

/// How much is kept at most, in bytes, about.
pub const LIMIT: usize = 128 << 20;

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
    stopping: watch::Sender<bool>,
}

impl Shared {
    fn store(&self) -> MutexGuard<'_, Store> {
        self.store.lock().unwrap_or_else(PoisonError::into_inner)
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
}

impl Drop for EmbeddedCollector {
    fn drop(&mut self) {
        self.shared.stopping.send_replace(true);
    }
}
