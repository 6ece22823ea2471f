//! `[config_center]`.

use std::path::PathBuf;

use serde::{Deserialize, Serialize};

use super::{Config, Service};
use crate::config::Duration;

/// `[config_center]`: where settings come from besides files and variables, and how changes are
/// noticed while the service runs.
///
/// The store is reached as `[registry.consul]` and `[registry.etcd]` say, whatever the registry is.
/// This section itself cannot be set in the store.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize, Serialize)]
#[serde(deny_unknown_fields, default)]
pub struct ConfigCenter {
    /// `none`, `consul` (its key/value store) or `etcd`. Default: `none`.
    pub source: ConfigSource,
    /// The key whose value is TOML, as in a file. Default: `config/{environment}/{service}` in
    /// Consul, `/config/{environment}/{service}` in etcd.
    pub key: Option<String>,
    /// Whether the service needs the key: without it, or without the store, it does not start, and
    /// when the key is deleted the last values stay. Default: false: it starts with what it has,
    /// and a deleted key gives way to the layers below.
    pub required: bool,
    /// The longest wait for the store at the start. Default: `"3s"`.
    pub timeout: Duration,
    /// A file that keeps the last good text of the store, for starts at which the store is away.
    /// Default: none.
    pub cache_file: Option<PathBuf>,
    /// How often the files are read again. Default: `"500ms"`; `"0s"` is never.
    pub poll_interval: Duration,
}

impl Default for ConfigCenter {
    fn default() -> Self {
        Self {
            source: ConfigSource::None,
            key: None,
            required: false,
            timeout: Duration::from_secs(3),
            cache_file: None,
            poll_interval: Duration::from_millis(500),
        }
    }
}

impl<A> Config<A> {
    /// `config_center.key`, or what it is by default.
    pub(crate) fn config_center_key(&self) -> String {
        let center = &self.config_center;
        let by_convention = || {
            let slash = match center.source {
                // Consul's keys do not begin with a slash.
                ConfigSource::Consul | ConfigSource::None => "",
                ConfigSource::Etcd => "/",
            };
            let Service {
                environment, name, ..
            } = &self.service;
            format!("{slash}config/{environment}/{name}")
        };
        center.key.clone().unwrap_or_else(by_convention)
    }
}

/// The store of settings.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Deserialize, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum ConfigSource {
    /// Consul's key/value store.
    Consul,
    /// etcd.
    Etcd,
    /// No store.
    #[default]
    None,
}
