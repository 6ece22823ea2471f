//! The templates built into the binary, and rendering them.

use include_dir::{Dir, File, include_dir};
use tera::{Context, Tera};

use crate::error::Diagnostic;
use crate::scaffold::layout;

/// Everything that a workspace is made of.
static TEMPLATES: Dir<'_> = include_dir!("$CARGO_MANIFEST_DIR/templates");

/// A template that does not render: a bug of ours, or of a folder given by the user.
#[derive(Debug, thiserror::Error)]
#[error("failed to render the template `{name}`")]
pub struct TemplateError {
    name: String,
    #[source]
    source: Box<tera::Error>,
}

impl Diagnostic for TemplateError {}

/// Renders a template by its path below `templates/`. Rust is laid out as rustfmt would.
///
/// # Errors
/// When it does not parse or names a variable that is not there.
pub fn render(name: &str, context: &Context) -> Result<String, TemplateError> {
    let source = text(name);
    let mut rendered = Tera::one_off(source, context, false).map_err(|source| TemplateError {
        name: name.to_owned(),
        source: Box::new(source),
    })?;
    if !rendered.ends_with('\n') {
        rendered.push('\n');
    }
    if name.ends_with(".rs.tera") {
        rendered = layout::lay_out(&rendered);
    }
    Ok(rendered)
}

/// A file that is placed as it is.
///
/// # Panics
/// When there is none of that name: the names are constants, and a test renders all of them.
pub fn text(name: &str) -> &'static str {
    file(name)
        .and_then(File::contents_utf8)
        .unwrap_or_else(|| panic!("`templates/{name}` is text that is built in"))
}

/// As [`Dir::get_file`], which compares with every file of every folder that comes before.
fn file(name: &str) -> Option<&'static File<'static>> {
    let mut folder = &TEMPLATES;
    for (end, _) in name.match_indices('/') {
        let mut folders = folder.dirs();
        folder = folders.find(|folder| folder.path().as_os_str() == &name[..end])?;
    }
    let mut files = folder.files();
    files.find(|file| file.path().as_os_str() == name)
}

/// The files below a folder, by their path below `templates/`, in their order.
pub fn files_below(folder: &str) -> Vec<(&'static str, &'static [u8])> {
    fn collect(folder: &'static Dir<'static>, files: &mut Vec<(&'static str, &'static [u8])>) {
        for file in folder.files() {
            let path = file.path().to_str().expect("templates have plain names");
            files.push((path, file.contents()));
        }
        folder.dirs().for_each(|folder| collect(folder, files));
    }
    let mut files = Vec::new();
    if let Some(folder) = TEMPLATES.get_dir(folder) {
        collect(folder, &mut files);
    }
    files.sort_unstable();
    files
}
