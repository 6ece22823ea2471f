//! A service that does what it is told, to see what the chassis makes of it.
//!
//! `probe.rs` and `probe.bin` are made from `proto/` by tonic-prost-build (without transport) and
//! protox.

// What the generator writes is not ours to lint.
#[allow(missing_docs, unreachable_pub, clippy::all)]
mod generated {
    include!("probe.rs");
}

#[path = "../../../support/ports.rs"]
mod ports;

use std::collections::HashMap;
use std::pin::Pin;

use chassis::Services;
use chassis::client::Channel;
use chassis::tls::PeerIdentity;
use tokio_stream::{Stream, StreamExt};
use tonic::{Code, Request, Response, Status, Streaming};

pub(crate) use ports::free_port;

pub(crate) use generated::probe_client::ProbeClient;
pub(crate) use generated::probe_request::Behaviour;
pub(crate) use generated::probe_server::{Probe, ProbeServer};
pub(crate) use generated::{ProbeReply, ProbeRequest};

/// The descriptors of the service.
pub(crate) const DESCRIPTOR_SET: &[u8] = include_bytes!("probe.bin");

/// The service, as one of perhaps many instances.
#[derive(Debug, Default)]
pub(crate) struct ProbeApi {
    /// What it says it is.
    pub(crate) instance: String,
    /// Where `relay` goes.
    pub(crate) downstream: Option<Channel>,
    /// What unary calls do, whatever they ask for.
    pub(crate) always: Option<Behaviour>,
}

/// The services of an instance.
pub(crate) fn services(api: ProbeApi) -> Services {
    Services::new(DESCRIPTOR_SET).add(ProbeServer::new(api))
}

/// The services of the instance called `name`.
pub(crate) fn instance(name: &str) -> Services {
    services(ProbeApi {
        instance: name.to_owned(),
        ..ProbeApi::default()
    })
}

/// A request for `behaviour`.
pub(crate) fn ask(behaviour: Behaviour) -> ProbeRequest {
    ProbeRequest {
        behaviour: Some(behaviour),
        ..ProbeRequest::default()
    }
}

/// A port that nobody listens on, outside of the range from which the system gives them out: it
/// stays free until the test takes it.
type Replies = Pin<Box<dyn Stream<Item = Result<ProbeReply, Status>> + Send>>;

impl ProbeApi {
    fn downstream(&self) -> Result<ProbeClient<Channel>, Status> {
        let downstream = self.downstream.clone();
        let downstream = downstream.ok_or_else(|| Status::failed_precondition("no relay"))?;
        Ok(ProbeClient::new(downstream))
    }

    fn reply<T>(&self, request: &Request<T>, asked: &ProbeRequest) -> ProbeReply {
        let metadata = request.metadata().as_ref().iter();
        let metadata = metadata.filter_map(|(name, value)| {
            let value = value.to_str().ok()?;
            Some((name.to_string(), value.to_owned()))
        });
        let mut metadata: HashMap<String, String> = metadata.collect();
        // What the chassis found out about the caller, under names that metadata cannot have.
        if let Some(peer) = request.extensions().get::<PeerIdentity>() {
            let name = peer.common_name().unwrap_or_default();
            metadata.insert("peer name".to_owned(), name.to_owned());
            let id = peer.spiffe_id().unwrap_or_default();
            metadata.insert("peer id".to_owned(), id.to_owned());
        }
        #[cfg(feature = "auth")]
        if let Some(claims) = request.extensions().get::<chassis::auth::Claims>() {
            let subject = claims.subject().unwrap_or_default();
            metadata.insert("token subject".to_owned(), subject.to_owned());
        }
        ProbeReply {
            metadata,
            remaining_ms: chassis::deadline::remaining().map(|left| left.as_millis() as u64),
            instance: self.instance.clone(),
            payload: vec![7; asked.size as usize],
            requests: 0,
        }
    }
}

/// What goes to the next service: as many relays as `size` says, and at least one.
fn relayed(asked: &ProbeRequest) -> ProbeRequest {
    ProbeRequest {
        behaviour: (asked.size > 1).then_some(Behaviour::Relay(true)),
        size: asked.size.saturating_sub(1),
        replies: asked.replies,
        ..ProbeRequest::default()
    }
}

async fn behave(behaviour: Option<Behaviour>) -> Result<(), Status> {
    // What was said before goes out first.
    tokio::task::yield_now().await;
    match behaviour {
        Some(Behaviour::Fail(code)) => Err(Status::new(Code::from(code), "as told")),
        Some(Behaviour::Panic(message)) => panic!("{message}"),
        Some(Behaviour::Hang(true)) => std::future::pending().await,
        _ => Ok(()),
    }
}

#[tonic::async_trait]
impl Probe for ProbeApi {
    async fn unary(&self, request: Request<ProbeRequest>) -> Result<Response<ProbeReply>, Status> {
        let asked = request.get_ref();
        if let Some(Behaviour::Relay(true)) = asked.behaviour {
            return self.downstream()?.unary(relayed(asked)).await;
        }
        tracing::info!(instance = self.instance, "in the handler");
        behave(self.always.clone().or(asked.behaviour.clone())).await?;
        Ok(Response::new(self.reply(&request, asked)))
    }

    type ServerStreamStream = Replies;

    async fn server_stream(
        &self,
        request: Request<ProbeRequest>,
    ) -> Result<Response<Replies>, Status> {
        let asked = request.get_ref().clone();
        if let Some(Behaviour::Relay(true)) = asked.behaviour {
            let replies = self.downstream()?.server_stream(relayed(&asked)).await?;
            return Ok(replies.map(|replies| Box::pin(replies) as Replies));
        }
        let reply = self.reply(&request, &asked);
        let replies = tokio_stream::iter((0..asked.replies).map(move |_| Ok(reply.clone())));
        let end = tokio_stream::once(asked.behaviour).then(behave);
        let end = end.filter_map(|end| end.err().map(Err));
        Ok(Response::new(Box::pin(replies.chain(end))))
    }

    async fn client_stream(
        &self,
        request: Request<Streaming<ProbeRequest>>,
    ) -> Result<Response<ProbeReply>, Status> {
        let mut reply = self.reply(&request, &ProbeRequest::default());
        let mut requests = request.into_inner();
        while let Some(asked) = requests.message().await? {
            reply.requests += 1;
            behave(asked.behaviour).await?;
        }
        Ok(Response::new(reply))
    }

    type BidiStream = Replies;

    async fn bidi(
        &self,
        request: Request<Streaming<ProbeRequest>>,
    ) -> Result<Response<Replies>, Status> {
        let reply = self.reply(&request, &ProbeRequest::default());
        let replies = request.into_inner().then(move |asked| {
            let reply = reply.clone();
            async move {
                behave(asked?.behaviour).await?;
                Ok(reply)
            }
        });
        Ok(Response::new(Box::pin(replies)))
    }
}
