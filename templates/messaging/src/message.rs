//! What is published.

use std::collections::BTreeMap;

use bytes::Bytes;
use uuid::Uuid;

use crate::{Error, headers};

/// The most bytes of an id, of a key and of a header's name.
const LONGEST_ID: usize = 200;
const LONGEST_KEY: usize = 1000;
const LONGEST_HEADER: usize = 100;

/// A payload with what a broker and a receiver have to know of it.
///
/// ```
/// use messaging::Message;
///
/// let message = Message::new("a book").with_key("customer 7").with_header("tenant", "acme");
/// assert_eq!(message.key(), Some("customer 7"));
/// assert_eq!(message.header("tenant"), Some("acme"));
/// ```
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Message {
    pub(crate) id: String,
    pub(crate) key: Option<String>,
    pub(crate) headers: BTreeMap<String, String>,
    pub(crate) payload: Bytes,
}

impl Message {
    /// A message of bytes, with an id of its own (a UUID of version 7, RFC 9562).
    #[must_use]
    pub fn new(payload: impl Into<Bytes>) -> Self {
        Self {
            id: Uuid::now_v7().to_string(),
            key: None,
            headers: BTreeMap::new(),
            payload: payload.into(),
        }
    }

    /// A message of Protocol Buffers, which [`Delivery::decode`](crate::Delivery::decode) reads.
    #[must_use]
    pub fn encode(message: &impl prost::Message) -> Self {
        Self::new(message.encode_to_vec()).with_header(headers::CONTENT_TYPE, headers::PROTOBUF)
    }

    /// Gives it a key: messages of one topic with the same key are handled in the order in which
    /// they were published. Those without a key are handled in any order.
    #[must_use]
    pub fn with_key(mut self, key: impl Into<String>) -> Self {
        self.key = Some(key.into());
        self
    }

    /// Gives it another id, by which a receiver knows that it had the message before.
    #[must_use]
    pub fn with_id(mut self, id: impl Into<String>) -> Self {
        self.id = id.into();
        self
    }

    /// Adds a header, or replaces it. Names are of ASCII letters, digits and hyphens, and become lower
    /// case, since brokers differ in what they make of it. Values are of one line.
    #[must_use]
    pub fn with_header(mut self, name: impl AsRef<str>, value: impl Into<String>) -> Self {
        let name = name.as_ref().to_ascii_lowercase();
        self.headers.insert(name, value.into());
        self
    }

    /// What tells this message from all others.
    #[must_use]
    pub fn id(&self) -> &str {
        &self.id
    }

    /// What it is ordered by.
    #[must_use]
    pub fn key(&self) -> Option<&str> {
        self.key.as_deref()
    }

    /// The value of a header.
    #[must_use]
    pub fn header(&self, name: &str) -> Option<&str> {
        self.headers.get(name).map(String::as_str)
    }

    /// All headers, by name.
    pub fn headers(&self) -> impl Iterator<Item = (&str, &str)> {
        let headers = self.headers.iter();
        headers.map(|(name, value)| (name.as_str(), value.as_str()))
    }

    /// The bytes.
    #[must_use]
    pub fn payload(&self) -> &Bytes {
        &self.payload
    }

    /// The headers, as one text.
    #[cfg(feature = "database")]
    pub(crate) fn headers_as_json(&self) -> String {
        // Texts that belong to texts are always JSON.
        serde_json::to_string(&self.headers).unwrap_or_default()
    }

    /// The headers of a text that [`headers_as_json`](Self::headers_as_json) made.
    #[cfg(feature = "database")]
    pub(crate) fn set_headers_from_json(&mut self, json: &str) {
        self.headers = serde_json::from_str(json).unwrap_or_default();
    }

    /// Refuses what some broker would change or refuse.
    pub(crate) fn check(&self) -> Result<(), Error> {
        let refuse = |part, value: &str, rule| {
            let value = value.to_owned();
            Err(Error::Message { part, value, rule })
        };
        if !(1..=LONGEST_ID).contains(&self.id.len())
            || !self.id.bytes().all(|it| it.is_ascii_graphic())
        {
            return refuse("id", &self.id, "1 to 200 visible ASCII characters");
        }
        if let Some(key) = self.key.as_ref().filter(|key| key.len() > LONGEST_KEY) {
            return refuse("key", key, "at most 1000 bytes");
        }
        for (name, value) in &self.headers {
            let is_fine = |byte: u8| byte.is_ascii_alphanumeric() || byte == b'-';
            if !(1..=LONGEST_HEADER).contains(&name.len()) || !name.bytes().all(is_fine) {
                return refuse("header", name, "1 to 100 ASCII letters, digits and hyphens");
            }
            if headers::RESERVED
                .iter()
                .any(|it| name.eq_ignore_ascii_case(it))
            {
                return refuse("header", name, "not one that brokers or this crate use");
            }
            if value.trim() != value || value.chars().any(char::is_control) {
                let rule = "no control characters, no blanks at its ends";
                return refuse("header value", value, rule);
            }
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_not_every_broker_can_carry_is_refused() {
        let long = "k".repeat(LONGEST_KEY + 1);
        let message = || Message::new("");
        let cases = [
            (message().with_header("X-Tenant", "größte"), ""),
            (message().with_key("any\n key"), ""),
            (message().with_id(""), "id"),
            (message().with_id("a b"), "id"),
            (message().with_key(long), "key"),
            (message().with_header("a b", "c"), "header"),
            (message().with_header("X-Delivery-Count", "25"), "header"),
            (message().with_header("a", " c"), "header value"),
            (message().with_header("a", "b\nc"), "header value"),
        ];
        for (message, expected) in cases {
            let part = match message.check() {
                Ok(()) => "",
                Err(Error::Message { part, .. }) => part,
                Err(error) => panic!("{error}"),
            };
            assert_eq!(part, expected, "{message:?}");
        }
    }
}
