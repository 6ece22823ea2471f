//! `[registry]`.

use std::collections::BTreeMap;

use serde::Deserialize;

use super::{Etcd, Kubernetes};
use crate::config::{ConfigError, Duration, HttpUrl, Origin, Secret};

/// `[registry]`: where the service registers itself, and finds others.
#[derive(Debug, Clone, Default, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Registry {
    /// `consul`, `etcd`, `kubernetes`, `static` or `none`. Default: `none`.
    pub kind: RegistryKind,
    /// Tags of this instance. Default: none.
    pub tags: Vec<String>,
    /// Metadata of this instance, besides its version. Default: none.
    pub meta: BTreeMap<String, String>,
    /// `[registry.consul]`
    pub consul: Consul,
    /// `[registry.etcd]`
    pub etcd: Etcd,
    /// `[registry.kubernetes]`
    pub kubernetes: Kubernetes,
    /// `[registry.static]`: the addresses of each service, as in
    /// `user-service = ["127.0.0.1:50051"]`.
    #[serde(rename = "static")]
    pub static_list: BTreeMap<String, Vec<String>>,
}

/// Which registry is used.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum RegistryKind {
    /// A Consul agent.
    Consul,
    /// An etcd cluster.
    Etcd,
    /// The Kubernetes API server: it finds others, and the service need not register itself.
    Kubernetes,
    /// The list in `[registry.static]`.
    Static,
    /// No registry: the service does not register itself.
    #[default]
    None,
}

/// `[registry.consul]`: the Consul agent and what it is told.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Consul {
    /// The agent's HTTP address. Default: `CONSUL_HTTP_ADDR`, else `"http://127.0.0.1:8500"`.
    pub address: Option<HttpUrl>,
    /// The ACL token. Default: `CONSUL_HTTP_TOKEN`, else none.
    pub token: Option<Secret>,
    /// How the agent checks this instance: `grpc`, `http` or `none`. Default: `grpc`.
    pub check: ConsulCheck,
    /// How often. Default: `"10s"`.
    pub check_interval: Duration,
    /// The longest wait for the answer to a check. Default: `"3s"`.
    pub check_timeout: Duration,
    /// An instance that is critical for longer is removed from the registry. Default: `"30s"`
    /// (Consul reaps no sooner than once in 30 s, and not below 1 min on most versions).
    pub deregister_critical_service_after: Duration,
    /// How often the service looks whether the agent still knows it. Default: `"10s"`.
    pub verify_interval: Duration,
    /// How long a blocking query waits for a change. Default: `"1m"`; at most `"10m"`.
    pub wait: Duration,
}

impl Default for Consul {
    fn default() -> Self {
        Self {
            address: None,
            token: None,
            check: ConsulCheck::Grpc,
            check_interval: Duration::from_secs(10),
            check_timeout: Duration::from_secs(3),
            deregister_critical_service_after: Duration::from_secs(30),
            verify_interval: Duration::from_secs(10),
            wait: Duration::from_secs(60),
        }
    }
}

impl Consul {
    const ADDRESS: &str = "CONSUL_HTTP_ADDR";
    const TOKEN: &str = "CONSUL_HTTP_TOKEN";

    pub(super) fn fill_from<'v>(
        &mut self,
        variable: impl Fn(&'static str) -> Result<Option<&'v str>, ConfigError>,
    ) -> Result<(), ConfigError> {
        if self.address.is_none()
            && let Some(value) = variable(Self::ADDRESS)?
        {
            let address = match value.contains("://") {
                true => value.parse(),
                false => format!("http://{value}").parse(),
            };
            self.address = Some(address.map_err(|_| {
                let expected = format!("expected {}, got \"{value}\"", HttpUrl::EXPECTED);
                let origin = Origin::Variable(Self::ADDRESS.into());
                ConfigError::setting(origin, "registry.consul.address", expected)
            })?);
        }
        if self.token.is_none() {
            self.token = variable(Self::TOKEN)?.map(Secret::new);
        }
        Ok(())
    }
}

/// How Consul checks an instance.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum ConsulCheck {
    /// By the gRPC health service.
    #[default]
    Grpc,
    /// By `/readyz` of the admin server.
    Http,
    /// Not at all.
    None,
}
