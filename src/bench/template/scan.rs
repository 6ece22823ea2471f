//! From a text to its placeholders.

use super::generator::{Generator, Sources, Step, Which, quoted};
use crate::proto::diagnostic::{Place, ProtoDiagnostic};

/// What begins a placeholder, and what ends it.
const OPEN: &str = "{{";
const CLOSE: &str = "}}";

/// A text with placeholders.
#[derive(Clone, Debug)]
pub struct Text {
    pub(super) pieces: Vec<Piece>,
    pub(super) generators: Vec<Generator>,
}

/// A part of a text, and where it stands there.
#[derive(Clone, Debug)]
pub(super) enum Piece {
    Static(std::ops::Range<usize>, String),
    Placeholder {
        at: std::ops::Range<usize>,
        /// The index of its generator.
        slot: usize,
        /// Whether it stands within a string of JSON.
        in_string: bool,
    },
}

/// What a text comes to, and which parts of it are from where in the template.
pub(super) struct Expanded {
    pub text: String,
    /// Where a part begins in it, and the range of the template that it came from.
    pub origins: Vec<(usize, std::ops::Range<usize>)>,
}

/// What a template is beside its placeholders.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Syntax {
    /// JSON: placeholders within strings are parts of them, others are values.
    Json,
    /// Text.
    Plain,
}

/// Whether there is a placeholder in a text.
pub fn has_placeholders(text: &str) -> bool {
    text.contains(OPEN)
}

/// Finds the placeholders of a template.
///
/// # Errors
/// The place of a placeholder that is none, and what may have been meant; `origin` is where the template
/// stands.
pub fn scan(
    text: &str,
    syntax: Syntax,
    origin: &str,
    sources: &Sources,
) -> Result<Text, Box<ProtoDiagnostic>> {
    let mut scanned = Text {
        pieces: Vec::new(),
        generators: Vec::new(),
    };
    let (mut from, mut at) = (0, 0);
    let mut in_string = false;
    while let Some(next) = text[at..].find(['"', '\\', '{']).map(|next| at + next) {
        let rest = &text[next..];
        if syntax == Syntax::Json && rest.starts_with('\\') {
            // Whatever is escaped, it is not the end of the string.
            let escaped = rest[1..].chars().next().map_or(0, char::len_utf8);
            at = next + 1 + escaped;
        } else if syntax == Syntax::Json && rest.starts_with('"') {
            in_string = !in_string;
            at = next + 1;
        } else if rest.starts_with(OPEN) {
            let wrong = |end: usize, message: String| {
                Box::new(ProtoDiagnostic {
                    message,
                    file: Some(origin.to_owned()),
                    place: Some(place(text, next..end)),
                    help: None,
                })
            };
            let (words, end) = words(text, next + OPEN.len(), in_string)
                .map_err(|(end, message)| wrong(end, message))?;
            let generator = match words {
                Words::Text(text) => Generator::fixed(text),
                Words::Call(words) => {
                    Generator::parse(&words, sources).map_err(|message| wrong(end, message))?
                }
            };
            scanned.keep(text, from..next);
            scanned.pieces.push(Piece::Placeholder {
                at: next..end,
                slot: scanned.generators.len(),
                in_string,
            });
            scanned.generators.push(generator);
            (from, at) = (end, end);
        } else {
            at = next + 1;
        }
    }
    scanned.keep(text, from..text.len());
    Ok(scanned)
}

/// What stands in a placeholder.
enum Words {
    /// A text in quotes.
    Text(String),
    /// A name and arguments.
    Call(Vec<String>),
}

/// Reads up to the closing braces; gives what stands there and where it ends. Within a string of JSON,
/// quotes are escaped.
fn words(text: &str, from: usize, in_string: bool) -> Result<(Words, usize), (usize, String)> {
    let quote = if in_string { "\\\"" } else { "\"" };
    let mut words: Vec<(String, bool)> = Vec::new();
    let mut at = from;
    loop {
        let rest = &text[at..];
        let trimmed = rest.trim_start();
        at += rest.len() - trimmed.len();
        if trimmed.starts_with(CLOSE) {
            break;
        }
        if let Some(inner) = trimmed.strip_prefix(quote) {
            let Some(length) = inner.find(quote) else {
                return Err((text.len(), "a text without its closing quote".to_owned()));
            };
            words.push((inner[..length].to_owned(), true));
            at += length + 2 * quote.len();
            continue;
        }
        let ends = |c: char| c.is_whitespace() || c == '}' || c == '"' || c == '\\';
        let length = trimmed.find(ends).unwrap_or(trimmed.len());
        if length == 0 {
            let line = trimmed.find('\n').unwrap_or(trimmed.len());
            return Err((
                at + line,
                "a placeholder that is not closed by `}}`".to_owned(),
            ));
        }
        words.push((trimmed[..length].to_owned(), false));
        at += length;
    }
    let end = at + CLOSE.len();
    let words = match &words[..] {
        [(text, true)] => Words::Text(text.clone()),
        _ => Words::Call(words.into_iter().map(|(word, _)| word).collect()),
    };
    Ok((words, end))
}

