//! Following the frames that a client sends, without reading what is in them.
//!
//! `h2` waits for the rest of a frame, and for the rest of a header block, for ever; and it counts
//! the streams that a client resets only until they are accepted. Both are seen here, in the nine
//! bytes before each frame (RFC 9113, section 4.1).

const PREFACE: usize = 24;
const HEADER: usize = 9;

const DATA: u8 = 0x0;
const HEADERS: u8 = 0x1;
const RST_STREAM: u8 = 0x3;
const SETTINGS: u8 = 0x4;
const CONTINUATION: u8 = 0x9;
const END_HEADERS: u8 = 0x4;

/// What a client has begun and has to finish.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Pending {
    /// The beginning of the connection: the preface and the first SETTINGS (section 3.4).
    Handshake,
    /// A frame or a header block. How long DATA takes is a matter of the call's deadline.
    Frame,
}

/// Where in its frames a connection is.
#[derive(Debug)]
pub(super) struct Frames {
    preface_left: usize,
    is_set_up: bool,
    /// The nine bytes, as many as came so far.
    header: [u8; HEADER],
    header_len: usize,
    payload_left: usize,
    in_header_block: bool,
    /// What was pending and is done; it wraps around.
    finished: u32,
    /// Streams that the client has reset.
    resets: u32,
}

impl Frames {
    pub(super) fn new() -> Self {
        Self {
            preface_left: PREFACE,
            is_set_up: false,
            header: [0; HEADER],
            header_len: 0,
            payload_left: 0,
            in_header_block: false,
            finished: 0,
            resets: 0,
        }
    }

    /// Goes through `data`, the next bytes from the client.
    pub(super) fn advance(&mut self, mut data: &[u8]) {
        while !data.is_empty() {
            if self.preface_left > 0 {
                let taken = self.preface_left.min(data.len());
                self.preface_left -= taken;
                data = &data[taken..];
            } else if self.header_len < HEADER {
                let taken = (HEADER - self.header_len).min(data.len());
                self.header[self.header_len..][..taken].copy_from_slice(&data[..taken]);
                self.header_len += taken;
                data = &data[taken..];
                if self.header_len == HEADER {
                    let [high, middle, low, ..] = self.header;
                    self.payload_left = u32::from_be_bytes([0, high, middle, low]) as usize;
                    if self.payload_left == 0 {
                        self.finish_frame();
                    }
                }
            } else {
                let taken = self.payload_left.min(data.len());
                self.payload_left -= taken;
                data = &data[taken..];
                if self.payload_left == 0 {
                    self.finish_frame();
                }
            }
        }
    }

    fn finish_frame(&mut self) {
        let [_, _, _, kind, flags, ..] = self.header;
        self.header_len = 0;
        match kind {
            HEADERS | CONTINUATION => self.in_header_block = flags & END_HEADERS == 0,
            SETTINGS => self.is_set_up = true,
            RST_STREAM => self.resets = self.resets.wrapping_add(1),
            _ => {}
        }
        // A header block is one piece, however many frames it has.
        if !self.in_header_block {
            self.finished = self.finished.wrapping_add(1);
        }
    }

    /// What the client has to finish, with a number that tells it from the one before.
    pub(super) fn pending(&self) -> Option<(Pending, u32)> {
        if !self.is_set_up {
            return Some((Pending::Handshake, 0));
        }
        let in_data = self.header_len == HEADER && self.header[3] == DATA;
        let in_frame = self.header_len > 0 && !in_data;
        (in_frame || self.in_header_block).then_some((Pending::Frame, self.finished))
    }

    /// How many streams the client has reset since this was last asked.
    pub(super) fn take_resets(&mut self) -> u32 {
        std::mem::take(&mut self.resets)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const PREFACE: &[u8] = b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n";

    fn frame(kind: u8, flags: u8, length: usize) -> Vec<u8> {
        let [.., high, middle, low] = length.to_be_bytes();
        let mut frame = vec![high, middle, low, kind, flags, 0, 0, 0, 1];
        frame.extend(vec![7; length]);
        frame
    }

    /// What is pending at the end of `bytes`, the same however they are cut.
    fn pending(bytes: &[u8]) -> Option<Pending> {
        let mut answers = (1..=bytes.len()).map(|piece| {
            let mut frames = Frames::new();
            bytes.chunks(piece).for_each(|data| frames.advance(data));
            frames.pending().map(|(pending, _)| pending)
        });
        let first = answers.next().expect("at least a byte");
        assert!(answers.all(|answer| answer == first));
        first
    }

    fn set_up(then: &[u8]) -> Vec<u8> {
        [PREFACE, &frame(SETTINGS, 0, 6), then].concat()
    }

    #[test]
    fn the_handshake_is_the_preface_and_the_first_settings() {
        let bytes = set_up(&[]);
        for end in 1..bytes.len() {
            assert_eq!(pending(&bytes[..end]), Some(Pending::Handshake), "{end}");
        }
        assert_eq!(pending(&bytes), None);
    }

    #[test]
    fn a_header_block_is_pending_until_its_last_frame() {
        let first = frame(HEADERS, 0, 20);
        let last = frame(CONTINUATION, END_HEADERS, 10);
        let block = [first, frame(CONTINUATION, 0, 0), last].concat();
        for end in 1..block.len() {
            assert_eq!(pending(&set_up(&block[..end])), Some(Pending::Frame));
        }
        assert_eq!(pending(&set_up(&block)), None);
    }

    #[test]
    fn a_message_may_come_slowly() {
        let data = frame(DATA, 0, 100);
        assert_eq!(pending(&set_up(&data[..8])), Some(Pending::Frame));
        assert_eq!(pending(&set_up(&data[..9])), None);
        assert_eq!(pending(&set_up(&data[..50])), None);
    }

    #[test]
    fn the_next_frame_is_another_one() {
        let mut frames = Frames::new();
        let headers = frame(HEADERS, END_HEADERS, 10);
        frames.advance(&set_up(&headers[..5]));
        let first = frames.pending();
        frames.advance(&[&headers[5..], &headers[..5]].concat());
        assert_ne!(frames.pending(), first);
    }

    #[test]
    fn resets_are_counted_once() {
        let mut frames = Frames::new();
        frames.advance(&set_up(&frame(RST_STREAM, 0, 4).repeat(3)));
        assert_eq!(frames.take_resets(), 3);
        assert_eq!(frames.take_resets(), 0);
    }
}
