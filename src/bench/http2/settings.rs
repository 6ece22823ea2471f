//! The server's settings (RFC 9113, section 6.5.2) and ours.

use super::frame::{self, Header, kind};
use super::{Reason, Violation};

/// How much a server may send on a stream before it is read; large, for reading is all we do.
pub(super) const STREAM_WINDOW: u32 = 4 << 20;
/// The same for a connection.
pub(super) const CONNECTION_WINDOW: u32 = 1 << 30;
/// What both are until they are changed (section 6.9.2).
pub(super) const DEFAULT_WINDOW: u32 = 65_535;
/// The largest window that there may be.
pub(super) const LARGEST_WINDOW: i64 = (1 << 31) - 1;
/// The largest frame that a server may send.
pub(super) const LARGEST_FRAME: usize = 1 << 20;

const HEADER_TABLE_SIZE: u16 = 1;
const ENABLE_PUSH: u16 = 2;
const MAX_CONCURRENT_STREAMS: u16 = 3;
const INITIAL_WINDOW_SIZE: u16 = 4;
const MAX_FRAME_SIZE: u16 = 5;

/// What the server said of itself.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Settings {
    /// How large its header table may be.
    pub table: usize,
    /// How many streams it allows at a time.
    pub streams: u32,
    /// How much may be sent on a new stream.
    pub window: u32,
    /// The largest frame that it takes.
    pub frame: usize,
}

impl Default for Settings {
    fn default() -> Self {
        Self {
            table: super::hpack::DEFAULT_TABLE,
            streams: u32::MAX,
            window: DEFAULT_WINDOW,
            frame: super::request::SMALL_FRAME,
        }
    }
}

impl Settings {
    /// These settings with the changes of a frame; unknown ones are ignored.
    pub(super) fn changed_by(mut self, payload: &[u8]) -> Result<Self, Violation> {
        if !payload.len().is_multiple_of(6) {
            return Err(Violation::size(
                "SETTINGS of a length that they cannot have",
            ));
        }
        for setting in payload.chunks_exact(6) {
            let [i0, i1, v0, v1, v2, v3] = *setting else {
                continue;
            };
            let value = u32::from_be_bytes([v0, v1, v2, v3]);
            match u16::from_be_bytes([i0, i1]) {
                HEADER_TABLE_SIZE => self.table = value as usize,
                ENABLE_PUSH if value != 0 => {
                    return Err(Violation::protocol("a server that enables pushes"));
                }
                MAX_CONCURRENT_STREAMS => self.streams = value,
                INITIAL_WINDOW_SIZE if i64::from(value) > LARGEST_WINDOW => {
                    return Err(Violation::flow("SETTINGS with too large a window"));
                }
                INITIAL_WINDOW_SIZE => self.window = value,
                MAX_FRAME_SIZE if !(1 << 14..1 << 24).contains(&value) => {
                    return Err(Violation::protocol(
                        "SETTINGS with a frame size that there is not",
                    ));
                }
                MAX_FRAME_SIZE => self.frame = value as usize,
                _ => {}
            }
        }
        Ok(self)
    }
}

/// Appends how a connection begins: the preface and our settings (section 3.4), and the window.
pub(super) fn put_preface(out: &mut Vec<u8>) {
    out.extend_from_slice(b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n");
    let settings = [
        (ENABLE_PUSH, 0),
        (INITIAL_WINDOW_SIZE, STREAM_WINDOW),
        (MAX_FRAME_SIZE, LARGEST_FRAME as u32),
    ];
    let header = Header {
        length: settings.len() * 6,
        kind: kind::SETTINGS,
        flags: 0,
        stream: 0,
    };
    header.put(out);
    for (id, value) in settings {
        out.extend_from_slice(&id.to_be_bytes());
        out.extend_from_slice(&value.to_be_bytes());
    }
    frame::put_window(out, 0, CONNECTION_WINDOW - DEFAULT_WINDOW);
}

/// Appends GOAWAY (section 6.8): we never took a stream of the server's.
pub(super) fn put_goaway(out: &mut Vec<u8>, violation: Violation) {
    let Reason(code) = violation.reason;
    let mut payload = [0; 8];
    payload[4..].copy_from_slice(&code.to_be_bytes());
    frame::put(out, kind::GOAWAY, 0, 0, &payload);
}
