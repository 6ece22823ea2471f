//! A Consul agent for development: the part of its HTTP API that service registration, discovery
//! and configuration need, in this process.
//!
//! It differs from a real agent where development gains by it or cannot tell:
//! - nothing survives it, and there is one node, one datacenter, no ACL;
//! - a check runs at once when it is registered, not after a random part of its interval;
//! - a critical service is deregistered when its time (at least a minute, as in Consul) has
//!   passed, not at the next round of a reaper that runs every 30 s;
//! - the agent hands its changes to the catalog at once;
//! - who waits for a service whose last instance gets another name, or for the keys below a prefix
//!   that go with a prefix above it, is woken;
//! - JSON is always indented, as by `consul agent -dev`;
//! - what is not offered, such as ACLs, transactions, the service mesh, registration in the
//!   catalog and checks by script or with TLS, is refused with 501 and a text that says so.

mod api;
mod decode;
mod duration;
mod probe;
mod state;

use std::net::SocketAddr;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use tokio::sync::watch;
use tokio::task::JoinHandle;

use super::{EmbeddedError, random, serve};
use state::{Due, Registry};

/// Where a Consul agent answers unless told otherwise.
pub const STANDARD_PORT: u16 = 8500;

/// The longest sleep between two looks at what checks are due.
const LONGEST_SLEEP: Duration = Duration::from_secs(1);

/// A running registry; it stops when dropped.
#[derive(Debug)]
pub struct EmbeddedConsul {
    address: SocketAddr,
    shared: Arc<Shared>,
    checker: JoinHandle<()>,
}

/// What requests and checks share.
#[derive(Debug)]
struct Shared {
    registry: Mutex<Registry>,
    /// Counts changes; blocking queries and the checker wait on it.
    changes: watch::Sender<u64>,
    stopping: watch::Sender<bool>,
}

impl Shared {
    fn registry(&self) -> MutexGuard<'_, Registry> {
        self.registry.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn changed(&self) {
        self.changes.send_modify(|count| *count += 1);
    }
}

/// Serves on `preferred` or, when that is taken, on a free port of the same IP.
///
/// # Errors
/// When neither can be bound.
pub async fn start(preferred: SocketAddr) -> Result<EmbeddedConsul, EmbeddedError> {
    let (listener, address) = serve::listen(preferred).await?;
    let shared = Arc::new(Shared {
        registry: Mutex::new(Registry::new(&address.ip().to_string())),
        changes: watch::Sender::new(0),
        stopping: watch::Sender::new(false),
    });
    let router = api::router(shared.clone());
    tokio::spawn(serve::serve(listener, router, shared.stopping.subscribe()));
    let checker = tokio::spawn(run_checks(shared.clone()));
    Ok(EmbeddedConsul {
        address,
        shared,
        checker,
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
        self.shared.stopping.send_replace(true);
        self.checker.abort();
    }
}

/// Starts the checks that are due and lets time pass for the others.
async fn run_checks(shared: Arc<Shared>) {
    let mut changes = shared.changes.subscribe();
    loop {
        let now = Instant::now();
        let (elapsed, due, next) = {
            let mut registry = shared.registry();
            let elapsed = registry.elapse(now);
            (elapsed, registry.due(now), registry.next_event())
        };
        if elapsed {
            shared.changed();
        }
        for due in due {
            tokio::spawn(run_check(shared.clone(), due));
        }
        let sleep = next.map_or(LONGEST_SLEEP, |at| {
            at.saturating_duration_since(now).min(LONGEST_SLEEP)
        });
        tokio::select! {
            () = tokio::time::sleep(sleep) => {}
            _ = changes.changed() => {}
        }
    }
}

async fn run_check(shared: Arc<Shared>, due: Due) {
    let outcome = probe::run(&due).await;
    shared.registry().probed(&due.key, outcome, Instant::now());
    // Besides those who wait, the checker has to learn the time of the next run.
    shared.changed();
}
