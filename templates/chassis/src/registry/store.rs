//! One value of a store, which is read at the start and followed from then on.

use std::fmt;
use std::time::Duration;

use tokio::sync::mpsc;

use super::consul::Kv;
use super::etcd::Key;
use crate::config::{Config, ConfigSource};
use crate::tls::TlsError;

/// The bytes under a key; `None` when the key is not there.
pub(crate) type Value = Option<Vec<u8>>;

/// A key of a store. It belongs to the runtime in which it was made.
#[derive(Debug)]
pub(crate) enum Store {
    Consul(Box<Kv>),
    Etcd(Key),
}

impl Store {
    /// The key that `config` names, if it names a store. It must be made inside of a runtime.
    ///
    /// # Errors
    /// When the files for a connection over TLS cannot be used.
    pub(crate) fn new<A>(config: &Config<A>) -> Result<Option<Self>, TlsError> {
        let key = config.config_center_key();
        Ok(match config.config_center.source {
            ConfigSource::Consul => {
                let kv = Kv::new(&config.registry.consul, &key)?;
                Some(Self::Consul(Box::new(kv)))
            }
            ConfigSource::Etcd => Some(Self::Etcd(Key::new(&config.registry.etcd, key)?)),
            ConfigSource::None => None,
        })
    }

    /// The value as it is now.
    ///
    /// # Errors
    /// Why the store does not tell, within `limit`.
    pub(crate) async fn get(&self, limit: Duration) -> Result<Value, String> {
        let get = async {
            match self {
                Self::Consul(kv) => kv.get().await.map_err(|error| error.to_string()),
                Self::Etcd(key) => key.get().await.map_err(|error| error.to_string()),
            }
        };
        match tokio::time::timeout(limit, get).await {
            Ok(result) => result,
            Err(_) => Err(format!("no answer within {limit:?}")),
        }
    }

    /// Sends the value as it is, and again whenever it may have changed, until nobody listens. An
    /// error is never taken for a change.
    pub(crate) async fn follow(self, values: mpsc::Sender<Value>) {
        match self {
            Self::Consul(kv) => kv.follow(values).await,
            Self::Etcd(key) => key.follow(values).await,
        }
    }
}

impl fmt::Display for Store {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Consul(kv) => fmt::Display::fmt(kv, f),
            Self::Etcd(key) => fmt::Display::fmt(key, f),
        }
    }
}
