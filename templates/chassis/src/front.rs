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
use std::sync::{Arc, Mutex, PoisonError};
use std::task::{Context, Poll};

use bytes::Bytes;
use http::{Request, Response};
use hyper::body::Incoming;
use tonic::Status;
use tonic::body::Body;
use tower::Service;

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
#[derive(Clone)]
pub struct Calls(Arc<dyn Call>);

impl Calls {
    /// Makes a call; its path is that of the method.
    pub fn call(self, request: Request<Body>) -> Answer {
        self.0.call(request)
    }
}

impl fmt::Debug for Calls {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Calls").finish_non_exhaustive()
    }
}

/// What makes calls, of whatever type.
trait Call: Send + Sync {
    fn call(&self, request: Request<Body>) -> Answer;
}

/// The layers of one connection. They are locked to begin a call, and not while it takes its time: a
/// clone for each would count up all that they share.
struct Layers<S>(Mutex<S>);

impl<S, B> Call for Layers<S>
where
    S: Service<Request<Body>, Response = Response<B>, Error = Infallible> + Send,
    S::Future: Send + 'static,
    B: http_body::Body<Data = Bytes, Error = Status> + Send + 'static,
{
    fn call(&self, request: Request<Body>) -> Answer {
        // Layers are always ready: what has to wait does so in its future.
        let response = self
            .0
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .call(request);
        Box::pin(async move {
            match response.await {
                Ok(response) => response.map(Body::new),
                Err(never) => match never {},
            }
        })
    }
}

/// A front and the calls behind it.
pub(crate) struct Fronted<S> {
    front: Arc<dyn Front>,
    stack: S,
    /// Made for each connection when it has its first request.
    calls: Option<Calls>,
}

impl<S> Fronted<S> {
    pub(crate) fn new(front: Arc<dyn Front>, stack: S) -> Self {
        Self {
            front,
            stack,
            calls: None,
        }
    }
}

impl<S: Clone> Clone for Fronted<S> {
    fn clone(&self) -> Self {
        Self::new(Arc::clone(&self.front), self.stack.clone())
    }
}

impl<S, B> Service<Request<Incoming>> for Fronted<S>
where
    S: Service<Request<Body>, Response = Response<B>, Error = Infallible>,
    S: Clone + Send + 'static,
    S::Future: Send + 'static,
    B: http_body::Body<Data = Bytes, Error = Status> + Send + 'static,
{
    type Response = Response<Body>;
    type Error = Infallible;
    type Future = Answered;

    fn poll_ready(&mut self, _: &mut Context<'_>) -> Poll<Result<(), Infallible>> {
        Poll::Ready(Ok(()))
    }

    fn call(&mut self, request: Request<Incoming>) -> Answered {
        let calls = self.calls.get_or_insert_with(|| {
            let layers = Layers(Mutex::new(self.stack.clone()));
            Calls(Arc::new(layers))
        });
        let front = Arc::clone(&self.front);
        Answered(front.answer(request.map(Body::new), calls.clone()))
    }
}

/// An answer as services give it.
pub(crate) struct Answered(Answer);

impl Future for Answered {
    type Output = Result<Response<Body>, Infallible>;

    fn poll(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Self::Output> {
        self.0.as_mut().poll(cx).map(Ok)
    }
}
