//! From text to tokens that keep every comment, and how many lines apart things stand.

/// A comment with what it takes to put it back.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Comment<'a> {
    /// The text with its marks, without the newline that ends a line comment.
    pub text: &'a str,
    /// How many newlines stand between what comes before and it.
    pub newlines_before: usize,
}

impl Comment<'_> {
    /// Whether it goes to the end of its line.
    pub fn is_line(&self) -> bool {
        self.text.starts_with("//")
    }
}

/// What kind of token something is, as far as the layout cares.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Kind {
    /// An identifier, a keyword or a number.
    Word,
    /// A text in quotes.
    Text,
    /// One character of punctuation.
    Mark,
    /// The end of the file.
    End,
}

/// A token with the comments around it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Token<'a> {
    /// The kind.
    pub kind: Kind,
    /// The text; empty at the end of the file.
    pub text: &'a str,
    /// Where the text begins.
    pub offset: usize,
    /// Comments before it, but for those that belong to the token before.
    pub leading: Vec<Comment<'a>>,
    /// How many newlines stand between what comes before and it.
    pub newlines_before: usize,
    /// Comments behind it, on the line that it ends in.
    pub trailing: Vec<Comment<'a>>,
}

/// Where a text is no proto.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct LexError {
    /// Where it goes wrong.
    pub offset: usize,
    /// What is wrong, as a lowercase fragment.
    pub message: &'static str,
}

/// Splits a text; the last token is [`Kind::End`].
///
/// # Errors
/// [`LexError`] when a text or a comment does not end, or a character means nothing.
pub fn lex(text: &str) -> Result<Vec<Token<'_>>, LexError> {
    let mut lexer = Lexer { text, at: 0 };
    // Some editors put it there; it is no part of the language.
    if text.starts_with('\u{feff}') {
        lexer.at = '\u{feff}'.len_utf8();
    }
    let mut tokens: Vec<Token<'_>> = Vec::with_capacity(text.len() / 5);
    loop {
        let (mut comments, newlines_before) = lexer.gap()?;
        if let Some(last) = tokens.last_mut() {
            last.trailing = trailing(&mut comments, newlines_before, lexer.is_at_end());
        }
        let offset = lexer.at;
        let kind = lexer.token()?;
        tokens.push(Token {
            kind,
            text: &text[offset..lexer.at],
            offset,
            leading: comments,
            newlines_before,
            trailing: Vec::new(),
        });
        if kind == Kind::End {
            return Ok(tokens);
        }
    }
}

/// Takes from the comments of a gap those that belong to what comes before it: those on its line, up to
/// a line comment or to the end of the line.
fn trailing<'a>(
    comments: &mut Vec<Comment<'a>>,
    newlines_before_next: usize,
    is_last: bool,
) -> Vec<Comment<'a>> {
    let on_line = comments.iter().take_while(|it| it.newlines_before == 0);
    let count = on_line.count();
    let ends_line = match comments.get(count) {
        Some(next) => next.newlines_before > 0,
        None => newlines_before_next > 0 || is_last,
    };
    match count > 0 && ends_line {
        true => comments.drain(..count).collect(),
        // What follows on the same line has them before it.
        false => Vec::new(),
    }
}

struct Lexer<'a> {
    text: &'a str,
    at: usize,
}

impl<'a> Lexer<'a> {
    fn rest(&self) -> &'a str {
        &self.text[self.at..]
    }

    fn is_at_end(&self) -> bool {
        self.at == self.text.len()
    }

    fn fails<T>(&self, offset: usize, message: &'static str) -> Result<T, LexError> {
        Err(LexError { offset, message })
    }

    /// The comments up to the next token, and the newlines right before that.
    fn gap(&mut self) -> Result<(Vec<Comment<'a>>, usize), LexError> {
        let mut comments = Vec::new();
        let mut newlines = 0;
        let bytes = self.text.as_bytes();
        while let Some(byte) = bytes.get(self.at) {
            match byte {
                b'\n' => {
                    newlines += 1;
                    self.at += 1;
                }
                b' ' | b'\t' | b'\r' | b'\x0b' | b'\x0c' => self.at += 1,
                b'/' => {
                    let start = self.at;
                    self.at += self.comment_length()?;
                    comments.push(Comment {
                        text: self.text[start..self.at].trim_end_matches('\r'),
                        newlines_before: newlines,
                    });
                    newlines = 0;
                }
                _ => break,
            }
        }
        Ok((comments, newlines))
    }

    fn comment_length(&self) -> Result<usize, LexError> {
        let rest = self.rest();
        if rest.starts_with("//") {
            return Ok(rest.find('\n').unwrap_or(rest.len()));
        }
        let Some(inner) = rest.strip_prefix("/*") else {
            return self.fails(self.at, "unexpected `/`");
        };
        match inner.find("*/") {
            Some(end) => Ok(end + "/**/".len()),
            None => self.fails(self.at, "the comment does not end"),
        }
    }

    fn token(&mut self) -> Result<Kind, LexError> {
        let bytes = self.rest().as_bytes();
        let Some(first) = bytes.first() else {
            return Ok(Kind::End);
        };
        match first {
            b'"' | b'\'' => {
                self.at += self.text_length()?;
                Ok(Kind::Text)
            }
            b'a'..=b'z' | b'A'..=b'Z' | b'_' => {
                let is_part = |byte: &u8| byte.is_ascii_alphanumeric() || *byte == b'_';
                self.at += bytes.iter().take_while(|byte| is_part(byte)).count();
                // The name of a type may have a host before it.
                if self.text.as_bytes().get(self.at) == Some(&b'/') && !self.is_comment_next() {
                    self.at += 1;
                }
                Ok(Kind::Word)
            }
            b'0'..=b'9' => {
                self.at += number_length(bytes);
                Ok(Kind::Word)
            }
            b'.' if bytes.get(1).is_some_and(u8::is_ascii_digit) => {
                self.at += number_length(bytes);
                Ok(Kind::Word)
            }
            b'{' | b'}' | b'[' | b']' | b'(' | b')' | b'<' | b'>' | b';' | b',' | b':' | b'='
            | b'.' | b'-' | b'+' => {
                self.at += 1;
                Ok(Kind::Mark)
            }
            _ => self.fails(self.at, "unexpected character"),
        }
    }

    fn is_comment_next(&self) -> bool {
        self.rest().starts_with("//") || self.rest().starts_with("/*")
    }

    fn text_length(&self) -> Result<usize, LexError> {
        let bytes = self.rest().as_bytes();
        let quote = bytes[0];
        let mut at = 1;
        while let Some(&byte) = bytes.get(at) {
            match byte {
                b'\\' => at += 1,
                b'\n' => break,
                _ if byte == quote => return Ok(at + 1),
                _ => {}
            }
            at += 1;
        }
        self.fails(self.at, "the text does not end")
    }
}

/// The length of a number; what follows it directly belongs to it, as in `1e-5` and `0x1F`.
fn number_length(bytes: &[u8]) -> usize {
    let is_hexadecimal = bytes.len() > 1 && bytes[0] == b'0' && matches!(bytes[1], b'x' | b'X');
    let mut at = 0;
    while let Some(&byte) = bytes.get(at) {
        let is_exponent_sign = matches!(byte, b'+' | b'-')
            && !is_hexadecimal
            && at > 0
            && matches!(bytes[at - 1], b'e' | b'E');
        if !(byte.is_ascii_alphanumeric() || matches!(byte, b'.' | b'_') || is_exponent_sign) {
            break;
        }
        at += 1;
    }
    at
}
