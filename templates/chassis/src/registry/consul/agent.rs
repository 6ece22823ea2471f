//! Registering with an agent.

use std::fmt;
use std::time::Duration;

use http::{HeaderName, Method, StatusCode};

use super::api::{Register, Status};
use super::{DEFAULT_ADDRESS, TLS_KEYS};
use crate::config::Consul;
use crate::registry::Registration;
use crate::registry::http::{Call, Client, Error};
use crate::tls::{ClientTls, Protocol, TlsError};

/// The longest wait for an answer that the agent gives at once.
const TIMEOUT: Duration = Duration::from_secs(5);

/// The header with the ACL token.
const TOKEN: HeaderName = HeaderName::from_static("x-consul-token");

/// A Consul agent.
#[derive(Debug, Clone)]
pub(crate) struct Agent {
    pub(super) client: Client,
    config: Consul,
}

impl fmt::Display for Agent {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "consul at {}", self.client.address)
    }
}

impl Agent {
    /// # Errors
    /// When the files for TLS cannot be used.
    pub(crate) fn new(config: &Consul) -> Result<Self, TlsError> {
        let default = || {
            DEFAULT_ADDRESS
                .parse()
                .expect("the default address is valid")
        };
        let address = config.address.clone().unwrap_or_else(default);
        let tls = address
            .is_https()
            .then(|| ClientTls::for_registry(&config.tls, &TLS_KEYS, Protocol::Http1));
        Ok(Self {
            client: Client {
                address,
                tls: tls.transpose()?,
                token: config.token.clone().map(|token| (TOKEN, token)),
            },
            config: config.clone(),
        })
    }

    /// Registers, or replaces, the instance.
    pub(crate) async fn register(
        &self,
        registration: &Registration,
        status: &Status,
    ) -> Result<(), Error> {
        let body = Register::new(registration, &self.config, status);
        let body = serde_json::to_vec(&body).map_err(Error::Body)?;
        // Checks that another registration under this id had must not stay.
        let path = "/v1/agent/service/register?replace-existing-checks=true";
        self.call(Method::PUT, path, body).await
    }

    /// Removes the instance. That it is not there is as good.
    pub(crate) async fn deregister(&self, id: &str) -> Result<(), Error> {
        let path = format!("/v1/agent/service/deregister/{}", segment(id));
        match self.call(Method::PUT, &path, Vec::new()).await {
            Err(Error::Status {
                status: StatusCode::NOT_FOUND,
                ..
            }) => Ok(()),
            result => result,
        }
    }

    /// Whether the agent knows the instance.
    pub(crate) async fn knows(&self, id: &str) -> Result<bool, Error> {
        let path = format!("/v1/agent/service/{}", segment(id));
        match self.call(Method::GET, &path, Vec::new()).await {
            Ok(()) => Ok(true),
            Err(Error::Status {
                status: StatusCode::NOT_FOUND,
                ..
            }) => Ok(false),
            Err(error) => Err(error),
        }
    }

    /// Tells the agent how the instance is. Whether the agent knows the instance.
    pub(crate) async fn report(&self, id: &str, status: &Status) -> Result<bool, Error> {
        // The id that the agent gives to the only check of a service.
        let path = format!(
            "/v1/agent/check/update/{}",
            segment(&format!("service:{id}"))
        );
        let body = serde_json::to_vec(status).map_err(Error::Body)?;
        match self.call(Method::PUT, &path, body).await {
            Ok(()) => Ok(true),
            Err(Error::Status { status, message }) if is_unknown(status, &message) => Ok(false),
            Err(error) => Err(error),
        }
    }

    async fn call(&self, method: Method, path: &str, body: Vec<u8>) -> Result<(), Error> {
        let call = Call {
            method,
            path,
            body,
            timeout: TIMEOUT,
        };
        self.client.call(call).await.map(|_| ())
    }
}

/// Whether the agent says that it knows no such check: by 404, older versions by 500 alone.
fn is_unknown(status: StatusCode, message: &str) -> bool {
    let is_old = status == StatusCode::INTERNAL_SERVER_ERROR;
    status == StatusCode::NOT_FOUND || (is_old && message.contains("does not have associated TTL"))
}

/// `text` as one segment of a path (RFC 3986: everything but unreserved characters is encoded).
pub(super) fn segment(text: &str) -> String {
    let mut encoded = String::with_capacity(text.len());
    for byte in text.bytes() {
        match byte {
            b'A'..=b'Z' | b'a'..=b'z' | b'0'..=b'9' | b'-' | b'.' | b'_' | b'~' => {
                encoded.push(char::from(byte));
            }
            _ => encoded.push_str(&format!("%{byte:02X}")),
        }
    }
    encoded
}
