//! What stands in front of a server's calls, for servers that answer requests which are no gRPC
//! calls, as a gateway does.
//!
//! A [`Front`] sees each request first, over HTTP/1 as well as over HTTP/2. It answers it, or makes a
//! call of it, which passes through all that calls pass through (traces, logs, metrics, limits,
//! deadlines, authentication) before it comes back to [`Front::forward`]. Calls of services that are
//! on this server, health and reflection among them, go to those. It is the Cargo feature `http`.

use std::convert::Infallible;
use std::fmt;
use std::future::Future;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};

use bytes::Bytes;
use http::{Request, Response};
use hyper::body::Incoming;
use tonic::Status;
use tonic::body::Body;
use tower::util::BoxCloneService;
use tower::{Service, ServiceExt};

/// A response to come.
pub type Answer = Pin<Box<dyn Future<Output = Response<Body>> + Send>>;

/// What answers the requests of a server that are no calls, and forwards those that are.
pub trait Front: fmt::Debug + Send + Sync + 'static {
    /// Answers `request`; `calls` are there for what becomes a call. A connection can be taken over
    /// by `hyper::upgrade::on`.
    fn answer(self: Arc<Self>, request: Request<Body>, calls: Calls) -> Answer;

    /// Makes a call of a service that is not on this server, within all layers. What is refused by
    /// them, and a [`Status`] that is returned by [`Status::into_http`], has its code in the head of
    /// the response.
    fn forward(self: Arc<Self>, request: Request<Body>) -> Answer;

    /// Whether the method at `path` (`/user.v1.UserService/GetUser`) answers with a stream: then
    /// `server.deadline.streaming` holds for it.
    fn streams_responses(&self, path: &str) -> bool;

    /// Whether what `server.auth` names fits a method that may be forwarded.
    fn has_method(&self, fits: &dyn Fn(&str) -> bool) -> bool;
}

/// The calls of a server, with all that they pass through.
pub struct Calls(BoxCloneService<Request<Body>, Response<Body>, Infallible>);

impl Calls {
    /// Makes a call; its path is that of the method.
    pub fn call(mut self, request: Request<Body>) -> Answer {
        // Layers are always ready: what has to wait does so in its future.
        let answer = self.0.call(request);
        Box::pin(async move {
            match answer.await {
                Ok(response) => response,
                Err(never) => match never {},
            }
        })
    }
}

impl fmt::Debug for Calls {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Calls").finish_non_exhaustive()
    }
}

/// A front and the calls behind it.
pub(crate) struct Fronted {
    front: Arc<dyn Front>,
    calls: BoxCloneService<Request<Body>, Response<Body>, Infallible>,
}

impl Fronted {
    pub(crate) fn new<S, B>(front: Arc<dyn Front>, stack: S) -> Self
    where
        S: Service<Request<Body>, Response = Response<B>, Error = Infallible>,
        S: Clone + Send + 'static,
        S::Future: Send + 'static,
        B: http_body::Body<Data = Bytes, Error = Status> + Send + 'static,
    {
        let calls = stack.map_response(|response: Response<B>| response.map(Body::new));
        Self {
            front,
            calls: BoxCloneService::new(calls),
        }
    }
}

impl Clone for Fronted {
    fn clone(&self) -> Self {
        Self {
            front: Arc::clone(&self.front),
            calls: self.calls.clone(),
        }
    }
}

impl Service<Request<Incoming>> for Fronted {
    type Response = Response<Body>;
    type Error = Infallible;
    type Future = Pin<Box<dyn Future<Output = Result<Response<Body>, Infallible>> + Send>>;

    fn poll_ready(&mut self, _: &mut Context<'_>) -> Poll<Result<(), Infallible>> {
        Poll::Ready(Ok(()))
    }

    fn call(&mut self, request: Request<Incoming>) -> Self::Future {
        let calls = Calls(self.calls.clone());
        let answer = Arc::clone(&self.front).answer(request.map(Body::new), calls);
        Box::pin(async move { Ok(answer.await) })
    }
}
