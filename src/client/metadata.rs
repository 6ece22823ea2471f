//! Request metadata as users write it: `key: value`.
//!
//! Pure: text in, values out.

use std::time::Duration;

use base64::Engine as _;
use base64::engine::DecodePaddingMode;
use base64::engine::general_purpose::{GeneralPurpose, GeneralPurposeConfig, STANDARD_NO_PAD};
use tonic::metadata::{
    AsciiMetadataKey, AsciiMetadataValue, BinaryMetadataKey, BinaryMetadataValue, KeyAndValueRef,
    MetadataMap,
};

use crate::error::{Diagnostic, Exit};

/// Base64 with or without padding, as the gRPC protocol wants receivers to take it.
const LENIENT: GeneralPurpose = GeneralPurpose::new(
    &base64::alphabet::STANDARD,
    GeneralPurposeConfig::new().with_decode_padding_mode(DecodePaddingMode::Indifferent),
);
/// Headers that belong to the protocol, beside those that start with `grpc-`.
const RESERVED: [&str; 6] = [
    "connection",
    "content-length",
    "content-type",
    "host",
    "te",
    "transfer-encoding",
];

/// One header of a request.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Header {
    /// Text.
    Text(AsciiMetadataKey, AsciiMetadataValue),
    /// Bytes, for keys that end in `-bin`.
    Bytes(BinaryMetadataKey, BinaryMetadataValue),
}

/// Why a text is no header.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum HeaderError {
    /// There is no colon.
    #[error("expected `key: value`")]
    NoColon,
    /// The key has characters that it cannot have.
    #[error("`{0}` is not a metadata key: letters, digits, `-`, `_` and `.` only")]
    Key(String),
    /// The key is the protocol's.
    #[error("`{key}` is set by the protocol itself{}", instead(key))]
    Reserved {
        /// The key.
        key: String,
    },
    /// The value has characters that it cannot have.
    #[error(
        "the value of `{0}` has characters outside printable ASCII: use a `-bin` key with base64"
    )]
    Value(String),
    /// The value of a `-bin` key is not base64.
    #[error("the value of `{0}` is not base64, as keys that end in `-bin` need")]
    Base64(String),
}

/// The option that a user wants who writes this header.
fn instead(key: &str) -> &'static str {
    if key == "grpc-timeout" {
        ": use `--max-time`"
    } else {
        ""
    }
}

impl Diagnostic for HeaderError {
    fn exit(&self) -> Exit {
        Exit::Usage
    }
}

impl std::str::FromStr for Header {
    type Err = HeaderError;

    fn from_str(text: &str) -> Result<Self, HeaderError> {
        let (key, value) = text.split_once(':').ok_or(HeaderError::NoColon)?;
        let key = key.trim().to_ascii_lowercase();
        let value = value.trim();
        if RESERVED.contains(&key.as_str()) || key.starts_with("grpc-") {
            return Err(HeaderError::Reserved { key });
        }
        let allowed = |c: char| c.is_ascii_alphanumeric() || matches!(c, '-' | '_' | '.');
        if key.is_empty() || !key.chars().all(allowed) {
            return Err(HeaderError::Key(key));
        }
        if key.ends_with("-bin") {
            let bytes = LENIENT
                .decode(value)
                .map_err(|_| HeaderError::Base64(key.clone()))?;
            let name = key.parse().map_err(|_| HeaderError::Key(key))?;
            return Ok(Self::Bytes(name, BinaryMetadataValue::from_bytes(&bytes)));
        }
        let value = AsciiMetadataValue::try_from(value)
            .ok()
            .filter(|_| value.chars().all(|c| matches!(c, ' '..='~')))
            .ok_or_else(|| HeaderError::Value(key.clone()))?;
        let name = key.parse().map_err(|_| HeaderError::Key(key))?;
        Ok(Self::Text(name, value))
    }
}

/// Headers in the order they were given; a key may be given more than once.
pub fn to_map(headers: &[Header]) -> MetadataMap {
    let mut map = MetadataMap::new();
    for header in headers {
        match header {
            Header::Text(key, value) => {
                map.append(key, value.clone());
            }
            Header::Bytes(key, value) => {
                map.append_bin(key, value.clone());
            }
        }
    }
    map
}

/// The value of `grpc-timeout`: at most eight digits and the finest unit that they allow.
pub fn timeout(limit: Duration) -> String {
    const MOST: u128 = 99_999_999;
    let units = [
        (limit.as_nanos(), "n"),
        (limit.as_micros(), "u"),
        (limit.as_millis(), "m"),
        (limit.as_secs().into(), "S"),
    ];
    match units.iter().find(|(value, _)| *value <= MOST) {
        Some((value, unit)) => format!("{value}{unit}"),
        None => format!("{MOST}S"),
    }
}

/// Metadata as text, bytes as base64.
pub fn to_text(metadata: &MetadataMap) -> Vec<(String, String)> {
    metadata
        .iter()
        .map(|entry| match entry {
            KeyAndValueRef::Ascii(key, value) => (
                key.as_str().to_owned(),
                String::from_utf8_lossy(value.as_encoded_bytes()).into_owned(),
            ),
            KeyAndValueRef::Binary(key, value) => (
                key.as_str().to_owned(),
                match value.to_bytes() {
                    Ok(bytes) => STANDARD_NO_PAD.encode(bytes),
                    Err(_) => String::from_utf8_lossy(value.as_encoded_bytes()).into_owned(),
                },
            ),
        })
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn shown(text: &str) -> String {
        match text.parse::<Header>() {
            Ok(header) => format!("{:?}", to_text(&to_map(&[header]))),
            Err(error) => error.to_string(),
        }
    }

    #[test]
    fn headers_are_read_as_written() {
        for (text, expected) in [
            ("X-Tenant: a: b ", r#"[("x-tenant", "a: b")]"#),
            ("empty:", r#"[("empty", "")]"#),
            ("trace-bin: AAEC", r#"[("trace-bin", "AAEC")]"#),
            ("trace-bin: AAE=", r#"[("trace-bin", "AAE")]"#),
        ] {
            assert_eq!(shown(text), expected, "{text}");
        }
    }

    #[test]
    fn timeouts_fit_into_eight_digits() {
        for (seconds, expected) in [
            (0.05, "50000000n"),
            (10.0, "10000000u"),
            (3_600.0, "3600000m"),
            (1e6, "1000000S"),
        ] {
            assert_eq!(timeout(Duration::from_secs_f64(seconds)), expected);
        }
    }

    #[test]
    fn what_cannot_be_sent_is_refused() {
        for (text, expected) in [
            ("x-tenant", "expected `key: value`"),
            (
                "a b: c",
                "`a b` is not a metadata key: letters, digits, `-`, `_` and `.` only",
            ),
            (
                "grpc-timeout: 1S",
                "`grpc-timeout` is set by the protocol itself: use `--max-time`",
            ),
            ("TE: trailers", "`te` is set by the protocol itself"),
            (
                "name: Zoë",
                "the value of `name` has characters outside printable ASCII: use a `-bin` key with base64",
            ),
            (
                "x-bin: !",
                "the value of `x-bin` is not base64, as keys that end in `-bin` need",
            ),
        ] {
            assert_eq!(shown(text), expected, "{text}");
        }
    }
}
