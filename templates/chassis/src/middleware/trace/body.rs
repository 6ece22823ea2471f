//! The body of a traced call.

use std::pin::Pin;
use std::task::{Context, Poll};

use bytes::Buf;
use http_body::{Body, Frame, SizeHint};
use pin_project_lite::pin_project;
use tonic::Status;

use super::messages::Sent;
use super::scope::Scope;
use super::span::SpanEnd;
use crate::middleware::observe::ObservedBody;

pin_project! {
    /// Polls a response inside the scope of its call, which ends with it. Nothing happens in the
    /// response of a unary call: it is all there.
    #[derive(Debug)]
    pub(crate) struct TracedBody<B> {
        #[pin]
        inner: ObservedBody<B, SpanEnd>,
        scope: Scope,
        streams: bool,
        sent: Option<Box<Sent>>,
    }
}

impl<B> TracedBody<B> {
    pub(super) fn new(
        scope: Scope,
        inner: ObservedBody<B, SpanEnd>,
        streams: bool,
        sent: Option<Box<Sent>>,
    ) -> Self {
        Self {
            inner,
            scope,
            streams,
            sent,
        }
    }
}

impl<B: Body<Error = Status>> Body for TracedBody<B> {
    type Data = B::Data;
    type Error = Status;

    fn poll_frame(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<B::Data>, Status>>> {
        let this = self.project();
        let _entered = this.streams.then(|| this.scope.enter());
        let frame = this.inner.poll_frame(cx);
        if let Some(sent) = this.sent
            && let Poll::Ready(Some(Ok(frame))) = &frame
            && let Some(data) = frame.data_ref()
        {
            // Data is in one piece.
            sent.note(data.chunk());
        }
        frame
    }

    fn is_end_stream(&self) -> bool {
        self.inner.is_end_stream()
    }

    fn size_hint(&self) -> SizeHint {
        self.inner.size_hint()
    }
}
