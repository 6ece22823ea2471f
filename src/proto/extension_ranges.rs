//! Extension ranges that the parser refuses and protoc takes: a single number with options
//! (`extensions 4 [declaration = …]`), and message sets whose last number is written as a number.
//!
//! They are told in words that the parser knows, and the places put right afterwards. Pure: text in, text
//! and descriptors out.

use prost_types::{DescriptorProto, FileDescriptorProto};

use crate::proto::tokens::{Token, tokens};

/// The last number of a message set, which `max` stands for there.
const LAST_OF_MESSAGE_SET: &str = "2147483646";

/// The text of a file in words that the parser knows, with where it differs from what was written.
#[derive(Debug)]
pub struct Rewritten {
    /// What the parser is to read.
    pub text: String,
    edits: Vec<Edit>,
}

/// A word that became longer or shorter. Lines and columns count from 0, columns in characters.
#[derive(Clone, Copy, Debug)]
struct Edit {
    line: i32,
    /// The column where the word began.
    start: i32,
    /// Where it ended.
    end: i32,
    /// Where what stands there now ends.
    end_now: i32,
    is_last_of_message_set: bool,
}

/// A file without what the parser refuses; nothing where there is nothing of it.
pub fn rewritten(text: &str) -> Option<Rewritten> {
    if !text.contains("extensions") {
        return None;
    }
    let mut rewritten = Rewritten {
        text: String::new(),
        edits: Vec::new(),
    };
    let mut copied = 0;
    let mut is_range = false;
    let mut before = "";
    let mut all = tokens(text).peekable();
    while let Some(token) = all.next() {
        let next = all.peek().map_or("", |it| it.text);
        let is_number = token.text.starts_with(|it: char| it.is_ascii_digit());
        let is_single = is_range && is_number && next == "[" && before != "to";
        let is_last = is_range && token.text == LAST_OF_MESSAGE_SET && before == "to";
        if is_single || is_last {
            let by = match is_last {
                true => "max".to_owned(),
                false => format!("{0} to {0}", token.text),
            };
            rewritten.text.push_str(&text[copied..token.start]);
            rewritten.edits.push(edit(&rewritten.text, &token, &by));
            rewritten.text.push_str(&by);
            copied = token.start + token.text.len();
        }
        match token.text {
            "extensions" => is_range = matches!(before, ";" | "{" | "}"),
            ";" | "[" => is_range = false,
            _ => {}
        }
        before = token.text;
    }
    rewritten.text.push_str(&text[copied..]);
    (!rewritten.edits.is_empty()).then_some(rewritten)
}

fn edit(before: &str, token: &Token<'_>, by: &str) -> Edit {
    let columns = |text: &str| i32::try_from(text.chars().count()).unwrap_or(i32::MAX);
    let line = before.bytes().filter(|&byte| byte == b'\n').count();
    let start = columns(before.rsplit('\n').next().unwrap_or_default());
    Edit {
        line: i32::try_from(line).unwrap_or(i32::MAX),
        start,
        end: start + columns(token.text),
        end_now: start + columns(by),
        is_last_of_message_set: token.text == LAST_OF_MESSAGE_SET,
    }
}

impl Rewritten {
    /// Whether what was read says the same: elsewhere than in a message set, `max` is another number.
    pub fn is_the_same(&self, file: &FileDescriptorProto) -> bool {
        fn ranges(message: &DescriptorProto) -> usize {
            let own = message.extension_range.iter();
            let own = own.filter(|it| it.end() == i32::MAX).count();
            own + message.nested_type.iter().map(ranges).sum::<usize>()
        }
        let written = self.edits.iter();
        let written = written.filter(|it| it.is_last_of_message_set).count();
        written <= file.message_type.iter().map(ranges).sum()
    }

    /// Gives the places of what was read as they are in what was written.
    pub fn put_right(&self, file: &mut FileDescriptorProto) {
        let locations = file.source_code_info.iter_mut();
        for location in locations.flat_map(|it| &mut it.location) {
            if let [line, start, end @ ..] = location.span.as_mut_slice() {
                *start = self.column(*line, *start);
                match end {
                    [end] => *end = self.column(*line, *end),
                    [line, end] => *end = self.column(*line, *end),
                    _ => {}
                }
            }
        }
    }

    fn column(&self, line: i32, column: i32) -> i32 {
        let mut moved = column;
        // Columns of an edit count what was changed before it in its line.
        for edit in self.edits.iter().rev().filter(|it| it.line == line) {
            moved = match moved {
                it if it >= edit.end_now => it - edit.end_now + edit.end,
                // The second of the numbers that became of one.
                it if it > edit.end => edit.start,
                it => it,
            };
        }
        moved
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_number_with_options_is_a_range_and_keeps_its_place() {
        let text = "message A { extensions 4 [x = 1]; extensions 5, 17 [x = 1]; }";
        let rewritten = rewritten(text).expect("changed");
        assert_eq!(
            rewritten.text,
            "message A { extensions 4 to 4 [x = 1]; extensions 5, 17 to 17 [x = 1]; }"
        );
        for word in ["4", "[", ";", "17", "}"] {
            let now = rewritten.text.find(word).expect("there");
            let column = i32::try_from(now).expect("small");
            let was = usize::try_from(rewritten.column(0, column)).expect("positive");
            assert!(text[was..].starts_with(word), "{word}: {was}");
        }
        let second = i32::try_from(rewritten.text.find("17 [").expect("there")).expect("small");
        let was = usize::try_from(rewritten.column(0, second)).expect("positive");
        assert!(text[was..].starts_with("17"));
    }

    #[test]
    fn what_the_parser_knows_is_left_alone() {
        for text in [
            "message A { extensions 4; }",
            "message A { extensions 4 to 5 [x = 1]; }",
            "message A { optional int32 extensions = 4 [x = 1]; }",
            "// extensions 4 [x]",
        ] {
            assert!(rewritten(text).is_none(), "{text}");
        }
    }
}
