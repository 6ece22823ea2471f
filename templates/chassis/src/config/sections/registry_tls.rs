//! `[registry.consul.tls]`, `[registry.etcd.tls]` and `[registry.kubernetes.tls]`.

use std::path::PathBuf;

use serde::{Deserialize, Serialize};

use crate::config::Duration;

/// TLS to a registry whose address is `https://`. Files are in the PEM format, and read again when
/// they change.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize, Serialize)]
#[serde(deny_unknown_fields, default)]
pub struct RegistryTls {
    /// The authorities of the registry. Default: for Consul `CONSUL_CACERT`, for etcd
    /// `ETCDCTL_CACERT`, inside of a Kubernetes cluster that of the pod; else those of the operating
    /// system.
    pub ca: Option<PathBuf>,
    /// The certificate of this client, where the registry asks for one. Default: for Consul
    /// `CONSUL_CLIENT_CERT`, for etcd `ETCDCTL_CERT`, else none.
    pub cert: Option<PathBuf>,
    /// The private key of the certificate. Default: for Consul `CONSUL_CLIENT_KEY`, for etcd
    /// `ETCDCTL_KEY`, else none.
    pub key: Option<PathBuf>,
    /// The name that the registry must have in its certificate. Default: for Consul
    /// `CONSUL_TLS_SERVER_NAME`, else the host of its address.
    pub server_name: Option<String>,
    /// How often the files are looked at. Default: `"10s"`; `"0s"` is never.
    pub reload: Duration,
}

impl Default for RegistryTls {
    fn default() -> Self {
        Self {
            ca: None,
            cert: None,
            key: None,
            server_name: None,
            reload: super::tls::RELOAD,
        }
    }
}

impl RegistryTls {
    /// Fills files that are not set from what `ca`, `cert` and `key` say. A certificate and its key
    /// belong together: where one is set, neither is filled.
    pub(super) fn fill(&mut self, ca: Option<&str>, cert: Option<&str>, key: Option<&str>) {
        self.ca = self.ca.take().or_else(|| ca.map(PathBuf::from));
        if self.cert.is_none() && self.key.is_none() {
            self.cert = cert.map(PathBuf::from);
            self.key = key.map(PathBuf::from);
        }
    }
}
