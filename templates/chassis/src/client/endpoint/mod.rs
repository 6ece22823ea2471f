//! One instance of a service: its connection, kept up, and its circuit breaker.

mod body;
mod connection;
mod error;

use std::fmt;
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use http::uri::{Authority, PathAndQuery, Scheme};
use http::{HeaderValue, Request, Response, Uri, header};
use tokio::sync::Notify;
use tonic::Status;
use tonic::body::Body;

use super::breaker::{self, Breaker, Permit};
use crate::middleware::deadline::SentBody;
use crate::middleware::observe::{ObservedBody, Pending, observe};
use body::IncomingBody;
use connection::{Connection, Sender};

/// What is sent.
pub(super) type RequestBody = SentBody<Body>;

/// What is received.
pub(super) type EndpointBody = ObservedBody<IncomingBody, Permit>;

/// Required by the specification ("User-Agent → …, should provide a basic description").
const USER_AGENT: &str = concat!("grpc-rust-chassis/", env!("CARGO_PKG_VERSION"));

/// What the endpoints of a channel have in common.
#[derive(Debug, Clone)]
pub(super) struct Settings {
    /// The name of the service; `None` stands for the address of each endpoint.
    pub(super) authority: Option<Authority>,
    pub(super) connect_timeout: Duration,
    pub(super) keep_alive_interval: Option<Duration>,
    pub(super) keep_alive_timeout: Duration,
    pub(super) breaker: Option<breaker::Settings>,
    /// To be told when an endpoint has become ready.
    pub(super) news: Arc<Notify>,
}

/// An instance, with a connection that is kept up as long as this exists. Calls in flight outlive
/// it.
#[derive(Debug)]
pub(super) struct Endpoint {
    address: SocketAddr,
    authority: Authority,
    connection: Connection,
    breaker: Option<Arc<Breaker>>,
}

/// Why an endpoint was not picked.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Refusal {
    NotConnected,
    BreakerOpen,
}

/// Why a call has no response.
#[derive(Debug)]
pub(super) enum SendError {
    /// It was not sent at all: here it is back.
    Unsent(Box<Request<RequestBody>>),
    /// It may have been sent.
    Failed(Status),
}

/// An endpoint that is going to get a call.
#[derive(Debug)]
pub(super) struct Picked {
    sender: Sender,
    authority: Authority,
    permit: Option<Permit>,
}

impl Endpoint {
    /// Begins to connect to `address`.
    pub(super) fn new(address: SocketAddr, settings: Settings) -> Self {
        let own_authority =
            || Authority::try_from(address.to_string()).expect("an address is a valid authority");
        Self {
            address,
            authority: settings.authority.clone().unwrap_or_else(own_authority),
            breaker: settings
                .breaker
                .as_ref()
                .map(|settings| Breaker::new(settings.clone(), address)),
            connection: Connection::open(address, settings),
        }
    }

    pub(super) fn address(&self) -> SocketAddr {
        self.address
    }

    /// A place for a call, if there is one now.
    pub(super) fn pick(&self) -> Result<Picked, Refusal> {
        let sender = self.connection.sender().ok_or(Refusal::NotConnected)?;
        let permit = match &self.breaker {
            Some(breaker) => Some(breaker.acquire().ok_or(Refusal::BreakerOpen)?),
            None => None,
        };
        Ok(Picked {
            sender,
            authority: self.authority.clone(),
            permit,
        })
    }
}

impl fmt::Display for Endpoint {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { address, .. } = self;
        if let Some(problem) = self.connection.problem() {
            return write!(f, "{address}: {problem}");
        }
        match &self.breaker {
            Some(breaker) if breaker.is_open() => {
                write!(f, "{address}: its circuit breaker is open")
            }
            _ => write!(f, "{address}: connected"),
        }
    }
}

impl Picked {
    /// Sends `request`; its outcome is told to the breaker when its response has ended.
    pub(super) async fn send(
        self,
        mut request: Request<RequestBody>,
    ) -> Result<Response<EndpointBody>, SendError> {
        let Self {
            mut sender,
            authority,
            permit,
        } = self;
        *request.uri_mut() = absolute(request.uri(), authority);
        let user_agent = HeaderValue::from_static(USER_AGENT);
        request
            .headers_mut()
            .entry(header::USER_AGENT)
            .or_insert(user_agent);

        let mut pending = permit.map(Pending::new);
        match sender.try_send_request(request).await {
            Ok(response) => Ok(observe(response.map(IncomingBody::new), pending)),
            Err(mut error) => match error.take_message() {
                Some(request) => {
                    // A call that was not sent says nothing about the endpoint.
                    drop(pending.map(Pending::into_observer));
                    Err(SendError::Unsent(Box::new(request)))
                }
                None => {
                    let status = error::status(error.into_error());
                    if let Some(pending) = &mut pending {
                        pending.finish(status.code());
                    }
                    Err(SendError::Failed(status))
                }
            },
        }
    }
}

/// `uri`, of which clients only set the path, with scheme and authority, as HTTP/2 wants it.
fn absolute(uri: &Uri, authority: Authority) -> Uri {
    let path = uri.path_and_query().cloned();
    let mut parts = http::uri::Parts::default();
    parts.scheme = Some(Scheme::HTTP);
    parts.authority = Some(authority);
    parts.path_and_query = Some(path.unwrap_or(PathAndQuery::from_static("/")));
    Uri::from_parts(parts).expect("a URI with all its parts is valid")
}
