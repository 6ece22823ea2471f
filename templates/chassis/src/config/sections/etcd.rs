//! `[registry.etcd]`.

use serde::Deserialize;

use crate::config::{ConfigError, Duration, HttpUrl, Origin, Secret};

/// `[registry.etcd]`: the etcd cluster (v3), and how this instance is written to it.
///
/// The connection is plain HTTP/2: an endpoint with `https://` is refused.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Etcd {
    /// The client addresses of the members: when one fails, the next is asked. Default:
    /// `ETCDCTL_ENDPOINTS` (separated by commas), else `["http://127.0.0.1:2379"]`.
    pub endpoints: Vec<HttpUrl>,
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
        }
    }
}

impl Etcd {
    const ENDPOINTS: &str = "ETCDCTL_ENDPOINTS";
    const USER: &str = "ETCDCTL_USER";
    const PASSWORD: &str = "ETCDCTL_PASSWORD";

    /// Variables that cannot be used are errors where etcd is the registry (`is_used`); others may
    /// have them in their environment for another cluster.
    pub(super) fn fill_from<'v>(
        &mut self,
        is_used: bool,
        variable: impl Fn(&'static str) -> Result<Option<&'v str>, ConfigError>,
    ) -> Result<(), ConfigError> {
        if self.endpoints.is_empty()
            && let Some(value) = variable(Self::ENDPOINTS)?
        {
            match endpoints(value) {
                Some(endpoints) => self.endpoints = endpoints,
                None if is_used => {
                    let expected = HttpUrl::EXPECTED;
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

/// As etcdctl reads them: separated by commas, `http://` unless a scheme is written.
fn endpoints(text: &str) -> Option<Vec<HttpUrl>> {
    let parts = text.split(',').map(str::trim);
    parts
        .map(|part| match part.contains("://") {
            true => part.parse().ok(),
            false => format!("http://{part}").parse().ok(),
        })
        .collect()
}
