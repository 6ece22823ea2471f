//! `[registry.kubernetes]`.

use std::path::PathBuf;

use serde::Deserialize;

use crate::client::KubernetesService;
use crate::config::{ConfigError, HttpUrl, Origin};

/// `[registry.kubernetes]`: the API server of the cluster, which is asked for EndpointSlices.
///
/// Connections are plain HTTP, and the API server of a cluster wants TLS: run `kubectl proxy` as a
/// sidecar, which adds TLS and the token of the service account. The account needs the verbs
/// `list` and `watch` on `endpointslices` in `discovery.k8s.io`. A headless service needs none of
/// this: `dns:///user-service.shop.svc.cluster.local:50051` follows it within half a minute.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Kubernetes {
    /// Where the API server, or a proxy to it, answers: `"http://127.0.0.1:8001"` is where
    /// `kubectl proxy` does. Needed.
    pub api_server: Option<HttpUrl>,
    /// A file with the token to send; it is read for each request, for tokens change. Default:
    /// none, the proxy has its own.
    pub token_file: Option<PathBuf>,
    /// The namespace of services that are named without one. Default: that of the pod.
    pub namespace: Option<String>,
    /// The port of services that are named without one, by its name in the service or as the
    /// number of the pods' port. Default: `"grpc"`.
    pub port: String,
}

impl Default for Kubernetes {
    fn default() -> Self {
        Self {
            api_server: None,
            token_file: None,
            namespace: None,
            port: "grpc".to_owned(),
        }
    }
}

impl Kubernetes {
    /// The service called `name`, with the port that services have here.
    pub(crate) fn service(&self, name: String) -> KubernetesService {
        KubernetesService {
            name,
            namespace: None,
            port: self.port.clone(),
        }
    }

    /// Where to ask.
    ///
    /// # Errors
    /// When that is not set.
    pub(crate) fn server(&self) -> Result<&HttpUrl, ConfigError> {
        self.api_server.as_ref().ok_or_else(|| {
            let problem = "must be set: API servers want TLS, which is not spoken here; run \
                           `kubectl proxy` as a sidecar and set \"http://127.0.0.1:8001\"";
            ConfigError::setting(Origin::Default, "registry.kubernetes.api_server", problem)
        })
    }
}
