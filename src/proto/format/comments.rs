//! How comments are written.

/// The lines of a comment as they stand at an indentation: those of a block are moved with its first one.
pub fn lines(text: &str) -> Vec<String> {
    if text.starts_with("//") {
        return vec![text.trim_end().to_owned()];
    }
    let mut lines = text.lines().map(|line| line.trim_end().to_owned());
    let first = lines.next().unwrap_or_default();
    let rest: Vec<String> = lines.collect();
    let begins_with_star = |line: &String| line.trim_start().starts_with('*');
    if rest.iter().all(begins_with_star) {
        let aligned = rest.iter().map(|line| format!(" {}", line.trim_start()));
        return [first].into_iter().chain(aligned).collect();
    }
    // Where the end stands by itself, it says nothing of how far the text is indented.
    let (end, inner) = match rest.split_last() {
        Some((end, inner)) if end.trim() == "*/" => (Some("*/".to_owned()), inner),
        _ => (None, rest.as_slice()),
    };
    let margin = |line: &String| line.len() - line.trim_start().len();
    let filled = inner.iter().filter(|line| !line.is_empty());
    let smallest = filled.map(margin).min().unwrap_or(0);
    let moved = inner.iter().map(|line| match line.is_empty() {
        true => String::new(),
        false => format!("   {}", &line[smallest..]),
    });
    [first].into_iter().chain(moved).chain(end).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_lines_of_a_block_keep_their_places_to_each_other() {
        for (text, expected) in [
            ("// a  ", &["// a"][..]),
            ("/* a */", &["/* a */"]),
            ("/**\n     * a\n     */", &["/**", " * a", " */"]),
            (
                "/* a\n       b\n         c */",
                &["/* a", "   b", "     c */"],
            ),
            ("/* a\n   b\n\n*/", &["/* a", "   b", "", "*/"]),
        ] {
            assert_eq!(lines(text), expected);
            let again = lines(&expected.join("\n"));
            assert_eq!(again, expected, "formatted twice");
        }
    }
}
