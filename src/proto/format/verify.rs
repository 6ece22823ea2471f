//! Whether a formatted proto says what it said before: the same words, texts and comments.

use crate::proto::format::lex::{self, Kind, Token};

/// Compares two texts.
///
/// # Errors
/// The first word or comment that only one of them has.
pub fn same(before: &str, after: &str) -> Result<(), String> {
    let read = |text| lex::lex(text).map_err(|error| format!("{} appears", error.message));
    let (before, after) = (read(before)?, read(after)?);
    compare(words(&before), words(&after))?;
    compare(comments(&before), comments(&after))
}

fn compare(mut before: Vec<String>, mut after: Vec<String>) -> Result<(), String> {
    before.sort_unstable();
    after.sort_unstable();
    let different = before.iter().zip(&after).find(|(a, b)| a != b);
    match different {
        Some((before, after)) => Err(format!("`{}`", before.min(after))),
        None if before.len() != after.len() => {
            let (shorter, longer) = match before.len() < after.len() {
                true => (before, after),
                false => (after, before),
            };
            Err(format!("`{}`", longer[shorter.len()]))
        }
        None => Ok(()),
    }
}

/// What a proto says; the layout may drop or change what only separates.
fn words(tokens: &[Token<'_>]) -> Vec<String> {
    let is_separator = |token: &&Token<'_>| {
        token.kind == Kind::Mark && matches!(token.text, ";" | "," | ":" | "<" | ">" | "{" | "}")
    };
    let words = tokens.iter().filter(|token| !is_separator(token));
    words.map(|token| token.text.to_owned()).collect()
}

/// The comments, without their indentation.
fn comments(tokens: &[Token<'_>]) -> Vec<String> {
    let comments = tokens
        .iter()
        .flat_map(|it| it.leading.iter().chain(&it.trailing));
    comments
        .map(|comment| comment.text.split_whitespace().collect())
        .collect()
}
