//! The words of a proto file, for what has to be known before it is parsed.
//!
//! Pure: no I/O.

/// A word, a text in quotes, or a character of its own.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Token<'a> {
    /// Where it begins.
    pub start: usize,
    /// What it is.
    pub text: &'a str,
}

impl Token<'_> {
    /// Whether it is a name or a keyword.
    pub fn is_identifier(&self) -> bool {
        let first = self.text.chars().next();
        first.is_some_and(|it| it.is_ascii_alphabetic() || it == '_')
    }
}

/// Reads a file without its comments.
pub fn tokens(text: &str) -> impl Iterator<Item = Token<'_>> {
    let mut at = 0;
    std::iter::from_fn(move || {
        loop {
            let rest = &text[at..];
            let first = rest.chars().next()?;
            let length = if rest.starts_with("//") {
                rest.find('\n').unwrap_or(rest.len())
            } else if let Some(comment) = rest.strip_prefix("/*") {
                comment.find("*/").map_or(rest.len(), |end| end + 4)
            } else if first.is_whitespace() {
                first.len_utf8()
            } else {
                break;
            };
            at += length;
        }
        let start = at;
        let rest = &text[start..];
        let first = rest.chars().next()?;
        let is_word = |one: char| one.is_ascii_alphanumeric() || one == '_';
        at += match first {
            '"' | '\'' => in_quotes(rest, first),
            _ if is_word(first) => rest.find(|one| !is_word(one)).unwrap_or(rest.len()),
            _ => first.len_utf8(),
        };
        Some(Token {
            start,
            text: &text[start..at],
        })
    })
}

/// How long a text is with its quotes; up to the end of its line where they are not closed.
fn in_quotes(rest: &str, quote: char) -> usize {
    let mut is_escaped = false;
    for (index, one) in rest.char_indices().skip(1) {
        match one {
            '\n' => return index,
            _ if is_escaped => is_escaped = false,
            '\\' => is_escaped = true,
            _ if one == quote => return index + 1,
            _ => {}
        }
    }
    rest.len()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn words_are_told_from_comments_and_texts() {
        let text = "a/* b */=\"c // \\\" d\";// e\nf_1 'g";
        let found: Vec<&str> = tokens(text).map(|it| it.text).collect();
        assert_eq!(found, ["a", "=", "\"c // \\\" d\"", ";", "f_1", "'g"]);
    }
}
