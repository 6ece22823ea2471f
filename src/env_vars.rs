//! The names of every environment variable that `msvc` reads, and the one place that reads them.

use std::collections::{BTreeMap, BTreeSet};
use std::env;
use std::ffi::OsString;
use std::path::PathBuf;

use crate::infra::docker::endpoint::DockerSettings;
use crate::infra::resource::Resource;

/// All variables whose names and values are text, for those that a user names in a template.
pub fn all() -> BTreeMap<String, String> {
    let text = |(name, value): (OsString, OsString)| {
        Some((name.into_string().ok()?, value.into_string().ok()?))
    };
    env::vars_os().filter_map(text).collect()
}

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
/// Where OpenTelemetry's exporters send what they have, of every kind.
pub const OTEL_EXPORTER_OTLP_ENDPOINT: &str = "OTEL_EXPORTER_OTLP_ENDPOINT";
/// How long OpenTelemetry's exporters gather spans, in milliseconds.
pub const OTEL_BSP_SCHEDULE_DELAY: &str = "OTEL_BSP_SCHEDULE_DELAY";
/// Variables by which somebody who set them has decided where spans go, or that they go nowhere.
const TRACES_DECIDED: &[&str] = &[
    OTEL_EXPORTER_OTLP_ENDPOINT,
    "OTEL_EXPORTER_OTLP_TRACES_ENDPOINT",
    "OTEL_TRACES_EXPORTER",
    "OTEL_SDK_DISABLED",
    "APP_TRACING__ENDPOINT",
    "APP_TRACING__EXPORTER",
];
/// Where Jaeger, or what speaks its JSON API, answers queries.
pub const JAEGER_QUERY_URL: &str = "JAEGER_QUERY_URL";
/// `dumb` marks a terminal that cannot move its cursor.
pub const TERM: &str = "TERM";
/// Where a Docker engine answers, as Docker's own command line reads it.
pub const DOCKER_HOST: &str = "DOCKER_HOST";
/// The docker context that stands in place of the current one.
pub const DOCKER_CONTEXT: &str = "DOCKER_CONTEXT";
/// The folder of Docker's configuration.
pub const DOCKER_CONFIG: &str = "DOCKER_CONFIG";
/// Set to anything, the engine at [`DOCKER_HOST`] is spoken to over TLS.
pub const DOCKER_TLS_VERIFY: &str = "DOCKER_TLS_VERIFY";
/// The folder of the certificates for that.
pub const DOCKER_CERT_PATH: &str = "DOCKER_CERT_PATH";
/// Below it engines without root have their sockets.
pub const XDG_RUNTIME_DIR: &str = "XDG_RUNTIME_DIR";
/// The user's home.
pub const HOME: &str = "HOME";
/// A mirror that images come from.
pub const MSVC_REGISTRY_MIRROR: &str = "MSVC_REGISTRY_MIRROR";
/// The start of the names of variables with the image of a resource: `MSVC_IMAGE_REDIS`.
pub const MSVC_IMAGE: &str = "MSVC_IMAGE_";

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
    /// The first of the variables that is set which decide where spans go.
    pub traces_decided: Option<&'static str>,
    /// [`OTEL_BSP_SCHEDULE_DELAY`] is set.
    pub has_schedule_delay: bool,
    /// [`JAEGER_QUERY_URL`].
    pub jaeger_query_url: Option<String>,
    /// What is said about Docker engines.
    pub docker: DockerSettings,
    /// [`MSVC_REGISTRY_MIRROR`].
    pub registry_mirror: Option<String>,
    /// [`MSVC_IMAGE`] with the name of each resource.
    pub images: BTreeMap<Resource, String>,
    /// The names of all variables that are set, for what services inherit is not set again.
    pub names: BTreeSet<OsString>,
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
            traces_decided: TRACES_DECIDED
                .iter()
                .copied()
                .find(|name| text(name).is_some()),
            has_schedule_delay: text(OTEL_BSP_SCHEDULE_DELAY).is_some(),
            jaeger_query_url: text(JAEGER_QUERY_URL),
            docker: DockerSettings {
                host: text(DOCKER_HOST),
                context: text(DOCKER_CONTEXT),
                config: path(DOCKER_CONFIG),
                tls_verify: text(DOCKER_TLS_VERIFY).is_some(),
                certificates: path(DOCKER_CERT_PATH),
                runtime: path(XDG_RUNTIME_DIR),
                home: path(HOME),
            },
            registry_mirror: text(MSVC_REGISTRY_MIRROR),
            images: images(),
            names: env::vars_os().map(|(name, _)| name).collect(),
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

/// As [`text`], for paths, which need not be text.
fn path(name: &str) -> Option<PathBuf> {
    let value = env::var_os(name).filter(|value| !value.is_empty());
    value.map(PathBuf::from)
}

/// The images that are set by [`MSVC_IMAGE`].
fn images() -> BTreeMap<Resource, String> {
    let all = Resource::ALL.into_iter();
    let set = all.filter_map(|resource| {
        let name = format!("{MSVC_IMAGE}{}", resource.name().to_uppercase());
        Some((resource, text(&name)?))
    });
    set.collect()
}
