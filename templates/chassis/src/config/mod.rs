//! Typed configuration in layers, which may change while the service runs.
//!
//! From the lowest to the highest:
//!
//! 1. the defaults built into [`Config`],
//! 2. `config/default.toml`,
//! 3. `config/{APP_ENV}.toml`, where `APP_ENV` is `dev` unless set; the file may be missing,
//! 4. environment variables with the prefix `APP_`, in which `__` separates the levels:
//!    `APP_SERVER__PORT=50051` is `server.port`. A value is read as TOML when the setting asks for
//!    a number, a boolean, a list or a table, and as plain text when it asks for text,
//! 5. a key of Consul or etcd, where `[config_center]` ([`ConfigCenter`]) names one: TOML as in a
//!    file. It is the highest because it is for all instances at once, and the one that can be
//!    changed without touching any of them.
//!
//! The folder is `APP_CONFIG_DIR` if that is set (it must exist then), else `./config`, else
//! `$CARGO_MANIFEST_DIR/config` (so that `cargo run` works from any folder), else there are no
//! files. An error names the key, where its value came from and what was expected.
//!
//! While the service runs, a change of a file or of the key is parsed and validated with all other
//! layers. A good one takes effect as a whole: in [`Live`], which [`Config::live`] returns, for the
//! service's own settings, and at once for limits on calls, connections and times, for who may call,
//! and for retries, breakers, outliers and balancing of the channels that there are ([`Server`] and
//! [`Client`] say which); other settings need a restart, which the log says. A bad one changes
//! nothing. `/configz` of the admin server shows what is in force and where each value came from.
//!
//! A [`Secret`] may be encrypted wherever it is written: see `msvc secret`.

mod center;
mod checked;
mod de;
mod error;
mod follow;
mod layers;
mod live;
mod node;
mod seal;
mod sections;
mod shown;
mod source;
mod suggest;
mod units;
mod url;

use serde::de::DeserializeOwned;

pub(crate) use center::{Hooks, json, watch};
pub use checked::{Directives, PerSecond, Percent, Ratio};
pub use error::ConfigError;
pub(crate) use follow::{Follow, Section};
pub use live::Live;
pub use node::Origin;
pub use sections::*;
pub use units::{Duration, NotAValue, Secret, Size};
pub use url::{HttpEndpoint, RegistryUrl, Url, WebUrl};

/// Where OTLP/HTTP takes traces.
pub(crate) const OTLP_PATH: &str = "/v1/traces";

/// Loads the configuration of the service `name`, `version`: pass `env!("CARGO_PKG_NAME")` and
/// `env!("CARGO_PKG_VERSION")`.
///
/// # Errors
/// When a file or variable cannot be read, or a setting is unknown or wrong.
pub fn load<A>(name: &str, version: &str) -> Result<Config<A>, ConfigError>
where
    A: DeserializeOwned + Default + Send + Sync + 'static,
{
    center::load(name, version)
}

impl<A: Clone + 'static> Config<A> {
    /// The service's own settings as they are while it runs: those that were [`load`]ed last by
    /// this process. Without any, as in tests, the settings of `self`, which never change.
    #[must_use]
    pub fn live(&self) -> Live<A> {
        center::live().unwrap_or_else(|| Live::fixed(self.app.clone()))
    }
}

#[cfg(test)]
mod tests;
