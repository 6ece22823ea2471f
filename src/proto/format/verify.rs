//! Whether a formatted proto says what it said before: the same statements, each with the same words, texts
//! and blocks in the same order, and the same comments. Only whole statements of the file change places.

use crate::proto::format::lex::{self, Kind, Token};

/// Compares two texts.
///
/// # Errors
/// The first word or comment that only one of them has, or has elsewhere.
pub fn same(before: &str, after: &str) -> Result<(), String> {
    let read = |text| lex::lex(text).map_err(|error| format!("{} appears", error.message));
    let (before, after) = (read(before)?, read(after)?);
    compare(statements(&before), statements(&after))?;
    compare(comments(&before), comments(&after))
}

/// Compares what may stand in another order: each is a sequence whose order counts.
fn compare(mut before: Vec<Vec<String>>, mut after: Vec<Vec<String>>) -> Result<(), String> {
    before.sort_unstable();
    after.sort_unstable();
    let count = before.len().max(after.len());
    for number in 0..count {
        let words = |list: &[Vec<String>]| list.get(number).cloned().unwrap_or_default();
        let (before, after) = (words(&before), words(&after));
        let same = before.iter().zip(&after).take_while(|(a, b)| a == b);
        let same = same.count();
        if let Some(word) = before.get(same).or_else(|| after.get(same)) {
            return Err(format!("`{word}`"));
        }
    }
    Ok(())
}

/// The statements of the file, without what the layout may drop or change because it only separates.
fn statements(tokens: &[Token<'_>]) -> Vec<Vec<String>> {
    let mut statements = Vec::new();
    let mut words: Vec<String> = Vec::new();
    let mut depth = 0_usize;
    for token in tokens {
        let mark = match token.kind {
            Kind::Mark => token.text,
            _ => "",
        };
        match mark {
            "," | ":" | ";" => {}
            // The values of options have either.
            "<" => words.push("{".to_owned()),
            ">" => words.push("}".to_owned()),
            _ => words.push(token.text.to_owned()),
        }
        match mark {
            "{" => depth += 1,
            "}" => depth = depth.saturating_sub(1),
            _ => {}
        }
        if depth == 0 && matches!(mark, ";" | "}") && !words.is_empty() {
            statements.push(std::mem::take(&mut words));
        }
    }
    statements.push(words);
    statements
}

/// The comments, without their indentation.
fn comments(tokens: &[Token<'_>]) -> Vec<Vec<String>> {
    let comments = tokens
        .iter()
        .flat_map(|it| it.leading.iter().chain(&it.trailing));
    comments
        .map(|comment| vec![comment.text.split_whitespace().collect()])
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn statements_change_places_and_nothing_else_does() {
        let before =
            "import \"b\";\nimport \"a\";\nmessage A { int32 x = 1; message B { int32 y = 2; } }\n";
        for (after, expected) in [
            (before, Ok(())),
            (
                "import \"a\"; import \"b\"; message A { int32 x = 1;; message B { int32 y = 2; }; };",
                Ok(()),
            ),
            (
                "import \"b\"; import \"a\"; message A { message B { int32 y = 2; } int32 x = 1; }",
                Err("`int32`"),
            ),
            (
                "import \"b\"; import \"a\"; message A { int32 x = 1; message B { } int32 y = 2; }",
                Err("`int32`"),
            ),
            (
                "import \"b\"; import \"a\"; message A { int32 x = 2; message B { int32 y = 1; } }",
                Err("`1`"),
            ),
            (
                "import \"b\"; message A { int32 x = 1; message B { int32 y = 2; } }",
                Err("`\"a\"`"),
            ),
        ] {
            let expected = expected.map_err(str::to_owned);
            assert_eq!(same(before, after), expected, "{after}");
        }
    }

    #[test]
    fn a_value_may_be_put_into_other_brackets_and_not_into_others_place() {
        let before = "option (a) = { b <c: 1, d: 2> };";
        assert_eq!(same(before, "option (a) = {b {c: 1 d: 2}};"), Ok(()));
        assert_eq!(
            same(before, "option (a) = {b {c: 1} d: 2};"),
            Err("`d`".to_owned())
        );
    }
}
