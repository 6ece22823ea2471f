//! The future of a traced call.

use std::future::Future;
use std::pin::Pin;
use std::task::{Context, Poll, ready};

use http::Response;
use pin_project_lite::pin_project;

use super::body::TracedBody;
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
    }
}

impl<F> Traced<F> {
    /// When the response `streams`, what makes its messages is polled inside the scope as well.
    pub(super) fn new(scope: Scope, inner: Observed<F, SpanEnd>, streams: bool) -> Self {
        Self {
            inner,
            scope,
            streams,
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
        Poll::Ready(Ok(
            response.map(|body| TracedBody::new(scope, body, *this.streams))
        ))
    }
}
