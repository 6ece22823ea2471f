//! Protos in one layout, that of `buf format`: two spaces a level, imports and options of a file sorted,
//! one blank line at most, and every comment kept.
//!
//! Lexing keeps all, the tree knows as much of the grammar as the layout needs, and printing decides
//! every space anew; what it prints is compared with what it was given before anybody sees it. Pure: text
//! in, text out.

mod comments;
mod lex;
mod order;
mod print;
mod spacing;
mod tree;
mod values;
mod verify;

use crate::proto::diagnostic::{Place, ProtoDiagnostic};
use crate::proto::format::lex::LexError;

/// Why a proto is left as it is.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum FormatError {
    /// It is no proto.
    #[error("{0}")]
    Broken(Box<ProtoDiagnostic>),
    /// What was printed does not say the same: a bug of the formatter.
    #[error("`{name}` would not say the same formatted: {what}")]
    Changed {
        /// The file.
        name: String,
        /// The first difference.
        what: String,
    },
}

/// Formats a proto; `name` is for messages.
///
/// # Errors
/// [`FormatError`] when it is no proto.
pub fn format(name: &str, text: &str) -> Result<String, FormatError> {
    let broken = |error: LexError| FormatError::Broken(Box::new(diagnostic(name, text, &error)));
    let tokens = lex::lex(text).map_err(broken)?;
    let tree = order::arrange(tree::build(tokens).map_err(broken)?);
    let printed = print::print(&tree);
    let changed = |what| FormatError::Changed {
        name: name.to_owned(),
        what,
    };
    verify::same(text, &printed).map_err(changed)?;
    Ok(printed)
}

/// Where a text is no proto as far as its layout tells: what is opened and not closed.
pub fn unreadable(name: &str, text: &str) -> Option<ProtoDiagnostic> {
    let error = lex::lex(text).and_then(tree::build).err()?;
    Some(diagnostic(name, text, &error))
}

fn diagnostic(name: &str, text: &str, error: &LexError) -> ProtoDiagnostic {
    let before = &text[..error.offset];
    let line_start = before.rfind('\n').map_or(0, |at| at + 1);
    let mut diagnostic = ProtoDiagnostic::of_file(name, error.message);
    let line = before.matches('\n').count() + 1;
    let column = before[line_start..].chars().count() + 1;
    let text = text[line_start..].lines().next().unwrap_or_default();
    diagnostic.place = Some(Place::new(line, column, 1, text));
    diagnostic
}
