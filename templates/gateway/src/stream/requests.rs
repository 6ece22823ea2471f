//! Lines of JSON become messages.

use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll, ready};

use bytes::{Bytes, BytesMut};
use http::StatusCode;
use http_body::{Body as HttpBody, Frame};
use tonic::body::Body;
use tonic::{Code, Status};

use super::Blame;
use crate::frame;
use crate::status::Failure;

/// Makes a message, in its frame, of a line.
pub(crate) type Read = Arc<dyn Fn(&[u8]) -> Result<Bytes, Failure> + Send + Sync>;

/// The requests of a call, as they come.
pub(crate) struct Requests {
    lines: Body,
    /// What has come of the next line.
    partial: BytesMut,
    /// How much of it has no end of a line.
    searched: usize,
    max_line: usize,
    ended: bool,
    read: Read,
    blame: Blame,
}

impl Requests {
    pub(crate) fn new(lines: Body, max_line: usize, read: Read, blame: Blame) -> Self {
        Self {
            lines,
            partial: BytesMut::new(),
            searched: 0,
            max_line,
            ended: false,
            read,
            blame,
        }
    }

    /// The next message for which everything is there.
    fn next(&mut self) -> Result<Option<Bytes>, Failure> {
        loop {
            let rest = &self.partial[self.searched..];
            let line = match rest.iter().position(|byte| *byte == b'\n') {
                Some(at) => self.partial.split_to(self.searched + at + 1),
                // The last line may do without an end.
                None if self.ended => self.partial.split(),
                None => {
                    self.searched = self.partial.len();
                    return match self.searched > self.max_line {
                        true => Err(self.too_long()),
                        false => Ok(None),
                    };
                }
            };
            self.searched = 0;
            let line = line.trim_ascii();
            if line.len() > self.max_line {
                return Err(self.too_long());
            }
            match line.is_empty() {
                true if self.partial.is_empty() => return Ok(None),
                true => {}
                false => return (self.read)(line).map(Some),
            }
        }
    }

    fn too_long(&self) -> Failure {
        let message = format!("a line is longer than {} bytes", self.max_line);
        Failure::new(
            StatusCode::PAYLOAD_TOO_LARGE,
            Code::ResourceExhausted,
            message,
        )
    }
}

impl HttpBody for Requests {
    type Data = Bytes;
    type Error = Status;

    fn poll_frame(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, Status>>> {
        let this = self.get_mut();
        loop {
            match this.next() {
                Ok(Some(message)) => return Poll::Ready(Some(Ok(Frame::data(message)))),
                Ok(None) if this.ended => return Poll::Ready(None),
                Ok(None) => {}
                Err(failure) => return Poll::Ready(Some(Err(this.blame.end(failure)))),
            }
            match ready!(Pin::new(&mut this.lines).poll_frame(cx)) {
                Some(Ok(frame)) => {
                    if let Ok(data) = frame.into_data() {
                        this.partial.extend_from_slice(&data);
                    }
                }
                Some(Err(_)) => {
                    let gone = Status::cancelled("the body ended early");
                    return Poll::Ready(Some(Err(this.blame.end(gone.into()))));
                }
                None => this.ended = true,
            }
        }
    }
}

impl std::fmt::Debug for Requests {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Requests").finish_non_exhaustive()
    }
}

/// Reads each line as `message` says.
pub(crate) fn reading<M: prost::Message>(
    message: impl Fn(&[u8]) -> Result<M, Failure> + Send + Sync + 'static,
) -> Read {
    Arc::new(move |line| message(line).map(|message| frame::of(&message)))
}
