//! Messages as NATS has them.

use async_nats::header::{HeaderMap, HeaderName, HeaderValue, NATS_MESSAGE_ID};
use async_nats::jetstream;
use percent_encoding::{AsciiSet, CONTROLS, percent_decode_str, utf8_percent_encode};

use crate::{Error, Message};

/// The header that has the key. A key may be any text, a value may not.
const KEY: &str = "message-key";

const ESCAPED: &AsciiSet = &CONTROLS.add(b' ').add(b'%');

pub(super) fn headers(message: &Message) -> Result<HeaderMap, Error> {
    let mut headers = HeaderMap::new();
    headers.insert(NATS_MESSAGE_ID, message.id());
    if let Some(key) = message.key() {
        let key = utf8_percent_encode(key, ESCAPED).to_string();
        headers.insert(KEY, key.as_str());
    }
    for (name, value) in message.headers() {
        let refuse = |error: &dyn std::fmt::Display| Error::Refused(format!("`{name}`: {error}"));
        let value: HeaderValue = value.parse().map_err(|error| refuse(&error))?;
        let name: HeaderName = name.parse().map_err(|error| refuse(&error))?;
        headers.insert(name, value);
    }
    Ok(headers)
}

/// The message that came, and how often it was delivered before. Others may publish too, without an id:
/// then it is its place, which is the same at each delivery.
pub(super) fn message(delivered: &jetstream::Message) -> (Message, u32) {
    let mut message = Message::new(delivered.payload.clone());
    let info = delivered.info().ok();
    if let Some(info) = &info {
        message.id = format!("{}/{}", info.stream, info.stream_sequence);
    }
    let headers = delivered.headers.iter().flat_map(HeaderMap::iter);
    for (name, values) in headers {
        let (name, value): (&str, _) = (name.as_ref(), values.last());
        let Some(value) = value.map(HeaderValue::as_str) else {
            continue;
        };
        match name.to_ascii_lowercase().as_str() {
            "nats-msg-id" => message.id = value.to_owned(),
            KEY => message.key = Some(percent_decode_str(value).decode_utf8_lossy().into_owned()),
            name => message = message.with_header(name, value),
        }
    }
    let deliveries = info.map_or(1, |info| info.delivered);
    let redeliveries = u32::try_from(deliveries.saturating_sub(1)).unwrap_or_default();
    (message, redeliveries)
}
