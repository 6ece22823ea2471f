//! `[registry.etcd]`.

use serde::{Deserialize, Serialize};

use super::RegistryTls;
use crate::config::{ConfigError, Duration, Origin, RegistryUrl, Secret};

/// `[registry.etcd]`: the etcd cluster (v3), and how this instance is written to it.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize, Serialize)]
#[serde(deny_unknown_fields, default)]
pub struct Etcd {
    /// The client addresses of the members, `http://` or `https://`: when one fails, the next is
    /// asked. Default: `ETCDCTL_ENDPOINTS` (separated by commas; those without a scheme are
    /// `https://` when there are files for TLS), else `["http://127.0.0.1:2379"]`.
    pub endpoints: Vec<RegistryUrl>,
    /// What keys begin with: an instance is `{prefix}/{service}/{host}:{port}`.
    /// Default: `"/service"`.
    pub prefix: String,
    /// An instance that does not keep its lease alive for as long is gone; it does so three times
    /// as often. In whole seconds, rounded up; etcd gives no less than 2 s. Default: `"10s"`.
    pub lease_ttl: Duration,
    /// The user, where authentication is enabled. Default: that of `ETCDCTL_USER`
    /// (`name` or `name:password`), else none.
    pub username: Option<String>,
    /// The user's password. Default: `ETCDCTL_PASSWORD`, else that of `ETCDCTL_USER`.
    pub password: Option<Secret>,
    /// The longest wait for a connection to an endpoint. Default: `"2s"`, as etcdctl's.
    pub dial_timeout: Duration,
    /// The longest wait for an answer of an endpoint. Default: `"3s"`: a lease of 10 s survives an
    /// endpoint that does not answer.
    pub request_timeout: Duration,
    /// `[registry.etcd.tls]`
    pub tls: RegistryTls,
}

impl Default for Etcd {
    fn default() -> Self {
        Self {
            endpoints: Vec::new(),
            prefix: "/service".to_owned(),
            lease_ttl: Duration::from_secs(10),
            username: None,
            password: None,
            dial_timeout: Duration::from_secs(2),
            request_timeout: Duration::from_secs(3),
            tls: RegistryTls::default(),
        }
    }
}

impl Etcd {
    const ENDPOINTS: &str = "ETCDCTL_ENDPOINTS";
    const USER: &str = "ETCDCTL_USER";
    const PASSWORD: &str = "ETCDCTL_PASSWORD";
    const CA: &str = "ETCDCTL_CACERT";
    const CERT: &str = "ETCDCTL_CERT";
    const KEY: &str = "ETCDCTL_KEY";

    /// Variables that cannot be used are errors where etcd is the registry (`is_used`); others may
    /// have them in their environment for another cluster.
    pub(super) fn fill_from<'v>(
        &mut self,
        is_used: bool,
        variable: impl Fn(&'static str) -> Result<Option<&'v str>, ConfigError>,
    ) -> Result<(), ConfigError> {
        self.tls.fill(
            variable(Self::CA)?,
            variable(Self::CERT)?,
            variable(Self::KEY)?,
        );
        let is_tls = self.tls.ca.is_some() || self.tls.cert.is_some();
        if self.endpoints.is_empty()
            && let Some(value) = variable(Self::ENDPOINTS)?
        {
            match endpoints(value, is_tls) {
                Some(endpoints) => self.endpoints = endpoints,
                None if is_used => {
                    let expected = RegistryUrl::EXPECTED;
                    let problem =
                        format!("expected {expected}, several with commas, got \"{value}\"");
                    let origin = Origin::Variable(Self::ENDPOINTS.into());
                    return Err(ConfigError::setting(
                        origin,
                        "registry.etcd.endpoints",
                        problem,
                    ));
                }
                None => {}
            }
        }
        let mut with_name = None;
        if self.username.is_none()
            && let Some(value) = variable(Self::USER)?
        {
            let (name, password) = match value.split_once(':') {
                Some((name, password)) => (name, Some(password)),
                None => (value, None),
            };
            self.username = Some(name.to_owned());
            with_name = password;
        }
        if self.username.is_some() && self.password.is_none() {
            let password = variable(Self::PASSWORD)?.or(with_name);
            self.password = password.map(Secret::new);
        }
        Ok(())
    }
}

/// As etcdctl reads them: separated by commas; without a scheme they are what the files are for.
fn endpoints(text: &str, is_tls: bool) -> Option<Vec<RegistryUrl>> {
    let parts = text.split(',').map(str::trim);
    parts
        .map(|part| RegistryUrl::with_scheme(part, is_tls).ok())
        .collect()
}
