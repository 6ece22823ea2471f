//! Answering a call in place of the service, with a body that is empty: its default.

use std::convert::Infallible;
use std::future::Future;
use std::pin::Pin;
use std::task::{Context, Poll};

use http::Response;
use pin_project_lite::pin_project;
use tonic::Status;

pin_project! {
    /// The future of a call that is made, or that has been refused before it was.
    #[derive(Debug)]
    pub(crate) struct Refusable<F> {
        #[pin]
        inner: Option<F>,
        refusal: Option<Status>,
    }
}

impl<F> Refusable<F> {
    pub(crate) fn call(inner: F) -> Self {
        Self {
            inner: Some(inner),
            refusal: None,
        }
    }

    /// One that is never polled.
    #[cfg(feature = "auth")]
    pub(crate) fn never() -> Self {
        Self {
            inner: None,
            refusal: None,
        }
    }

    pub(crate) fn refused(status: Status) -> Self {
        Self {
            inner: None,
            refusal: Some(status),
        }
    }
}

impl<F, B> Future for Refusable<F>
where
    F: Future<Output = Result<Response<B>, Infallible>>,
    B: Default,
{
    type Output = F::Output;

    fn poll(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Self::Output> {
        let this = self.project();
        if let Some(inner) = this.inner.as_pin_mut() {
            return inner.poll(cx);
        }
        match this.refusal.take() {
            Some(status) => Poll::Ready(Ok(status.into_http())),
            None => Poll::Pending,
        }
    }
}
