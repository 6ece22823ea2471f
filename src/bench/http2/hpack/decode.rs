//! Decoding blocks of headers (RFC 7541, section 6).

use super::table::Dynamic;
use super::{DEFAULT_TABLE, Malformed, huffman};

/// The decoder of a connection.
#[derive(Debug)]
pub(in super::super) struct Decoder {
    table: Dynamic,
    /// Where strings with a Huffman code are decoded to.
    name: Vec<u8>,
    value: Vec<u8>,
}

/// A string in a block: as it is, or to be decoded.
#[derive(Clone, Copy)]
struct Text<'a> {
    bytes: &'a [u8],
    is_huffman: bool,
}

impl Decoder {
    /// One with the table of the default size, which is what we leave it at.
    pub(in super::super) fn new() -> Self {
        Self {
            table: Dynamic::new(DEFAULT_TABLE),
            name: Vec::new(),
            value: Vec::new(),
        }
    }

    /// Decodes a block, field by field; tells whether it changed the table. If it did not, the same bytes
    /// mean the same until another one does.
    ///
    /// # Errors
    /// When it is malformed; the decoder is of no use after that.
    pub(in super::super) fn decode(
        &mut self,
        block: &[u8],
        mut field: impl FnMut(&[u8], &[u8]),
    ) -> Result<bool, Malformed> {
        let mut rest = block;
        let mut changed = false;
        let mut is_begun = false;
        while let Some(&first) = rest.first() {
            if first & 0x80 != 0 {
                // Section 6.1: an entry of a table.
                let index = integer(&mut rest, 7)?;
                let (name, value) = self.table.get(index).ok_or(NO_ENTRY)?;
                field(name, value);
            } else if first & 0xe0 == 0x20 {
                // Section 6.3: a new size of the table, before anything else.
                let size = integer(&mut rest, 5)?;
                if is_begun {
                    return Err("a new size of the header table in the middle of a block");
                }
                if size > DEFAULT_TABLE {
                    return Err("a header table that is larger than allowed");
                }
                self.table.resize(size);
                changed = true;
                continue;
            } else {
                // Section 6.2: a literal, with or without becoming an entry.
                let is_kept = first & 0x40 != 0;
                let index = integer(&mut rest, if is_kept { 6 } else { 4 })?;
                self.name.clear();
                let name = match index {
                    0 => text(&mut rest)?.read(&mut self.name)?,
                    _ => {
                        // Making room for a new entry may take away the one with the name.
                        let (name, _) = self.table.get(index).ok_or(NO_ENTRY)?;
                        self.name.extend_from_slice(name);
                        &self.name
                    }
                };
                self.value.clear();
                let value = text(&mut rest)?.read(&mut self.value)?;
                field(name, value);
                if is_kept {
                    self.table.insert(name, value);
                    changed = true;
                }
            }
            is_begun = true;
        }
        Ok(changed)
    }
}

const NO_ENTRY: Malformed = "a header with an index that was never given";
const CUT: Malformed = "a block of headers that is cut";

/// An integer with a prefix of `bits` bits (section 5.1).
fn integer(rest: &mut &[u8], bits: u32) -> Result<usize, Malformed> {
    /// More than any index, length or size that makes sense, and far from an overflow.
    const HIGHEST: usize = 1 << 28;
    let (&first, mut tail) = rest.split_first().ok_or(CUT)?;
    let most = (1 << bits) - 1;
    let mut value = usize::from(first) & most;
    if value == most {
        let mut shift = 0;
        loop {
            let (&byte, after) = tail.split_first().ok_or(CUT)?;
            tail = after;
            if shift > 28 {
                return Err("an integer in headers that is too large");
            }
            value += usize::from(byte & 0x7f) << shift;
            shift += 7;
            if value > HIGHEST {
                return Err("an integer in headers that is too large");
            }
            if byte & 0x80 == 0 {
                break;
            }
        }
    }
    *rest = tail;
    Ok(value)
}

/// A string (section 5.2).
fn text<'a>(rest: &mut &'a [u8]) -> Result<Text<'a>, Malformed> {
    let is_huffman = rest.first().ok_or(CUT)? & 0x80 != 0;
    let length = integer(rest, 7)?;
    let (bytes, tail) = rest.split_at_checked(length).ok_or(CUT)?;
    *rest = tail;
    Ok(Text { bytes, is_huffman })
}

