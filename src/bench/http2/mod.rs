//! The client's half of HTTP/2 (RFC 9113) as far as gRPC needs it, without I/O and without a clock:
//! bytes in, bytes and ended calls out.
//!
//! A load generator makes the same call again and again, and a general client spends most of its time on
//! what is always the same. So here:
//!
//! - a request is encoded once: the first of a connection fills the server's header table (RFC 7541,
//!   section 6.2.1), all later ones are the same bytes but for the number of the stream (`request`);
//! - blocks of response headers are compared with those seen before and decoded only when they are new
//!   (`head`); whatever changes the table of the decoder empties that cache (`hpack`);
//! - bodies are counted, not kept: the prefixes of messages are read where they lie, however the server
//!   cuts them into frames;
//! - a call is a slot in an arena (`streams`), without an allocation, a task or a timer of its own.
//!
//! [`Connection`] is the whole of it. Nothing that a server sends makes it panic or keep more than a
//! bounded number of bytes: what breaks the rules ends the connection with the reason.

mod connection;
mod frame;
mod head;
mod hpack;
mod receive;
mod request;
mod response;
mod settings;
mod streams;

#[cfg(test)]
mod tests;

pub use connection::{Connection, Finished, Heard, How};
pub use hpack::put_field;
pub use request::Request;

/// What a server did that it must not (RFC 9113, section 5.4.1).
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{what}")]
pub struct Violation {
    /// The error code that the server is told (section 7).
    pub reason: Reason,
    /// What it did.
    pub what: &'static str,
}

impl Violation {
    fn protocol(what: &'static str) -> Self {
        Self {
            reason: Reason::PROTOCOL_ERROR,
            what,
        }
    }

    fn size(what: &'static str) -> Self {
        Self {
            reason: Reason::FRAME_SIZE_ERROR,
            what,
        }
    }

    fn flow(what: &'static str) -> Self {
        Self {
            reason: Reason::FLOW_CONTROL_ERROR,
            what,
        }
    }
}

/// An error code of HTTP/2 (RFC 9113, section 7).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Reason(pub u32);

impl Reason {
    /// A graceful end.
    pub const NO_ERROR: Self = Self(0);
    /// Anything that no other code tells.
    pub const PROTOCOL_ERROR: Self = Self(1);
    /// More bytes than the receiver allowed.
    pub const FLOW_CONTROL_ERROR: Self = Self(3);
    /// A frame of a length that it must not have.
    pub const FRAME_SIZE_ERROR: Self = Self(6);
    /// The server did nothing with the request.
    pub const REFUSED_STREAM: Self = Self(7);
    /// The stream is not needed any more.
    pub const CANCEL: Self = Self(8);
    /// A block of headers that cannot be decoded.
    pub const COMPRESSION_ERROR: Self = Self(9);
    /// More of something than is sensible.
    pub const ENHANCE_YOUR_CALM: Self = Self(11);

    /// The code in words; those of the `h2` crate, so that both engines say the same.
    pub fn description(self) -> String {
        h2::Reason::from(self.0).description().to_owned()
    }
}
