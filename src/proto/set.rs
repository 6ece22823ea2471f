//! Descriptor sets out of compiled protos, with the values of custom options.
//!
//! Pure: descriptors in, bytes out.

use std::collections::BTreeSet;

use prost::encoding::{WireType, decode_key, decode_varint, encode_key, encode_varint};
use prost_reflect::DescriptorPool;

use crate::proto::public_imports;

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
        let descriptor = file.file_descriptor_proto();
        let written = public_imports::written(descriptor);
        let encoded = file.encode_to_vec();
        let encoded = match contents.source_info && written == descriptor.dependency.len() {
            true => encoded,
            false => trimmed(&encoded, written, contents.source_info),
        };
        encode_key(FILE, WireType::LengthDelimited, &mut set);
        encode_varint(encoded.len() as u64, &mut set);
        set.extend_from_slice(&encoded);
    }
    set
}

/// An encoded file with its first `imports`, and with or without comments and places. The message is walked
/// over as it is on the wire, for decoding it would lose the values of custom options.
fn trimmed(encoded: &[u8], imports: usize, source_info: bool) -> Vec<u8> {
    /// `FileDescriptorProto.dependency`.
    const DEPENDENCY: u32 = 3;
    /// `FileDescriptorProto.source_code_info`.
    const SOURCE_CODE_INFO: u32 = 9;
    let mut kept = Vec::with_capacity(encoded.len());
    let mut rest = encoded;
    let mut imports_left = imports;
    while !rest.is_empty() {
        let start = rest;
        let Some((number, length)) = field(&mut rest) else {
            // It was encoded by the compiler, so this cannot be; all of it is better than a part.
            return encoded.to_vec();
        };
        let end = start.len() - rest.len() + length;
        let is_kept = match number {
            DEPENDENCY => imports_left > 0,
            SOURCE_CODE_INFO => source_info,
            _ => true,
        };
        if number == DEPENDENCY {
            imports_left = imports_left.saturating_sub(1);
        }
        if is_kept {
            kept.extend_from_slice(&start[..end]);
        }
        rest = &rest[length..];
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
