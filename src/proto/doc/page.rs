//! Pages made of the model, by templates.

use tera::{Context, Tera};

use crate::error::{Diagnostic, Exit};
use crate::proto::doc::model::Documentation;

/// The template of a Markdown document.
const MARKDOWN: &str = include_str!("page.md.tera");
/// The template of an HTML page, which needs nothing beside itself.
const HTML: &str = include_str!("page.html.tera");

/// What documentation is written in.
#[derive(Clone, Copy, Debug, PartialEq, Eq, clap::ValueEnum)]
pub enum DocFormat {
    /// Markdown, with tables as GitHub shows them.
    Markdown,
    /// One HTML page that needs nothing beside itself.
    Html,
}

/// A template that cannot be rendered: a bug.
#[derive(Debug, thiserror::Error)]
#[error("the page cannot be rendered")]
pub struct RenderError(#[source] Box<tera::Error>);

impl Diagnostic for RenderError {
    fn exit(&self) -> Exit {
        Exit::Bug
    }
}

/// Lays documentation out.
///
/// # Errors
/// [`RenderError`] when a template is wrong.
pub fn render(documentation: &Documentation, format: DocFormat) -> Result<String, RenderError> {
    let failed = |error| RenderError(Box::new(error));
    let context = Context::from_serialize(documentation).map_err(failed)?;
    let (template, escapes) = match format {
        DocFormat::Markdown => (MARKDOWN, false),
        DocFormat::Html => (HTML, true),
    };
    let page = Tera::one_off(template, &context, escapes).map_err(failed)?;
    // Loops and conditions leave empty lines behind.
    let mut text = String::with_capacity(page.len());
    let mut was_empty = true;
    for line in page.lines().map(str::trim_end) {
        if !(line.is_empty() && was_empty) {
            text.push_str(line);
            text.push('\n');
        }
        was_empty = line.is_empty();
    }
    Ok(text.trim_end().to_owned() + "\n")
}
