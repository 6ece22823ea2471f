//! Cutting a stream of bytes into JSON values as they become complete, so that a person at a terminal
//! or a program on a pipe can hold a conversation.
//!
//! Only as much JSON is understood as finding the ends of values needs; what is inside is checked when
//! it is read.

use std::collections::VecDeque;

/// How much of what stands before a value on its line is kept, in bytes: what a screen shows. Lines may
/// be endless.
const CONTEXT: usize = 120;

/// One value of a stream of JSON values, with the place where it begins.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct JsonValue {
    /// The value's text.
    pub text: String,
    /// The end of what stands before it on its first line.
    pub before: String,
    /// How many characters stand before that.
    pub skipped: usize,
    /// The number of its first line, from 1.
    pub line: usize,
}

/// Cuts bytes into values.
#[derive(Debug, Default)]
pub struct Splitter {
    /// The line up to here, for the place of the value to come.
    before: Before,
    /// Complete lines so far.
    lines: usize,
    /// The value that is being read, and where it began.
    value: Vec<u8>,
    value_before: Before,
    value_line: usize,
    depth: usize,
    state: State,
}

/// The end of a line up to some place, and how much there is before it.
#[derive(Clone, Debug, Default)]
struct Before {
    /// No more than [`CONTEXT`].
    bytes: VecDeque<u8>,
    skipped_bytes: usize,
    skipped_characters: usize,
}

impl Before {
    /// How many bytes of the line there are.
    fn len(&self) -> usize {
        self.skipped_bytes + self.bytes.len()
    }

    fn push(&mut self, byte: u8) {
        self.bytes.push_back(byte);
        if self.bytes.len() > CONTEXT {
            self.skip();
            self.skipped_characters += 1;
            // Characters are skipped as wholes.
            while self.bytes.front().is_some_and(|byte| byte & 0xc0 == 0x80) {
                self.skip();
            }
        }
    }

    fn skip(&mut self) {
        self.bytes.pop_front();
        self.skipped_bytes += 1;
    }

    fn clear(&mut self) {
        self.bytes.clear();
        self.skipped_bytes = 0;
        self.skipped_characters = 0;
    }

    fn text(&self) -> String {
        let bytes: Vec<u8> = self.bytes.iter().copied().collect();
        String::from_utf8_lossy(&bytes).into_owned()
    }
}

#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
enum State {
    /// Before a value.
    #[default]
    Between,
    /// In an object or an array.
    Nested,
    /// In a number or a word that is a value of its own.
    Word,
    /// In a string.
    Text,
    /// In a string, after a backslash.
    Escape,
}

impl Splitter {
    /// Takes the next bytes and gives the values that they complete.
    pub fn feed(&mut self, bytes: &[u8]) -> Vec<JsonValue> {
        let mut values = Vec::new();
        for &byte in bytes {
            self.take(byte, &mut values);
            if byte == b'\n' {
                self.lines += 1;
                self.before.clear();
            } else {
                self.before.push(byte);
            }
        }
        values
    }

    /// The end of the stream: what is left, complete or not.
    pub fn finish(&mut self) -> Option<JsonValue> {
        let mut values = Vec::new();
        if self.state != State::Between {
            self.complete(&mut values);
        }
        values.pop()
    }

    /// Whether everything so far was complete values.
    pub fn is_between(&self) -> bool {
        self.state == State::Between
    }

    fn take(&mut self, byte: u8, values: &mut Vec<JsonValue>) {
        match self.state {
            State::Between => self.begin(byte),
            State::Escape => self.go_on(byte, State::Text),
            State::Text => match byte {
                b'\\' => self.go_on(byte, State::Escape),
                b'"' if self.depth == 0 => {
                    self.value.push(byte);
                    self.complete(values);
                }
                b'"' => self.go_on(byte, State::Nested),
                _ => self.value.push(byte),
            },
            State::Word => match byte {
                b' ' | b'\t' | b'\r' | b'\n' => self.complete(values),
                b'{' | b'[' | b'"' => {
                    self.complete(values);
                    self.begin(byte);
                }
                _ => self.value.push(byte),
            },
            State::Nested => {
                self.value.push(byte);
                match byte {
                    b'"' => self.state = State::Text,
                    b'{' | b'[' => self.depth += 1,
                    b'}' | b']' => {
                        self.depth -= 1;
                        if self.depth == 0 {
                            self.complete(values);
                        }
                    }
                    _ => {}
                }
            }
        }
    }

