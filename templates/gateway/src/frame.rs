//! Messages as gRPC sends them: a byte for compression, four for the length, and the message
//! (gRPC over HTTP/2, "Length-Prefixed-Message").

use bytes::{Buf, BufMut, Bytes, BytesMut};
use tonic::Status;

const PREFIX: usize = 5;

/// `message` with its prefix.
pub(crate) fn of(message: &impl prost::Message) -> Bytes {
    let length = message.encoded_len();
    let mut frame = BytesMut::with_capacity(PREFIX + length);
    frame.put_u8(0);
    // Requests are limited to less than 4 GiB long before.
    frame.put_u32(u32::try_from(length).unwrap_or(u32::MAX));
    // There is room for it.
    let _ = message.encode(&mut frame);
    frame.freeze()
}

/// What has come of a stream of messages.
#[derive(Debug, Default)]
pub(crate) struct Frames(BytesMut);

impl Frames {
    pub(crate) fn push(&mut self, data: &[u8]) {
        self.0.extend_from_slice(data);
    }

    /// The next message that is whole.
    ///
    /// # Errors
    /// When it is compressed, which nobody has asked for.
    pub(crate) fn next(&mut self) -> Result<Option<Bytes>, Status> {
        let Some((prefix, rest)) = self.0.split_at_checked(PREFIX) else {
            return Ok(None);
        };
        let (compressed, mut length) = (prefix[0], &prefix[1..]);
        let length = length.get_u32() as usize;
        if compressed != 0 {
            return Err(Status::internal("a message is compressed, unasked"));
        }
        if rest.len() < length {
            return Ok(None);
        }
        self.0.advance(PREFIX);
        Ok(Some(self.0.split_to(length).freeze()))
    }

    pub(crate) fn is_empty(&self) -> bool {
        self.0.is_empty()
    }
}
