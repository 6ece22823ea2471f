//! A client of etcd that asks one endpoint, the next when that fails, and brings a token where one
//! is wanted.
//!
//! Everything that is asked here may be asked twice with the same effect, so a request whose answer
//! was lost is simply sent to the next endpoint.

use std::fmt;
use std::future::Future;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Mutex, PoisonError};
use std::time::Duration;

use tonic::metadata::{Ascii, MetadataValue};
use tonic::transport::Channel;
use tonic::{Code, Request, Status};

use super::dial::dial;
use super::error::Error;
use super::proto::etcdserverpb::AuthenticateRequest;
use super::proto::etcdserverpb::auth_client::AuthClient;
use crate::config::{Etcd, RegistryUrl, Secret};
use crate::tls::{ClientTls, Protocol, RegistryKeys, TlsError};

/// Where a cluster on this machine listens.
const DEFAULT_ENDPOINT: &str = "http://127.0.0.1:2379";

const TLS_KEYS: RegistryKeys = RegistryKeys {
    address: "registry.etcd.endpoints",
    ca: "registry.etcd.tls.ca",
    cert: "registry.etcd.tls.cert",
    key: "registry.etcd.tls.key",
};

/// The metadata key under which etcd looks for the token.
const TOKEN: &str = "token";

#[derive(Debug)]
pub(super) struct Client {
    endpoints: Vec<Endpoint>,
    /// The one that is asked, counted without end.
    current: AtomicUsize,
    credentials: Option<(String, Secret)>,
    token: Mutex<Token>,
    request_timeout: Duration,
}

#[derive(Debug)]
struct Endpoint {
    url: RegistryUrl,
    channel: Channel,
}

#[derive(Debug, Clone)]
enum Token {
    /// It must be asked for, if there are credentials.
    Unknown,
    /// Requests go without.
    None,
    Some(MetadataValue<Ascii>),
}

impl fmt::Display for Client {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("etcd at ")?;
        for (index, endpoint) in self.endpoints.iter().enumerate() {
            let separator = if index == 0 { "" } else { "," };
            write!(f, "{separator}{}", endpoint.url)?;
        }
        Ok(())
    }
}

impl Client {
    /// A client of the cluster that `config` names. It must be made inside of a runtime.
    ///
    /// # Errors
    /// When the files for TLS cannot be used.
    pub(super) fn new(config: &Etcd) -> Result<Self, TlsError> {
        let mut urls = config.endpoints.clone();
        if urls.is_empty() {
            let default = DEFAULT_ENDPOINT.parse();
            urls.push(default.expect("the default endpoint is valid"));
        }
        let is_tls = urls.iter().any(RegistryUrl::is_https);
        let tls = is_tls.then(|| ClientTls::for_registry(&config.tls, &TLS_KEYS, Protocol::Http2));
        let tls = tls.transpose()?;
        let endpoints = urls.into_iter().map(|url| Endpoint {
            channel: dial(&url, tls.as_ref(), config.dial_timeout.get()),
            url,
        });
        let password = config.password.clone();
        Ok(Self {
            endpoints: endpoints.collect(),
            current: AtomicUsize::new(0),
            credentials: config
                .username
                .clone()
                .map(|name| (name, password.unwrap_or_else(|| Secret::new("")))),
            token: Mutex::new(Token::Unknown),
            request_timeout: config.request_timeout.get(),
        })
    }

    /// What `status`, the end of a watch, means; the next endpoint is asked from now on.
    pub(super) fn ended(&self, status: Status) -> Error {
        // A client that watches does nothing else meanwhile: the endpoint is still the current one.
        let (number, endpoint) = self.endpoint();
        let error = Error::Status {
            endpoint: endpoint.url.clone(),
            status,
        };
        if error.is_of_endpoint() {
            self.leave(number);
        }
        // The reason may well be the token, which costs nothing to get anew.
        self.forget_token();
        error
    }

    /// Makes a call to the current endpoint, and to each of the others while it is the endpoint
    /// that fails.
    pub(super) async fn call<T, R, F>(
        &self,
        message: T,
        send: impl Fn(Channel, Request<T>) -> F,
    ) -> Result<R, Error>
    where
        T: Clone,
        F: Future<Output = Result<R, Status>>,
    {
        let mut left = self.endpoints.len();
        let mut has_new_token = false;
        loop {
            let (number, endpoint) = self.endpoint();
            let attempt = async {
                let mut request = Request::new(message.clone());
                if let Some(token) = self.token(endpoint).await? {
                    request.metadata_mut().insert(TOKEN, token);
                }
                send(endpoint.channel.clone(), request).await
            };
            let url = || endpoint.url.clone();
            let error = match tokio::time::timeout(self.request_timeout, attempt).await {
                Ok(Ok(answer)) => return Ok(answer),
                Ok(Err(status)) => Error::Status {
                    endpoint: url(),
                    status,
                },
                Err(_) => Error::Timeout {
                    endpoint: url(),
                    limit: self.request_timeout,
                },
            };
            if error.is_of_token() && self.credentials.is_some() && !has_new_token {
                has_new_token = true;
                self.forget_token();
                continue;
            }
            if !error.is_of_endpoint() {
                return Err(error);
            }
            self.leave(number);
            left -= 1;
            if left == 0 {
                return Err(error);
            }
            tracing::debug!(%error, "asking the next endpoint");
        }
    }

    fn endpoint(&self) -> (usize, &Endpoint) {
        let number = self.current.load(Ordering::Relaxed);
        (number, &self.endpoints[number % self.endpoints.len()])
    }

    /// Goes on to the next endpoint, unless another call has done so already.
    fn leave(&self, number: usize) {
        let next = number.wrapping_add(1);
        let _ = self
            .current
            .compare_exchange(number, next, Ordering::Relaxed, Ordering::Relaxed);
    }

    /// The token for requests; `None` when none is wanted.
    async fn token(&self, endpoint: &Endpoint) -> Result<Option<MetadataValue<Ascii>>, Status> {
        let Some((name, password)) = &self.credentials else {
            return Ok(None);
        };
        let known = self.lock_token().clone();
        match known {
            Token::Some(token) => return Ok(Some(token)),
            Token::None => return Ok(None),
            Token::Unknown => {}
        }
        let request = AuthenticateRequest {
            name: name.clone(),
            password: password.expose().to_owned(),
        };
        let mut client = AuthClient::new(endpoint.channel.clone());
        let token = match client.authenticate(request).await {
            Ok(answer) => {
                let token = answer.into_inner().token;
                let token = MetadataValue::try_from(token);
                Some(token.map_err(|_| Status::internal("a token that is not text"))?)
            }
            // Authentication is not enabled.
            Err(status) if status.code() == Code::FailedPrecondition => None,
            Err(status) => return Err(status),
        };
        *self.lock_token() = match &token {
            Some(token) => Token::Some(token.clone()),
            None => Token::None,
        };
        Ok(token)
    }

    fn forget_token(&self) {
        *self.lock_token() = Token::Unknown;
    }

    fn lock_token(&self) -> std::sync::MutexGuard<'_, Token> {
        self.token.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
