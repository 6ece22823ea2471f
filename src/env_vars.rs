//! The names of every environment variable that `msvc` reads, and the one place that reads them.

use std::env;
use std::ffi::OsString;

/// Turns colours off when set to anything but the empty string (<https://no-color.org>).
pub const NO_COLOR: &str = "NO_COLOR";
/// Set by continuous integration systems: no prompts, no live progress.
pub const CI: &str = "CI";
/// Where a Consul agent answers, as Consul's own command line reads it.
pub const CONSUL_HTTP_ADDR: &str = "CONSUL_HTTP_ADDR";
/// The token for a Consul agent with access control lists.
pub const CONSUL_HTTP_TOKEN: &str = "CONSUL_HTTP_TOKEN";
/// Where an etcd cluster answers, as etcd's own command line reads it: separated by commas.
pub const ETCDCTL_ENDPOINTS: &str = "ETCDCTL_ENDPOINTS";
/// The cargo to call; cargo sets it for its subcommands.
pub const CARGO: &str = "CARGO";
/// The key for encrypted settings, as services read it.
pub const APP_CONFIG_KEY: &str = "APP_CONFIG_KEY";
/// `dumb` marks a terminal that cannot move its cursor.
pub const TERM: &str = "TERM";
/// Where a Docker engine answers, as Docker's own command line reads it.
pub const DOCKER_HOST: &str = "DOCKER_HOST";

/// For tests of debug builds: the step of a change after which the process ends.
#[cfg(debug_assertions)]
pub const ABORT_AFTER: &str = "MSVC_ABORT_AFTER";

/// What `msvc` took from its environment, read once at the start.
#[derive(Clone, Debug, Default)]
pub struct Environment {
    /// [`NO_COLOR`] is set and not empty.
    pub no_color: bool,
    /// [`CI`] is set and not `false`.
    pub ci: bool,
    /// [`TERM`] is `dumb`.
    pub dumb_terminal: bool,
    /// [`CONSUL_HTTP_ADDR`].
    pub consul_http_addr: Option<String>,
    /// [`CONSUL_HTTP_TOKEN`].
    pub consul_http_token: Option<String>,
    /// [`ETCDCTL_ENDPOINTS`].
    pub etcdctl_endpoints: Option<String>,
    /// [`CARGO`].
    pub cargo: Option<OsString>,
    /// [`APP_CONFIG_KEY`].
    pub app_config_key: Option<String>,
    /// [`DOCKER_HOST`].
    pub docker_host: Option<String>,
}

impl Environment {
    /// Reads the process environment.
    pub fn read() -> Self {
        Self {
            no_color: text(NO_COLOR).is_some(),
            ci: text(CI).is_some_and(|value| value != "false"),
            dumb_terminal: text(TERM).is_some_and(|value| value == "dumb"),
            consul_http_addr: text(CONSUL_HTTP_ADDR),
            consul_http_token: text(CONSUL_HTTP_TOKEN),
            etcdctl_endpoints: text(ETCDCTL_ENDPOINTS),
            cargo: env::var_os(CARGO),
            app_config_key: text(APP_CONFIG_KEY),
            docker_host: text(DOCKER_HOST),
        }
    }
}

/// [`ABORT_AFTER`].
#[cfg(debug_assertions)]
pub fn abort_after() -> Option<String> {
    text(ABORT_AFTER)
}

/// A variable's value; unset and empty are the same.
fn text(name: &str) -> Option<String> {
    env::var(name).ok().filter(|value| !value.is_empty())
}
