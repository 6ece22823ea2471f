//! The body of a call that may panic.

use std::panic::{AssertUnwindSafe, catch_unwind};
use std::pin::Pin;
use std::task::{Context, Poll};

use http_body::{Body, Frame, SizeHint};
use pin_project_lite::pin_project;
use tonic::Status;

use super::status;
use crate::middleware::end_with;

pin_project! {
    /// Polls a response; a panic becomes its trailers.
    #[derive(Debug)]
    pub(crate) struct CatchBody<B> {
        // `None` once it panicked, and in responses that never had a body.
        #[pin]
        inner: Option<B>,
        enabled: bool,
    }
}

impl<B> CatchBody<B> {
    pub(super) fn new(inner: B, enabled: bool) -> Self {
        Self {
            inner: Some(inner),
            enabled,
        }
    }
}

impl<B> Default for CatchBody<B> {
    fn default() -> Self {
        Self {
            inner: None,
            enabled: true,
        }
    }
}

impl<B: Body<Error = Status>> Body for CatchBody<B> {
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
        if !*this.enabled {
            return inner.poll_frame(cx);
        }
        match catch_unwind(AssertUnwindSafe(|| inner.poll_frame(cx))) {
            Ok(polled) => polled,
            Err(_) => {
                this.inner.set(None);
                Poll::Ready(Some(end_with(&status())))
            }
        }
    }

    fn is_end_stream(&self) -> bool {
        self.inner.as_ref().is_none_or(Body::is_end_stream)
    }

    fn size_hint(&self) -> SizeHint {
        // A panic may cut the body short: only a body that cannot panic has an exact size.
        match &self.inner {
            Some(inner) if !self.enabled => inner.size_hint(),
            Some(_) => SizeHint::default(),
            None => SizeHint::with_exact(0),
        }
    }
}
