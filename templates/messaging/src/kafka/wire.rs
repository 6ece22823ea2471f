//! Messages, and the requests to a group's coordinator, as Kafka has them
//! (<https://kafka.apache.org/protocol>). The versions of requests are the oldest that Kafka 4 still
//! takes, which are those with the plain encoding.

use std::time::{SystemTime, UNIX_EPOCH};

use bytes::{Buf, BufMut, Bytes, BytesMut};
use rskafka::chrono::{DateTime, Utc};
use rskafka::record::Record;

use crate::{Error, Message};

/// The header that has the id.
const ID: &str = "message-id";

pub(super) fn record(message: &Message) -> Record {
    let headers = message.headers();
    let mut headers: std::collections::BTreeMap<String, Vec<u8>> = headers
        .map(|(name, value)| (name.to_owned(), value.into()))
        .collect();
    headers.insert(ID.to_owned(), message.id().into());
    Record {
        key: message.key().map(|key| key.as_bytes().to_vec()),
        value: Some(message.payload.to_vec()),
        headers,
        timestamp: now(),
    }
}

fn now() -> DateTime<Utc> {
    let now = SystemTime::now().duration_since(UNIX_EPOCH);
    let milliseconds = i64::try_from(now.unwrap_or_default().as_millis()).unwrap_or_default();
    DateTime::from_timestamp_millis(milliseconds).unwrap_or_default()
}

/// The message of a record. Others may publish too, without an id: then it is `place`, which is the same
/// at each delivery.
pub(super) fn message(record: Record, place: String) -> Message {
    let mut message = Message::new(record.value.unwrap_or_default());
    message.id = place;
    message.key = record.key.map(|key| text(&key));
    for (name, value) in record.headers {
        match name.as_str() {
            ID => message.id = text(&value),
            name => message = message.with_header(name, text(&value)),
        }
    }
    message
}

fn text(bytes: &[u8]) -> String {
    String::from_utf8_lossy(bytes).into_owned()
}

/// Writes the parts of a request.
#[derive(Default)]
pub(super) struct Writer(pub(super) BytesMut);

impl Writer {
    pub(super) fn i16(mut self, number: i16) -> Self {
        self.0.put_i16(number);
        self
    }

    pub(super) fn i32(mut self, number: i32) -> Self {
        self.0.put_i32(number);
        self
    }

    pub(super) fn i64(mut self, number: i64) -> Self {
        self.0.put_i64(number);
        self
    }

    pub(super) fn i8(mut self, number: i8) -> Self {
        self.0.put_i8(number);
        self
    }

    pub(super) fn string(mut self, text: &str) -> Self {
        self.0
            .put_i16(i16::try_from(text.len()).unwrap_or(i16::MAX));
        self.0.put_slice(text.as_bytes());
        self
    }

    pub(super) fn bytes(mut self, bytes: &[u8]) -> Self {
        self.0
            .put_i32(i32::try_from(bytes.len()).unwrap_or(i32::MAX));
        self.0.put_slice(bytes);
        self
    }

    /// An array, by its length and what `write` writes for each.
    pub(super) fn array<T>(
        self,
        items: impl ExactSizeIterator<Item = T>,
        write: impl FnMut(Self, T) -> Self,
    ) -> Self {
        let length = i32::try_from(items.len()).unwrap_or(i32::MAX);
        items.fold(self.i32(length), write)
    }
}

/// Reads the parts of a response.
pub(super) struct Reader(pub(super) Bytes);

impl Reader {
    fn has(&self, length: usize) -> Result<(), Error> {
        match self.0.remaining() >= length {
            true => Ok(()),
            false => Err(Error::Unreachable("an answer is cut short".to_owned())),
        }
    }

    pub(super) fn i16(&mut self) -> Result<i16, Error> {
        self.has(2)?;
        Ok(self.0.get_i16())
    }

    pub(super) fn i32(&mut self) -> Result<i32, Error> {
        self.has(4)?;
        Ok(self.0.get_i32())
    }

    pub(super) fn i64(&mut self) -> Result<i64, Error> {
        self.has(8)?;
        Ok(self.0.get_i64())
    }

    /// A text; one that is not there is empty.
    pub(super) fn string(&mut self) -> Result<String, Error> {
        let length = usize::try_from(self.i16()?).unwrap_or(0);
        self.has(length)?;
        Ok(text(&self.0.split_to(length)))
    }

    pub(super) fn bytes(&mut self) -> Result<Bytes, Error> {
        let length = usize::try_from(self.i32()?).unwrap_or(0);
        self.has(length)?;
        Ok(self.0.split_to(length))
    }

    /// An array, each item read by `read`.
    pub(super) fn array<T>(
        &mut self,
        mut read: impl FnMut(&mut Self) -> Result<T, Error>,
    ) -> Result<Vec<T>, Error> {
        let length = self.i32()?.max(0);
        (0..length).map(|_| read(self)).collect()
    }
}
