//! Answering a call in place of the service.

use std::convert::Infallible;
use std::future::Future;
use std::pin::Pin;
use std::task::{Context, Poll, ready};

use http::Response;
use http_body::{Body, Frame, SizeHint};
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
{
    type Output = Result<Response<RefusableBody<B>>, Infallible>;

    fn poll(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Self::Output> {
        let this = self.project();
        if let Some(inner) = this.inner.as_pin_mut() {
            let response = ready!(inner.poll(cx))?;
            return Poll::Ready(Ok(response.map(RefusableBody::new)));
        }
        match this.refusal.take() {
            Some(status) => Poll::Ready(Ok(status.into_http())),
            None => Poll::Pending,
        }
    }
}

pin_project! {
    /// The body of a response, or none.
    #[derive(Debug)]
    pub(crate) struct RefusableBody<B> {
        #[pin]
        inner: Option<B>,
    }
}

impl<B> RefusableBody<B> {
    pub(crate) fn new(inner: B) -> Self {
        Self { inner: Some(inner) }
    }
}

impl<B> Default for RefusableBody<B> {
    fn default() -> Self {
        Self { inner: None }
    }
}

impl<B: Body<Error = Status>> Body for RefusableBody<B> {
    type Data = B::Data;
    type Error = Status;

    fn poll_frame(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<B::Data>, Status>>> {
        match self.project().inner.as_pin_mut() {
            Some(inner) => inner.poll_frame(cx),
            None => Poll::Ready(None),
        }
    }

    fn is_end_stream(&self) -> bool {
        self.inner.as_ref().is_none_or(Body::is_end_stream)
    }

    fn size_hint(&self) -> SizeHint {
        match &self.inner {
            Some(inner) => inner.size_hint(),
            None => SizeHint::with_exact(0),
        }
    }
}
