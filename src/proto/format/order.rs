//! The order of a file: syntax, package, imports, options, then the rest as it was.

use crate::proto::format::lex::Token;
use crate::proto::format::tree::{Statement, StatementEnd, Tree};

/// Where a kind of statement stands in a file.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Section {
    /// `syntax` or `edition`.
    Syntax,
    /// `package`.
    Package,
    /// Imports.
    Imports,
    /// Options of the file.
    Options,
    /// Everything else.
    Rest,
}

/// The section of a statement of a file.
pub fn section(statement: &Statement<'_>) -> Section {
    let is_line = matches!(statement.end, StatementEnd::Semicolon(_));
    match statement.words().next() {
        Some("syntax" | "edition") if is_line => Section::Syntax,
        Some("package") if is_line => Section::Package,
        Some("import") if is_line => Section::Imports,
        Some("option") if is_line => Section::Options,
        _ => Section::Rest,
    }
}

/// Puts the statements of a file in order. What is said at the top of it stays there.
pub fn arrange(mut tree: Tree<'_>) -> Tree<'_> {
    let header = take_header(&mut tree);
    tree.statements.sort_by(|a, b| {
        let (section_a, section_b) = (section(a), section(b));
        section_a.cmp(&section_b).then_with(|| match section_a {
            Section::Imports => import_key(a).cmp(&import_key(b)),
            Section::Options => option_key(a).cmp(&option_key(b)),
            _ => std::cmp::Ordering::Equal,
        })
    });
    if let Some(header) = header {
        let first = match tree.statements.first_mut() {
            Some(statement) => statement.first_mut(),
            None => &mut tree.end,
        };
        // A blank line keeps the two apart.
        match first.leading.first_mut() {
            Some(comment) => comment.newlines_before = comment.newlines_before.max(2),
            None => first.newlines_before = first.newlines_before.max(2),
        }
        first.leading.splice(0..0, header);
    }
    tree
}

/// Takes the comments at the top of the file that a blank line parts from its first statement, when that
/// statement will not be the first.
fn take_header<'a>(tree: &mut Tree<'a>) -> Option<Vec<crate::proto::format::lex::Comment<'a>>> {
    let first = tree.statements.first_mut()?.first_mut();
    let token: &Token<'_> = first;
    let after = token.leading.iter().skip(1).map(|it| it.newlines_before);
    let gaps: Vec<usize> = after.chain([token.newlines_before]).collect();
    let end = gaps.iter().rposition(|gap| *gap > 1)? + 1;
    Some(
        first
            .leading
            .drain(..end.min(first.leading.len()))
            .collect(),
    )
    .filter(|header: &Vec<_>| !header.is_empty())
}

/// Public imports come first, then weak ones and those for options alone, then the others.
fn import_key<'a>(statement: &Statement<'a>) -> (u8, &'a str) {
    let mut words = statement.words().skip(1);
    let first = words.next().unwrap_or_default();
    match first {
        "public" => (0, words.next().unwrap_or_default()),
        "weak" => (1, words.next().unwrap_or_default()),
        "option" => (3, words.next().unwrap_or_default()),
        path => (2, path),
    }
}

/// Options that everybody has come before one's own.
fn option_key(statement: &Statement<'_>) -> (bool, String) {
    let name = statement.words().skip(1).take_while(|word| *word != "=");
    let name: String = name.collect();
    (name.starts_with('('), name)
}
