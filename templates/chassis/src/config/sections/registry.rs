//! `[registry]`.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

use super::{Etcd, Kubernetes, RegistryTls};
use crate::config::units::NotAValue;
use crate::config::{ConfigError, Duration, Origin, RegistryUrl, Secret};

/// `[registry]`: where the service registers itself, and finds others.
#[derive(Debug, Clone, Default, PartialEq, Eq, Deserialize, Serialize)]
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
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Deserialize, Serialize)]
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
#[derive(Debug, Clone, PartialEq, Eq, Deserialize, Serialize)]
#[serde(deny_unknown_fields, default)]
pub struct Consul {
    /// The agent's address, `http://` or `https://`. Default: `CONSUL_HTTP_ADDR`, else
    /// `"http://127.0.0.1:8500"`; with `CONSUL_HTTP_SSL` both are `https://`.
    pub address: Option<RegistryUrl>,
    /// The ACL token. Default: `CONSUL_HTTP_TOKEN`, else none.
    pub token: Option<Secret>,
    /// How the agent checks this instance: `auto`, `grpc`, `http`, `ttl` or `none`.
    /// Default: `auto`.
    pub check: ConsulCheck,
    /// With `ttl`, an instance that does not say for as long that it is ready is critical; it says
    /// so twice as often. Default: `"10s"`; dependencies that hang take 2 s of it.
    pub check_ttl: Duration,
    /// How often the agent asks. Default: `"10s"`.
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
    /// `[registry.consul.tls]`
    pub tls: RegistryTls,
}

impl Default for Consul {
    fn default() -> Self {
        Self {
            address: None,
            token: None,
            check: ConsulCheck::Auto,
            check_ttl: Duration::from_secs(10),
            check_interval: Duration::from_secs(10),
            check_timeout: Duration::from_secs(3),
            deregister_critical_service_after: Duration::from_secs(30),
            verify_interval: Duration::from_secs(10),
            wait: Duration::from_secs(60),
            tls: RegistryTls::default(),
        }
    }
}

impl Consul {
    const ADDRESS: &str = "CONSUL_HTTP_ADDR";
    const TOKEN: &str = "CONSUL_HTTP_TOKEN";
    const SSL: &str = "CONSUL_HTTP_SSL";
    const CA: &str = "CONSUL_CACERT";
    const CERT: &str = "CONSUL_CLIENT_CERT";
    const KEY: &str = "CONSUL_CLIENT_KEY";
    const SERVER_NAME: &str = "CONSUL_TLS_SERVER_NAME";
    /// Where an agent listens unless told otherwise.
    const DEFAULT_ADDRESS: &str = "127.0.0.1:8500";

    pub(super) fn fill_from<'v>(
        &mut self,
        variable: impl Fn(&'static str) -> Result<Option<&'v str>, ConfigError>,
    ) -> Result<(), ConfigError> {
        if self.address.is_none() {
            let is_tls = variable(Self::SSL)?.is_some_and(is_true);
            self.address = match (variable(Self::ADDRESS)?, is_tls) {
                (Some(value), is_tls) => Some(address(value, is_tls).map_err(|_| {
                    let expected = format!("expected {}, got \"{value}\"", RegistryUrl::EXPECTED);
                    let origin = Origin::Variable(Self::ADDRESS.into());
                    ConfigError::setting(origin, "registry.consul.address", expected)
                })?),
                (None, true) => address(Self::DEFAULT_ADDRESS, true).ok(),
                (None, false) => None,
            };
        }
        if self.token.is_none() {
            self.token = variable(Self::TOKEN)?.map(Secret::new);
        }
        self.tls.fill(
            variable(Self::CA)?,
            variable(Self::CERT)?,
            variable(Self::KEY)?,
        );
        if self.tls.server_name.is_none() {
            self.tls.server_name = variable(Self::SERVER_NAME)?.map(str::to_owned);
        }
        Ok(())
    }
}

/// As Consul's own client reads it: where TLS is asked for, `http://` does not turn it off.
fn address(text: &str, is_tls: bool) -> Result<RegistryUrl, NotAValue> {
    let bare = text.strip_prefix("http://").filter(|_| is_tls);
    RegistryUrl::with_scheme(bare.unwrap_or(text), is_tls)
}

/// As Go's `strconv.ParseBool` reads it.
fn is_true(text: &str) -> bool {
    matches!(text, "1" | "t" | "T" | "true" | "TRUE" | "True")
}

/// How Consul checks an instance.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Deserialize, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum ConsulCheck {
    /// `grpc`; where the server wants certificates of its clients (`server.tls.client_ca`), `http`,
    /// and without an admin server that the agent can reach, `ttl`. The log says which and why.
    #[default]
    Auto,
    /// By the gRPC health service. The agent shows a certificate only where it is told to
    /// (`enable_agent_tls_for_checks`).
    Grpc,
    /// By `/readyz` of the admin server.
    Http,
    /// Not by the agent: the service tells it again and again whether it is ready, as `/readyz`
    /// does. For agents that cannot reach the service, or have no certificate for it.
    Ttl,
    /// Not at all.
    None,
}
