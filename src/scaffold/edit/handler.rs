//! Adding a field to a handler, with the constructor that fills it.

use proc_macro2::TokenTree;
use quote::ToTokens;
use syn::spanned::Spanned;

use crate::scaffold::edit::Obstacle;
use crate::scaffold::edit::rust::{Edit, Source, mentions, splice};
use crate::scaffold::edit::wiring::appended;

/// A field that a handler gets.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct NewField<'a> {
    /// Its name.
    pub name: &'a str,
    /// Its type.
    pub of: &'a str,
    /// What it is, as a sentence.
    pub summary: &'a str,
}

/// Whether a file declares a struct.
pub fn declares(text: &str, handler: &str) -> bool {
    Source::parse(text).is_ok_and(|source| find(&source, handler).is_some())
}

/// Adds a field to the struct `handler` and has its `new` take it; one without fields gets a `new`.
///
/// # Errors
/// When the struct is not there, or its `new` does not end with `Self { … }`.
pub fn with_field(text: &str, handler: &str, field: &NewField<'_>) -> Result<String, Obstacle> {
    let NewField { name, of, summary } = field;
    let snippet = format!("/// {summary}\npub {name}: {of},");
    let source = Source::parse(text)?;
    let found = find(&source, handler)
        .ok_or_else(|| Obstacle::new(format!("it has no `struct {handler}`"), snippet.clone()))?;
    let field = format!("    /// {summary}\n    pub {name}: {of},\n");
    let mut edits = Vec::new();
    match &found.fields {
        syn::Fields::Unit => {
            let end = source.range(found.span()).end;
            edits.extend(without_derives(&source, &found.attrs, &["Copy", "Default"]));
            let new = format!(
                "\n\nimpl {handler} {{\n    /// Serves with what it needs.\n    \
                 pub fn new({name}: {of}) -> Self {{\n        Self {{ {name} }}\n    }}\n}}"
            );
            edits.push((end - 1..end, format!(" {{\n{field}}}{new}")));
        }
        syn::Fields::Named(fields) => {
            let is_it = |it: &syn::Field| it.ident.as_ref().is_some_and(|ident| ident == name);
            if fields.named.iter().any(is_it) {
                return Ok(text.to_owned());
            }
            edits.push(source.before_brace(fields.brace_token.span.close(), &field));
            edits.extend(constructor(&source, handler, (name, of)).ok_or_else(|| {
                let what = format!("`{handler}::new` does not end with `Self {{ … }}`");
                Obstacle::new(what, snippet)
            })?);
        }
        syn::Fields::Unnamed(_) => {
            let what = format!("the fields of `{handler}` have no names");
            return Err(Obstacle::new(what, snippet));
        }
    }
    Ok(splice(text, edits))
}

fn find<'a>(source: &'a Source<'_>, handler: &str) -> Option<&'a syn::ItemStruct> {
    source.file.items.iter().find_map(|item| match item {
        syn::Item::Struct(it) if it.ident == handler => Some(it),
        _ => None,
    })
}

/// Takes traits out of `#[derive(…)]` that the new field may not have.
fn without_derives(source: &Source<'_>, attributes: &[syn::Attribute], gone: &[&str]) -> Vec<Edit> {
    let mut edits = Vec::new();
    for attribute in attributes {
        let syn::Meta::List(list) = &attribute.meta else {
            continue;
        };
        if !list.path.is_ident("derive") {
            continue;
        }
        let traits = source.text_of(&list.tokens).split(',').map(str::trim);
        let kept: Vec<&str> = traits
            .filter(|it| !it.is_empty() && !gone.contains(it))
            .collect();
        edits.push((source.range(list.tokens.span()), kept.join(", ")));
    }
    edits
}

/// Has `new` take a field and put it where it belongs.
fn constructor(source: &Source<'_>, handler: &str, (name, of): (&str, &str)) -> Option<Vec<Edit>> {
    let blocks = source.file.items.iter().filter_map(|item| match item {
        syn::Item::Impl(block) if block.trait_.is_none() => Some(block),
        _ => None,
    });
    let own = blocks.filter(|block| mentions(block.self_ty.to_token_stream(), handler));
    let new = own
        .flat_map(|block| &block.items)
        .find_map(|item| match item {
            syn::ImplItem::Fn(function) if function.sig.ident == "new" => Some(function),
            _ => None,
        })?;
    let Some(syn::Stmt::Expr(syn::Expr::Struct(made), None)) = new.block.stmts.last() else {
        return None;
    };
    let parameters = group_of(&new.sig.to_token_stream(), new.sig.paren_token.span.open())?;
    let fields = group_of(&made.to_token_stream(), made.brace_token.span.open())?;
    Some(vec![
        appended(source, &parameters, &format!("{name}: {of}")),
        appended(source, &fields, name),
    ])
}

/// The group of tokens that is opened at a place.
fn group_of(
    tokens: &proc_macro2::TokenStream,
    open: proc_macro2::Span,
) -> Option<proc_macro2::Group> {
    let at = open.byte_range().start;
    tokens.clone().into_iter().find_map(|token| match token {
        TokenTree::Group(group) if group.span_open().byte_range().start == at => Some(group),
        _ => None,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    const USERS: NewField<'_> = NewField {
        name: "users",
        of: "Client",
        summary: "The users.",
    };

    #[test]
    fn a_handler_without_fields_gets_one_and_a_constructor() {
        let text = "/// Serves.\n#[derive(Clone, Copy, Debug, Default)]\npub struct Api;\n";
        let edited = with_field(text, "Api", &USERS).expect("found");
        assert_eq!(
            edited,
            "/// Serves.\n#[derive(Clone, Debug)]\npub struct Api {\n    /// The users.\n    \
             pub users: Client,\n}\n\nimpl Api {\n    /// Serves with what it needs.\n    \
             pub fn new(users: Client) -> Self {\n        Self { users }\n    }\n}\n"
        );
        assert_eq!(with_field(&edited, "Api", &USERS), Ok(edited.clone()));
        let more = NewField {
            name: "orders",
            of: "Orders",
            summary: "The orders.",
        };
        let both = with_field(&edited, "Api", &more).expect("found");
        assert!(
            both.contains("pub fn new(users: Client, orders: Orders) -> Self"),
            "{both}"
        );
        assert!(both.contains("Self { users , orders}"), "{both}");
    }

    #[test]
    fn a_handler_of_another_form_is_refused_with_what_to_add() {
        let snippet = "/// The users.\npub users: Client,";
        for (text, what) in [
            ("fn a() {}", "it has no `struct Api`"),
            ("struct Api(u8);", "the fields of `Api` have no names"),
            (
                "struct Api { a: u8 }\nimpl Api { fn new() -> Self { todo!() } }",
                "`Api::new` does not end with `Self { … }`",
            ),
        ] {
            let refused = with_field(text, "Api", &USERS);
            assert_eq!(refused, Err(Obstacle::new(what, snippet)));
        }
    }
}
