//! The body of one attempt.

use std::pin::Pin;
use std::task::{Context, Poll};

use bytes::Bytes;
use http_body::{Body, Frame, SizeHint};
use tonic::Status;

use super::RequestBody;
use super::stream::StreamBody;

/// The body of one attempt, which is what is sent. It is in no box of its own: each call has one.
#[derive(Debug)]
pub(in crate::client) enum AttemptBody {
    /// That of a call which is made once.
    Given(RequestBody),
    Whole(WholeBody),
    Stream(StreamBody),
}

/// A request in a single piece.
#[derive(Debug)]
pub(in crate::client) struct WholeBody {
    data: Option<Bytes>,
    /// What the data was read from: while it is there, the request counts as not sent yet.
    source: Option<RequestBody>,
}

impl WholeBody {
    pub(super) fn first(data: Option<Bytes>, source: RequestBody) -> Self {
        let source = Some(source);
        Self { data, source }
    }

    pub(super) fn again(data: Option<Bytes>) -> Self {
        Self { data, source: None }
    }
}

impl Body for AttemptBody {
    type Data = Bytes;
    type Error = Status;

    fn poll_frame(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, Status>>> {
        match self.get_mut() {
            Self::Given(body) => Pin::new(body).poll_frame(cx),
            Self::Whole(body) => {
                body.source = None;
                Poll::Ready(body.data.take().map(|data| Ok(Frame::data(data))))
            }
            Self::Stream(body) => body.poll(cx),
        }
    }

    fn is_end_stream(&self) -> bool {
        match self {
            Self::Given(body) => body.is_end_stream(),
            // The end goes along with the data, instead of in a frame of its own.
            Self::Whole(body) => body.data.is_none(),
            Self::Stream(_) => false,
        }
    }

    fn size_hint(&self) -> SizeHint {
        match self {
            Self::Given(body) => body.size_hint(),
            // An exact size would become a `content-length`, which gRPC does without.
            Self::Whole(_) | Self::Stream(_) => SizeHint::default(),
        }
    }
}
