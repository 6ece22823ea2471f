//! Request streams that can be sent again from their beginning.

use std::collections::VecDeque;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::task::{Context, Poll, Waker};

use bytes::Bytes;
use http_body::Frame;
use tonic::Status;

use super::RequestBody;
use super::buffer::{Polled, Share, poll_filled};

/// A request stream, shared by the call and the body of its last attempt.
#[derive(Debug, Clone)]
pub(super) struct Replay(Arc<Mutex<Shared>>);

#[derive(Debug)]
struct Shared {
    source: Source,
    /// What has been read of the source and may be sent again; once committed, what has yet to be
    /// sent.
    kept: VecDeque<Bytes>,
    /// How many of these the last attempt has sent.
    sent: usize,
    share: Share,
    is_committed: bool,
    /// The last attempt. Bodies of earlier ones may still be held by their connections.
    attempt: u32,
    /// Who waits for the source on behalf of the last attempt.
    waker: Option<Waker>,
}

#[derive(Debug)]
struct Source {
    /// What came before anybody was there to send it.
    first: VecDeque<Polled>,
    /// `None` once it has ended.
    rest: Option<RequestBody>,
}

impl Source {
    fn poll(&mut self, cx: &mut Context<'_>) -> Poll<Polled> {
        if let Some(first) = self.first.pop_front() {
            return Poll::Ready(first);
        }
        let Some(rest) = &mut self.rest else {
            return Poll::Ready(None);
        };
        let polled = poll_filled(rest, cx);
        if let Poll::Ready(None | Some(Err(_))) = polled {
            self.rest = None;
        }
        polled
    }
}

impl Shared {
    /// The next piece of the last attempt.
    fn poll(&mut self, cx: &mut Context<'_>) -> Poll<Polled> {
        if self.is_committed {
            if let Some(data) = self.kept.pop_front() {
                self.share.shrink(data.len());
                return Poll::Ready(Some(Ok(Frame::data(data))));
            }
        } else if let Some(data) = self.kept.get(self.sent) {
            self.sent += 1;
            return Poll::Ready(Some(Ok(Frame::data(data.clone()))));
        }
        let polled = self.source.poll(cx);
        match &polled {
            Poll::Pending => self.waker = Some(cx.waker().clone()),
            Poll::Ready(Some(Ok(frame))) if !self.is_committed => match frame.data_ref() {
                Some(data) if self.share.grow(data.len()) => {
                    self.kept.push_back(data.clone());
                    self.sent += 1;
                }
                // Too much, or nothing that could be sent again.
                _ => self.commit(),
            },
            // What the caller could not say once cannot be said again.
            Poll::Ready(Some(Err(_))) => self.commit(),
            Poll::Ready(_) => {}
        }
        polled
    }

    fn commit(&mut self) {
        if !self.is_committed {
            self.is_committed = true;
            let sent = self.kept.drain(..self.sent).map(|data| data.len()).sum();
            self.share.shrink(sent);
        }
    }

    /// Whatever is left of the last attempt finds out that its time is over.
    fn end_attempt(&mut self) {
        self.attempt += 1;
        if let Some(waker) = self.waker.take() {
            waker.wake();
        }
    }
}

impl Replay {
    /// A stream of which `first` came already.
    pub(super) fn new(first: Vec<Polled>, rest: RequestBody, share: Share) -> Self {
        let source = Source {
            first: first.into(),
            rest: Some(rest),
        };
        Self(Arc::new(Mutex::new(Shared {
            source,
            kept: VecDeque::new(),
            sent: 0,
            share,
            is_committed: false,
            attempt: 0,
            waker: None,
        })))
    }

    /// A body that begins at the beginning, and takes the place of the one before.
    pub(super) fn attempt(&self) -> StreamBody {
        let mut shared = self.lock();
        shared.end_attempt();
        shared.sent = 0;
        StreamBody {
            replay: self.clone(),
            attempt: shared.attempt,
        }
    }

    pub(super) fn end_attempt(&self) {
        self.lock().end_attempt();
    }

    pub(super) fn is_complete(&self) -> bool {
        !self.lock().is_committed
    }

    pub(super) fn commit(&self) {
        self.lock().commit();
    }

    fn lock(&self) -> MutexGuard<'_, Shared> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// The stream as one attempt sends it.
#[derive(Debug)]
pub(in crate::client) struct StreamBody {
    replay: Replay,
    attempt: u32,
}

impl StreamBody {
    pub(super) fn poll(&mut self, cx: &mut Context<'_>) -> Poll<Polled> {
        let mut shared = self.replay.lock();
        if shared.attempt != self.attempt {
            let status = Status::cancelled("another attempt is being made");
            return Poll::Ready(Some(Err(status)));
        }
        shared.poll(cx)
    }
}
