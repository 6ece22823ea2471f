//! Frames: their header of nine bytes (RFC 9113, section 4.1), and those that are sent.

/// The length of a frame's header.
pub(super) const HEADER: usize = 9;

/// The types of frames (RFC 9113, section 6).
pub(super) mod kind {
    pub const DATA: u8 = 0;
    pub const HEADERS: u8 = 1;
    pub const PRIORITY: u8 = 2;
    pub const RST_STREAM: u8 = 3;
    pub const SETTINGS: u8 = 4;
    pub const PUSH_PROMISE: u8 = 5;
    pub const PING: u8 = 6;
    pub const GOAWAY: u8 = 7;
    pub const WINDOW_UPDATE: u8 = 8;
    pub const CONTINUATION: u8 = 9;
}

/// Their flags.
pub(super) mod flag {
    pub const ACK: u8 = 0x1;
    pub const END_STREAM: u8 = 0x1;
    pub const END_HEADERS: u8 = 0x4;
    pub const PADDED: u8 = 0x8;
    pub const PRIORITY: u8 = 0x20;
}

/// A frame's header.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Header {
    pub length: usize,
    pub kind: u8,
    pub flags: u8,
    pub stream: u32,
}

impl Header {
    /// Reads one; the reserved bit of the stream's number is ignored.
    pub fn parse(bytes: &[u8; HEADER]) -> Self {
        let [l0, l1, l2, kind, flags, s0, s1, s2, s3] = *bytes;
        Self {
            length: u32::from_be_bytes([0, l0, l1, l2]) as usize,
            kind,
            flags,
            stream: u32::from_be_bytes([s0 & 0x7f, s1, s2, s3]),
        }
    }

    pub fn has(&self, flag: u8) -> bool {
        self.flags & flag != 0
    }

    /// Appends it.
    pub fn put(self, out: &mut Vec<u8>) {
        let [_, l0, l1, l2] = (self.length as u32).to_be_bytes();
        let [s0, s1, s2, s3] = self.stream.to_be_bytes();
        out.extend_from_slice(&[l0, l1, l2, self.kind, self.flags, s0, s1, s2, s3]);
    }
}

/// Appends a frame.
pub(super) fn put(out: &mut Vec<u8>, kind: u8, flags: u8, stream: u32, payload: &[u8]) {
    let header = Header {
        length: payload.len(),
        kind,
        flags,
        stream,
    };
    header.put(out);
    out.extend_from_slice(payload);
}

/// Appends RST_STREAM (section 6.4).
pub(super) fn put_reset(out: &mut Vec<u8>, stream: u32, reason: super::Reason) {
    put(out, kind::RST_STREAM, 0, stream, &reason.0.to_be_bytes());
}

/// Appends WINDOW_UPDATE (section 6.9).
pub(super) fn put_window(out: &mut Vec<u8>, stream: u32, increment: u32) {
    put(
        out,
        kind::WINDOW_UPDATE,
        0,
        stream,
        &increment.to_be_bytes(),
    );
}

/// Appends a block of headers, cut into HEADERS and CONTINUATION where it is larger than a frame may be
/// (section 6.10).
pub(super) fn put_headers(out: &mut Vec<u8>, stream: u32, block: &[u8], largest: usize) {
    let mut chunks = block.chunks(largest).peekable();
    let mut kind = kind::HEADERS;
    while let Some(chunk) = chunks.next() {
        let flags = match chunks.peek() {
            Some(_) => 0,
            None => flag::END_HEADERS,
        };
        put(out, kind, flags, stream, chunk);
        kind = kind::CONTINUATION;
    }
}

/// The payload without its padding (section 6.1); `None` when it is all padding and more.
pub(super) fn unpad<'a>(header: &Header, payload: &'a [u8]) -> Option<&'a [u8]> {
    if !header.has(flag::PADDED) {
        return Some(payload);
    }
    let (padding, rest) = payload.split_first()?;
    let length = rest.len().checked_sub(usize::from(*padding))?;
    Some(&rest[..length])
}
