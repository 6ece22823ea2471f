//! Names that protobuf allows and Rust does not: whatever a compiler of protos takes becomes a crate that
//! compiles, and the wire stays as the protos have it.

use std::collections::{BTreeMap, BTreeSet};

use msvc::proto::codegen::{self, Generated};
use msvc::proto::compile::{Compiled, compile};
use msvc::proto::sources::Sources;

use crate::support::random_protos::random_protos;

fn generated(files: BTreeMap<String, String>) -> (Compiled, Generated) {
    let names: Vec<String> = files.keys().cloned().collect();
    let sources = Sources {
        memory: files.clone(),
        folders: Vec::new(),
        ..Sources::default()
    };
    let compiled = match compile(&sources, &names) {
        Ok(compiled) => compiled,
        Err(error) => panic!("{error}\n{files:#?}"),
    };
    let generated = codegen::generate(&compiled.descriptors).expect("generates");
    (compiled, generated)
}

/// What is there twice in one scope of generated code.
fn collisions(generated: &Generated) -> Vec<String> {
    let mut found = Vec::new();
    for (path, text) in &generated.files {
        let file = syn::parse_file(text).expect(path);
        in_module(path, &file.items, &mut found);
    }
    found
}

fn in_module(path: &str, items: &[syn::Item], found: &mut Vec<String>) {
    let mut names = BTreeSet::new();
    for item in items {
        let ident = match item {
            syn::Item::Struct(it) => {
                members(path, it, found);
                &it.ident
            }
            syn::Item::Enum(it) => {
                let variants = it.variants.iter().map(|it| it.ident.to_string());
                twice(&format!("{path}::{}", it.ident), variants, found);
                &it.ident
            }
            syn::Item::Mod(it) => {
                let inner = it.content.iter().flat_map(|(_, items)| items);
                let inner: Vec<syn::Item> = inner.cloned().collect();
                in_module(&format!("{path}::{}", it.ident), &inner, found);
                &it.ident
            }
            syn::Item::Trait(it) => {
                let functions = it.items.iter().filter_map(|it| match it {
                    syn::TraitItem::Fn(it) => Some(it.sig.ident.to_string()),
                    _ => None,
                });
                twice(&format!("{path}::{}", it.ident), functions, found);
                &it.ident
            }
            _ => continue,
        };
        names.insert(ident.to_string());
        let same = items.iter().filter(|other| match other {
            syn::Item::Struct(it) => it.ident == *ident,
            syn::Item::Enum(it) => it.ident == *ident,
            syn::Item::Mod(it) => it.ident == *ident,
            syn::Item::Trait(it) => it.ident == *ident,
            _ => false,
        });
        if same.count() > 1 {
            found.push(format!("{path}::{ident}"));
        }
    }
    let hiding = ["bool", "f64", "i32", "str", "u32"];
    found.extend(
        hiding
            .iter()
            .filter(|it| names.contains(**it))
            .map(|it| format!("{path}::{it}")),
    );
}

fn twice(path: &str, names: impl Iterator<Item = String>, found: &mut Vec<String>) {
    let mut seen = BTreeSet::new();
    for name in names {
        if !seen.insert(name.clone()) {
            found.push(format!("{path}::{name}"));
        }
    }
}

/// Fields, and the functions that prost derives for them by what stands in their attributes.
fn members(path: &str, item: &syn::ItemStruct, found: &mut Vec<String>) {
    let path = format!("{path}::{}", item.ident);
    let mut functions = Vec::new();
    for field in &item.fields {
        let name = field
            .ident
            .as_ref()
            .map(ToString::to_string)
            .unwrap_or_default();
        let plain = name.trim_start_matches("r#");
        let attributes = field
            .attrs
            .iter()
            .filter_map(|it| it.meta.require_list().ok());
        let attributes: String = attributes.map(|it| it.tokens.to_string()).collect();
        let is_map = attributes.contains("map =");
        let is_message = attributes.starts_with("message") || attributes.starts_with("group");
        match attributes.contains("enumeration") {
            true if is_map => functions.extend([format!("get_{name}"), format!("insert_{name}")]),
            true if attributes.contains("repeated") => {
                functions.extend([name.clone(), format!("push_{plain}")])
            }
            true => functions.extend([name.clone(), format!("set_{plain}")]),
            false if attributes.contains("optional") && !is_message => {
                functions.push(name.clone());
            }
            false => {}
        }
    }
    found.extend(
        functions
            .iter()
            .filter(|it| it.contains("_r#"))
            .map(|it| format!("{path}::{it}")),
    );
    twice(&path, functions.into_iter(), found);
    let fields = item
        .fields
        .iter()
        .filter_map(|it| Some(it.ident.as_ref()?.to_string()));
    twice(&path, fields, found);
}

#[test]
fn names_at_random_never_collide_whatever_the_order_of_the_files() {
    let mut renamed = 0;
    for seed in 100..140 {
        let files = random_protos(seed, 4, "");
        let (mut compiled, generated) = generated(files.clone());
        assert_eq!(collisions(&generated), [""; 0], "seed {seed}: {files:#?}");
        renamed += generated.renames.len();
        compiled.descriptors.file.reverse();
        let turned = codegen::generate(&compiled.descriptors).expect("generates");
        assert_eq!(turned.renames, generated.renames, "seed {seed}");
    }
    assert!(renamed > 400, "{renamed}");
}

#[test]
fn a_name_stays_when_protos_that_it_does_not_collide_with_come() {
    let files = random_protos(7, 4, "");
    let (_, alone) = generated(files.clone());
    let mut more = files;
    more.insert(
        "z.proto".to_owned(),
        "syntax = \"proto3\"; package zz; message HTTPServer {} message HttpServer {}".to_owned(),
    );
    let (_, together) = generated(more);
    let (of_others, same): (Vec<_>, Vec<_>) = together
        .renames
        .into_iter()
        .partition(|it| it.proto.starts_with("zz."));
    assert_eq!(same, alone.renames);
    assert_eq!(of_others.len(), 1);
    assert_eq!(
        of_others[0].to_string(),
        "`zz.HTTPServer` is `HttpServerMessage` in Rust"
    );
}
