//! `[server.tls]` and `[client.tls]`.

use std::path::PathBuf;

use serde::{Deserialize, Serialize};

use crate::config::Duration;

/// How often files are looked at, as other servers that poll do.
pub(super) const RELOAD: Duration = Duration::from_secs(10);

/// `[server.tls]`: TLS for the gRPC server; the admin server stays without. Files are in the PEM
/// format, and read again when they change.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize, Serialize)]
#[serde(deny_unknown_fields, default)]
pub struct ServerTls {
    /// Default: false.
    pub enabled: bool,
    /// The certificate of this server, followed by those between it and its authority. Default:
    /// none; it is needed.
    pub cert: Option<PathBuf>,
    /// The private key of the certificate. Default: none; it is needed.
    pub key: Option<PathBuf>,
    /// The authorities of clients, which must then show a certificate (mutual TLS). Default: none,
    /// clients show none. Consul's gRPC check shows none either: see `registry.consul.check`.
    pub client_ca: Option<PathBuf>,
    /// How often the files are looked at. Default: `"10s"`; `"0s"` is never.
    pub reload: Duration,
}

impl Default for ServerTls {
    fn default() -> Self {
        Self {
            enabled: false,
            cert: None,
            key: None,
            client_ca: None,
            reload: RELOAD,
        }
    }
}

/// `[client.tls]`: TLS for calls of other services.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize, Serialize)]
#[serde(deny_unknown_fields, default)]
pub struct ClientTls {
    /// Default: false.
    pub enabled: bool,
    /// The authorities of servers. Default: those of the operating system.
    pub ca: Option<PathBuf>,
    /// The certificate of this client, for mutual TLS. Default: none.
    pub cert: Option<PathBuf>,
    /// The private key of the certificate. Default: none.
    pub key: Option<PathBuf>,
    /// The name that servers must have in their certificates. Default: the name of the service
    /// that is called, or the host or address where that is all there is.
    pub server_name: Option<String>,
    /// How often the files are looked at. Default: `"10s"`; `"0s"` is never.
    pub reload: Duration,
}

impl Default for ClientTls {
    fn default() -> Self {
        Self {
            enabled: false,
            ca: None,
            cert: None,
            key: None,
            server_name: None,
            reload: RELOAD,
        }
    }
}
