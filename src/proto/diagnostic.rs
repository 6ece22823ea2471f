//! What is wrong in a proto file, with its place: `file:line:column`, the line, a caret.

use std::fmt;

use miette::{Diagnostic as _, LabeledSpan, SourceCode};
use serde::Serialize;

use crate::error::Located;
use crate::proto::options::Problem;

/// One finding in a proto file.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct ProtoDiagnostic {
    /// What is wrong, as a lowercase fragment.
    pub message: String,
    /// The file, as imports name it, where known.
    pub file: Option<String>,
    /// Where in the file, where known.
    pub place: Option<Place>,
    /// What to do about it.
    pub help: Option<String>,
}

/// A place in a file with the line that is there.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Place {
    /// From 1.
    pub line: usize,
    /// From 1, in characters.
    pub column: usize,
    /// How many characters are meant, at least 1.
    pub length: usize,
    /// The text of the line, but for what is skipped of it.
    pub text: String,
    /// How many characters are left out at the beginning of the line, for it is long.
    pub skipped: usize,
    /// What the place is: "defined here".
    pub label: Option<String>,
}

impl Place {
    /// The place in a line; `length` is how many characters are meant. Of a long line, only what is
    /// around the place is kept.
    pub fn new(line: usize, column: usize, length: usize, text: &str) -> Self {
        /// How many characters are shown at most.
        const SHOWN: usize = 120;
        /// How many of them stand before what is meant.
        const BEFORE: usize = 40;
        let is_long = text.chars().nth(SHOWN).is_some();
        let skipped = match is_long {
            true => (column - 1).saturating_sub(BEFORE),
            false => 0,
        };
        let visible = SHOWN.saturating_sub(column - 1 - skipped);
        Self {
            line,
            column,
            length: length.min(visible).max(1),
            text: text.chars().skip(skipped).take(SHOWN).collect(),
            skipped,
            label: None,
        }
    }
}

impl ProtoDiagnostic {
    /// Takes what the compiler says.
    pub fn from_compiler(error: &protox::Error) -> Self {
        // What was refused before it was parsed.
        let source = std::error::Error::source(error);
        if let Some(own) = source.and_then(|source| source.downcast_ref::<Self>()) {
            return own.clone();
        }
        let labels: Vec<LabeledSpan> = error.labels().into_iter().flatten().collect();
        let label = offender(&labels);
        let place = error
            .source_code()
            .zip(label)
            .and_then(|(source, label)| place(source, label));
        Self {
            message: message(error),
            file: error.file().map(str::to_owned),
            help: error.help().map(|help| help.to_string()),
            place,
        }
    }

    /// What is wrong with a file as a whole.
    pub fn of_file(file: &str, message: impl Into<String>) -> Self {
        Self {
            message: message.into(),
            file: Some(file.to_owned()),
            place: None,
            help: None,
        }
    }

    /// What is wrong in a `msvc.toml`, shown as `file`, whose text is given.
    pub fn of_manifest(problem: Problem, file: &str, manifest: &str) -> Self {
        let place = problem.place(manifest).map(|place| {
            let text = manifest.lines().nth(place.line - 1).unwrap_or_default();
            Place::new(place.line, place.column, place.length, text)
        });
        Self {
            message: problem.message,
            file: Some(file.to_owned()),
            place,
            help: problem.help,
        }
    }

    /// Takes all that the compiler says of a file.
    pub fn all_from_compiler(error: &protox::Error) -> Vec<Self> {
        let mut all = vec![Self::from_compiler(error)];
        for related in error.related().into_iter().flatten() {
            let labels: Vec<LabeledSpan> = related.labels().into_iter().flatten().collect();
            let label = offender(&labels);
            all.push(Self {
                message: related.to_string(),
                file: error.file().map(str::to_owned),
                help: related.help().map(|help| help.to_string()),
                place: error
                    .source_code()
                    .zip(label)
                    .and_then(|(source, label)| place(source, label)),
            });
        }
        all
    }

    /// For programs.
    pub fn located(&self) -> Option<Located> {
        let place = self.place.as_ref();
        Some(Located {
            file: self.file.clone()?,
            line: place.map(|it| it.line),
            column: place.map(|it| it.column),
            message: self.message.clone(),
            help: self.help.clone(),
        })
    }

    /// The place as `file:line:column`, as much of it as is known.
    pub fn location(&self) -> Option<String> {
        let file = self.file.as_deref()?;
        Some(match &self.place {
            Some(place) => format!("{file}:{}:{}", place.line, place.column),
            None => file.to_owned(),
        })
    }
}

impl fmt::Display for ProtoDiagnostic {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        if let Some(location) = self.location() {
            write!(formatter, "{location}: ")?;
        }
        formatter.write_str(&self.message)?;
        if let Some(place) = &self.place {
            let number = place.line.to_string();
            let margin = " ".repeat(number.len());
            let text = place.text.replace('\t', " ");
            let ellipsis = if place.skipped > 0 { "…" } else { "" };
            let indent = place.column - 1 - place.skipped + ellipsis.chars().count();
            let indent = " ".repeat(indent);
            let carets = "^".repeat(place.length);
            write!(
                formatter,
                "\n {margin} |\n {number} | {ellipsis}{text}\n {margin} | {indent}{carets}"
            )?;
            if let Some(label) = &place.label {
                write!(formatter, " {label}")?;
            }
        }
        if let Some(help) = &self.help {
            write!(formatter, "\n = help: {help}")?;
        }
        Ok(())
    }
}

impl std::error::Error for ProtoDiagnostic {}

/// The compiler's message; it may end with the place, which is shown otherwise.
fn message(error: &protox::Error) -> String {
    let mut message = error.to_string();
    let mut source = std::error::Error::source(error);
    while let Some(cause) = source {
        let cause_text = cause.to_string();
        if !message.contains(&cause_text) {
            message.push_str(": ");
            message.push_str(&cause_text);
        }
        source = cause.source();
    }
    message
}

/// Which of several labels is meant: where something is used and not where it is defined; else the last
/// one, for those before it are the context.
fn offender(labels: &[LabeledSpan]) -> Option<&LabeledSpan> {
    let mut candidates = labels.iter();
    candidates
        .find(|label| label.primary() || label.label() == Some("found here"))
        .or(labels.last())
}

fn place(source: &dyn SourceCode, label: &LabeledSpan) -> Option<Place> {
    let contents = source.read_span(label.inner(), 1, 1).ok()?;
    let data = std::str::from_utf8(contents.data()).ok()?;
    let start = label.offset().checked_sub(contents.span().offset())?;
    // With a line of context, the contents start at the beginning of a line.
    let before = data.get(..start)?;
    let line_start = before.rfind('\n').map_or(0, |at| at + 1);
    let line_number = contents.line() + 1 + before.matches('\n').count();
    let text = data.get(line_start..)?.lines().next().unwrap_or_default();
    let meant = data.get(start..).unwrap_or_default();
    let length = meant
        .get(..label.len())
        .unwrap_or(meant)
        .lines()
        .next()
        .map_or(1, |line| line.chars().count().max(1));
    let column = before[line_start..].chars().count() + 1;
    Some(Place {
        label: label.label().map(str::to_owned),
        ..Place::new(line_number, column, length, text)
    })
}
