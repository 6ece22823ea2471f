//! What a call carries: bytes that are encoded once, or made anew for each call by templates.
//!
//! Pure: messages or templates in, bytes out.

use std::io::Write as _;

use bytes::{BufMut as _, Bytes, BytesMut};
use flate2::Compression as Level;
use flate2::write::GzEncoder;
use prost::Message as _;
use prost_reflect::DynamicMessage;

use crate::bench::framing::PREFIX;
use crate::bench::template::{Moment, Plan, Step, Text};

/// How messages are compressed
/// (<https://github.com/grpc/grpc/blob/master/doc/compression.md>).
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Compression {
    /// Not at all.
    #[default]
    Identity,
    /// As gzip does it.
    Gzip,
}

/// What calls carry.
#[derive(Clone, Debug, Default)]
pub struct Payload {
    /// The messages with their prefixes, where all calls have the same.
    pub fixed: Bytes,
    /// Where each of them ends.
    pub ends: Vec<usize>,
    /// The messages, where calls have different ones: they take turns.
    pub plans: Vec<Plan>,
    /// How many messages a call has.
    pub count: u64,
    /// Metadata that differs from call to call.
    pub metadata: Vec<(String, Text)>,
    /// How messages are compressed.
    pub compression: Compression,
    /// What random values depend on.
    pub seed: u64,
}

impl Payload {
    /// Whether all calls are the same.
    pub fn is_fixed(&self) -> bool {
        self.plans.is_empty() && self.metadata.is_empty()
    }

    /// Whether calls depend on the time.
    pub fn needs_the_time(&self) -> bool {
        let metadata = self.metadata.iter().map(|(_, text)| text.needs_the_time());
        let plans = self.plans.iter().map(Plan::needs_the_time);
        plans.chain(metadata).any(|needs| needs)
    }

    /// Appends the messages of a call, with their prefixes.
    pub fn put_messages(&self, number: u64, now: Moment, out: &mut Vec<u8>) {
        if self.plans.is_empty() {
            out.extend_from_slice(&self.fixed);
            return;
        }
        for index in 0..self.count {
            self.put_made(number, index, now, out);
        }
    }

    /// Appends one of the messages of a call, with its prefix.
    pub fn put_message(&self, number: u64, index: u64, now: Moment, out: &mut Vec<u8>) {
        if !self.plans.is_empty() {
            self.put_made(number, index, now, out);
        } else if let Some(end) = self.ends.get(index as usize) {
            let start = index
                .checked_sub(1)
                .map_or(0, |before| self.ends[before as usize]);
            out.extend_from_slice(&self.fixed[start..*end]);
        }
    }

    fn put_made(&self, number: u64, index: u64, now: Moment, out: &mut Vec<u8>) {
        let step = Step {
            seed: self.seed,
            // That of the message, of all that there are.
            number: number.wrapping_mul(self.count).wrapping_add(index),
            now,
        };
        let plan = &self.plans[index as usize % self.plans.len()];
        let start = out.len();
        out.extend_from_slice(&[0; PREFIX]);
        plan.write(&step, out);
        if self.compression == Compression::Gzip {
            let message = gzip(&out[start + PREFIX..]);
            out.truncate(start + PREFIX);
            out.extend_from_slice(&message);
            out[start] = 1;
        }
        let length = u32::try_from(out.len() - start - PREFIX);
        let length = length.expect("messages are below 4 GiB").to_be_bytes();
        out[start + 1..start + PREFIX].copy_from_slice(&length);
    }

    /// Gives the metadata of a call that no other has.
    pub fn metadata(&self, number: u64, now: Moment, mut give: impl FnMut(&str, &[u8])) {
        for (index, (name, text)) in self.metadata.iter().enumerate() {
            let step = Step {
                // The placeholders of messages have other values.
                seed: !self.seed.wrapping_add((index as u64) << 32),
                number,
                now,
            };
            let mut value = Vec::new();
            text.put(&step, &mut value);
            give(name, &value);
        }
    }
}

/// The messages of one call as they go over the wire, and where each ends.
pub fn encode(messages: &[DynamicMessage], compression: Compression) -> (Bytes, Vec<usize>) {
    let mut bytes = BytesMut::new();
    let mut ends = Vec::new();
    for message in messages {
        let message = message.encode_to_vec();
        match compression {
            Compression::Identity => put(&mut bytes, 0, &message),
            Compression::Gzip => put(&mut bytes, 1, &gzip(&message)),
        }
        ends.push(bytes.len());
    }
    (bytes.freeze(), ends)
}

fn put(bytes: &mut BytesMut, flag: u8, message: &[u8]) {
    let length = u32::try_from(message.len()).expect("messages are below 4 GiB");
    bytes.reserve(PREFIX + message.len());
    bytes.put_u8(flag);
    bytes.put_u32(length);
    bytes.put_slice(message);
}

fn gzip(message: &[u8]) -> Vec<u8> {
    let mut encoder = GzEncoder::new(Vec::new(), Level::default());
    let written = encoder.write_all(message);
    written
        .and_then(|()| encoder.finish())
        .expect("a growing buffer has room")
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::io::Read as _;

    use flate2::read::GzDecoder;
    use prost_reflect::DescriptorPool;

    fn message() -> DynamicMessage {
        let text = prost_types::FileDescriptorProto {
            name: Some("a".to_owned()),
            ..Default::default()
        };
        let descriptor = DescriptorPool::global()
            .get_message_by_name("google.protobuf.FileDescriptorProto")
            .expect("well known");
        let mut message = DynamicMessage::new(descriptor);
        message.transcode_from(&text).expect("the same type");
        message
    }

    #[test]
    fn messages_are_prefixed_with_their_length() {
        let (bytes, ends) = encode(&[message(), message()], Compression::Identity);
        assert_eq!(ends, [8, 16]);
        assert_eq!(
            bytes.as_ref(),
            b"\0\0\0\0\x03\x0a\x01a\0\0\0\0\x03\x0a\x01a"
        );
    }

    #[test]
    fn compressed_messages_say_so_and_are_compressed_each_by_itself() {
        let (bytes, _) = encode(&[message(), message()], Compression::Gzip);
        let (first, second) = bytes.split_at(bytes.len() / 2);
        assert_eq!(first, second);
        let (prefix, compressed) = first.split_at(PREFIX);
        assert_eq!(prefix, [1, 0, 0, 0, compressed.len() as u8]);
        let mut decoded = Vec::new();
        let read = GzDecoder::new(compressed).read_to_end(&mut decoded);
        assert_eq!((read.ok(), decoded), (Some(3), b"\x0a\x01a".to_vec()));
    }
}
