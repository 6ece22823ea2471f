//! What is kept of requests to send them again, within limits (gRFC A6, "Memory Management
//! (Buffering)").
//!
//! A unary request is taken whole before its first attempt, so that nothing has to be shared with
//! the attempts. The messages of a stream are sent as they come, and kept as they pass; when there
//! are too many of them, they are let go, and the attempt that is being made is the last.

use std::pin::Pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::task::{Context, Poll, Waker, ready};

use bytes::Bytes;
use http_body::{Body as _, Frame};
use tonic::Status;

use super::RequestBody;
use super::body::{AttemptBody, WholeBody};
use super::stream::Replay;

/// A step of a body.
pub(super) type Polled = Option<Result<Frame<Bytes>, Status>>;

/// The memory that the requests of a channel may take.
#[derive(Debug)]
pub(super) struct Budget {
    /// In bytes, of one request.
    per_call: usize,
    /// In bytes, of all requests.
    limit: usize,
    /// By those of earlier limits, too.
    used: Arc<AtomicUsize>,
}

impl Budget {
    /// Both limits are in bytes.
    pub(super) fn new(per_call: usize, limit: usize) -> Self {
        Self {
            per_call,
            limit,
            used: Arc::default(),
        }
    }

    /// Other limits, for what is taken already as well.
    pub(super) fn renewed(&self, per_call: usize, limit: usize) -> Self {
        Self {
            per_call,
            limit,
            used: Arc::clone(&self.used),
        }
    }

    #[cfg(test)]
    pub(super) fn used(&self) -> usize {
        self.used.load(Ordering::Relaxed)
    }
}

/// A part of a budget, given back when this is dropped.
#[derive(Debug)]
pub(super) struct Share {
    budget: Arc<Budget>,
    bytes: usize,
}

impl Share {
    /// Nothing so far.
    pub(super) fn new(budget: Arc<Budget>) -> Self {
        Self { budget, bytes: 0 }
    }

    /// Takes `bytes` more; false, and nothing taken, when that is above a limit.
    pub(super) fn grow(&mut self, bytes: usize) -> bool {
        let Budget {
            per_call,
            limit,
            used,
        } = &*self.budget;
        if self.bytes.saturating_add(bytes) > *per_call {
            return false;
        }
        let before = used.fetch_add(bytes, Ordering::Relaxed);
        if before.saturating_add(bytes) > *limit {
            used.fetch_sub(bytes, Ordering::Relaxed);
            return false;
        }
        self.bytes += bytes;
        true
    }

    /// Gives `bytes` back.
    pub(super) fn shrink(&mut self, bytes: usize) {
        let bytes = bytes.min(self.bytes);
        self.bytes -= bytes;
        self.budget.used.fetch_sub(bytes, Ordering::Relaxed);
    }
}

impl Drop for Share {
    fn drop(&mut self) {
        self.shrink(self.bytes);
    }
}

/// What is there to make another attempt with.
#[derive(Debug)]
pub(super) enum Kept {
    /// All of it.
    Whole { data: Option<Bytes>, _share: Share },
    /// A stream, as far as it has come.
    Stream(Replay),
    /// Nothing: it was too large.
    Nothing,
}

impl Kept {
    /// Takes `body`, and returns the body of the first attempt.
    pub(super) fn take(body: RequestBody, budget: &Arc<Budget>) -> (Self, AttemptBody) {
        let mut share = Share::new(Arc::clone(budget));
        match peek(body) {
            Peeked::Whole(data, body) => {
                let size = data.as_ref().map_or(0, Bytes::len);
                let first = AttemptBody::Whole(WholeBody::first(data.clone(), body));
                match share.grow(size) {
                    true => {
                        let _share = share;
                        (Self::Whole { data, _share }, first)
                    }
                    false => (Self::Nothing, first),
                }
            }
            Peeked::Stream(first, body) => {
                let replay = Replay::new(first, body, share);
                let first = AttemptBody::Stream(replay.attempt());
                (Self::Stream(replay), first)
            }
        }
    }

    /// The body of another attempt. The last one's body comes to its end, wherever it is.
    pub(super) fn again(&self) -> Option<AttemptBody> {
        match self {
            Self::Whole { data, .. } => Some(AttemptBody::Whole(WholeBody::again(data.clone()))),
            Self::Stream(replay) => Some(AttemptBody::Stream(replay.attempt())),
            Self::Nothing => None,
        }
    }

    /// Whether another attempt can be made.
    pub(super) fn is_complete(&self) -> bool {
        match self {
            Self::Whole { .. } => true,
            Self::Stream(replay) => replay.is_complete(),
            Self::Nothing => false,
        }
    }

    /// Stops what is left of the last attempt.
    pub(super) fn end_attempt(&self) {
        if let Self::Stream(replay) = self {
            replay.end_attempt();
        }
    }

    /// There will be no other attempt.
    pub(super) fn commit(&self) {
        if let Self::Stream(replay) = self {
            replay.commit();
        }
    }
}

/// The beginning of a body.
enum Peeked {
    /// All there is; the body is at its end.
    Whole(Option<Bytes>, RequestBody),
    /// What has come so far, and the rest.
    Stream(Vec<Polled>, RequestBody),
}

/// The next step of `body` that says something. A request that came over HTTP/2, as those that a
/// gateway passes on, may end with a frame of data that is empty. Here it would not be the end, which
/// is known only after it, and servers end connections on which more than a few of those come that end
/// nothing (h2: 100).
pub(super) fn poll_filled(body: &mut RequestBody, cx: &mut Context<'_>) -> Poll<Polled> {
    loop {
        let polled = ready!(Pin::new(&mut *body).poll_frame(cx));
        let data = polled.as_ref().and_then(|it| it.as_ref().ok()?.data_ref());
        if data.is_none_or(|data| !data.is_empty()) {
            return Poll::Ready(polled);
        }
    }
}

/// Looks whether `body` is a single piece that is there already, as that of each unary call is. A
/// body that is not is asked again later, by who sends it.
fn peek(mut body: RequestBody) -> Peeked {
    let mut context = Context::from_waker(Waker::noop());
    let mut poll = |body: &mut RequestBody| match body.is_end_stream() {
        true => Poll::Ready(None),
        false => poll_filled(body, &mut context),
    };
    let first = match poll(&mut body) {
        Poll::Ready(None) => return Peeked::Whole(None, body),
        Poll::Ready(first) => first,
        Poll::Pending => return Peeked::Stream(Vec::new(), body),
    };
    let Some(Ok(frame)) = first else {
        return Peeked::Stream(vec![first], body);
    };
    match (frame.into_data(), poll(&mut body)) {
        (Ok(data), Poll::Ready(None)) => Peeked::Whole(Some(data), body),
        (Ok(data), Poll::Pending) => Peeked::Stream(vec![Some(Ok(Frame::data(data)))], body),
        (Ok(data), Poll::Ready(second)) => {
            Peeked::Stream(vec![Some(Ok(Frame::data(data))), second], body)
        }
        // Requests have no trailers in gRPC; whoever sends some sends them once.
        (Err(frame), _) => Peeked::Stream(vec![Some(Ok(frame))], body),
    }
}
