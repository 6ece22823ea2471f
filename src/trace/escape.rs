//! What others have named, for a terminal: a service may call a span whatever it likes, and a terminal
//! does what control characters say.

/// A text with its control characters escaped, so that it stays in its line and only says something.
pub fn escaped(text: &str) -> String {
    let mut shown = String::with_capacity(text.len());
    for character in text.chars() {
        match character.is_control() {
            true => shown.extend(character.escape_default()),
            false => shown.push(character),
        }
    }
    shown
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn control_characters_are_told_and_not_sent() {
        for (text, expected) in [
            ("größe \\ \"a\"", "größe \\ \"a\""),
            ("two\nlines\r\tand", "two\\nlines\\r\\tand"),
            ("\u{1b}[31mred\u{7}", "\\u{1b}[31mred\\u{7}"),
            ("\u{9b}2J\u{7f}", "\\u{9b}2J\\u{7f}"),
        ] {
            assert_eq!(escaped(text), expected);
        }
    }
}
