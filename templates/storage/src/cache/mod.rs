//! Values that are read often, kept near.
//!
//! ```
//! use std::sync::Arc;
//! use storage::{Cache, CacheSettings, Database, Error};
//!
//! struct Users {
//!     database: Database,
//!     names: Cache<String>,
//! }
//!
//! impl Users {
//!     async fn name(&self, id: &str) -> Result<Option<Arc<String>>, Error> {
//!         let name = self.database.query("SELECT name FROM users WHERE id = $1").bind(id);
//!         self.names.get(id, name.fetch_optional()).await
//!     }
//!
//!     async fn rename(&self, id: &str, name: &str) -> Result<(), Error> {
//!         let rename = self.database.query("UPDATE users SET name = $1 WHERE id = $2");
//!         rename.bind(name).bind(id).execute().await?;
//!         // After the write, or what is read meanwhile would be kept.
//!         self.names.forget(id).await;
//!         Ok(())
//!     }
//! }
//! ```
//!
//! - Of many who want a value that is not there, one reads it, and the others wait for that one; they
//!   also share its error. When it gives up, another one reads.
//! - Values are kept for `ttl`, each a little shorter, so that what was read together is not read
//!   again together. That there is no value is kept as well, for `negative_ttl`.
//! - In memory there are `capacity` values at most; what was not wanted for longest gives way.
//! - With the feature `redis` and a URL, replicas share what one of them has read. A Redis that is away
//!   or slow is left alone for a while, and the value is read where it comes from.
//!
//! What is kept may be old: by `ttl`, or, for what this process has [forgotten](Cache::forget), not at
//! all; other replicas keep it in memory for `local_ttl`.

mod flight;
mod memory;
mod metrics;
#[cfg(feature = "redis")]
mod remote;
#[cfg(not(feature = "redis"))]
#[path = "remote_off.rs"]
mod remote;
mod settings;
#[cfg(test)]
mod tests;

use std::fmt;
use std::future::Future;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use serde::Serialize;
use serde::de::DeserializeOwned;
use tokio::time::Instant;

use crate::Error;
use flight::{Flights, Role};
use memory::Memory;
use metrics::Metrics;
use remote::Remote;

pub use settings::CacheSettings;

/// What is kept of values of one kind, which are read with errors of type `E`. Clones share it.
pub struct Cache<V, E = Error>(Arc<Inner<V, E>>);

struct Inner<V, E> {
    settings: CacheSettings,
    memory: Mutex<Memory<Arc<V>>>,
    flights: Flights<Option<Arc<V>>, E>,
    remote: Option<Remote>,
    metrics: Metrics,
}