    fn begin(&mut self, byte: u8) {
        /// Some editors begin files with it.
        const BYTE_ORDER_MARK: [u8; 3] = [0xef, 0xbb, 0xbf];
        if self.lines == 0 && self.before.len() < 3 && byte == BYTE_ORDER_MARK[self.before.len()] {
            return;
        }
        self.state = match byte {
            b' ' | b'\t' | b'\r' | b'\n' => return,
            b'{' | b'[' => {
                self.depth = 1;
                State::Nested
            }
            b'"' => State::Text,
            _ => State::Word,
        };
        self.value.push(byte);
        self.value_before.clone_from(&self.before);
        self.value_line = self.lines + 1;
    }

    fn go_on(&mut self, byte: u8, state: State) {
        self.value.push(byte);
        self.state = state;
    }

    fn complete(&mut self, values: &mut Vec<JsonValue>) {
        // JSON is UTF-8; what is not shows as a replacement character and fails to be read as a key,
        // a number or an enum's value.
        values.push(JsonValue {
            text: String::from_utf8_lossy(&std::mem::take(&mut self.value)).into_owned(),
            before: self.value_before.text(),
            skipped: self.value_before.skipped_characters,
            line: self.value_line,
        });
        self.state = State::Between;
        self.depth = 0;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn split(text: &str, step: usize) -> Vec<String> {
        let mut splitter = Splitter::default();
        let mut values = Vec::new();
        for chunk in text.as_bytes().chunks(step) {
            values.extend(splitter.feed(chunk));
        }
        values.extend(splitter.finish());
        values.into_iter().map(|value| value.text).collect()
    }

    #[test]
    fn values_are_found_however_they_are_joined_and_cut() {
        let text = "{\"a\": \"}\\\"{\"}{\"b\":[1,{}]}\n\n  [ ] 12 \"x y\"true \"\\\\\"{";
        let expected = [
            "{\"a\": \"}\\\"{\"}",
            "{\"b\":[1,{}]}",
            "[ ]",
            "12",
            "\"x y\"",
            "true",
            "\"\\\\\"",
            "{",
        ];
        for step in 1..text.len() {
            assert_eq!(split(text, step), expected, "in steps of {step}");
        }
    }

    #[test]
    fn a_value_is_there_as_soon_as_it_is_complete() {
        let mut splitter = Splitter::default();
        assert_eq!(splitter.feed(b"  {\"a\":").len(), 0);
        assert!(!splitter.is_between());
        let values = splitter.feed(b"1}");
        assert_eq!(values.len(), 1);
        assert_eq!((values[0].line, values[0].before.as_str()), (1, "  "));
        assert!(splitter.is_between());
        let values = splitter.feed(b"\n\n x{}");
        assert_eq!(values[0].text, "x");
        assert_eq!((values[1].line, values[1].before.as_str()), (3, " x"));
        assert_eq!(splitter.finish(), None);
    }

    #[test]
    fn a_line_without_an_end_takes_no_more_memory_than_its_values() {
        let mut splitter = Splitter::default();
        let mut values = Vec::new();
        for _ in 0..10_000 {
            values.extend(splitter.feed("{\"ä\": 1} \r\t".as_bytes()));
        }
        let last = values.last().expect("10,000");
        assert_eq!(last.line, 1);
        assert_eq!(last.skipped + last.before.chars().count(), 11 * 9_999);
        assert!(last.before.ends_with("{\"ä\": 1} \r\t"));
        for value in &values {
            assert!(value.before.len() <= CONTEXT, "{value:?}");
        }
        for _ in 0..10_000 {
            assert_eq!(splitter.feed(&[b' '; 64]), []);
        }
        assert!(splitter.before.bytes.capacity() <= 2 * CONTEXT.next_power_of_two());
        assert!(splitter.value.capacity() < 64);
    }

    #[test]
    fn any_bytes_are_cut_without_harm() {
        // A linear congruential generator: the same bytes each time.
        let mut seed = 1u32;
        for _ in 0..200 {
            let mut splitter = Splitter::default();
            for _ in 0..200 {
                seed = seed.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
                let byte = b"{}[]\"\\ \n1a\xef\xbb\xbf\xff,:"[(seed >> 16) as usize % 16];
                for value in splitter.feed(&[byte]) {
                    assert!(!value.text.is_empty());
                }
            }
            splitter.finish();
            assert!(splitter.is_between());
        }
    }
}
