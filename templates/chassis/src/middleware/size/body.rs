//! A body whose messages are limited.

use std::pin::Pin;
use std::task::{Context, Poll, ready};

use bytes::Bytes;
use http_body::{Body, Frame, SizeHint};
use pin_project_lite::pin_project;
use tonic::Status;

use crate::middleware::trace::Messages;

/// A byte for compression and four for the length.
const PREFIX: usize = 5;

/// Follows the boundaries of messages through the pieces they come in.
#[derive(Debug, Default)]
pub(crate) struct Boundaries {
    /// The beginning of a prefix that came in pieces.
    prefix: [u8; PREFIX],
    prefix_len: usize,
    /// What is left of the current message, in bytes.
    message_left: usize,
}

impl Boundaries {
    /// Goes through `data`; `begins` is told the size of each message that begins in it.
    ///
    /// # Errors
    /// The size of a message above `max`, in bytes.
    pub(crate) fn advance(
        &mut self,
        mut data: &[u8],
        max: usize,
        mut begins: impl FnMut(usize),
    ) -> Result<(), usize> {
        while !data.is_empty() {
            if self.message_left > 0 {
                let skipped = self.message_left.min(data.len());
                self.message_left -= skipped;
                data = &data[skipped..];
                continue;
            }
            let taken = (PREFIX - self.prefix_len).min(data.len());
            self.prefix[self.prefix_len..][..taken].copy_from_slice(&data[..taken]);
            self.prefix_len += taken;
            data = &data[taken..];
            if self.prefix_len == PREFIX {
                let [_, length @ ..] = self.prefix;
                let length = u32::from_be_bytes(length) as usize;
                if length > max {
                    return Err(length);
                }
                self.prefix_len = 0;
                self.message_left = length;
                begins(length);
            }
        }
        Ok(())
    }
}

pin_project! {
    /// A body that ends with `RESOURCE_EXHAUSTED` where a message that is too large begins.
    #[derive(Debug)]
    pub(crate) struct LimitedBody<B> {
        #[pin]
        inner: B,
        boundaries: Boundaries,
        max_message: usize,
        messages: Option<Box<Messages>>,
    }
}

impl<B> LimitedBody<B> {
    /// `max_message` is in bytes.
    pub(crate) fn new(inner: B, max_message: usize, messages: Option<Box<Messages>>) -> Self {
        Self {
            inner,
            boundaries: Boundaries::default(),
            max_message,
            messages,
        }
    }
}

impl<B: Body<Data = Bytes, Error = Status>> Body for LimitedBody<B> {
    type Data = Bytes;
    type Error = Status;

    fn poll_frame(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, Status>>> {
        let this = self.project();
        let frame = ready!(this.inner.poll_frame(cx));
        let messages = this.messages;
        let note = |size| {
            if let Some(messages) = messages {
                messages.note(size);
            }
        };
        if let Some(Ok(frame)) = &frame
            && let Some(data) = frame.data_ref()
            && let Err(size) = this.boundaries.advance(data, *this.max_message, note)
        {
            let max = this.max_message;
            let text = format!("a message of {size} bytes is above the limit of {max} bytes");
            return Poll::Ready(Some(Err(Status::resource_exhausted(text))));
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

#[cfg(test)]
mod tests {
    use super::*;

    fn message(length: u32) -> Vec<u8> {
        let mut bytes = vec![0];
        bytes.extend(length.to_be_bytes());
        bytes.extend(vec![7; length as usize]);
        bytes
    }

    /// The result for `bytes` that come in pieces of `piece` bytes.
    fn advance(bytes: &[u8], piece: usize, max: usize) -> Result<(), usize> {
        let mut boundaries = Boundaries::default();
        bytes
            .chunks(piece)
            .try_for_each(|data| boundaries.advance(data, max, |_| {}))
    }

    #[test]
    fn messages_up_to_the_limit_pass_however_they_are_cut() {
        let bytes = [message(3), message(0), message(10)].concat();
        for piece in 1..=bytes.len() {
            assert_eq!(advance(&bytes, piece, 10), Ok(()), "{piece}");
        }
    }

    #[test]
    fn a_message_above_the_limit_is_refused_at_its_beginning() {
        let bytes = [message(3), message(11)].concat();
        for piece in 1..=bytes.len() {
            assert_eq!(advance(&bytes, piece, 10), Err(11), "{piece}");
        }
        assert_eq!(
            advance(&[0, 255, 255, 255, 255], 5, 10),
            Err(u32::MAX as usize)
        );
    }
}
