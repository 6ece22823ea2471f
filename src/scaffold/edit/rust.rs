//! Adding to Rust files: imports, modules, settings.
//!
//! What is added is valid and not laid out: rustfmt does that, where the file was laid out by it before.

use std::ops::Range;

use proc_macro2::{Span, TokenStream, TokenTree};
use syn::spanned::Spanned;

use crate::scaffold::edit::Obstacle;

/// A Rust file and what it says.
pub struct Source<'a> {
    /// The text.
    pub text: &'a str,
    /// What the parser makes of it.
    pub file: syn::File,
    /// How many bytes the parser did not count at the start.
    skipped: usize,
}

impl<'a> Source<'a> {
    /// Parses a file.
    ///
    /// # Errors
    /// When it is not valid Rust.
    pub fn parse(text: &'a str) -> Result<Self, Obstacle> {
        let file = syn::parse_file(text).map_err(|error| {
            let start = error.span().start();
            let what = format!("line {} is not Rust: {error}", start.line);
            Obstacle::new(what, "// after this line is mended")
        })?;
        let mark = '\u{feff}'.len_utf8() * usize::from(text.starts_with('\u{feff}'));
        let skipped = mark + file.shebang.as_deref().map_or(0, str::len);
        Ok(Self {
            text,
            file,
            skipped,
        })
    }

    /// Where something stands.
    pub fn range(&self, span: Span) -> Range<usize> {
        let range = span.byte_range();
        range.start + self.skipped..range.end + self.skipped
    }

    /// The text of something.
    pub fn text_of(&self, it: &impl Spanned) -> &'a str {
        &self.text[self.range(it.span())]
    }

    /// Inserts a text before the end of a block that `brace` closes, on lines of its own.
    pub fn before_brace(&self, brace: Span, inserted: &str) -> Edit {
        let at = self.range(brace).start;
        let line_start = self.text[..at].rfind('\n').map_or(0, |at| at + 1);
        let is_alone = self.text[line_start..at].trim().is_empty();
        match is_alone {
            true => (line_start..line_start, inserted.to_owned()),
            false => (at..at, format!("\n{inserted}")),
        }
    }
}

/// A place and what stands there instead.
pub type Edit = (Range<usize>, String);

/// Makes edits that do not overlap.
pub fn splice(text: &str, mut edits: Vec<Edit>) -> String {
    edits.sort_by_key(|(range, _)| (range.start, range.end));
    let mut edited = String::with_capacity(text.len());
    let mut copied = 0;
    for (range, new) in edits {
        edited.push_str(&text[copied..range.start]);
        edited.push_str(&new);
        copied = range.end;
    }
    edited.push_str(&text[copied..]);
    edited
}

/// Whether tokens have an identifier, however deep.
pub fn mentions(tokens: TokenStream, name: &str) -> bool {
    tokens.into_iter().any(|token| match token {
        TokenTree::Ident(ident) => ident == name,
        TokenTree::Group(group) => mentions(group.stream(), name),
        TokenTree::Punct(_) | TokenTree::Literal(_) => false,
    })
}

/// Adds `use path;`, or to the import that has what stands beside it.
///
/// # Errors
/// When the text is not Rust.
pub fn with_import(text: &str, path: &str) -> Result<String, Obstacle> {
    add_import(text, path, false)
}

/// Adds `pub use path;`.
///
/// # Errors
/// When the text is not Rust.
pub fn with_export(text: &str, path: &str) -> Result<String, Obstacle> {
    add_import(text, path, true)
}

