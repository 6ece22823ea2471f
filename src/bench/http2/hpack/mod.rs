//! Compressed headers (HPACK, RFC 7541): a decoder for what servers send, an encoder for one request.
//!
//! It is our own because both need what crates keep to themselves: whether a block changed the table, so
//! that equal blocks need not be decoded again, and which index an entry will have, so that requests can
//! be encoded before they are sent.

mod decode;
mod encode;
mod huffman;
mod table;

pub(super) use decode::Decoder;
pub use encode::put_field;
pub(super) use encode::{Blocks, encode, put_table_size};

/// Why a block cannot be decoded (RFC 7541, section 2.3.3 and others): all end the connection.
pub(super) type Malformed = &'static str;

/// The size of the table until SETTINGS_HEADER_TABLE_SIZE says otherwise (RFC 9113, section 6.5.2).
pub(super) const DEFAULT_TABLE: usize = 4_096;
