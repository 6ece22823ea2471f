//! The client's side: passes the deadline on, and does not wait longer itself.
//!
//! The deadline of a call is the earlier of its own (`Request::set_timeout`) and that of the call
//! being served. A call with neither is limited by `client.response_timeout`, which runs from the
//! end of the request to the head of the response, so that it does not end streams.

mod body;
mod future;

use std::task::{Context, Poll};
use std::time::Duration;

use http::{Request, Response};
use tokio::time::Instant;
use tonic::Status;
use tower::{Layer, Service};

use super::{current, timeout};
use crate::config::Follow;
pub(crate) use body::SentBody;
use body::{Sent, WaitBody};
use future::{Limit, WaitFuture};

/// Wraps a client so that calls end in time.
#[derive(Debug, Clone)]
pub(crate) struct ClientDeadlineLayer {
    pub(crate) enabled: bool,
    pub(crate) response_timeout: Follow<Option<Duration>>,
}

impl<S> Layer<S> for ClientDeadlineLayer {
    type Service = ClientDeadline<S>;

    fn layer(&self, inner: S) -> ClientDeadline<S> {
        ClientDeadline {
            inner,
            layer: self.clone(),
        }
    }
}

#[derive(Debug, Clone)]
pub(crate) struct ClientDeadline<S> {
    inner: S,
    layer: ClientDeadlineLayer,
}

impl<S, Q, B> Service<Request<Q>> for ClientDeadline<S>
where
    S: Service<Request<SentBody<Q>>, Response = Response<B>, Error = Status>,
{
    type Response = Response<WaitBody<B>>;
    type Error = Status;
    type Future = WaitFuture<S::Future>;

    fn poll_ready(&mut self, cx: &mut Context<'_>) -> Poll<Result<(), Status>> {
        self.inner.poll_ready(cx)
    }

    fn call(&mut self, mut request: Request<Q>) -> Self::Future {
        if !self.layer.enabled {
            let request = request.map(|body| SentBody::new(body, None));
            return WaitFuture::new(self.inner.call(request), None);
        }
        let own = match timeout::read(request.headers()) {
            Ok(own) => own.and_then(|timeout| Instant::now().checked_add(timeout)),
            Err(malformed) => {
                return WaitFuture::refused(Status::invalid_argument(malformed.to_string()));
            }
        };
        let deadline = match (own, current()) {
            (Some(own), Some(outer)) => Some(own.min(outer)),
            (own, outer) => own.or(outer),
        };
        let limit = match deadline {
            Some(deadline) => {
                let left = deadline.saturating_duration_since(Instant::now());
                if left.is_zero() {
                    return WaitFuture::refused(super::exceeded());
                }
                timeout::write(left, request.headers_mut());
                Some(Limit::Deadline(deadline))
            }
            None => (**self.layer.response_timeout.load()).map(|timeout| Limit::Response {
                timeout,
                sent: Sent::default(),
            }),
        };
        let sent = match &limit {
            Some(Limit::Response { sent, .. }) => Some(sent.clone()),
            _ => None,
        };
        let request = request.map(|body| SentBody::new(body, sent));
        WaitFuture::new(self.inner.call(request), limit)
    }
}