fn add_import(text: &str, path: &str, is_public: bool) -> Result<String, Obstacle> {
    let source = Source::parse(text)?;
    let (parent, name) = path.rsplit_once("::").unwrap_or(("", path));
    let mut places = Vec::new();
    for item in &source.file.items {
        let syn::Item::Use(import) = item else {
            continue;
        };
        // What is imported for tests alone, or for one platform, is not imported for this.
        if !import.attrs.is_empty() {
            continue;
        }
        let (prefix, leaf) = leaf(&import.tree);
        let is_of_kind = matches!(import.vis, syn::Visibility::Public(_)) == is_public;
        if prefix == parent && is_of_kind {
            match leaf {
                syn::UseTree::Name(it) if it.ident == name => return Ok(text.to_owned()),
                syn::UseTree::Name(it) => {
                    let both = format!("{{{}, {name}}}", it.ident);
                    let edit = (source.range(it.span()), both);
                    return Ok(splice(text, vec![edit]));
                }
                syn::UseTree::Group(group) => {
                    let has = |it: &syn::UseTree| matches!(it, syn::UseTree::Name(it) if it.ident == name);
                    if group.items.iter().any(has) {
                        return Ok(text.to_owned());
                    }
                    let at = source.range(group.brace_token.span.open()).end;
                    return Ok(splice(text, vec![(at..at, format!("{name}, "))]));
                }
                syn::UseTree::Glob(_) => return Ok(text.to_owned()),
                syn::UseTree::Path(_) | syn::UseTree::Rename(_) => {}
            }
        }
        let rank = (rank(&prefix), is_public_rank(&import.vis));
        places.push((rank, source.range(import.span())));
    }
    let own = (rank(path), usize::from(is_public));
    let line = format!("{}use {path};", if is_public { "pub " } else { "" });
    let same = places.iter().rev().find(|(rank, _)| *rank == own);
    let before = places.iter().rev().find(|(rank, _)| *rank < own);
    let edit = match (same, before, places.first()) {
        (Some((_, range)), _, _) => (range.end..range.end, format!("\n{line}")),
        (None, Some((_, range)), _) => (range.end..range.end, format!("\n\n{line}")),
        (None, None, Some((_, range))) => (range.start..range.start, format!("{line}\n\n")),
        (None, None, None) => {
            let at = source.file.items.first();
            let at = at.map_or(text.len(), |item| source.range(item.span()).start);
            (at..at, format!("{line}\n\n"))
        }
    };
    Ok(splice(text, vec![edit]))
}

/// The path of an import up to the name or the group that ends it.
fn leaf(mut tree: &syn::UseTree) -> (String, &syn::UseTree) {
    let mut prefix: Vec<String> = Vec::new();
    while let syn::UseTree::Path(part) = tree {
        prefix.push(part.ident.to_string());
        tree = &part.tree;
    }
    (prefix.join("::"), tree)
}

/// Groups of imports: the standard library's, those of other crates, our own.
fn rank(path: &str) -> usize {
    match path.split("::").next().unwrap_or_default() {
        "std" | "core" | "alloc" => 0,
        "crate" | "self" | "super" => 2,
        _ => 1,
    }
}

fn is_public_rank(visibility: &syn::Visibility) -> usize {
    usize::from(matches!(visibility, syn::Visibility::Public(_)))
}

/// Adds a constant behind the imports; `constant` is its text.
///
/// # Errors
/// When the text is not Rust.
pub fn with_constant(text: &str, name: &str, constant: &str) -> Result<String, Obstacle> {
    let source = Source::parse(text)?;
    let mut items = source.file.items.iter();
    if items.any(|item| matches!(item, syn::Item::Const(it) if it.ident == name)) {
        return Ok(text.to_owned());
    }
    let mut items = source.file.items.iter();
    let last = items.rfind(|item| matches!(item, syn::Item::Use(_) | syn::Item::Mod(_)));
    let edit = match (last, source.file.items.first()) {
        (Some(last), _) => {
            let end = source.range(last.span()).end;
            (end..end, format!("\n\n{constant}"))
        }
        (None, Some(first)) => {
            let start = source.range(first.span()).start;
            (start..start, format!("{constant}\n\n"))
        }
        (None, None) => (text.len()..text.len(), format!("{constant}\n")),
    };
    Ok(splice(text, vec![edit]))
}

/// Adds `mod name;` behind the others, with what stands before it, as in `pub `.
///
/// # Errors
/// When the text is not Rust.
pub fn with_module(text: &str, name: &str, visibility: &str) -> Result<String, Obstacle> {
    let source = Source::parse(text)?;
    let modules = source.file.items.iter().filter_map(|item| match item {
        syn::Item::Mod(module) => Some(module),
        _ => None,
    });
    if modules.clone().any(|module| module.ident == name) {
        return Ok(text.to_owned());
    }
    let line = format!("{visibility}mod {name};");
    let last = modules.rev().find(|module| module.content.is_none());
    let edit = match (last, source.file.items.first()) {
        (Some(module), _) => {
            let end = source.range(module.span()).end;
            (end..end, format!("\n{line}"))
        }
        (None, Some(first)) => {
            let start = source.range(first.span()).start;
            (start..start, format!("{line}\n\n"))
        }
        (None, None) => (text.len()..text.len(), format!("{line}\n")),
    };
    Ok(splice(text, vec![edit]))
}

