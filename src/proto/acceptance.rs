//! Whether the parser is asked at all: it wants UTF-8, holds a file in memory several times over, and
//! recurses with the brackets of options, so that a hostile file could exhaust the stack.
//!
//! Pure: bytes in, text or the reason against it out.

use crate::proto::diagnostic::{Place, ProtoDiagnostic};

/// How large a file may be. The largest protos that people write have about a megabyte.
pub const MAX_BYTES: u64 = 64 << 20;
/// How deep brackets may nest; messages alone may nest 31 deep.
pub const MAX_DEPTH: usize = 200;

/// The complaint about a file of `length` bytes.
pub fn too_large(name: &str, length: u64) -> ProtoDiagnostic {
    let mebibytes = length as f64 / f64::from(1 << 20);
    let message = format!("the file has {mebibytes:.1} MiB, which is too large for a proto");
    let mut diagnostic = ProtoDiagnostic::of_file(name, message);
    diagnostic.help = Some(format!("up to {} MiB are read", MAX_BYTES >> 20));
    diagnostic
}

/// The text of a file.
///
/// # Errors
/// What is wrong with it when it is not UTF-8 or its brackets nest too deep.
pub fn accept(name: &str, bytes: Vec<u8>) -> Result<String, Box<ProtoDiagnostic>> {
    let text = match String::from_utf8(bytes) {
        Ok(text) => text,
        Err(error) => {
            let valid = error.utf8_error().valid_up_to();
            let byte = error.as_bytes()[valid];
            let text = String::from_utf8_lossy(error.as_bytes());
            let mut diagnostic =
                ProtoDiagnostic::of_file(name, format!("the byte 0x{byte:02x} is not UTF-8"));
            diagnostic.place = Some(place(&text, valid));
            diagnostic.help = Some("save the file as UTF-8".to_owned());
            return Err(Box::new(diagnostic));
        }
    };
    match too_deep(text.as_bytes()) {
        None => Ok(text),
        Some(offset) => {
            let message = format!("brackets nest deeper than {MAX_DEPTH}");
            let mut diagnostic = ProtoDiagnostic::of_file(name, message);
            diagnostic.place = Some(place(&text, offset));
            Err(Box::new(diagnostic))
        }
    }
}

/// Where brackets nest too deep; those within texts and comments count for nothing.
fn too_deep(bytes: &[u8]) -> Option<usize> {
    // Without as many brackets in all, there is no need to look at texts and comments.
    let opening = |byte: &&u8| matches!(byte, b'{' | b'[' | b'<');
    bytes.iter().filter(opening).nth(MAX_DEPTH)?;
    let mut depth = 0_usize;
    let mut at = 0;
    while let Some(&byte) = bytes.get(at) {
        match byte {
            b'{' | b'[' | b'<' => {
                depth += 1;
                if depth > MAX_DEPTH {
                    return Some(at);
                }
            }
            b'}' | b']' | b'>' => depth = depth.saturating_sub(1),
            b'"' | b'\'' => at = end_of_text(bytes, at),
            b'/' if bytes[at..].starts_with(b"//") => {
                let rest = bytes[at..].iter().position(|&it| it == b'\n');
                at += rest.unwrap_or(bytes.len() - at);
            }
            b'/' if bytes[at..].starts_with(b"/*") => {
                let rest = bytes[at..].windows(2).skip(2).position(|it| it == b"*/");
                at += rest.map_or(bytes.len() - at, |rest| rest + 3);
            }
            _ => {}
        }
        at += 1;
    }
    None
}

/// The index of the quote that ends a text, or of what ends its line.
fn end_of_text(bytes: &[u8], start: usize) -> usize {
    let mut at = start + 1;
    while let Some(&byte) = bytes.get(at) {
        match byte {
            b'\\' => at += 1,
            b'\n' => return at,
            _ if byte == bytes[start] => return at,
            _ => {}
        }
        at += 1;
    }
    at
}

/// The place of a byte.
fn place(text: &str, offset: usize) -> Place {
    // Bytes that are not UTF-8 became longer, but only from the first of them on.
    let before = &text[..offset];
    let line_start = before.rfind('\n').map_or(0, |at| at + 1);
    let line = before.bytes().filter(|&byte| byte == b'\n').count() + 1;
    let column = before[line_start..].chars().count() + 1;
    let text = text[line_start..].lines().next().unwrap_or_default();
    Place::new(line, column, 1, text)
}
