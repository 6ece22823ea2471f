//! Stubs for methods that the user's code does not implement yet, put where they belong.
//!
//! The user's file is parsed to find the `impl` block of a service and what is in it; the text is
//! then changed by insertion alone, so every byte that was there stays. Pure: text in, text out.

mod mismatch;
mod render;
mod resolve;
mod scope;

use std::collections::BTreeSet;

use serde::Serialize;
use syn::spanned::Spanned;

use self::mismatch::Comparison;
pub use self::mismatch::{Implemented, Mismatch};
pub use self::render::render_method;
use self::resolve::{Meaning, ModuleId, Modules};
pub use self::scope::Scope;
use crate::proto::model::Service;

/// Text to put into a file.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Insertion {
    /// Where, in bytes from the start.
    pub offset: usize,
    /// What.
    pub text: String,
}

/// An `impl` block that may be a service's, but whose trait leads to another file.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Unclear {
    /// The gRPC service.
    pub service: String,
    /// The line of the block, from 1.
    pub line: usize,
}

/// What one file needs.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct FileStubs {
    /// The full names of the services that the file implements.
    pub implements: BTreeSet<String>,
    /// What to insert, in the order of the file.
    pub insertions: Vec<Insertion>,
    /// The methods that are inserted: `user.v1.UserService/Ping`.
    pub added: Vec<String>,
    /// What does not fit the protos (any more).
    pub mismatches: Vec<Mismatch>,
    /// The traits of other services that the file implements.
    pub others: Vec<Implemented>,
    /// What was left alone because it is not certain.
    pub unclear: Vec<Unclear>,
}

/// Finds the `impl` blocks of services in a Rust file and what is missing in them.
///
/// # Errors
/// When the file is not valid Rust.
pub fn examine(source: &str, services: &[Service]) -> Result<FileStubs, syn::Error> {
    let file = syn::parse_file(source)?;
    // The parser passes over a byte order mark and a `#!` line, and counts from behind them.
    let mark = '\u{feff}'.len_utf8() * usize::from(source.starts_with('\u{feff}'));
    let skipped = mark + file.shebang.as_deref().map_or(0, str::len);
    let mut stubs = FileStubs::default();
    let examination = Examination {
        source,
        skipped,
        services,
        modules: &Modules::of(&file.items),
    };
    examination.items(&file.items, Modules::FILE, &mut stubs);
    stubs.insertions.sort_by_key(|insertion| insertion.offset);
    Ok(stubs)
}

/// Puts insertions, ordered by their offset, into a text.
pub fn insert(source: &str, insertions: &[Insertion]) -> String {
    let mut text = String::with_capacity(source.len());
    let mut copied = 0;
    for insertion in insertions {
        text.push_str(&source[copied..insertion.offset]);
        text.push_str(&insertion.text);
        copied = insertion.offset;
    }
    text.push_str(&source[copied..]);
    text
}

/// What the examination of a file goes by.
struct Examination<'a> {
    source: &'a str,
    /// How many bytes the parser did not count at the start.
    skipped: usize,
    services: &'a [Service],
    modules: &'a Modules,
}

