//! Whether a space stands between two tokens.

use crate::proto::format::lex::{Kind, Token};

/// Whether a space stands before the last of the tokens of a statement.
pub fn is_apart(tokens: &[&Token<'_>]) -> bool {
    let [head, .., token] = tokens else {
        return false;
    };
    let previous = tokens[tokens.len() - 2];
    match (mark(previous), mark(token)) {
        (_, b';' | b',' | b')' | b'>') => false,
        (b'(' | b'<' | b'.' | b'-' | b'+', _) => false,
        // The first dot of a full name belongs to what follows it.
        (b'a', b'.') => is_before_name(tokens),
        (b')', b'.') | (_, b'<') => false,
        (b'a', b'(') => head.text != "rpc" || tokens.len() != 3,
        _ => true,
    }
}

/// A mark's character; any letter for what is none.
fn mark(token: &Token<'_>) -> u8 {
    match token.kind {
        Kind::Mark => token.text.as_bytes()[0],
        _ => b'a',
    }
}

/// Whether the word before the last token cannot be a part of a name that goes on with that.
fn is_before_name(tokens: &[&Token<'_>]) -> bool {
    let previous = tokens[tokens.len() - 2].text;
    let is_first = tokens.len() == 2;
    let is_label = matches!(previous, "optional" | "required" | "repeated" | "extend");
    let is_stream =
        previous == "stream" && tokens.len() > 2 && tokens[tokens.len() - 3].text == "(";
    (is_label && is_first) || is_stream
}
