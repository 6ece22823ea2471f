//! The Huffman code of HPACK (RFC 7541, appendix B).
//!
//! It is canonical: codes of a length are consecutive, in the order of their symbols, and follow those of
//! the lengths before. So the lengths alone give all of it.

use super::Malformed;

/// Symbols: 256 bytes and the end of the string.
const SYMBOLS: usize = 257;
/// The end of the string, which must not be in one.
const END: u16 = 256;
/// The longest code.
const LONGEST: usize = 30;

/// The length of the code of each symbol, in bits.
#[rustfmt::skip]
const LENGTHS: [u8; SYMBOLS] = [
    13, 23, 28, 28, 28, 28, 28, 28, 28, 24, 30, 28, 28, 30, 28, 28, 28, 28, 28, 28, 28, 28, 30, 28, 28, 28, 28, 28,
    28, 28, 28, 28, 6, 10, 10, 12, 13, 6, 8, 11, 10, 10, 8, 11, 8, 6, 6, 6, 5, 5, 5, 6, 6, 6, 6, 6, 6, 6, 7, 8, 15,
    6, 12, 10, 13, 6, 7, 7, 7, 7, 7, 7, 7, 7, 7, 7, 7, 7, 7, 7, 7, 7, 7, 7, 7, 7, 7, 7, 8, 7, 8, 13, 19, 13, 14, 6,
    15, 5, 6, 5, 6, 5, 6, 6, 6, 5, 7, 7, 6, 6, 6, 5, 6, 7, 6, 5, 5, 6, 7, 7, 7, 7, 7, 15, 11, 14, 13, 28, 20, 22, 20,
    20, 22, 22, 22, 23, 22, 23, 23, 23, 23, 23, 24, 23, 24, 24, 22, 23, 24, 23, 23, 23, 23, 21, 22, 23, 22, 23, 23,
    24, 22, 21, 20, 22, 22, 23, 23, 21, 23, 22, 22, 24, 21, 22, 23, 23, 21, 21, 22, 21, 23, 22, 23, 23, 20, 22, 22,
    22, 23, 22, 22, 23, 26, 26, 20, 19, 22, 23, 22, 25, 26, 26, 26, 27, 27, 26, 24, 25, 19, 21, 26, 27, 27, 26, 27,
    24, 21, 21, 26, 26, 28, 27, 27, 27, 20, 24, 20, 21, 22, 21, 21, 23, 22, 22, 25, 25, 24, 24, 26, 23, 26, 27, 26,
    26, 27, 27, 27, 27, 27, 28, 27, 27, 27, 27, 27, 26, 30,
];

/// The code, by lengths; codes stand at the left of 32 bits.
struct Canonical {
    /// The symbols in the order of their codes.
    symbols: [u16; SYMBOLS],
    /// The first code of each length.
    first: [u64; LONGEST + 1],
    /// What is below this, and not below that of a shorter length, is a code of this length.
    limit: [u64; LONGEST + 1],
    /// Where the symbols of each length begin.
    index: [usize; LONGEST + 1],
}

static CODE: Canonical = canonical();

const fn canonical() -> Canonical {
    let mut code = Canonical {
        symbols: [0; SYMBOLS],
        first: [0; LONGEST + 1],
        limit: [0; LONGEST + 1],
        index: [0; LONGEST + 1],
    };
    let mut next = 0u64;
    let mut count = 0;
    let mut length = 1;
    while length <= LONGEST {
        code.first[length] = next;
        code.index[length] = count;
        let mut symbol = 0;
        while symbol < SYMBOLS {
            if LENGTHS[symbol] as usize == length {
                code.symbols[count] = symbol as u16;
                count += 1;
                next += 1 << (32 - length);
            }
            symbol += 1;
        }
        code.limit[length] = next;
        length += 1;
    }
    code
}

/// Appends what `bytes` encode.
///
/// # Errors
/// When a code is not complete, when the padding is not the beginning of the code of the end (section
/// 5.2), or when that end is in the string.
pub(super) fn decode(bytes: &[u8], text: &mut Vec<u8>) -> Result<(), Malformed> {
    let mut bytes = bytes.iter();
    // Bits not yet decoded, at the left, and how many.
    let mut bits = 0u64;
    let mut have = 0;
    loop {
        while have <= 56
            && let Some(byte) = bytes.next()
        {
            bits |= u64::from(*byte) << (56 - have);
            have += 8;
        }
        let window = bits >> 32;
        let Some(length) = (5..=LONGEST).find(|length| window < CODE.limit[*length]) else {
            return Err("a Huffman code that there is not");
        };
        if length > have {
            let is_padding = have < 8 && bits >> (63 - have) >> 1 == (1 << have) - 1;
            return match is_padding {
                true => Ok(()),
                false => Err("a Huffman code that is cut"),
            };
        }
        let offset = (window - CODE.first[length]) >> (32 - length);
        let symbol = CODE.symbols[CODE.index[length] + offset as usize];
        if symbol == END {
            return Err("the end of a Huffman string within it");
        }
        text.push(symbol as u8);
        bits <<= length;
        have -= length;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn decoded(bytes: &[u8]) -> Result<String, Malformed> {
        let mut text = Vec::new();
        decode(bytes, &mut text)?;
        Ok(String::from_utf8(text).expect("UTF-8"))
    }

    #[test]
    fn the_code_fills_its_space_exactly() {
        assert_eq!(CODE.limit[LONGEST], 1 << 32);
        assert_eq!(CODE.symbols[SYMBOLS - 1], END);
    }

    #[test]
    fn examples_of_the_rfc_are_decoded() {
        let encoded = [
            0xf1, 0xe3, 0xc2, 0xe5, 0xf2, 0x3a, 0x6b, 0xa0, 0xab, 0x90, 0xf4, 0xff,
        ];
        assert_eq!(decoded(&encoded).as_deref(), Ok("www.example.com"));
        let encoded = [0xa8, 0xeb, 0x10, 0x64, 0x9c, 0xbf];
        assert_eq!(decoded(&encoded).as_deref(), Ok("no-cache"));
        assert_eq!(decoded(&[]).as_deref(), Ok(""));
    }

    #[test]
    fn wrong_endings_are_refused() {
        assert_eq!(
            decoded(&[0xff]),
            Err("a Huffman code that is cut"),
            "8 bits"
        );
        assert_eq!(decoded(&[0b0001_1000]), Err("a Huffman code that is cut"));
        assert_eq!(
            decoded(&[0xff, 0xff, 0xff, 0xff]),
            Err("the end of a Huffman string within it")
        );
    }
}
