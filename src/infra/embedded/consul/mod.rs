//! The part of Consul's HTTP API that registration, discovery and configuration need
//! (<https://developer.hashicorp.com/consul/api-docs>), on one node, in memory, for development.
//!
//! - [`state`]: the catalog, the checks and the key-value store; pure, time is passed in;
//! - [`api`]: the HTTP face of it, with blocking queries;
//! - [`checks`]: what calls the services that are to be checked.

mod api;
mod checks;
mod duration;
mod state;
mod types;

use std::io;
use std::net::SocketAddr;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use tokio::net::TcpListener;
use tokio::sync::watch;
use tokio::task::AbortHandle;

use self::state::State;
use crate::error::{Diagnostic, Exit};

/// Where a Consul agent answers unless told otherwise.
pub const STANDARD_PORT: u16 = 8500;

/// A registry that runs in this process; it stops when this is dropped.
#[derive(Debug)]
pub struct EmbeddedConsul {
    address: SocketAddr,
    tasks: Vec<AbortHandle>,
}

/// Why the registry did not start.
#[derive(Debug, thiserror::Error)]
#[error("failed to listen on {address} for the registry")]
pub struct EmbeddedError {
    address: SocketAddr,
    #[source]
    source: io::Error,
}

impl Diagnostic for EmbeddedError {
    fn exit(&self) -> Exit {
        Exit::Unreachable
    }
}

/// Serves on `preferred` or, when that is taken, on a free port of the same address.
///
/// # Errors
/// When no port of the address can be listened on.
///
/// # Panics
/// Outside a tokio runtime.
pub async fn start(preferred: SocketAddr) -> Result<EmbeddedConsul, EmbeddedError> {
    let failed = |source| EmbeddedError {
        address: preferred,
        source,
    };
    let listener = match TcpListener::bind(preferred).await {
        Err(error) if error.kind() == io::ErrorKind::AddrInUse => {
            TcpListener::bind(SocketAddr::new(preferred.ip(), 0)).await
        }
        outcome => outcome,
    };
    let listener = listener.map_err(failed)?;
    let address = listener.local_addr().map_err(failed)?;
    let registry = Registry::new(address);
    let router = api::router(registry.clone());
    let serving = tokio::spawn(async move {
        // It only ends by being aborted.
        let _ = axum::serve(listener, router).await;
    });
    let checking = tokio::spawn(checks::run(registry));
    Ok(EmbeddedConsul {
        address,
        tasks: vec![serving.abort_handle(), checking.abort_handle()],
    })
}

impl EmbeddedConsul {
    /// Where it listens.
    pub fn address(&self) -> SocketAddr {
        self.address
    }
}

impl Drop for EmbeddedConsul {
    fn drop(&mut self) {
        self.tasks.iter().for_each(AbortHandle::abort);
    }
}

/// The state, shared by the requests and the checks; every change wakes the blocking queries.
#[derive(Clone, Debug)]
struct Registry {
    state: Arc<Mutex<State>>,
    index: watch::Sender<u64>,
}

impl Registry {
    fn new(address: SocketAddr) -> Self {
        let state = State::new(address);
        Self {
            index: watch::Sender::new(state.index()),
            state: Arc::new(Mutex::new(state)),
        }
    }

    /// Nothing panics while it holds the lock, so what a poisoned one guards is whole.
    fn read(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn change<T>(&self, change: impl FnOnce(&mut State) -> T) -> T {
        let mut state = self.read();
        let result = change(&mut state);
        let index = state.index();
        drop(state);
        self.index
            .send_if_modified(|known| std::mem::replace(known, index) != index);
        result
    }
}
