//! The JSON of the API, with Consul's names.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

/// The body of `/v1/agent/service/register`.
#[derive(Clone, Debug, Default, Deserialize)]
#[serde(default, rename_all = "PascalCase")]
pub(super) struct Registration {
    #[serde(alias = "Id", alias = "id", rename = "ID")]
    pub(super) id: String,
    #[serde(alias = "name")]
    pub(super) name: String,
    pub(super) tags: Option<Vec<String>>,
    pub(super) address: String,
    pub(super) port: u16,
    pub(super) meta: Option<BTreeMap<String, String>>,
    pub(super) weights: Option<Weights>,
    pub(super) check: Option<CheckDefinition>,
    pub(super) checks: Option<Vec<CheckDefinition>>,
}

/// A check, in a registration or as the body of `/v1/agent/check/register`.
#[derive(Clone, Debug, Default, Deserialize)]
#[serde(default, rename_all = "PascalCase")]
pub(super) struct CheckDefinition {
    #[serde(alias = "ID")]
    pub(super) id: Option<String>,
    #[serde(rename = "CheckID")]
    pub(super) check_id: Option<String>,
    pub(super) name: String,
    pub(super) notes: String,
    #[serde(rename = "ServiceID")]
    pub(super) service_id: String,
    pub(super) status: Option<Status>,
    pub(super) interval: String,
    pub(super) timeout: String,
    #[serde(rename = "TTL")]
    pub(super) ttl: String,
    #[serde(rename = "HTTP")]
    pub(super) http: String,
    #[serde(rename = "GRPC")]
    pub(super) grpc: String,
    #[serde(rename = "GRPCUseTLS")]
    pub(super) grpc_use_tls: bool,
    #[serde(rename = "TCP")]
    pub(super) tcp: String,
    pub(super) deregister_critical_service_after: String,
}

/// How a check stands.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Deserialize, Serialize)]
#[serde(rename_all = "lowercase")]
pub(super) enum Status {
    Passing,
    Warning,
    #[default]
    Critical,
}

impl Status {
    pub(super) fn as_str(self) -> &'static str {
        match self {
            Self::Passing => "passing",
            Self::Warning => "warning",
            Self::Critical => "critical",
        }
    }
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize, Serialize)]
#[serde(rename_all = "PascalCase")]
pub(super) struct Weights {
    pub(super) passing: u32,
    pub(super) warning: u32,
}

impl Default for Weights {
    fn default() -> Self {
        Self {
            passing: 1,
            warning: 1,
        }
    }
}