impl Examination<'_> {
    fn items(&self, items: &[syn::Item], module: ModuleId, stubs: &mut FileStubs) {
        for item in items {
            match item {
                syn::Item::Impl(block) => {
                    if let Some((_, path, _)) = &block.trait_ {
                        let meanings = self.modules.meanings(module, path);
                        self.block(block, &meanings, module, stubs);
                    }
                }
                syn::Item::Mod(inner) => {
                    let child = self.modules.child(module, &inner.ident.to_string());
                    if let (Some((_, items)), Some(child)) = (&inner.content, child) {
                        self.items(items, child, stubs);
                    }
                }
                _ => {}
            }
        }
    }

    fn block(
        &self,
        block: &syn::ItemImpl,
        meanings: &[Meaning],
        module: ModuleId,
        stubs: &mut FileStubs,
    ) {
        let is_trait_of = |service: &&Service| {
            let full = format!("{}::{}", service.server_module(), service.rust_name);
            meanings.contains(&Meaning::Full(full))
        };
        if let Some(service) = self.services.iter().find(is_trait_of) {
            self.service_block(block, service, module, stubs);
            return;
        }
        if let [Meaning::Full(path)] = meanings
            && is_server(path)
            && let Some((_, written, _)) = &block.trait_
        {
            stubs.others.push(Implemented {
                path: path.clone(),
                place: mismatch::place(written.span()),
            });
        }
        if meanings.contains(&Meaning::Declared) {
            return;
        }
        let may_be = |service: &&Service| {
            meanings.iter().any(|meaning| match meaning {
                Meaning::Elsewhere(path) => {
                    path.rsplit("::").next() == Some(service.rust_name.as_str())
                }
                _ => false,
            })
        };
        let line = block.impl_token.span.start().line;
        let services = self.services.iter().filter(may_be);
        stubs.unclear.extend(services.map(|service| Unclear {
            service: service.full_name.clone(),
            line,
        }));
    }

    fn service_block(
        &self,
        block: &syn::ItemImpl,
        service: &Service,
        module: ModuleId,
        stubs: &mut FileStubs,
    ) {
        stubs.implements.insert(service.full_name.clone());
        let comparison = Comparison {
            service,
            modules: self.modules,
            module,
        };
        let mut functions = BTreeSet::new();
        let mut types = BTreeSet::new();
        for item in &block.items {
            match item {
                syn::ImplItem::Fn(function) => {
                    stubs.mismatches.extend(comparison.function(function));
                    functions.insert(function.sig.ident.to_string());
                }
                syn::ImplItem::Type(alias) => {
                    stubs.mismatches.extend(comparison.alias(alias));
                    types.insert(alias.ident.to_string());
                }
                _ => {}
            }
        }
        let scope = self.modules.scope(module);
        let missing = service
            .methods
            .iter()
            .filter(|method| !functions.contains(&method.rust_name));
        let mut rendered = Vec::new();
        for method in missing {
            let wants_type = method.server_streaming && !types.contains(&method.stream_type());
            rendered.push(render_method(method, scope, wants_type));
            stubs
                .added
                .push(format!("{}/{}", service.full_name, method.proto_name));
        }
        if rendered.is_empty() {
            return;
        }

        let brace = block.brace_token.span.close().byte_range().start + self.skipped;
        let (offset, indent, same_line) = place_before(self.source, brace);
        let mut text = String::new();
        if same_line || !block.items.is_empty() {
            text.push('\n');
        }
        for (index, method) in rendered.iter().enumerate() {
            if index > 0 {
                text.push('\n');
            }
            for line in method.lines() {
                if !line.is_empty() {
                    text.push_str(indent);
                    text.push_str("    ");
                    text.push_str(line);
                }
                text.push('\n');
            }
        }
        if same_line {
            text.push_str(indent);
        }
        if self.source.contains("\r\n") {
            text = text.replace('\n', "\r\n");
        }
        stubs.insertions.push(Insertion { offset, text });
    }
}

/// Whether a path is that of a service's trait in the crate `protocol`.
fn is_server(path: &str) -> bool {
    let mut parts = path.rsplit("::").skip(1);
    path.starts_with("protocol::") && parts.next().is_some_and(|it| it.ends_with("_server"))
}

/// Where to insert before a closing brace: at the start of its line, or right at it when other code
/// stands before it there. With it the indentation of that line and whether it is the second case.
fn place_before(source: &str, brace: usize) -> (usize, &str, bool) {
    let line_start = source[..brace].rfind('\n').map_or(0, |at| at + 1);
    let before = &source[line_start..brace];
    let indent_end = before
        .find(|one: char| one != ' ' && one != '\t')
        .unwrap_or(before.len());
    let alone = indent_end == before.len();
    if alone {
        (line_start, before, false)
    } else {
        (brace, &before[..indent_end], true)
    }
}

#[cfg(test)]
mod random_tests;
#[cfg(test)]
mod tests;
