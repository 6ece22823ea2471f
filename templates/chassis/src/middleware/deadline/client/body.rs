//! The bodies of a call that is made under a deadline.

use std::pin::Pin;
use std::sync::{Arc, OnceLock};
use std::task::{Context, Poll, ready};

use http_body::{Body, Frame, SizeHint};
use pin_project_lite::pin_project;
use tokio::time::Instant;
use tonic::{Code, Status};

use crate::middleware::deadline::exceeded;
use crate::middleware::deadline::timer::Timer;
use crate::middleware::observe::dropping_as;

/// When the request was sent to its end, once it was.
#[derive(Debug, Clone, Default)]
pub(super) struct Sent(Arc<OnceLock<Instant>>);

impl Sent {
    pub(super) fn at(&self) -> Option<Instant> {
        self.0.get().copied()
    }

    fn now(&self) {
        self.0.get_or_init(Instant::now);
    }
}

pin_project! {
    /// A request that notes when its end is reached.
    #[derive(Debug)]
    pub(crate) struct SentBody<B> {
        #[pin]
        inner: B,
        sent: Option<Sent>,
    }

    impl<B> PinnedDrop for SentBody<B> {
        fn drop(this: Pin<&mut Self>) {
            // Nothing more is sent of a body that is gone, at its end or not.
            if let Some(sent) = this.project().sent {
                sent.now();
            }
        }
    }
}

impl<B> SentBody<B> {
    pub(super) fn new(inner: B, sent: Option<Sent>) -> Self {
        Self { inner, sent }
    }

    /// A request whose end nobody has asked for.
    #[cfg(test)]
    pub(crate) fn unwatched(inner: B) -> Self {
        Self::new(inner, None)
    }
}

impl<B: Body> Body for SentBody<B> {
    type Data = B::Data;
    type Error = B::Error;

    fn poll_frame(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<B::Data>, B::Error>>> {
        self.project().inner.poll_frame(cx)
    }

    fn is_end_stream(&self) -> bool {
        self.inner.is_end_stream()
    }

    fn size_hint(&self) -> SizeHint {
        self.inner.size_hint()
    }
}

pin_project! {
    /// A response that is waited for until the deadline.
    #[derive(Debug)]
    pub(crate) struct WaitBody<B> {
        // `None` once it has been given up.
        #[pin]
        inner: Option<B>,
        timer: Timer,
    }
}

impl<B> WaitBody<B> {
    pub(super) fn new(inner: B, deadline: Option<Instant>) -> Self {
        Self {
            inner: Some(inner),
            timer: Timer::new(deadline),
        }
    }
}

impl<B: Body<Error = Status>> Body for WaitBody<B> {
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
        let polled = inner.poll_frame(cx);
        if polled.is_ready() {
            return polled;
        }
        ready!(this.timer.poll(cx));
        dropping_as(Code::DeadlineExceeded, || this.inner.set(None));
        Poll::Ready(Some(Err(exceeded())))
    }

    fn is_end_stream(&self) -> bool {
        self.inner.as_ref().is_none_or(Body::is_end_stream)
    }

    fn size_hint(&self) -> SizeHint {
        self.inner
            .as_ref()
            .map_or(SizeHint::with_exact(0), Body::size_hint)
    }
}
