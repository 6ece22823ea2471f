//! What a block of response headers says, as far as it decides the outcome of a call.

use std::rc::Rc;

use super::hpack::{Decoder, Malformed};
use crate::code::{Code, decode_message};

/// How many different blocks are remembered: servers send two or three.
const REMEMBERED: usize = 8;

/// Headers or trailers.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct Head {
    /// The HTTP status; trailers have none.
    pub http: Option<u16>,
    /// `grpc-status`.
    pub status: Option<Code>,
    /// `grpc-message`, where the status is not OK.
    pub message: Option<Rc<str>>,
    /// Whether messages may be compressed.
    pub is_compressed: bool,
    /// What makes it malformed (RFC 9113, sections 8.1.1 and 8.2), which ends the stream.
    pub flaw: Option<&'static str>,
}

/// Reads blocks of headers; those that were seen before are not decoded again.
#[derive(Debug)]
pub(super) struct Reader {
    decoder: Decoder,
    /// Blocks that did not change the decoder's table, since it last changed.
    remembered: Vec<(Box<[u8]>, Head)>,
    /// Which of them is forgotten next.
    oldest: usize,
}

impl Reader {
    pub(super) fn new() -> Self {
        Self {
            decoder: Decoder::new(),
            remembered: Vec::with_capacity(REMEMBERED),
            oldest: 0,
        }
    }

    /// Reads a block. Every block of a connection must be read, in order.
    pub(super) fn read(&mut self, block: &[u8]) -> Result<Head, Malformed> {
        if let Some((_, head)) = self.remembered.iter().find(|(bytes, _)| **bytes == *block) {
            return Ok(head.clone());
        }
        let mut fields = Fields::default();
        let changed = self
            .decoder
            .decode(block, |name, value| fields.take(name, value))?;
        let head = fields.head();
        if changed {
            // The indexes in the blocks mean other entries now.
            self.remembered.clear();
            self.oldest = 0;
        } else if self.remembered.len() < REMEMBERED {
            self.remembered.push((block.into(), head.clone()));
        } else {
            self.remembered[self.oldest] = (block.into(), head.clone());
            self.oldest = (self.oldest + 1) % REMEMBERED;
        }
        Ok(head)
    }
}

/// Fields while they are decoded.
#[derive(Default)]
struct Fields {
    head: Head,
    message: Option<String>,
    /// Whether there was a field that is no pseudo-header.
    is_past_pseudo: bool,
}

impl Fields {
    fn take(&mut self, name: &[u8], value: &[u8]) {
        if let Some(pseudo) = name.strip_prefix(b":") {
            let status = std::str::from_utf8(value)
                .ok()
                .and_then(|text| text.parse().ok());
            let is_fine = pseudo == b"status" && !self.is_past_pseudo && self.head.http.is_none();
            match status {
                Some(status @ 100..=999) if is_fine && value.len() == 3 => {
                    self.head.http = Some(status)
                }
                _ => self.head.flaw = Some("a response with wrong pseudo-headers"),
            }
            return;
        }
        self.is_past_pseudo = true;
        let is_wrong = |byte: &u8| matches!(byte, 0..=0x20 | b'A'..=b'Z' | b':' | 0x7f..=0xff);
        if name.is_empty() || name.iter().any(is_wrong) {
            self.head.flaw = Some("a header with a name that it must not have");
        }
        match name {
            b"grpc-status" => self.head.status = Some(Code::from_header(value)),
            b"grpc-message" => self.message = Some(decode_message(value)),
            b"grpc-encoding" => self.head.is_compressed = value != b"identity",
            b"connection" | b"transfer-encoding" => {
                self.head.flaw = Some("a header of HTTP/1 that HTTP/2 must not have");
            }
            _ => {}
        }
    }

    fn head(self) -> Head {
        Head {
            message: self.message.map(Rc::from),
            ..self.head
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_equal_block_means_something_else_after_the_table_changed() {
        let mut reader = Reader::new();
        let status = |code: &[u8]| [b"\x40\x0bgrpc-status\x01", code].concat();
        let code = |head: Head| head.status.map(Code::number);
        assert_eq!(reader.read(&status(b"5")).map(code), Ok(Some(5)));
        assert_eq!(reader.read(b"\xbe").map(code), Ok(Some(5)));
        assert_eq!(reader.read(b"\xbe").map(code), Ok(Some(5)));
        assert_eq!(reader.read(&status(b"7")).map(code), Ok(Some(7)));
        assert_eq!(reader.read(b"\xbe").map(code), Ok(Some(7)));
        // A table that shrinks to nothing has no entries any more.
        assert_eq!(reader.read(b"\x20").map(code), Ok(None));
        assert!(reader.read(b"\xbe").is_err());
    }

    #[test]
    fn more_blocks_than_are_remembered_are_read_all_the_same() {
        let mut reader = Reader::new();
        for _ in 0..3 {
            for number in 0..16u8 {
                let digits = number.to_string();
                let block = [
                    b"\x00\x0bgrpc-status".as_slice(),
                    &[digits.len() as u8],
                    digits.as_bytes(),
                ]
                .concat();
                let head = reader.read(&block).expect("well-formed");
                assert_eq!(head.status.map(Code::number), Some(number));
            }
        }
        assert_eq!(reader.remembered.len(), REMEMBERED);
    }

    #[test]
    fn malformed_heads_are_told() {
        let flaw = |block: &[u8]| Reader::new().read(block).expect("can be decoded").flaw;
        assert_eq!(flaw(b"\x88"), None);
        let pseudo = Some("a response with wrong pseudo-headers");
        assert_eq!(flaw(b"\x88\x88"), pseudo, "twice");
        assert_eq!(flaw(b"\x83"), pseudo, "of a request");
        assert_eq!(flaw(b"\x08\x0299"), pseudo, "no status");
        assert_eq!(flaw(b"\x00\x01a\x01b\x88"), pseudo, "too late");
        let name = Some("a header with a name that it must not have");
        assert_eq!(flaw(b"\x00\x01A\x01b"), name, "upper case");
        assert_eq!(flaw(b"\x00\x00\x01b"), name, "empty");
    }
}
