//! The call that is made again and again, encoded as far as it can be before it is made.

use bytes::Bytes;

use super::frame::{self, flag, kind};
use super::hpack;

/// A frame of this size is always allowed (RFC 9113, section 4.2).
pub(super) const SMALL_FRAME: usize = 16_384;

/// A call.
#[derive(Clone, Debug)]
pub struct Request {
    /// All its headers, those of HTTP/2 first, in lower case.
    pub headers: Vec<(Vec<u8>, Vec<u8>)>,
    /// Its messages with their prefixes.
    pub body: Bytes,
    /// Whether a call that succeeds has exactly one response message.
    pub one_response: bool,
    /// Whether responses may be compressed.
    pub accepts_compressed: bool,
    /// Whether messages of responses are [told](super::Connection::heard) as they come.
    pub tells_messages: bool,
}

/// A request in the bytes that the server of one connection takes.
#[derive(Debug, Default)]
pub(super) struct Encoded {
    /// The headers as the next call has to send them.
    pub block: Vec<u8>,
    /// The headers for all calls after that.
    later: Vec<u8>,
    /// HEADERS and DATA in one piece, where that is possible.
    pub flat: Option<Flat>,
}

/// All frames of a call; only the number of the stream is left to fill in.
#[derive(Debug)]
pub(super) struct Flat {
    bytes: Vec<u8>,
    /// Where DATA begins.
    data: usize,
}

impl Encoded {
    /// For a server whose header table holds `table` bytes. Where that has changed, it has to be told,
    /// and the smallest size that it had meanwhile (RFC 7541, section 4.2).
    pub(super) fn new(request: &Request, table: usize, smallest: Option<usize>) -> Self {
        let hpack::Blocks { first, later } = hpack::encode(&request.headers, table);
        let mut block = Vec::with_capacity(first.len());
        if let Some(smallest) = smallest {
            hpack::put_table_size(&mut block, smallest);
            if smallest < table {
                hpack::put_table_size(&mut block, table);
            }
        }
        block.extend_from_slice(&first);
        Self {
            block,
            later,
            flat: None,
        }
    }

    /// The first call was sent: those after it are shorter.
    pub(super) fn settle(&mut self, body: &[u8]) {
        if self.flat.is_some() || self.later.is_empty() {
            return;
        }
        self.block = std::mem::take(&mut self.later);
        if self.block.len() <= SMALL_FRAME && body.len() <= SMALL_FRAME {
            let mut bytes = Vec::new();
            frame::put(&mut bytes, kind::HEADERS, flag::END_HEADERS, 0, &self.block);
            let data = bytes.len();
            frame::put(&mut bytes, kind::DATA, flag::END_STREAM, 0, body);
            self.flat = Some(Flat { bytes, data });
        }
    }
}

impl Flat {
    /// Appends it as the call on this stream.
    pub(super) fn put(&self, out: &mut Vec<u8>, stream: u32) {
        /// Where the number of the stream stands in a frame.
        const STREAM: usize = 5;
        let at = out.len();
        out.extend_from_slice(&self.bytes);
        for frame in [at, at + self.data] {
            out[frame + STREAM..frame + frame::HEADER].copy_from_slice(&stream.to_be_bytes());
        }
    }
}
