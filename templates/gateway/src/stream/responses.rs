//! Messages become lines or events.

use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll, ready};

use bytes::{BufMut, Bytes, BytesMut};
use http::StatusCode;
use http_body::Frame;
use tonic::body::Body;
use tonic::{Code, Status};

use super::{Blame, Format};
use crate::frame::Frames;
use crate::status::Failure;
use crate::table::{Bound, Table};
use crate::transcode::{self, HttpBody, Output};

/// The responses of a call, as they come.
#[derive(Debug)]
pub(crate) struct Responses {
    messages: Body,
    frames: Frames,
    ended: bool,
    pub(crate) how: How,
}

/// How responses are written.
#[derive(Debug, Clone)]
pub(crate) struct How {
    pub(crate) format: Format,
    pub(crate) output: Output,
    pub(crate) bound: Arc<Bound>,
    pub(crate) table: Arc<Table>,
    pub(crate) blame: Blame,
}

impl Responses {
    pub(crate) fn new(messages: Body, how: How) -> Self {
        Self {
            messages,
            frames: Frames::default(),
            ended: false,
            how,
        }
    }

    /// What is there to say of the messages that have come.
    fn written(&mut self) -> BytesMut {
        let mut text = BytesMut::new();
        loop {
            match self.frames.next() {
                Ok(None) => return text,
                Ok(Some(message)) => match self.how.json(&message) {
                    Ok(json) => self.how.message(&json, &mut text),
                    Err(failure) => {
                        self.end(Err(failure), &mut text);
                        return text;
                    }
                },
                Err(status) => {
                    self.end(Err(status.into()), &mut text);
                    return text;
                }
            }
        }
    }

    /// Says how the call has ended.
    fn end(&mut self, outcome: Result<(), Failure>, text: &mut BytesMut) {
        self.ended = true;
        let outcome = match self.how.blame.take() {
            Some(failure) => Err(failure),
            None => outcome,
        };
        self.how.end(outcome, text);
    }
}

impl How {
    /// The JSON of a message.
    fn json(&self, message: &[u8]) -> Result<Vec<u8>, Failure> {
        let only = self.bound.binding.response_body.as_deref();
        let output = &self.bound.method.output;
        transcode::write(output, message, only, self.output).map_err(Failure::unwritable)
    }

    /// The body that a message is.
    pub(crate) fn raw(&self, message: &[u8]) -> Result<HttpBody, Failure> {
        let only = self.bound.binding.response_body.as_deref();
        let output = &self.bound.method.output;
        transcode::write_raw(output, message, only).map_err(Failure::unwritable)
    }

    fn message(&self, json: &[u8], text: &mut BytesMut) {
        let (before, after): (&[u8], &[u8]) = match self.format {
            Format::Lines => (b"{\"result\":", b"}\n"),
            // JSON has no line ends of its own.
            Format::Events => (b"data: ", b"\n\n"),
        };
        text.reserve(before.len() + json.len() + after.len());
        text.put_slice(before);
        text.put_slice(json);
        text.put_slice(after);
    }

    fn end(&self, outcome: Result<(), Failure>, text: &mut BytesMut) {
        let error = outcome.err().map(|it| it.to_json(&self.table.pool));
        match (self.format, error) {
            (Format::Lines, None) => {}
            (Format::Lines, Some(error)) => text.put_slice(format!("{error}\n").as_bytes()),
            (Format::Events, None) => text.put_slice(b"event: end\ndata: {}\n\n"),
            (Format::Events, Some(error)) => {
                let event = format!("event: error\ndata: {error}\n\n");
                text.put_slice(event.as_bytes());
            }
        }
    }
}

impl http_body::Body for Responses {
    type Data = Bytes;
    type Error = Status;

    fn poll_frame(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, Status>>> {
        let this = self.get_mut();
        while !this.ended {
            let mut text = match ready!(Pin::new(&mut this.messages).poll_frame(cx)) {
                Some(Ok(frame)) => match frame.into_data() {
                    Ok(data) => {
                        this.frames.push(&data);
                        this.written()
                    }
                    Err(frame) => {
                        let mut text = BytesMut::new();
                        let trailers = frame.into_trailers().unwrap_or_default();
                        this.end(outcome(&trailers), &mut text);
                        text
                    }
                },
                Some(Err(status)) => {
                    let mut text = BytesMut::new();
                    this.end(Err(status.into()), &mut text);
                    text
                }
                None => {
                    let mut text = BytesMut::new();
                    this.end(Err(cut()), &mut text);
                    text
                }
            };
            if !text.is_empty() {
                return Poll::Ready(Some(Ok(Frame::data(text.split().freeze()))));
            }
        }
        Poll::Ready(None)
    }

    fn is_end_stream(&self) -> bool {
        self.ended
    }
}

/// The outcome in the trailers of a response.
pub(crate) fn outcome(trailers: &http::HeaderMap) -> Result<(), Failure> {
    match Status::from_header_map(trailers) {
        Some(status) if status.code() == Code::Ok => Ok(()),
        Some(status) => Err(status.into()),
        None => Err(cut()),
    }
}

pub(super) fn cut() -> Failure {
    let message = "the response of the service ended without a status";
    Failure::new(StatusCode::BAD_GATEWAY, Code::Internal, message)
}