/// Adds a field to `struct Settings`; `field` is its text without a comma, its documentation before it.
///
/// # Errors
/// When there is no such struct with named fields.
pub fn with_setting(text: &str, name: &str, field: &str) -> Result<String, Obstacle> {
    let source = Source::parse(text)?;
    let found = source.file.items.iter().find_map(|item| match item {
        syn::Item::Struct(it) if it.ident == "Settings" => Some(it),
        _ => None,
    });
    let Some(syn::Fields::Named(fields)) = found.map(|it| &it.fields) else {
        let what = "it has no `struct Settings` with named fields";
        return Err(Obstacle::new(what, format!("{field},")));
    };
    let is_it = |it: &syn::Field| it.ident.as_ref().is_some_and(|ident| ident == name);
    if fields.named.iter().any(is_it) {
        return Ok(text.to_owned());
    }
    let lines: String = field.lines().map(|line| format!("    {line}\n")).collect();
    let lines = format!("{},\n", lines.trim_end());
    let mut edits = vec![source.before_brace(fields.brace_token.span.close(), &lines)];
    if let (Some(last), false) = (fields.named.last(), fields.named.trailing_punct()) {
        let end = source.range(last.span()).end;
        edits.push((end..end, ",".to_owned()));
    }
    Ok(splice(text, edits))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn imported(text: &str, path: &str) -> String {
        with_import(text, path).expect("Rust")
    }

    #[test]
    fn an_import_joins_its_neighbours() {
        let text = "//! Doc.\n\nmod a;\n\nuse std::fs;\n\nuse chassis::Services;\nuse serde::{A, B};\n\n\
                    pub use crate::api::Api;\n";
        assert_eq!(imported(text, "serde::B"), text);
        assert_eq!(imported(text, "chassis::Services"), text);
        assert_eq!(
            imported(text, "chassis::Error"),
            text.replace("chassis::Services", "chassis::{Services, Error}")
        );
        assert_eq!(
            imported(text, "serde::C"),
            text.replace("{A, B}", "{C, A, B}")
        );
        assert_eq!(
            imported(text, "chassis::config::Config"),
            text.replace("{A, B};", "{A, B};\nuse chassis::config::Config;")
        );
        assert_eq!(
            imported(text, "std::io"),
            text.replace("std::fs", "std::{fs, io}")
        );
        assert_eq!(
            with_export(text, "crate::sql::Sql").as_deref(),
            Ok(format!("{}\npub use crate::sql::Sql;\n", text.trim_end()).as_str())
        );
        assert_eq!(imported("fn a() {}\n", "x::Y"), "use x::Y;\n\nfn a() {}\n");
        let text = "#[cfg(test)]\nuse x::{A, Y};\n";
        assert_eq!(imported(text, "x::Y"), format!("use x::Y;\n\n{text}"));
    }

    #[test]
    fn a_module_and_a_setting_are_added_once() {
        let text = "mod api;\n\nstruct Settings {}\n";
        let with_module = |text: &str| with_module(text, "sql", "pub ").expect("Rust");
        let edited = with_module(text);
        assert_eq!(edited, "mod api;\npub mod sql;\n\nstruct Settings {}\n");
        assert_eq!(with_module(&edited), edited);
        let constant = with_constant(&edited, "A", "const A: u8 = 1;").expect("Rust");
        assert_eq!(
            constant,
            edited.replace("sql;\n", "sql;\n\nconst A: u8 = 1;\n")
        );
        assert_eq!(with_constant(&constant, "A", "…"), Ok(constant.clone()));

        let field = "/// Where.\npub url: String";
        let once = with_setting(text, "url", field).expect("found");
        assert_eq!(
            once,
            "mod api;\n\nstruct Settings {\n    /// Where.\n    pub url: String,\n}\n"
        );
        assert_eq!(with_setting(&once, "url", field), Ok(once.clone()));
        let twice = with_setting(&once, "size", "pub size: u8").expect("found");
        assert_eq!(
            twice,
            once.replace("String,\n", "String,\n    pub size: u8,\n")
        );
        assert_eq!(
            with_setting("fn a() {}", "url", field),
            Err(Obstacle::new(
                "it has no `struct Settings` with named fields",
                "/// Where.\npub url: String,"
            ))
        );
    }
}
