//! What a server sends, frame by frame (RFC 9113, section 6).
//!
//! DATA is taken as it comes, all other frames when they are complete: none may be larger than
//! [`LARGEST_FRAME`], no block of headers larger than [`LARGEST_BLOCK`].

use super::connection::{Connection, closed};
use super::frame::{self, HEADER, Header, flag, kind, unpad};
use super::settings::{CONNECTION_WINDOW, LARGEST_FRAME, LARGEST_WINDOW, STREAM_WINDOW};
use super::{Reason, Violation};
use crate::code::Code;

/// The largest block of headers, in all its frames.
const LARGEST_BLOCK: usize = 1 << 20;

/// What comes next.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Input {
    /// The header of a frame.
    Frame,
    /// The payload of DATA.
    Data {
        stream: u32,
        left: usize,
        padding: usize,
        is_last: bool,
    },
}

impl<T: Copy> Connection<T> {
    pub(super) fn take(&mut self, mut bytes: &[u8]) -> Result<(), Violation> {
        while !self.partial.is_empty() {
            let wanted = wanted(&self.partial)? - self.partial.len();
            let (taken, rest) = bytes.split_at(wanted.min(bytes.len()));
            self.partial.extend_from_slice(taken);
            bytes = rest;
            if taken.len() < wanted {
                return Ok(());
            }
            let frame = std::mem::take(&mut self.partial);
            if self.step(&frame)?.is_none() {
                self.partial = frame;
            }
        }
        while let Some(taken) = self.step(bytes)? {
            bytes = &bytes[taken..];
        }
        self.partial.extend_from_slice(bytes);
        Ok(())
    }

    /// Takes a frame or a part of DATA from the beginning of `bytes`, and tells how much that was; `None`
    /// when it is not all there.
    fn step(&mut self, bytes: &[u8]) -> Result<Option<usize>, Violation> {
        if let Input::Data { .. } = self.input {
            return Ok(Some(self.data(bytes)).filter(|taken| *taken > 0));
        }
        let Some((header, rest)) = bytes.split_first_chunk::<HEADER>() else {
            return Ok(None);
        };
        let header = Header::parse(header);
        if header.length > LARGEST_FRAME {
            return Err(Violation::size("a frame that is larger than allowed"));
        }
        if !self.is_greeted && (header.kind != kind::SETTINGS || header.has(flag::ACK)) {
            return Err(Violation::protocol(
                "a connection that does not begin with SETTINGS",
            ));
        }
        if self.block.is_some() && header.kind != kind::CONTINUATION {
            return Err(Violation::protocol(
                "a block of headers that is not continued",
            ));
        }
        if header.kind == kind::DATA {
            return self.begin_data(header, rest);
        }
        let Some(payload) = rest.get(..header.length) else {
            return Ok(None);
        };
        match header.kind {
            kind::HEADERS => self.headers(header, payload)?,
            kind::CONTINUATION => self.continuation(header, payload)?,
            kind::RST_STREAM => self.reset(header, payload)?,
            kind::SETTINGS => self.settings(header, payload)?,
            kind::PING => self.ping(header, payload)?,
            kind::GOAWAY => self.goaway(header, payload)?,
            kind::WINDOW_UPDATE => self.window_update(header, payload)?,
            kind::PUSH_PROMISE => {
                return Err(Violation::protocol("a push, which was not allowed"));
            }
            kind::PRIORITY if header.length != 5 => {
                return Err(Violation::size("PRIORITY of a length that it cannot have"));
            }
            // Section 5.5: unknown types are ignored, and so is PRIORITY (section 5.3.2).
            _ => {}
        }
        Ok(Some(HEADER + header.length))
    }

