//! Descriptor sets out of compiled protos, with the values of custom options.
//!
//! Pure: descriptors in, bytes out.

use std::collections::BTreeSet;

use prost::encoding::{WireType, decode_key, decode_varint, encode_key, encode_varint};
use prost_reflect::DescriptorPool;

/// What goes into a descriptor set.
#[derive(Clone, Copy, Debug)]
pub struct SetContents {
    /// Files that are imported and were not asked for.
    pub imports: bool,
    /// Comments and places.
    pub source_info: bool,
}

/// An encoded `google.protobuf.FileDescriptorSet`: each file after those that it imports.
pub fn encode(pool: &DescriptorPool, names: &BTreeSet<String>, contents: SetContents) -> Vec<u8> {
    /// `FileDescriptorSet.file`.
    const FILE: u32 = 1;
    let mut set = Vec::new();
    for file in pool.files() {
        if !contents.imports && !names.contains(file.name()) {
            continue;
        }
        let encoded = file.encode_to_vec();
        let encoded = match contents.source_info {
            true => encoded,
            false => without_source_info(&encoded),
        };
        encode_key(FILE, WireType::LengthDelimited, &mut set);
        encode_varint(encoded.len() as u64, &mut set);
        set.extend_from_slice(&encoded);
    }
    set
}

/// An encoded file without its comments and places. The message is walked over as it is on the wire, for
/// decoding it would lose the values of custom options.
fn without_source_info(encoded: &[u8]) -> Vec<u8> {
    /// `FileDescriptorProto.source_code_info`.
    const SOURCE_CODE_INFO: u32 = 9;
    let mut kept = Vec::with_capacity(encoded.len());
    let mut rest = encoded;
    while !rest.is_empty() {
        let start = rest;
        let Some((number, length)) = field(&mut rest) else {
            // It was encoded by the compiler, so this cannot be; all of it is better than a part.
            return encoded.to_vec();
        };
        let end = start.len() - rest.len() + length;
        if number != SOURCE_CODE_INFO {
            kept.extend_from_slice(&start[..end]);
        }
        rest = &start[end..];
    }
    kept
}

/// Reads the key of a field, and how many bytes of it follow.
fn field(rest: &mut &[u8]) -> Option<(u32, usize)> {
    let (number, kind) = decode_key(rest).ok()?;
    let length = match kind {
        WireType::Varint => {
            let before = rest.len();
            let mut value = *rest;
            decode_varint(&mut value).ok()?;
            before - value.len()
        }
        WireType::ThirtyTwoBit => 4,
        WireType::SixtyFourBit => 8,
        WireType::LengthDelimited => usize::try_from(decode_varint(rest).ok()?).ok()?,
        WireType::StartGroup | WireType::EndGroup => return None,
    };
    (length <= rest.len()).then_some((number, length))
}
