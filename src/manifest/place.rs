//! Where something stands in a manifest.
//!
//! Pure: text in, a place out.

use serde::Serialize;
use toml_edit::{Document, Item, TableLike};

/// A step from a table or a list to what is in it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Step {
    /// What a key has.
    Key(String),
    /// A key itself, as the last step.
    KeyItself(String),
    /// What stands at an index, from 0.
    Index(usize),
}

/// A place in a text.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
pub struct Place {
    /// From 1.
    pub line: usize,
    /// From 1, in characters.
    pub column: usize,
    /// How many characters are meant, at least 1.
    pub length: usize,
}

/// Where the steps lead; `None` where there is nothing.
pub fn find(text: &str, steps: &[Step]) -> Option<Place> {
    let document = Document::parse(text).ok()?;
    let mut item: &Item = document.as_item();
    for step in steps {
        item = match step {
            Step::Key(key) => item.as_table_like()?.get(key)?,
            Step::KeyItself(key) => {
                let span = key_span(item.as_table_like()?, key)?;
                return Some(place(text, span));
            }
            Step::Index(index) => {
                let span = item.as_array()?.get(*index)?.span()?;
                return Some(place(text, span));
            }
        };
    }
    Some(place(text, item.span()?))
}

fn key_span(table: &dyn TableLike, key: &str) -> Option<std::ops::Range<usize>> {
    table.get_key_value(key)?.0.span()
}

/// The place of a range of bytes, up to the end of its line.
pub fn place(text: &str, range: std::ops::Range<usize>) -> Place {
    let before = text.get(..range.start).unwrap_or_default();
    let line_start = before.rfind('\n').map_or(0, |at| at + 1);
    let meant = text.get(range).unwrap_or_default();
    let meant = meant.lines().next().unwrap_or_default();
    Place {
        line: before.matches('\n').count() + 1,
        column: before[line_start..].chars().count() + 1,
        length: meant.chars().count().max(1),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const TEXT: &str = "[proto]\nroots = [\"proto\", \"größe\", \"x\"]\n\n\
        [proto.gen.extern-paths]\n\"a.B\" = \"::b\"\n";

    fn find_in_text(steps: &[Step]) -> Option<(usize, usize, usize)> {
        find(TEXT, steps).map(|it| (it.line, it.column, it.length))
    }

    fn key(key: &str) -> Step {
        Step::Key(key.to_owned())
    }

    #[test]
    fn keys_values_and_entries_are_found() {
        let roots = [key("proto"), key("roots")];
        assert_eq!(find_in_text(&roots), Some((2, 9, 23)));
        let entry = [&roots[..], &[Step::Index(2)]].concat();
        assert_eq!(find_in_text(&entry), Some((2, 28, 3)));
        let table = [key("proto"), key("gen"), key("extern-paths")];
        let value = [&table[..], &[key("a.B")]].concat();
        assert_eq!(find_in_text(&value), Some((5, 9, 5)));
        let itself = [&table[..], &[Step::KeyItself("a.B".to_owned())]].concat();
        assert_eq!(find_in_text(&itself), Some((5, 1, 5)));
        assert_eq!(find_in_text(&[key("nothing")]), None);
    }
}
