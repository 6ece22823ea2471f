//! What a template compiles to, and how messages are made of it.

use std::ops::Range;

use prost::encoding::{encode_varint, encoded_len_varint};

use super::generator::{Generator, Order, Step, Which, index};

/// How deeply fields whose length is generated may be nested.
pub(super) const DEEPEST: usize = 32;

/// A message that is made anew for each call.
#[derive(Clone, Debug, Default)]
pub struct Plan {
    pub(super) operations: Vec<Operation>,
    /// All bytes that are known beforehand.
    pub(super) bytes: Vec<u8>,
    /// Ranges of them that stand for each other.
    pub(super) choices: Vec<Range<u32>>,
    pub(super) generators: Vec<Generator>,
}

/// A part of a message.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Operation {
    /// Bytes that are always the same.
    Static(Range<u32>),
    /// The key of a field with a length, which is not known yet.
    Open { key: Range<u32> },
    /// The end of that field; one that is empty may have to go.
    Close { keep_empty: bool },
    /// What a generator gives, as text.
    Text { slot: usize },
    /// A field with a number.
    Number {
        key: Range<u32>,
        slot: usize,
        wire: Wire,
        /// Whether zero is sent.
        keep_zero: bool,
    },
    /// The fields of a `google.protobuf.Timestamp`.
    Now,
    /// One of several choices.
    Pick {
        slot: usize,
        order: Order,
        choices: Range<u32>,
    },
}

/// How a number is written (<https://protobuf.dev/programming-guides/encoding/>).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Wire {
    Varint,
    /// Of 32 bits: negative numbers are written with all 64.
    Varint32,
    Zigzag,
    Fixed32,
    Fixed64,
    Float,
    Double,
}

impl Plan {
    /// Whether all messages are the same.
    pub fn is_static(&self) -> bool {
        self.generators.iter().all(Generator::is_fixed)
    }

    /// Whether messages depend on the time.
    pub fn needs_the_time(&self) -> bool {
        self.generators.iter().any(Generator::needs_the_time)
    }

    /// Appends the message of a step.
    pub fn write(&self, step: &Step, out: &mut Vec<u8>) {
        // Where the keys of open fields begin, and their contents.
        let mut open = [(0usize, 0usize); DEEPEST];
        let mut depth = 0;
        for operation in &self.operations {
            match operation {
                Operation::Static(range) => out.extend_from_slice(self.at(range)),
                Operation::Open { key } => {
                    let start = out.len();
                    out.extend_from_slice(self.at(key));
                    // Most lengths take a byte.
                    out.push(0);
                    open[depth] = (start, out.len());
                    depth += 1;
                }
                Operation::Close { keep_empty } => {
                    depth -= 1;
                    let (start, content) = open[depth];
                    let length = out.len() - content;
                    if length == 0 && !keep_empty {
                        out.truncate(start);
                    } else {
                        put_length(out, content, length);
                    }
                }
                Operation::Text { slot } => {
                    self.generators[*slot].put(Which::Of(step, *slot), out);
                }
                Operation::Number {
                    key,
                    slot,
                    wire,
                    keep_zero,
                } => {
                    let number = self.generators[*slot].number(Which::Of(step, *slot));
                    let number = number.unwrap_or_default();
                    if number != 0 || *keep_zero {
                        out.extend_from_slice(self.at(key));
                        put_number(out, *wire, number);
                    }
                }
                Operation::Now => put_timestamp(out, step),
                Operation::Pick {
                    slot,
                    order,
                    choices,
                } => {
                    let count = (choices.end - choices.start) as usize;
                    let choice = choices.start as usize + index(*order, count, step, *slot);
                    out.extend_from_slice(self.at(&self.choices[choice]));
                }
            }
        }
    }

    fn at(&self, range: &Range<u32>) -> &[u8] {
        &self.bytes[range.start as usize..range.end as usize]
    }
}

/// Writes the length of a content before it, where one byte is left for it.
fn put_length(out: &mut Vec<u8>, content: usize, length: usize) {
    if length < 0x80 {
        out[content - 1] = length as u8;
        return;
    }
    let more = encoded_len_varint(length as u64) - 1;
    out.resize(out.len() + more, 0);
    out.copy_within(content..content + length, content + more);
    let mut place = &mut out[content - 1..content + more];
    encode_varint(length as u64, &mut place);
}

fn put_number(out: &mut Vec<u8>, wire: Wire, number: i64) {
    match wire {
        Wire::Varint => encode_varint(number as u64, out),
        Wire::Varint32 => encode_varint(i64::from(number as i32) as u64, out),
        Wire::Zigzag => encode_varint(((number << 1) ^ (number >> 63)) as u64, out),
        Wire::Fixed32 => out.extend_from_slice(&(number as u32).to_le_bytes()),
        Wire::Fixed64 => out.extend_from_slice(&number.to_le_bytes()),
        Wire::Float => out.extend_from_slice(&(number as f32).to_le_bytes()),
        Wire::Double => out.extend_from_slice(&(number as f64).to_le_bytes()),
    }
}

/// Field 1 has the seconds, field 2 the nanoseconds; zeros are left out.
fn put_timestamp(out: &mut Vec<u8>, step: &Step) {
    for (key, value) in [(0x08, step.now.seconds), (0x10, u64::from(step.now.nanos))] {
        if value != 0 {
            out.push(key);
            encode_varint(value, out);
        }
    }
}
