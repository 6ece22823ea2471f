//! Why the server ends a connection.

use std::{error, fmt, io};

/// Why the server ends a connection.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub(super) enum End {
    /// `server.connections.max`
    TooMany,
    /// `server.connections.handshake_timeout`
    Handshake,
    /// The handshake of TLS.
    Tls,
    /// `server.connections.frame_timeout`
    Frame,
    /// `server.connections.resets`
    Resets,
    /// `server.connections.max_age`
    Age,
    /// `server.connections.max_idle`
    Idle,
}

impl End {
    /// As metrics have it.
    pub(super) fn label(self) -> &'static str {
        match self {
            Self::TooMany => "too_many",
            Self::Handshake => "handshake_timeout",
            Self::Tls => "tls",
            Self::Frame => "frame_timeout",
            Self::Resets => "resets",
            Self::Age => "age",
            Self::Idle => "idle",
        }
    }
}

impl fmt::Display for End {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::TooMany => "there are as many connections as server.connections.max allows",
            Self::Handshake => {
                "the client did not finish the handshake in server.connections.handshake_timeout"
            }
            Self::Tls => "the handshake of TLS failed",
            Self::Frame => "the client did not finish a frame in server.connections.frame_timeout",
            Self::Resets => "the client reset more streams than server.connections.resets allows",
            Self::Age => "the connection is older than server.connections.max_age",
            Self::Idle => "the connection had no calls for server.connections.max_idle",
        })
    }
}

impl error::Error for End {}

impl From<End> for io::Error {
    fn from(end: End) -> Self {
        Self::other(end)
    }
}
