//! `[registry.kubernetes]`.

use std::path::PathBuf;

use serde::{Deserialize, Serialize};

use super::RegistryTls;
use crate::client::KubernetesService;
use crate::config::{ConfigError, Origin, RegistryUrl};

/// `[registry.kubernetes]`: the API server of the cluster, which is asked for EndpointSlices.
///
/// Inside of a pod nothing has to be set: the address of the API server, its authority and the token
/// of the service account are where Kubernetes puts them. The account needs the verbs `list` and
/// `watch` on `endpointslices` in `discovery.k8s.io`. A headless service needs none of this:
/// `dns:///user-service.shop.svc.cluster.local:50051` follows it within half a minute.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize, Serialize)]
#[serde(deny_unknown_fields, default)]
pub struct Kubernetes {
    /// Where the API server, or a proxy to it, answers: `"http://127.0.0.1:8001"` is where
    /// `kubectl proxy` does. Default: inside of a pod `https://` and what `KUBERNETES_SERVICE_HOST`
    /// and `KUBERNETES_SERVICE_PORT` say; elsewhere it is needed.
    pub api_server: Option<RegistryUrl>,
    /// A file with the token to send; it is read for each request, for tokens change. Default: that
    /// of the pod where `api_server` is left to its default, else none: a proxy has its own.
    pub token_file: Option<PathBuf>,
    /// `[registry.kubernetes.tls]`
    pub tls: RegistryTls,
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
            tls: RegistryTls::default(),
            namespace: None,
            port: "grpc".to_owned(),
        }
    }
}

/// Where a pod finds the token of its service account.
const TOKEN_FILE: &str = "/var/run/secrets/kubernetes.io/serviceaccount/token";

/// Where a pod finds the authority of the API server.
const CA_FILE: &str = "/var/run/secrets/kubernetes.io/serviceaccount/ca.crt";

impl Kubernetes {
    const HOST: &str = "KUBERNETES_SERVICE_HOST";
    const PORT: &str = "KUBERNETES_SERVICE_PORT";

    /// What every pod is told, where no server is set ("Accessing the Kubernetes API from a Pod").
    pub(super) fn fill_from<'v>(
        &mut self,
        variable: impl Fn(&'static str) -> Result<Option<&'v str>, ConfigError>,
    ) -> Result<(), ConfigError> {
        if self.api_server.is_some() {
            return Ok(());
        }
        let Some(host) = variable(Self::HOST)? else {
            return Ok(());
        };
        let port = variable(Self::PORT)?.unwrap_or("443");
        let url = match host.contains(':') {
            true => format!("https://[{host}]:{port}"),
            false => format!("https://{host}:{port}"),
        };
        // Another program may use the name otherwise.
        self.api_server = url.parse().ok();
        if self.api_server.is_some() {
            self.token_file.get_or_insert_with(|| TOKEN_FILE.into());
            self.tls.ca.get_or_insert_with(|| CA_FILE.into());
        }
        Ok(())
    }

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
    pub(crate) fn server(&self) -> Result<&RegistryUrl, ConfigError> {
        self.api_server.as_ref().ok_or_else(|| {
            let problem = "must be set outside of a cluster: run `kubectl proxy` and set \
                           \"http://127.0.0.1:8001\"";
            ConfigError::setting(Origin::Default, "registry.kubernetes.api_server", problem)
        })
    }
}
