//! The bytes of a call's requests, encoded once.
//!
//! Pure: messages in, bytes out.

use bytes::{BufMut as _, Bytes, BytesMut};
use prost::Message as _;
use prost_reflect::DynamicMessage;

use crate::bench::framing::PREFIX;

/// The messages of one call as they go over the wire.
pub fn encode(messages: &[DynamicMessage]) -> Bytes {
    let lengths = messages
        .iter()
        .map(|message| PREFIX + message.encoded_len());
    let mut bytes = BytesMut::with_capacity(lengths.sum());
    for message in messages {
        let length = u32::try_from(message.encoded_len()).expect("messages are below 4 GiB");
        bytes.put_u8(0);
        bytes.put_u32(length);
        message
            .encode(&mut bytes)
            .expect("a growing buffer has room");
    }
    bytes.freeze()
}

#[cfg(test)]
mod tests {
    use super::*;
    use prost_reflect::DescriptorPool;

    #[test]
    fn messages_are_prefixed_with_their_length() {
        let text = prost_types::FileDescriptorProto {
            name: Some("a".to_owned()),
            ..Default::default()
        };
        let descriptor = DescriptorPool::global()
            .get_message_by_name("google.protobuf.FileDescriptorProto")
            .expect("well known");
        let mut message = DynamicMessage::new(descriptor);
        message.transcode_from(&text).expect("the same type");
        let bytes = encode(&[message.clone(), message]);
        assert_eq!(
            bytes.as_ref(),
            b"\0\0\0\0\x03\x0a\x01a\0\0\0\0\x03\x0a\x01a"
        );
    }
}