    /// Section 6.1.
    fn begin_data(&mut self, header: Header, rest: &[u8]) -> Result<Option<usize>, Violation> {
        self.check_stream(header)?;
        let (padding, prefix) = match (header.has(flag::PADDED), rest.first()) {
            (false, _) => (0, 0),
            (true, _) if header.length == 0 => {
                return Err(Violation::size("a padded frame without a padding"));
            }
            (true, None) => return Ok(None),
            (true, Some(padding)) => (usize::from(*padding), 1),
        };
        let Some(left) = header.length.checked_sub(padding + prefix) else {
            return Err(Violation::protocol(
                "a padding that is larger than its frame",
            ));
        };
        let length = header.length as u32;
        self.allowed = self
            .allowed
            .checked_sub(length)
            .ok_or(Violation::flow("more bytes than the connection's window"))?;
        if self.allowed < CONNECTION_WINDOW / 2 {
            frame::put_window(&mut self.out, 0, CONNECTION_WINDOW - self.allowed);
            self.allowed = CONNECTION_WINDOW;
        }
        let is_last = header.has(flag::END_STREAM);
        if let Some(stream) = self.streams.get(header.stream) {
            stream.allowed = stream
                .allowed
                .checked_sub(length)
                .ok_or(Violation::flow("more bytes than the stream's window"))?;
            if stream.allowed < STREAM_WINDOW / 2 && !is_last {
                frame::put_window(&mut self.out, stream.id, STREAM_WINDOW - stream.allowed);
                stream.allowed = STREAM_WINDOW;
            }
            if stream.head.is_none() {
                self.break_off(header.stream, "a body before its headers");
            }
        }
        self.input = Input::Data {
            stream: header.stream,
            left,
            padding,
            is_last,
        };
        let prefix = HEADER + prefix;
        Ok(Some(prefix + self.data(&rest[prefix - HEADER..])))
    }

    /// Takes what there is of DATA's payload, and tells how much that was.
    fn data(&mut self, bytes: &[u8]) -> usize {
        let Input::Data {
            stream,
            left,
            padding,
            is_last,
        } = self.input
        else {
            return 0;
        };
        let message = left.min(bytes.len());
        let skipped = padding.min(bytes.len() - message);
        if message > 0 {
            self.body(stream, &bytes[..message]);
        }
        let (left, padding) = (left - message, padding - skipped);
        if left + padding > 0 {
            self.input = Input::Data {
                stream,
                left,
                padding,
                is_last,
            };
        } else {
            self.input = Input::Frame;
            if is_last {
                self.end(stream, None);
            }
        }
        message + skipped
    }

    /// Section 6.2.
    fn headers(&mut self, header: Header, payload: &[u8]) -> Result<(), Violation> {
        self.check_stream(header)?;
        let mut fragment = unpad(&header, payload).ok_or(Violation::protocol(
            "a padding that is larger than its frame",
        ))?;
        if header.has(flag::PRIORITY) {
            /// The length of what was a stream's priority.
            const PRIORITY: usize = 5;
            fragment = fragment
                .get(PRIORITY..)
                .ok_or(Violation::size("HEADERS that are cut"))?;
        }
        if header.has(flag::END_HEADERS) {
            return self.head(header, fragment);
        }
        self.block = Some((header, fragment.to_vec()));
        Ok(())
    }

    /// Section 6.10.
    fn continuation(&mut self, header: Header, payload: &[u8]) -> Result<(), Violation> {
        let Some((first, mut block)) = self.block.take() else {
            return Err(Violation::protocol("CONTINUATION of nothing"));
        };
        if first.stream != header.stream {
            return Err(Violation::protocol("CONTINUATION on another stream"));
        }
        block.extend_from_slice(payload);
        if block.len() > LARGEST_BLOCK {
            return Err(Violation {
                reason: Reason::ENHANCE_YOUR_CALM,
                what: "a block of headers of more than 1 MiB",
            });
        }
        if header.has(flag::END_HEADERS) {
            return self.head(first, &block);
        }
        self.block = Some((first, block));
        Ok(())
    }

    /// Section 6.4.
    fn reset(&mut self, header: Header, payload: &[u8]) -> Result<(), Violation> {
        self.check_stream(header)?;
        let Ok(code) = <[u8; 4]>::try_from(payload) else {
            return Err(Violation::size(
                "RST_STREAM of a length that it cannot have",
            ));
        };
        let reason = Reason(u32::from_be_bytes(code));
        let message = format!("the server reset the stream: {}", reason.description());
        if reason == Reason::REFUSED_STREAM {
            self.give_back(header.stream, message);
        } else {
            self.fail(header.stream, Code::from_reset(reason.0), message);
        }
        Ok(())
    }

