//! The server's side.

use std::convert::Infallible;
use std::sync::Arc;
use std::task::{Context, Poll};

use http::{Request, Response};
use tokio::time::Instant;
use tonic::Status;
use tower::{Layer, Service};

use super::body::DeadlineBody;
use super::future::DeadlineFuture;
use super::{CURRENT, timeout};
use crate::config::{self, Follow, Section};
use crate::server::Methods;

/// Wraps a server so that calls end in time.
#[derive(Debug, Clone)]
pub(crate) struct ServerDeadlineLayer {
    limits: Option<Arc<Limits>>,
}

#[derive(Debug)]
struct Limits {
    deadline: Follow<config::Deadline>,
    methods: Arc<Methods>,
}

impl ServerDeadlineLayer {
    pub(crate) fn new(enabled: bool, limits: &config::Deadline, methods: Arc<Methods>) -> Self {
        let again = |config: &config::Config| config.server.deadline.clone();
        let limits = || Limits {
            deadline: Follow::new(&[Section::Deadline], limits.clone(), again),
            methods,
        };
        Self {
            limits: enabled.then(|| Arc::new(limits())),
        }
    }
}

impl<S> Layer<S> for ServerDeadlineLayer {
    type Service = ServerDeadline<S>;

    fn layer(&self, inner: S) -> ServerDeadline<S> {
        ServerDeadline {
            inner,
            limits: self.limits.clone(),
        }
    }
}

#[derive(Debug, Clone)]
pub(crate) struct ServerDeadline<S> {
    inner: S,
    limits: Option<Arc<Limits>>,
}

impl<S, Q, B> Service<Request<Q>> for ServerDeadline<S>
where
    S: Service<Request<Q>, Response = Response<B>, Error = Infallible>,
{
    type Response = Response<DeadlineBody<B>>;
    type Error = Infallible;
    type Future = DeadlineFuture<S::Future>;

    fn poll_ready(&mut self, cx: &mut Context<'_>) -> Poll<Result<(), Infallible>> {
        self.inner.poll_ready(cx)
    }

    fn call(&mut self, request: Request<Q>) -> Self::Future {
        let Some(limits) = &self.limits else {
            return DeadlineFuture::new(self.inner.call(request), None);
        };
        let asked = match timeout::read(request.headers()) {
            Ok(asked) => asked,
            Err(malformed) => {
                return DeadlineFuture::refused(Status::invalid_argument(malformed.to_string()));
            }
        };
        let limit = {
            let deadline = limits.deadline.load();
            match limits.methods.streams_responses(request.uri().path()) {
                true => deadline.streaming.non_zero(),
                false => deadline.unary.non_zero(),
            }
        };
        let timeout = match (asked, limit) {
            (Some(asked), Some(limit)) => Some(asked.min(limit)),
            (asked, limit) => asked.or(limit),
        };
        // A deadline too far for the clock to express is none.
        let deadline = timeout.and_then(|timeout| Instant::now().checked_add(timeout));
        let inner = CURRENT.sync_scope(deadline, || self.inner.call(request));
        DeadlineFuture::new(inner, deadline)
    }
}
