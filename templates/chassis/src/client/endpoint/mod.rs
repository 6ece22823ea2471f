//! One instance of a service: its connection, kept up, and what its calls say about it.

mod body;
mod connection;
mod dialing;
mod error;
mod load;
mod metrics;
mod pulse;
mod vitals;

use std::net::SocketAddr;
use std::sync::Arc;

use http::uri::{Authority, PathAndQuery, Scheme};
use http::{HeaderValue, Request, Response, Uri, header};
use tokio::sync::Notify;
use tokio::time::Instant;
use tonic::Status;

use super::retry::AttemptBody;
use crate::config::Follow;
use crate::middleware::observe::{ObservedBody, Pending, observe};
use crate::middleware::trace::Recording;
use crate::tls::ClientTls;
use body::IncomingBody;
use connection::{Connection, CurrentSender};
use vitals::Vitals;

pub(super) use dialing::Dialing;
pub(super) use load::{Load, Tick, Weighing};
pub(super) use metrics::Metrics;
pub(super) use vitals::{Call, Watched};

/// What is received.
pub(super) type EndpointBody = ObservedBody<IncomingBody, Call>;

/// Required by the specification ("User-Agent → …, should provide a basic description").
const USER_AGENT: &str = concat!("grpc-rust-chassis/", env!("CARGO_PKG_VERSION"));

/// What the endpoints of a channel have in common.
#[derive(Debug, Clone)]
pub(super) struct Settings {
    /// The name of the service; `None` stands for the address of each endpoint.
    pub(super) authority: Option<Authority>,
    pub(super) tls: Option<ClientTls>,
    pub(super) dialing: Follow<Dialing>,
    pub(super) watched: Watched,
    pub(super) metrics: Metrics,
    /// To be told when an endpoint has become ready.
    pub(super) news: Arc<Notify>,
}

/// An instance, with a connection that is kept up as long as this exists, or what it was
/// [renewed](Self::renewed) to. Calls in flight outlive it.
#[derive(Debug)]
pub(super) struct Endpoint {
    address: SocketAddr,
    scheme: Scheme,
    connection: Connection,
    vitals: Arc<Vitals>,
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
    Unsent(Box<Request<AttemptBody>>),
    /// It may have been sent.
    Failed(Status),
}

/// An endpoint that is going to get a call.
#[derive(Debug)]
pub(super) struct Picked {
    address: SocketAddr,
    sender: CurrentSender,
    scheme: Scheme,
    call: Call,
}

impl Endpoint {
    /// Begins to connect to `address`.
    pub(super) fn new(address: SocketAddr, settings: Settings) -> Self {
        let own_authority =
            || Authority::try_from(address.to_string()).expect("an address is a valid authority");
        let vitals = Arc::new(Vitals::new(
            address,
            settings.authority.clone().unwrap_or_else(own_authority),
            &settings.watched,
        ));
        Self {
            address,
            scheme: match settings.tls {
                Some(_) => Scheme::HTTPS,
                None => Scheme::HTTP,
            },
            connection: Connection::open(address, settings, Arc::clone(vitals.questions())),
            vitals,
        }
    }

    /// This endpoint, with its connection, watched in another way from now on.
    pub(super) fn renewed(&self, watched: &Watched) -> Self {
        Self {
            address: self.address,
            scheme: self.scheme.clone(),
            connection: self.connection.clone(),
            vitals: Arc::new(self.vitals.renewed(self.address, watched)),
        }
    }

    pub(super) fn address(&self) -> SocketAddr {
        self.address
    }

    /// What the policy compares; `None` when it does not.
    pub(super) fn load(&self) -> Option<&Load> {
        self.vitals.load()
    }

    /// How many calls succeeded and failed since this was asked last.
    pub(super) fn take_tally(&self) -> (u32, u32) {
        self.vitals.take_tally()
    }

    /// Whether calls had better go elsewhere: some wait here, and nothing at all comes.
    pub(super) fn is_silent(&self) -> bool {
        self.connection.is_silent()
    }

    /// A place for a call of the method with this path, if there is one now. The time is asked for
    /// by [`Watched::is_timed`].
    pub(super) fn pick(&self, path: &str, now: Option<Instant>) -> Result<Picked, Refusal> {
        let sender = self.connection.sender().ok_or(Refusal::NotConnected)?;
        let call = self.vitals.begin(path, now).ok_or(Refusal::BreakerOpen)?;
        let scheme = self.scheme.clone();
        Ok(Picked {
            address: self.address,
            sender,
            scheme,
            call,
        })
    }

    /// What is wrong with it for calls of the method with this path; `None` when nothing is.
    pub(super) fn problem(&self, path: &str) -> Option<String> {
        let open = || "its circuit breaker is open".to_owned();
        let problem = self.connection.problem();
        problem.or_else(|| self.vitals.is_open(path).then(open))
    }
}

impl Picked {
    pub(super) fn address(&self) -> SocketAddr {
        self.address
    }

    /// The call that this is for, which is not going to be sent.
    pub(super) fn into_call(self) -> Call {
        self.call
    }

    /// Sends `request`; what it says about the endpoint is told when its response has ended.
    pub(super) async fn send(
        self,
        mut request: Request<AttemptBody>,
    ) -> Result<Response<EndpointBody>, SendError> {
        let Self {
            address,
            sender,
            scheme,
            mut call,
        } = self;
        if let Some(span) = request.extensions().get::<Recording>() {
            span.peer(address);
        }
        let mut sender = {
            let current = sender;
            current.get()
        };
        *request.uri_mut() = absolute(request.uri(), scheme, call.authority().clone());
        let user_agent = HeaderValue::from_static(USER_AGENT);
        request
            .headers_mut()
            .entry(header::USER_AGENT)
            .or_insert(user_agent);

        call.ask();
        let mut pending = Pending::new(call);
        match sender.try_send_request(request).await {
            Ok(response) => {
                if let Some(call) = pending.observer_mut() {
                    call.responded();
                }
                Ok(observe(response.map(IncomingBody::new), Some(pending)))
            }
            Err(mut error) => match error.take_message() {
                Some(request) => {
                    // A call that was not sent says nothing about the endpoint.
                    drop(pending.into_observer());
                    Err(SendError::Unsent(Box::new(request)))
                }
                None => {
                    let status = error::status(error.into_error());
                    pending.finish(status.code());
                    Err(SendError::Failed(status))
                }
            },
        }
    }
}

/// `uri`, of which clients only set the path, with scheme and authority, as HTTP/2 wants it.
fn absolute(uri: &Uri, scheme: Scheme, authority: Authority) -> Uri {
    let path = uri.path_and_query().cloned();
    let mut parts = http::uri::Parts::default();
    parts.scheme = Some(scheme);
    parts.authority = Some(authority);
    parts.path_and_query = Some(path.unwrap_or(PathAndQuery::from_static("/")));
    Uri::from_parts(parts).expect("a URI with all its parts is valid")
}
