//! The status codes of gRPC (<https://grpc.io/docs/guides/status-codes/>).
//!
//! Pure: numbers and names.

/// The codes' names, at the index of their number.
pub const NAMES: [&str; 17] = [
    "OK",
    "CANCELLED",
    "UNKNOWN",
    "INVALID_ARGUMENT",
    "DEADLINE_EXCEEDED",
    "NOT_FOUND",
    "ALREADY_EXISTS",
    "PERMISSION_DENIED",
    "RESOURCE_EXHAUSTED",
    "FAILED_PRECONDITION",
    "ABORTED",
    "OUT_OF_RANGE",
    "UNIMPLEMENTED",
    "INTERNAL",
    "UNAVAILABLE",
    "DATA_LOSS",
    "UNAUTHENTICATED",
];

/// A status code; numbers that are none are `UNKNOWN`, as the protocol wants it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Code(u8);

impl Code {
    /// 0.
    pub const OK: Self = Self(0);
    /// 1.
    pub const CANCELLED: Self = Self(1);
    /// 2.
    pub const UNKNOWN: Self = Self(2);
    /// 4.
    pub const DEADLINE_EXCEEDED: Self = Self(4);
    /// 7.
    pub const PERMISSION_DENIED: Self = Self(7);
    /// 8.
    pub const RESOURCE_EXHAUSTED: Self = Self(8);
    /// 12.
    pub const UNIMPLEMENTED: Self = Self(12);
    /// 13.
    pub const INTERNAL: Self = Self(13);
    /// 14.
    pub const UNAVAILABLE: Self = Self(14);
    /// 16.
    pub const UNAUTHENTICATED: Self = Self(16);

    /// The code of a number.
    pub fn new(number: u64) -> Self {
        match u8::try_from(number) {
            Ok(number) if usize::from(number) < NAMES.len() => Self(number),
            _ => Self::UNKNOWN,
        }
    }

    /// The code of a `grpc-status` header's value.
    pub fn from_header(value: &[u8]) -> Self {
        let number = std::str::from_utf8(value)
            .ok()
            .and_then(|text| text.parse().ok());
        number.map_or(Self::UNKNOWN, Self::new)
    }

    /// The code for a response without `grpc-status`, by its HTTP status
    /// (<https://github.com/grpc/grpc/blob/master/doc/http-grpc-status-mapping.md>).
    pub fn from_http(status: u16) -> Self {
        match status {
            400 => Self::INTERNAL,
            401 => Self::UNAUTHENTICATED,
            403 => Self::PERMISSION_DENIED,
            404 => Self::UNIMPLEMENTED,
            429 | 502 | 503 | 504 => Self::UNAVAILABLE,
            _ => Self::UNKNOWN,
        }
    }

    /// The code for a stream that the server reset, by the HTTP/2 error code
    /// (<https://github.com/grpc/grpc/blob/master/doc/PROTOCOL-HTTP2.md>, "Errors").
    pub fn from_reset(reason: u32) -> Self {
        match reason {
            7 => Self::UNAVAILABLE,
            8 => Self::CANCELLED,
            11 => Self::RESOURCE_EXHAUSTED,
            12 => Self::PERMISSION_DENIED,
            _ => Self::INTERNAL,
        }
    }

    /// From 0 to 16.
    pub fn number(self) -> u8 {
        self.0
    }

    /// Such as `NOT_FOUND`.
    pub fn name(self) -> &'static str {
        NAMES[usize::from(self.0)]
    }
}

/// Decodes the percent-encoding of `grpc-message`; what is no valid encoding stays as it is.
pub fn decode_message(value: &[u8]) -> String {
    let hex = |byte: u8| char::from(byte).to_digit(16).map(|digit| digit as u8);
    let mut bytes = Vec::with_capacity(value.len());
    let mut rest = value;
    while let Some((&first, tail)) = rest.split_first() {
        if let (b'%', [high, low, after @ ..]) = (first, tail)
            && let (Some(high), Some(low)) = (hex(*high), hex(*low))
        {
            bytes.push(high * 16 + low);
            rest = after;
        } else {
            bytes.push(first);
            rest = tail;
        }
    }
    String::from_utf8_lossy(&bytes).into_owned()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn codes_are_read_from_headers() {
        assert_eq!(Code::from_header(b"5").name(), "NOT_FOUND");
        assert_eq!(Code::from_header(b"99"), Code::UNKNOWN);
        assert_eq!(Code::from_header(b"\xff"), Code::UNKNOWN);
        assert_eq!(Code::from_header(b""), Code::UNKNOWN);
    }

    #[test]
    fn messages_are_decoded_and_broken_encodings_kept() {
        assert_eq!(decode_message(b"caf%C3%A9 100%"), "caf\u{e9} 100%");
        assert_eq!(decode_message(b"%zz%4"), "%zz%4");
        assert_eq!(decode_message(b"%FF"), "\u{fffd}");
    }
}
