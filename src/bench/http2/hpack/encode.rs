//! Encoding the headers of a request that is sent many times (RFC 7541, section 6).

use super::table::{STATIC, size_of};

/// The headers of the same request, twice.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(in super::super) struct Blocks {
    /// For the first time on a connection: makes entries of the server's table.
    pub first: Vec<u8>,
    /// For all later times: names these entries, and changes nothing.
    pub later: Vec<u8>,
}

/// Encodes fields for a server whose table holds `limit` bytes; what does not fit into it is literal
/// every time. Strings are not Huffman-coded: nearly all requests are the later block.
pub(in super::super) fn encode(fields: &[(Vec<u8>, Vec<u8>)], limit: usize) -> Blocks {
    let mut blocks = Blocks::default();
    let mut size = 0;
    let is_entry: Vec<bool> = fields
        .iter()
        .map(|(name, value)| {
            let fits = static_field(name, value).is_none() && size + size_of(name, value) <= limit;
            size += if fits { size_of(name, value) } else { 0 };
            fits
        })
        .collect();
    // The oldest entry has the highest index.
    let entries = is_entry.iter().filter(|is_entry| **is_entry).count();
    let mut index = STATIC.len() + entries;
    for ((name, value), is_entry) in fields.iter().zip(is_entry) {
        if let Some(index) = static_field(name, value) {
            put_integer(&mut blocks.first, 0x80, 7, index);
            put_integer(&mut blocks.later, 0x80, 7, index);
        } else if is_entry {
            put_literal(&mut blocks.first, (0x40, 6), name, value);
            put_integer(&mut blocks.later, 0x80, 7, index);
            index -= 1;
        } else {
            put_literal(&mut blocks.first, (0, 4), name, value);
            put_literal(&mut blocks.later, (0, 4), name, value);
        }
    }
    blocks
}

/// Appends that the table has another size from here on (section 6.3).
pub(in super::super) fn put_table_size(block: &mut Vec<u8>, size: usize) {
    put_integer(block, 0x20, 5, size);
}

/// Appends a field that is not the same for all calls: a literal that makes no entry of the table
/// (section 6.2.2).
pub fn put_field(block: &mut Vec<u8>, name: &[u8], value: &[u8]) {
    put_literal(block, (0, 4), name, value);
}

fn static_field(name: &[u8], value: &[u8]) -> Option<usize> {
    let is_it = |entry: &(&str, &str)| entry.0.as_bytes() == name && entry.1.as_bytes() == value;
    STATIC.iter().position(is_it).map(|index| index + 1)
}

fn static_name(name: &[u8]) -> Option<usize> {
    let position = STATIC.iter().position(|entry| entry.0.as_bytes() == name);
    position.map(|index| index + 1)
}

fn put_literal(block: &mut Vec<u8>, (pattern, bits): (u8, u32), name: &[u8], value: &[u8]) {
    match static_name(name) {
        Some(index) => put_integer(block, pattern, bits, index),
        None => {
            put_integer(block, pattern, bits, 0);
            put_text(block, name);
        }
    }
    put_text(block, value);
}

fn put_text(block: &mut Vec<u8>, text: &[u8]) {
    put_integer(block, 0, 7, text.len());
    block.extend_from_slice(text);
}

fn put_integer(block: &mut Vec<u8>, pattern: u8, bits: u32, value: usize) {
    let most = (1 << bits) - 1;
    if value < most {
        block.push(pattern | value as u8);
        return;
    }
    block.push(pattern | most as u8);
    let mut left = value - most;
    while left >= 0x80 {
        block.push(left as u8 | 0x80);
        left >>= 7;
    }
    block.push(left as u8);
}

#[cfg(test)]
mod tests {
    use super::super::Decoder;
    use super::*;

    fn fields() -> Vec<(Vec<u8>, Vec<u8>)> {
        [
            (":method", "POST"),
            (":scheme", "http"),
            (":path", "/chat.v1.ChatService/SendMessage"),
            (":authority", "127.0.0.1:50051"),
            ("te", "trailers"),
            ("x-long", "0123456789".repeat(40).as_str()),
        ]
        .map(|(name, value)| (name.into(), value.into()))
        .to_vec()
    }

    #[test]
    fn both_blocks_mean_the_same_whatever_the_size_of_the_table() {
        for limit in [0, 60, 100, 150, 300, 4_096] {
            let blocks = encode(&fields(), limit);
            let mut decoder = Decoder::new();
            let mut resize = Vec::new();
            put_table_size(&mut resize, limit);
            decoder.decode(&resize, |_, _| {}).expect("a size");
            for (block, may_change) in [
                (&blocks.first, true),
                (&blocks.later, false),
                (&blocks.later, false),
            ] {
                let mut seen = Vec::new();
                let changed = decoder.decode(block, |name, value| {
                    seen.push((name.to_vec(), value.to_vec()))
                });
                assert_eq!(seen, fields(), "a table of {limit}");
                assert!(!changed.expect("well-formed") || may_change);
            }
        }
    }

    #[test]
    fn later_requests_are_one_byte_a_header() {
        assert_eq!(
            encode(&fields(), 4_096).later,
            [0x83, 0x86, 0xc1, 0xc0, 0xbf, 0xbe]
        );
    }
}
