//! Bodies that are not JSON: each piece of a request becomes a message, and the messages of a response
//! become one body.

use std::pin::Pin;
use std::task::{Context, Poll, ready};

use bytes::Bytes;
use http_body::Frame;
use http_body_util::BodyExt;
use tonic::Status;
use tonic::body::Body;

use super::requests::Read;
use super::responses::cut;
use super::{Blame, How, outcome};
use crate::frame::Frames;
use crate::status::Failure;

/// A message for each piece of a body, as they come; one for a body that is empty.
pub(crate) struct Pieces {
    body: Body,
    read: Read,
    blame: Blame,
    has_sent: bool,
    ended: bool,
}

impl Pieces {
    pub(crate) fn new(body: Body, read: Read, blame: Blame) -> Self {
        Self {
            body,
            read,
            blame,
            has_sent: false,
            ended: false,
        }
    }

    fn message(&mut self, piece: &[u8]) -> Result<Frame<Bytes>, Status> {
        self.has_sent = true;
        let message = (self.read)(piece).map(Frame::data);
        message.map_err(|failure| self.blame.end(failure))
    }
}

impl http_body::Body for Pieces {
    type Data = Bytes;
    type Error = Status;

    fn poll_frame(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, Status>>> {
        let this = self.get_mut();
        while !this.ended {
            match ready!(Pin::new(&mut this.body).poll_frame(cx)) {
                Some(Ok(frame)) => match frame.into_data() {
                    Ok(piece) if !piece.is_empty() => {
                        return Poll::Ready(Some(this.message(&piece)));
                    }
                    _ => {}
                },
                Some(Err(_)) => {
                    this.ended = true;
                    let gone = Status::cancelled("the body ended early");
                    return Poll::Ready(Some(Err(this.blame.end(gone.into()))));
                }
                None => this.ended = true,
            }
        }
        Poll::Ready((!this.has_sent).then(|| this.message(&[])))
    }
}

impl std::fmt::Debug for Pieces {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Pieces").finish_non_exhaustive()
    }
}

/// The bodies in the responses of a call, one after the other. There is no way to say that it has
/// failed in the midst of it but to end early.
#[derive(Debug)]
pub(crate) struct Bodies {
    messages: Body,
    frames: Frames,
    first: Bytes,
    ended: bool,
    how: How,
}

impl Bodies {
    /// Waits for the first response, which says of what type all are.
    ///
    /// # Errors
    /// When the call fails before.
    pub(crate) async fn begin(mut messages: Body, how: How) -> Result<(String, Self), Failure> {
        let mut frames = Frames::default();
        let (first, ended) = loop {
            if let Some(message) = frames.next()? {
                break (how.raw(&message)?, false);
            }
            let frame = messages.frame().await.ok_or_else(cut)??;
            match frame.into_data() {
                Ok(data) => frames.push(&data),
                Err(frame) => {
                    outcome(&frame.into_trailers().unwrap_or_default())?;
                    break (Default::default(), true);
                }
            }
        };
        let bodies = Self {
            messages,
            frames,
            first: first.data,
            ended,
            how,
        };
        Ok((first.content_type, bodies))
    }

    /// What has come, if it is anything.
    fn next(&mut self) -> Result<Option<Bytes>, Failure> {
        let first = std::mem::take(&mut self.first);
        if !first.is_empty() {
            return Ok(Some(first));
        }
        while let Some(message) = self.frames.next()? {
            let data = self.how.raw(&message)?.data;
            if !data.is_empty() {
                return Ok(Some(data));
            }
        }
        Ok(None)
    }
}

impl http_body::Body for Bodies {
    type Data = Bytes;
    type Error = Status;

    fn poll_frame(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, Status>>> {
        let this = self.get_mut();
        let failure = loop {
            match this.next() {
                Ok(Some(data)) => return Poll::Ready(Some(Ok(Frame::data(data)))),
                Ok(None) if this.ended => return Poll::Ready(None),
                Ok(None) => {}
                Err(failure) => break failure,
            }
            match ready!(Pin::new(&mut this.messages).poll_frame(cx)) {
                Some(Ok(frame)) => match frame.into_data() {
                    Ok(data) => this.frames.push(&data),
                    Err(frame) => {
                        this.ended = true;
                        match outcome(&frame.into_trailers().unwrap_or_default()) {
                            Ok(()) => {}
                            Err(failure) => break failure,
                        }
                    }
                },
                Some(Err(status)) => break status.into(),
                None => break cut(),
            }
        };
        this.ended = true;
        this.frames = Frames::default();
        let failure = this.how.blame.take().unwrap_or(failure);
        Poll::Ready(Some(Err(failure.status)))
    }
}
