//! `[app.database]`, or wherever a service puts it.

use chassis::config::{Duration, Secret};
use serde::Deserialize;

/// Which database, and how it is used.
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Settings {
    /// `sqlite:PATH`, where folders that are missing are made, or `postgres://USER:PASSWORD@HOST/NAME`,
    /// with `?sslmode=verify-full` for TLS. `sqlite::memory:` is gone when the service ends. Default:
    /// `"sqlite:.msvc/data/app.db"`.
    pub url: Secret,
    /// Connections at a time, at least 1. Default: 10. `sqlite::memory:` has one.
    pub max_connections: u32,
    /// Connections that are kept though nobody needs them. Default: 1.
    pub min_connections: u32,
    /// The longest wait for a connection, which may have to be made. Default: `"5s"`.
    pub acquire_timeout: Duration,
    /// The longest a statement may take. Default: `"30s"`; `"0s"` is no limit.
    pub statement_timeout: Duration,
    /// How long a connection may be idle before it is closed. Default: `"10m"`.
    pub idle_timeout: Duration,
    /// How old a connection gets, so that new ones find servers that took over. Default: `"30m"`.
    pub max_lifetime: Duration,
    /// The longest wait at the start for the database to answer, and for other instances that are
    /// migrating it. Default: `"60s"`.
    pub migration_timeout: Duration,
    /// Whether a commit waits until it is on the disk. Without it, the last moments before a failure of
    /// power may be lost, though not those before the end of a process. Default: true.
    pub synchronous_commit: bool,
    /// How often a transaction is tried that collides with others. Default: 5.
    pub max_attempts: u32,
}

impl Default for Settings {
    fn default() -> Self {
        Self {
            url: Secret::new("sqlite:.msvc/data/app.db"),
            max_connections: 10,
            min_connections: 1,
            acquire_timeout: Duration::from_secs(5),
            statement_timeout: Duration::from_secs(30),
            idle_timeout: Duration::from_secs(10 * 60),
            max_lifetime: Duration::from_secs(30 * 60),
            migration_timeout: Duration::from_secs(60),
            synchronous_commit: true,
            max_attempts: 5,
        }
    }
}

impl Settings {
    /// The defaults, with the database at `url`.
    #[must_use]
    pub fn at(url: impl Into<String>) -> Self {
        Self {
            url: Secret::new(url),
            ..Self::default()
        }
    }
}
