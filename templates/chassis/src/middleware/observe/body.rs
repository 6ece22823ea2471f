//! The body of an observed response.

use std::pin::Pin;
use std::task::{Context, Poll, ready};

use http_body::{Body, Frame, SizeHint};
use pin_project_lite::pin_project;
use tonic::{Code, Status};

use super::{Observer, Pending, code_in};

pin_project! {
    /// Watches a response until its trailers.
    #[derive(Debug)]
    pub(crate) struct ObservedBody<B, O: Observer> {
        #[pin]
        inner: B,
        pending: Option<Pending<O>>,
    }
}

impl<B, O: Observer> ObservedBody<B, O> {
    pub(super) fn new(inner: B, pending: Option<Pending<O>>) -> Self {
        Self { inner, pending }
    }
}

/// That of a response that never was one: nobody watches it.
impl<B: Default, O: Observer> Default for ObservedBody<B, O> {
    fn default() -> Self {
        Self::new(B::default(), None)
    }
}

impl<B, O> Body for ObservedBody<B, O>
where
    B: Body<Error = Status>,
    O: Observer,
{
    type Data = B::Data;
    type Error = Status;

    fn poll_frame(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<B::Data>, Status>>> {
        let this = self.project();
        let frame = ready!(this.inner.poll_frame(cx));
        if let Some(pending) = this.pending {
            match &frame {
                Some(Ok(frame)) => {
                    if let Some(trailers) = frame.trailers_ref() {
                        pending.finish(code_in(trailers).unwrap_or(Code::Unknown));
                    }
                }
                Some(Err(status)) => pending.finish(status.code()),
                // The end without a status: the peer does not speak gRPC, or was cut off.
                None => pending.finish(Code::Unknown),
            }
        }
        Poll::Ready(frame)
    }

    fn is_end_stream(&self) -> bool {
        self.inner.is_end_stream()
    }

    fn size_hint(&self) -> SizeHint {
        self.inner.size_hint()
    }
}