    fn settings(&mut self, header: Header, payload: &[u8]) -> Result<(), Violation> {
        check_connection(header)?;
        if header.has(flag::ACK) {
            return match payload {
                [] => Ok(()),
                _ => Err(Violation::size(
                    "an acknowledgement of SETTINGS with settings",
                )),
            };
        }
        let settings = self.settings.changed_by(payload)?;
        self.apply(settings)
    }

    /// Section 6.7.
    fn ping(&mut self, header: Header, payload: &[u8]) -> Result<(), Violation> {
        check_connection(header)?;
        if payload.len() != 8 {
            return Err(Violation::size("PING of a length that it cannot have"));
        }
        if !header.has(flag::ACK) {
            frame::put(&mut self.out, kind::PING, flag::ACK, 0, payload);
        }
        Ok(())
    }

    /// Section 6.8.
    fn goaway(&mut self, header: Header, payload: &[u8]) -> Result<(), Violation> {
        check_connection(header)?;
        let Some(([l0, l1, l2, l3, c0, c1, c2, c3], _)) = payload.split_first_chunk::<8>() else {
            return Err(Violation::size("GOAWAY that is cut"));
        };
        let last = u32::from_be_bytes([*l0 & 0x7f, *l1, *l2, *l3]);
        let reason = Reason(u32::from_be_bytes([*c0, *c1, *c2, *c3]));
        if self.goaway.is_some_and(|(before, _)| last > before) {
            return Err(Violation::protocol("GOAWAY that takes back the one before"));
        }
        self.goaway = Some((last, reason));
        let left = self.streams.iter().map(|stream| stream.id);
        let left: Vec<u32> = left.filter(|id| *id > last).collect();
        for id in left {
            match reason {
                Reason::NO_ERROR => self.give_back(id, closed(reason)),
                _ => self.fail(id, Code::UNAVAILABLE, closed(reason)),
            }
        }
        Ok(())
    }

    /// Section 6.9.
    fn window_update(&mut self, header: Header, payload: &[u8]) -> Result<(), Violation> {
        let Ok(bytes) = <[u8; 4]>::try_from(payload) else {
            return Err(Violation::size(
                "WINDOW_UPDATE of a length that it cannot have",
            ));
        };
        let increment = i64::from(u32::from_be_bytes(bytes) & 0x7fff_ffff);
        if increment == 0 {
            return Err(Violation::protocol("WINDOW_UPDATE of zero"));
        }
        if header.stream == 0 {
            self.window += increment;
            if self.window > LARGEST_WINDOW {
                return Err(Violation::flow(
                    "a window of the connection that is too large",
                ));
            }
        } else {
            self.check_stream(header)?;
            if let Some(stream) = self.streams.get(header.stream) {
                stream.window += increment;
                if stream.window > LARGEST_WINDOW {
                    return Err(Violation::flow("a window of a stream that is too large"));
                }
            }
        }
        self.send_bodies();
        Ok(())
    }

    /// Servers may speak only on streams that were opened (section 5.1).
    fn check_stream(&self, header: Header) -> Result<(), Violation> {
        match header.stream {
            0 => Err(Violation::protocol("a frame of a stream without a stream")),
            id if id.is_multiple_of(2) || id >= self.next_id => Err(Violation::protocol(
                "a frame on a stream that was never opened",
            )),
            _ => Ok(()),
        }
    }
}

fn check_connection(header: Header) -> Result<(), Violation> {
    match header.stream {
        0 => Ok(()),
        _ => Err(Violation::protocol("a frame of the connection on a stream")),
    }
}

/// Up to where the frame that begins so has to be there before it can be taken.
fn wanted(partial: &[u8]) -> Result<usize, Violation> {
    let Some((header, _)) = partial.split_first_chunk::<HEADER>() else {
        return Ok(HEADER);
    };
    let header = Header::parse(header);
    match header.kind {
        kind::DATA => Ok(HEADER + usize::from(header.has(flag::PADDED))),
        _ if header.length > LARGEST_FRAME => {
            Err(Violation::size("a frame that is larger than allowed"))
        }
        _ => Ok(HEADER + header.length),
    }
}
