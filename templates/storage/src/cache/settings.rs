//! `[app.cache]`, or wherever a service puts it.

use std::path::PathBuf;

use chassis::config::{Duration, Secret};
use serde::Deserialize;

/// What is kept, and for how long.
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct CacheSettings {
    /// `redis://:PASSWORD@HOST:6379/0`, to share what is kept with other replicas; `rediss:` over TLS, to a
    /// server that is who it says. Default: none.
    pub redis: Option<Secret>,
    /// A file with the certificates (PEM) of the authorities that vouch for a server over TLS. Default:
    /// those of the system.
    pub redis_ca: Option<PathBuf>,
    /// The longest wait for Redis. Default: `"100ms"`.
    pub redis_timeout: Duration,
    /// Values in memory at a time, at least 1. Default: 10000.
    pub capacity: u32,
    /// How long a value is kept, less up to a tenth. Default: `"60s"`.
    pub ttl: Duration,
    /// How long it is kept that there is no value. Default: `"5s"`; `"0s"` is not at all.
    pub negative_ttl: Duration,
    /// With a Redis: how long a value is kept in memory, where changes by other replicas are not seen.
    /// Default: `"1s"`.
    pub local_ttl: Duration,
}

impl Default for CacheSettings {
    fn default() -> Self {
        Self {
            redis: None,
            redis_ca: None,
            redis_timeout: Duration::from_millis(100),
            capacity: 10_000,
            ttl: Duration::from_secs(60),
            negative_ttl: Duration::from_secs(5),
            local_ttl: Duration::from_secs(1),
        }
    }
}
