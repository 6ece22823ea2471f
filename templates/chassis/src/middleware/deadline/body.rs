//! The body of a call under a deadline, on the server.

use std::pin::Pin;
use std::task::{Context, Poll, ready};

use http_body::{Body, Frame, SizeHint};
use pin_project_lite::pin_project;
use tokio::time::Instant;
use tonic::Status;

use super::timer::Timer;
use super::{CURRENT, exceeded};
use crate::middleware::end_with;

pin_project! {
    /// Polls a response until the deadline of its call; then come trailers that say so.
    #[derive(Debug)]
    pub(crate) struct DeadlineBody<B> {
        // `None` once it has been given up, and in responses that never had a body.
        #[pin]
        inner: Option<B>,
        timer: Timer,
    }
}

impl<B> DeadlineBody<B> {
    pub(super) fn new(inner: B, deadline: Option<Instant>) -> Self {
        Self {
            inner: Some(inner),
            timer: Timer::new(deadline),
        }
    }
}

impl<B> Default for DeadlineBody<B> {
    fn default() -> Self {
        Self {
            inner: None,
            timer: Timer::new(None),
        }
    }
}

impl<B: Body<Error = Status>> Body for DeadlineBody<B> {
    type Data = B::Data;
    type Error = Status;

    fn poll_frame(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<B::Data>, Status>>> {
        let mut this = self.project();
        let Some(inner) = this.inner.as_mut().as_pin_mut() else {
            return Poll::Ready(None);
        };
        // A stream that always has a next message never gets to its timer: look at the clock.
        let deadline = this.timer.deadline();
        if deadline.is_none_or(|deadline| deadline > Instant::now()) {
            let polled = CURRENT.sync_scope(deadline, || inner.poll_frame(cx));
            if polled.is_ready() {
                return polled;
            }
            ready!(this.timer.poll(cx));
        }
        this.inner.set(None);
        Poll::Ready(Some(end_with(&exceeded())))
    }

    fn is_end_stream(&self) -> bool {
        self.inner.as_ref().is_none_or(Body::is_end_stream)
    }

    fn size_hint(&self) -> SizeHint {
        // The deadline may cut the body short.
        match &self.inner {
            Some(inner) if self.timer.deadline().is_none() => inner.size_hint(),
            Some(_) => SizeHint::default(),
            None => SizeHint::with_exact(0),
        }
    }
}