impl<V, E> Cache<V, E>
where
    V: Serialize + DeserializeOwned + Send + Sync + 'static,
    E: Clone + Send + Sync + 'static,
{
    /// An empty one. `name` is what its values are called in metrics and in Redis: `users`.
    ///
    /// # Errors
    /// When the settings ask for a Redis whose URL is not valid, or without the feature `redis`.
    pub fn new(name: &'static str, settings: &CacheSettings) -> Result<Self, Error> {
        Ok(Self(Arc::new(Inner {
            memory: Mutex::new(Memory::new(settings.capacity)),
            flights: Flights::default(),
            remote: Remote::open(name, settings)?,
            metrics: Metrics::of(name),
            settings: settings.clone(),
        })))
    }

    /// The value called `key`: the one that is kept, or what `read` finds, which is not polled unless
    /// it is needed. `read` must not ask for the same value of the same cache.
    ///
    /// # Errors
    /// Those of `read`.
    pub async fn get<F>(&self, key: &str, read: F) -> Result<Option<Arc<V>>, E>
    where
        F: Future<Output = Result<Option<V>, E>>,
    {
        loop {
            if let Some(value) = self.memory().get(key, Instant::now()) {
                self.0.metrics.hit();
                return Ok(value);
            }
            let flight = match self.0.flights.join(key) {
                Role::Leader(flight) => flight,
                Role::Follower(outcome) => match outcome.await {
                    Some(outcome) => {
                        self.0.metrics.shared();
                        return outcome;
                    }
                    // Whoever read it has given up.
                    None => continue,
                },
            };
            if let Some(value) = self.read_remote(key).await {
                self.0.metrics.remote_hit();
                // It is as old as it is: that is why it is kept for a short time alone.
                self.keep(key, &value, self.0.settings.local_ttl.get(), &flight);
                flight.land(Ok(value.clone()));
                return Ok(value);
            }
            let outcome = match read.await {
                Ok(value) => Ok(value.map(Arc::new)),
                Err(error) => Err(error),
            };
            self.0.metrics.read(outcome.is_ok());
            if let Ok(value) = &outcome {
                let ttl = match value {
                    Some(_) => self.0.settings.ttl.get(),
                    None => self.0.settings.negative_ttl.get(),
                };
                let ttl = shortened(ttl);
                let local_ttl = match self.0.remote {
                    Some(_) => ttl.min(self.0.settings.local_ttl.get()),
                    None => ttl,
                };
                let is_kept = self.keep(key, value, local_ttl, &flight);
                flight.land(Ok(value.clone()));
                if is_kept {
                    self.write_remote(key, value, ttl, &flight).await;
                }
            } else {
                flight.land(outcome.clone());
            }
            return outcome;
        }
    }

    /// Forgets the value called `key`, because it has changed. What is being read meanwhile is not kept.
    pub async fn forget(&self, key: &str) {
        self.0.flights.disown(key);
        self.memory().remove(key);
        let Some(remote) = &self.0.remote else {
            return;
        };
        if remote.remove(key).await.is_err() {
            self.0.metrics.remote_failed();
        }
        // Until then, the old value could be read from there.
        self.0.flights.disown(key);
        self.memory().remove(key);
    }

    /// Keeps a value in memory, unless it has changed since it was read.
    fn keep(
        &self,
        key: &str,
        value: &Option<Arc<V>>,
        ttl: Duration,
        flight: &flight::Flight<'_, Option<Arc<V>>, E>,
    ) -> bool {
        let mut memory = self.memory();
        if ttl.is_zero() || flight.is_disowned() {
            return false;
        }
        let now = Instant::now();
        let evicted = memory.insert(key, value.clone(), now, now + ttl);
        self.0.metrics.kept(memory.len(), evicted);
        true
    }

    async fn read_remote(&self, key: &str) -> Option<Option<Arc<V>>> {
        let remote = self.0.remote.as_ref()?;
        match remote.get(key).await {
            // What another version has written in another form is as good as nothing.
            Ok(text) => serde_json::from_slice::<Option<V>>(&text?)
                .ok()
                .map(|it| it.map(Arc::new)),
            Err(remote::Away) => {
                self.0.metrics.remote_failed();
                None
            }
        }
    }

    /// Shares a value, unless it has changed since it was read.
    async fn write_remote(
        &self,
        key: &str,
        value: &Option<Arc<V>>,
        ttl: Duration,
        flight: &flight::Flight<'_, Option<Arc<V>>, E>,
    ) {
        let Some(remote) = &self.0.remote else {
            return;
        };
        let Ok(text) = serde_json::to_vec(&value.as_deref()) else {
            return;
        };
        let mut written = remote.set(key, text, ttl).await;
        if flight.is_disowned() {
            // It may have been forgotten there before it was written.
            written = remote.remove(key).await;
        }
        if written.is_err() {
            self.0.metrics.remote_failed();
        }
    }

    fn memory(&self) -> MutexGuard<'_, Memory<Arc<V>>> {
        self.0.memory.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Up to a tenth less.
fn shortened(ttl: Duration) -> Duration {
    ttl.mul_f64(1.0 - chassis::backoff::random() / 10.0)
}

impl<V, E> Clone for Cache<V, E> {
    fn clone(&self) -> Self {
        Self(Arc::clone(&self.0))
    }
}

impl<V, E> fmt::Debug for Cache<V, E> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Cache").finish_non_exhaustive()
    }
}