impl<'a> Text<'a> {
    fn read(self, into: &'a mut Vec<u8>) -> Result<&'a [u8], Malformed> {
        if !self.is_huffman {
            return Ok(self.bytes);
        }
        huffman::decode(self.bytes, into)?;
        Ok(into)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn hex(text: &str) -> Vec<u8> {
        let digits: Vec<u8> = text
            .bytes()
            .filter(u8::is_ascii_hexdigit)
            .map(|digit| char::from(digit).to_digit(16).expect("hex") as u8)
            .collect();
        digits
            .chunks(2)
            .map(|pair| pair[0] << 4 | pair[1])
            .collect()
    }

    fn decoded(decoder: &mut Decoder, block: &[u8]) -> Result<(Vec<String>, bool), Malformed> {
        let mut fields = Vec::new();
        let changed = decoder.decode(block, |name, value| {
            let text = [name, b": ", value].concat();
            fields.push(String::from_utf8_lossy(&text).into_owned());
        })?;
        Ok((fields, changed))
    }

    /// RFC 7541, C.6: responses with Huffman codes, in a table of 256 bytes that evicts.
    #[test]
    fn the_responses_of_the_rfc_are_decoded() {
        let mut decoder = Decoder::new();
        decoder.table.resize(256);
        let date = "date: Mon, 21 Oct 2013 20:13:21 GMT";
        let place = "location: https://www.example.com";
        let first = "4882 6402 5885 aec3 771a 4b61 96d0 7abe 9410 54d4 44a8 2005 9504 0b81 66e0 82a6 2d1b \
            ff6e 919d 29ad 1718 63c7 8f0b 97c8 e9ae 82ae 43d3";
        assert_eq!(
            decoded(&mut decoder, &hex(first)),
            Ok((
                [":status: 302", "cache-control: private", date, place]
                    .map(str::to_owned)
                    .to_vec(),
                true
            ))
        );
        let second = "4883 640e ffc1 c0bf";
        assert_eq!(
            decoded(&mut decoder, &hex(second)),
            Ok((
                [":status: 307", "cache-control: private", date, place]
                    .map(str::to_owned)
                    .to_vec(),
                true
            ))
        );
        let third = "88c1 6196 d07a be94 1054 d444 a820 0595 040b 8166 e084 a62d 1bff c05a 839b d9ab 77ad \
            94e7 821d d7f2 e6c7 b335 dfdf cd5b 3960 d5af 2708 7f36 72c1 ab27 0fb5 291f 9587 3160 65c0 03ed \
            4ee5 b106 3d50 07";
        assert_eq!(
            decoded(&mut decoder, &hex(third)),
            Ok((
                [
                    ":status: 200",
                    "cache-control: private",
                    "date: Mon, 21 Oct 2013 20:13:22 GMT",
                    place,
                    "content-encoding: gzip",
                    "set-cookie: foo=ASDJKHQKBZXOQWEOPIUAXQWEOIU; max-age=3600; version=1"
                ]
                .map(str::to_owned)
                .to_vec(),
                true
            ))
        );
        assert_eq!(
            decoded(&mut decoder, &[0x88, 0xc0]),
            Ok((
                vec![
                    ":status: 200".to_owned(),
                    date.replace(":21 GMT", ":22 GMT")
                ],
                false
            ))
        );
    }

    #[test]
    fn malformed_blocks_are_refused() {
        for (block, why) in [
            (&[0x80][..], NO_ENTRY),
            (&[0xbe], NO_ENTRY),
            (&[0xff], CUT),
            (&[0x40], CUT),
            (&[0x40, 5, b'a'], CUT),
            (&[0x48], CUT),
            (
                &[0x7f, 0xff, 0xff, 0xff, 0xff, 0x7f],
                "an integer in headers that is too large",
            ),
            (
                &[0x7f, 0x80, 0x80, 0x80, 0x80, 0x80, 0],
                "an integer in headers that is too large",
            ),
            (
                &[0x3f, 0xe2, 0x1f],
                "a header table that is larger than allowed",
            ),
            (
                &[0x88, 0x20],
                "a new size of the header table in the middle of a block",
            ),
        ] {
            assert_eq!(decoded(&mut Decoder::new(), block), Err(why), "{block:x?}");
        }
    }

    #[test]
    fn a_name_may_be_taken_from_the_entry_that_goes() {
        let mut decoder = Decoder::new();
        // A table of 37 bytes: one entry of a name of 2 and a value of 3.
        decoded(&mut decoder, b"\x3f\x06\x40\x02ab\x03cde").expect("well-formed");
        let (fields, changed) = decoded(&mut decoder, b"\x7e\x03fgh").expect("well-formed");
        assert_eq!((fields, changed), (vec!["ab: fgh".to_owned()], true));
        let (fields, changed) = decoded(&mut decoder, b"\xbe").expect("well-formed");
        assert_eq!((fields, changed), (vec!["ab: fgh".to_owned()], false));
    }
}
