//! The future of a call under a deadline, on the server.

use std::convert::Infallible;
use std::future::Future;
use std::pin::Pin;
use std::task::{Context, Poll, ready};

use http::Response;
use pin_project_lite::pin_project;
use tokio::time::Instant;
use tonic::Status;

use super::body::DeadlineBody;
use super::timer::Timer;
use super::{CURRENT, exceeded};

pin_project! {
    /// Polls a call until its deadline.
    #[derive(Debug)]
    pub(crate) struct DeadlineFuture<F> {
        // `None` once it has been given up, so that the handler stops.
        #[pin]
        inner: Option<F>,
        timer: Timer,
        refusal: Option<Status>,
    }
}

impl<F> DeadlineFuture<F> {
    pub(super) fn new(inner: F, deadline: Option<Instant>) -> Self {
        Self {
            inner: Some(inner),
            timer: Timer::new(deadline),
            refusal: None,
        }
    }

    /// A call that is answered before it begins.
    pub(super) fn refused(status: Status) -> Self {
        Self {
            inner: None,
            timer: Timer::new(None),
            refusal: Some(status),
        }
    }
}

impl<F, B> Future for DeadlineFuture<F>
where
    F: Future<Output = Result<Response<B>, Infallible>>,
{
    type Output = Result<Response<DeadlineBody<B>>, Infallible>;

    fn poll(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Self::Output> {
        let mut this = self.project();
        let deadline = this.timer.deadline();
        if let Some(inner) = this.inner.as_mut().as_pin_mut()
            && let Poll::Ready(result) = CURRENT.sync_scope(deadline, || inner.poll(cx))
        {
            let wrap = |body| DeadlineBody::new(body, deadline);
            return Poll::Ready(result.map(|response| response.map(wrap)));
        }
        if let Some(status) = this.refusal.take() {
            return Poll::Ready(Ok(status.into_http()));
        }
        ready!(this.timer.poll(cx));
        this.inner.set(None);
        Poll::Ready(Ok(exceeded().into_http()))
    }
}
