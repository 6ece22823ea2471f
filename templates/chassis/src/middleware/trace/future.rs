//! The future of a traced call.

use std::future::Future;
use std::pin::Pin;
use std::task::{Context, Poll, ready};

use http::Response;
use pin_project_lite::pin_project;

use super::body::TracedBody;
use super::messages::Sent;
use super::scope::Scope;
use super::span::SpanEnd;
use crate::middleware::observe::{HasCode, Observed};

pin_project! {
    /// Polls a call inside its scope.
    #[derive(Debug)]
    pub(crate) struct Traced<F> {
        #[pin]
        inner: Observed<F, SpanEnd>,
        scope: Scope,
        streams: bool,
        sent: Option<Box<Sent>>,
    }
}

impl<F> Traced<F> {
    /// When the response `streams`, what makes its messages is polled inside the scope as well;
    /// `sent` wants to know of them.
    pub(super) fn new(
        scope: Scope,
        inner: Observed<F, SpanEnd>,
        streams: bool,
        sent: Option<Sent>,
    ) -> Self {
        Self {
            inner,
            scope,
            streams,
            sent: sent.map(Box::new),
        }
    }
}

impl<F, B, E> Future for Traced<F>
where
    F: Future<Output = Result<Response<B>, E>>,
    E: HasCode,
{
    type Output = Result<Response<TracedBody<B>>, E>;

    fn poll(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Self::Output> {
        let this = self.project();
        let response = {
            let _entered = this.scope.enter();
            ready!(this.inner.poll(cx))?
        };
        let scope = std::mem::replace(this.scope, Scope::None);
        let (streams, sent) = (*this.streams, this.sent.take());
        Poll::Ready(Ok(
            response.map(|body| TracedBody::new(scope, body, streams, sent))
        ))
    }
}
