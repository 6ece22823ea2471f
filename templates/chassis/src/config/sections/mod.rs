//! The sections of the configuration, every key with its default.

mod auth;
mod center;
mod client;
mod etcd;
mod kubernetes;
mod limits;
mod registry;
mod registry_tls;
mod retry;
mod server;
mod telemetry;
mod tls;
mod tracing;

use serde::{Deserialize, Serialize};

use super::ConfigError;

pub use auth::{Auth, AuthRule, MethodPattern};
pub use center::{ConfigCenter, ConfigSource};
pub use client::{
    Balance, BalancePolicy, Breaker, Client, ClientLayers, FailurePercentage, Outlier, SuccessRate,
};
pub use etcd::Etcd;
pub use kubernetes::Kubernetes;
pub use limits::{ClientKey, ClientRate, Limits, Rate, Shed};
pub use registry::{Consul, ConsulCheck, Registry, RegistryKind};
pub use registry_tls::RegistryTls;
pub use retry::{Hedging, Multiplier, Retry, RetryCode, RetryMethod, RetryThrottle};
pub use server::{Admin, Connections, Deadline, Http2, Server, ServerLayers};
pub use telemetry::{Color, Log, LogFormat, Metrics};
pub use tls::{ClientTls, ServerTls};
pub use tracing::{OtlpProtocol, TraceExporter, Tracing};

/// The whole configuration of a service: the chassis' sections, and the service's own as `[app]`.
#[derive(Debug, Clone, Default, Deserialize, Serialize)]
#[serde(
    deny_unknown_fields,
    default,
    bound(deserialize = "A: Deserialize<'de> + Default")
)]
pub struct Config<A = NoSettings> {
    /// Who this service is.
    pub service: Service,
    /// The gRPC server.
    pub server: Server,
    /// The HTTP server for health, readiness and metrics.
    pub admin: Admin,
    /// What is logged, and how it looks.
    pub log: Log,
    /// Distributed tracing.
    pub tracing: Tracing,
    /// Metrics in the Prometheus format.
    pub metrics: Metrics,
    /// Where the service registers itself, and finds others.
    pub registry: Registry,
    /// How other services are called.
    pub client: Client,
    /// Settings from a store, and changes while the service runs.
    pub config_center: ConfigCenter,
    /// The service's own settings.
    pub app: A,
}

impl<A> Config<A> {
    /// Fills settings that are not set from the variables that other tools share, such as
    /// `CONSUL_HTTP_ADDR` and `ETCDCTL_ENDPOINTS`.
    pub(super) fn with_standard_variables<'v>(
        mut self,
        variable: impl Fn(&'static str) -> Result<Option<&'v str>, ConfigError>,
    ) -> Result<Self, ConfigError> {
        self.tracing.fill_from(&variable)?;
        self.registry.consul.fill_from(&variable)?;
        let is_used = self.registry.kind == RegistryKind::Etcd
            || self.config_center.source == ConfigSource::Etcd;
        self.registry.etcd.fill_from(is_used, &variable)?;
        self.registry.kubernetes.fill_from(&variable)?;
        if self.registry.kind == RegistryKind::Kubernetes {
            self.registry.kubernetes.server()?;
        }
        Ok(self)
    }

    /// The configuration without the service's own settings.
    pub(crate) fn chassis(&self) -> Config {
        Config {
            service: self.service.clone(),
            server: self.server.clone(),
            admin: self.admin.clone(),
            log: self.log.clone(),
            tracing: self.tracing.clone(),
            metrics: self.metrics.clone(),
            registry: self.registry.clone(),
            client: self.client.clone(),
            config_center: self.config_center.clone(),
            app: NoSettings {},
        }
    }
}

/// For a service without settings of its own: an `[app]` section with no keys.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Deserialize, Serialize)]
#[serde(deny_unknown_fields)]
pub struct NoSettings {}

/// Who this service is, in registries, traces and metrics.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize, Serialize)]
#[serde(deny_unknown_fields, default)]
pub struct Service {
    /// The name others find it by. Default: the name of its crate.
    pub name: String,
    /// Default: the version of its crate.
    pub version: String,
    /// Where it runs: `dev`, `staging`, `prod`. Default: `APP_ENV`.
    pub environment: String,
}

impl Default for Service {
    fn default() -> Self {
        Self {
            name: "service".to_owned(),
            version: "0.0.0".to_owned(),
            environment: "dev".to_owned(),
        }
    }
}
