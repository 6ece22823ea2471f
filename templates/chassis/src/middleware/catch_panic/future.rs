//! The future of a call that may panic.

use std::convert::Infallible;
use std::future::Future;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::pin::Pin;
use std::task::{Context, Poll};

use http::Response;
use pin_project_lite::pin_project;

use super::body::CatchBody;
use super::status;

pin_project! {
    /// Polls a call; a panic becomes a response.
    #[derive(Debug)]
    pub(crate) struct CatchFuture<F> {
        // `None` once it panicked.
        #[pin]
        inner: Option<F>,
        enabled: bool,
    }
}

impl<F> CatchFuture<F> {
    pub(super) fn new(inner: Option<F>, enabled: bool) -> Self {
        Self { inner, enabled }
    }
}

impl<F, B> Future for CatchFuture<F>
where
    F: Future<Output = Result<Response<B>, Infallible>>,
{
    type Output = Result<Response<CatchBody<B>>, Infallible>;

    fn poll(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Self::Output> {
        let mut this = self.project();
        let polled = match this.inner.as_mut().as_pin_mut() {
            Some(inner) if *this.enabled => catch_unwind(AssertUnwindSafe(|| inner.poll(cx))).ok(),
            Some(inner) => Some(inner.poll(cx)),
            None => None,
        };
        match polled {
            Some(poll) => {
                poll.map_ok(|response| response.map(|body| CatchBody::new(body, *this.enabled)))
            }
            None => {
                this.inner.set(None);
                Poll::Ready(Ok(status().into_http()))
            }
        }
    }
}
