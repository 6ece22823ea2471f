//! The body of one attempt.

use std::pin::Pin;
use std::task::{Context, Poll};

use bytes::Bytes;
use http_body::{Body, Frame, SizeHint};
use tonic::Status;

use super::stream::StreamBody;
use crate::client::endpoint::RequestBody;

/// The body of one attempt.
#[derive(Debug)]
pub(super) enum AttemptBody {
    Whole(WholeBody),
    Stream(StreamBody),
}

/// A request in a single piece.
#[derive(Debug)]
pub(super) struct WholeBody {
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

impl AttemptBody {
    /// As what the balancer takes.
    pub(super) fn boxed(self) -> RequestBody {
        RequestBody::unwatched(tonic::body::Body::new(self))
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
            Self::Whole(body) => {
                body.source = None;
                Poll::Ready(body.data.take().map(|data| Ok(Frame::data(data))))
            }
            Self::Stream(body) => body.poll(cx),
        }
    }

    fn is_end_stream(&self) -> bool {
        match self {
            // The end goes along with the data, instead of in a frame of its own.
            Self::Whole(body) => body.data.is_none(),
            Self::Stream(_) => false,
        }
    }

    fn size_hint(&self) -> SizeHint {
        // An exact size would become a `content-length`, which gRPC does without.
        SizeHint::default()
    }
}