impl Text {
    fn keep(&mut self, text: &str, range: std::ops::Range<usize>) {
        if !range.is_empty() {
            let kept = text[range.clone()].to_owned();
            self.pieces.push(Piece::Static(range, kept));
        }
    }

    /// The text with what its placeholders stand for in a message.
    pub fn expand(&self, step: &Step) -> String {
        self.expanded(|slot| Which::Of(step, slot)).text
    }

    /// Appends the text with what its placeholders stand for, where it is not JSON.
    pub fn put(&self, step: &Step, out: &mut Vec<u8>) {
        for piece in &self.pieces {
            match piece {
                Piece::Static(_, text) => out.extend_from_slice(text.as_bytes()),
                Piece::Placeholder { slot, .. } => {
                    self.generators[*slot].put(Which::Of(step, *slot), out);
                }
            }
        }
    }

    /// Whether it depends on the time.
    pub fn needs_the_time(&self) -> bool {
        self.generators.iter().any(Generator::needs_the_time)
    }

    /// A value of a placeholder that is not printable ASCII, which metadata has to be.
    pub fn unprintable(&self) -> Option<&str> {
        let is_printable = |text: &str| text.chars().all(|c| matches!(c, ' '..='~'));
        let cells = self
            .generators
            .iter()
            .filter_map(|generator| match generator {
                Generator::Pick(cells) => Some(cells.cells.iter()),
                _ => None,
            });
        let mut texts = cells.flatten().map(|cell| cell.text());
        texts.find(|text| !is_printable(text))
    }

    pub(super) fn expanded<'a>(&self, which: impl Fn(usize) -> Which<'a>) -> Expanded {
        self.replaced(|slot, in_string| {
            let generator = &self.generators[slot];
            let which = which(slot);
            if let (Generator::Pick(cells), false) = (generator, in_string) {
                return cells.at(which).value();
            }
            let mut text = Vec::new();
            generator.put(which, &mut text);
            let text = String::from_utf8_lossy(&text);
            let is_number = generator.number(which).is_some();
            match in_string {
                true => inner(&text),
                false if is_number => text.into_owned(),
                false => quoted(&text),
            }
        })
    }

    /// The text with other text in the place of its placeholders.
    pub(super) fn replaced(&self, put: impl Fn(usize, bool) -> String) -> Expanded {
        let mut expanded = Expanded {
            text: String::new(),
            origins: Vec::new(),
        };
        for piece in &self.pieces {
            let start = expanded.text.len();
            match piece {
                Piece::Static(range, text) => {
                    expanded.origins.push((start, range.clone()));
                    expanded.text.push_str(text);
                }
                Piece::Placeholder {
                    at,
                    slot,
                    in_string,
                } => {
                    expanded.origins.push((start, at.clone()));
                    expanded.text.push_str(&put(*slot, *in_string));
                }
            }
        }
        expanded
    }

    /// Where a placeholder stands.
    pub(super) fn position(&self, wanted: usize) -> std::ops::Range<usize> {
        let found = self.pieces.iter().find_map(|piece| match piece {
            Piece::Placeholder { at, slot, .. } if *slot == wanted => Some(at.clone()),
            Piece::Placeholder { .. } | Piece::Static(..) => None,
        });
        found.unwrap_or(0..0)
    }
}

/// A string of JSON without its quotes.
pub(super) fn inner(text: &str) -> String {
    let quoted = quoted(text);
    quoted[1..quoted.len() - 1].to_owned()
}

/// The place of a range in a text.
pub(super) fn place(text: &str, range: std::ops::Range<usize>) -> Place {
    let before = &text[..range.start];
    let line_start = before.rfind('\n').map_or(0, |at| at + 1);
    let line = text[line_start..].lines().next().unwrap_or_default();
    let meant = text[range].lines().next().unwrap_or_default();
    Place::new(
        before.matches('\n').count() + 1,
        before[line_start..].chars().count() + 1,
        meant.chars().count(),
        line,
    )
}
