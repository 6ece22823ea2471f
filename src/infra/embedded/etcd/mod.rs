//! An etcd of one member for development: the part of its API (version 3, gRPC) that registration,
//! discovery, configuration, locks and elections need, in this process.
//!
//! It differs from a real one where development gains by it or cannot tell:
//! - nothing survives it, and there is one member, which leads;
//! - a lease ends when its time is over, not at the next look a real one takes, every 500 ms;
//! - the history is compacted by itself: at most 10,000 revisions and 64 MiB of what is no longer
//!   current are kept; what is current may take 256 MiB;
//! - events of several revisions may come in one response even where a real one sends one each;
//! - what is not offered, such as authentication, snapshots and changes of members, is refused as
//!   unimplemented.

mod api;
pub mod proto;
mod state;

use std::net::SocketAddr;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use tokio::sync::watch;
use tokio::task::JoinHandle;

use super::{EmbeddedError, serve};
use state::{Limits, Store};

/// Where an etcd answers unless told otherwise.
pub const STANDARD_PORT: u16 = 2379;

/// How much is kept at most.
const LIMITS: Limits = Limits {
    revisions: 10_000,
    superseded_bytes: 64 << 20,
    live_bytes: 256 << 20,
};
/// The longest sleep between two looks at what leases are over.
const LONGEST_SLEEP: Duration = Duration::from_secs(60);

/// A running store; it stops when dropped.
#[derive(Debug)]
pub struct EmbeddedEtcd {
    address: SocketAddr,
    shared: Arc<Shared>,
    expiry: JoinHandle<()>,
}

/// What requests, watches and the end of leases share.
#[derive(Debug)]
struct Shared {
    address: SocketAddr,
    store: Mutex<Store>,
    /// Told of every change; watches and the end of leases wait on it.
    changes: watch::Sender<()>,
    stopping: watch::Sender<bool>,
}

impl Shared {
    fn store(&self) -> MutexGuard<'_, Store> {
        self.store.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Changes the store, in which leases whose time is over have ended before.
    fn change<T>(&self, act: impl FnOnce(&mut Store, Instant) -> T) -> T {
        let done = {
            let mut store = self.store();
            let now = Instant::now();
            store.elapse(now);
            act(&mut store, now)
        };
        self.changes.send_replace(());
        done
    }
}

/// Serves on `preferred` or, when that is taken, on a free port of the same IP.
///
/// # Errors
/// When neither can be bound.
pub async fn start(preferred: SocketAddr) -> Result<EmbeddedEtcd, EmbeddedError> {
    let (listener, address) = serve::listen(preferred).await?;
    let shared = Arc::new(Shared {
        address,
        store: Mutex::new(Store::new(LIMITS)),
        changes: watch::Sender::new(()),
        stopping: watch::Sender::new(false),
    });
    let router = api::router(&shared);
    tokio::spawn(serve::serve(listener, router, shared.stopping.subscribe()));
    let expiry = tokio::spawn(end_leases(shared.clone()));
    Ok(EmbeddedEtcd {
        address,
        shared,
        expiry,
    })
}

impl EmbeddedEtcd {
    /// Where it listens.
    pub fn address(&self) -> SocketAddr {
        self.address
    }
}

impl Drop for EmbeddedEtcd {
    fn drop(&mut self) {
        self.shared.stopping.send_replace(true);
        self.expiry.abort();
    }
}

/// Ends leases when their time is over.
async fn end_leases(shared: Arc<Shared>) {
    let mut changes = shared.changes.subscribe();
    loop {
        changes.mark_unchanged();
        let next = shared.store().next_expiry();
        let sleep = next.map_or(LONGEST_SLEEP, |at| {
            at.saturating_duration_since(Instant::now())
                .min(LONGEST_SLEEP)
        });
        tokio::select! {
            () = tokio::time::sleep(sleep) => {
                let elapsed = shared.store().elapse(Instant::now());
                if elapsed {
                    shared.changes.send_replace(());
                }
            }
            // The sender is in `shared`.
            _ = changes.changed() => {}
        }
    }
}
