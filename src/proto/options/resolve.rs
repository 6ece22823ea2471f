//! From names in a configuration to what the generators are told, or what is wrong.
//!
//! Pure: no I/O.

use std::collections::BTreeMap;

use syn::parse::Parser as _;

use super::symbols::{Kind, Symbols};
use super::{GenConfig, Options, Problem};
use crate::manifest::place::Step;
use crate::proto::finding::most_similar;

/// The crate of the well-known types, and those of them that are Rust's own, as prost has it.
const WELL_KNOWN: &[(&str, &str)] = &[
    (".google.protobuf", "::prost_types"),
    (".google.protobuf.BoolValue", "bool"),
    (
        ".google.protobuf.BytesValue",
        "::prost::alloc::vec::Vec<u8>",
    ),
    (".google.protobuf.DoubleValue", "f64"),
    (".google.protobuf.Empty", "()"),
    (".google.protobuf.FloatValue", "f32"),
    (".google.protobuf.Int32Value", "i32"),
    (".google.protobuf.Int64Value", "i64"),
    (
        ".google.protobuf.StringValue",
        "::prost::alloc::string::String",
    ),
    (".google.protobuf.UInt32Value", "u32"),
    (".google.protobuf.UInt64Value", "u64"),
];

/// What a key of the configuration may name.
struct Wanted {
    /// The key.
    key: &'static str,
    kinds: &'static [Kind],
    /// The kinds in words.
    described: &'static str,
}

const BYTES: Wanted = Wanted {
    key: "bytes",
    kinds: &[Kind::All, Kind::Package, Kind::Message, Kind::BytesField],
    described: "fields of `bytes`, messages and packages",
};
const BOXED: Wanted = Wanted {
    key: "boxed",
    kinds: &[Kind::MessageField],
    described: "fields that hold one message",
};
const EXTERN_PATHS: Wanted = Wanted {
    key: "extern-paths",
    kinds: &[Kind::Package, Kind::Message, Kind::Enum],
    described: "packages, messages and enums",
};
const TYPE_ATTRIBUTES: Wanted = Wanted {
    key: "type-attributes",
    kinds: &[
        Kind::All,
        Kind::Package,
        Kind::Message,
        Kind::Enum,
        Kind::Oneof,
    ],
    described: "messages, enums, oneofs and packages",
};
const FIELD_ATTRIBUTES: Wanted = Wanted {
    key: "field-attributes",
    kinds: &[
        Kind::All,
        Kind::Package,
        Kind::Message,
        Kind::Enum,
        Kind::Value,
        Kind::Oneof,
        Kind::MessageField,
        Kind::BytesField,
        Kind::Field,
    ],
    described: "fields, values and what has them",
};

/// See [`Options::resolve`].
pub fn resolve(config: &GenConfig, symbols: &Symbols) -> Result<Options, Vec<Problem>> {
    let mut resolver = Resolver {
        symbols,
        problems: Vec::new(),
    };
    let mut options = Options {
        serde: config.serde,
        bytes: resolver.list(&BYTES, &config.bytes),
        boxed: resolver.list(&BOXED, &config.boxed),
        extern_paths: resolver.table(&EXTERN_PATHS, &config.extern_paths, extern_path),
        type_attributes: resolver.table(&TYPE_ATTRIBUTES, &config.type_attributes, attributes),
        field_attributes: resolver.table(&FIELD_ATTRIBUTES, &config.field_attributes, attributes),
        ..Options::default()
    };
    if !resolver.problems.is_empty() {
        return Err(resolver.problems);
    }
    let external = config.extern_paths.keys();
    let external = external.flat_map(|name| symbols.types_below(name));
    options.extern_types = external.map(str::to_owned).collect();
    let paths = &options.extern_paths;
    let is_given = |name: &str| paths.iter().any(|(given, _)| given == name);
    options.has_well_known = WELL_KNOWN.iter().any(|(name, _)| is_given(name));
    if options.has_well_known {
        let rest = WELL_KNOWN.iter().filter(|(name, _)| !is_given(name));
        let rest: Vec<(String, String)> = rest
            .map(|(name, path)| ((*name).to_owned(), (*path).to_owned()))
            .collect();
        options.extern_paths.extend(rest);
    }
    Ok(options)
}

struct Resolver<'a> {
    symbols: &'a Symbols,
    problems: Vec<Problem>,
}

impl Resolver<'_> {
    fn list(&mut self, wanted: &Wanted, names: &[String]) -> Vec<String> {
        let mut resolved = Vec::new();
        for (index, name) in names.iter().enumerate() {
            let steps = vec![Step::Key(wanted.key.to_owned()), Step::Index(index)];
            resolved.extend(self.symbol(wanted, name, steps));
        }
        resolved
    }

    fn table(
        &mut self,
        wanted: &Wanted,
        entries: &BTreeMap<String, String>,
        check: fn(&str) -> Result<(), String>,
    ) -> Vec<(String, String)> {
        let mut resolved = Vec::new();
        for (name, value) in entries {
            let key = vec![
                Step::Key(wanted.key.to_owned()),
                Step::KeyItself(name.clone()),
            ];
            let symbol = self.symbol(wanted, name, key);
            if let Err(message) = check(value) {
                self.problems.push(Problem {
                    message,
                    help: None,
                    steps: vec![Step::Key(wanted.key.to_owned()), Step::Key(name.clone())],
                });
            } else if let Some(given) = symbol {
                resolved.push((given, value.clone()));
            }
        }
        resolved
    }

    fn symbol(&mut self, wanted: &Wanted, name: &str, steps: Vec<Step>) -> Option<String> {
        let key = wanted.key;
        let (message, help) = match self.symbols.get(name) {
            Some(symbol) if wanted.kinds.contains(&symbol.kind) => {
                return Some(symbol.given.clone());
            }
            Some(symbol) => (
                format!("`{name}` is {}", symbol.kind.described()),
                Some(format!("`{key}` takes {}", wanted.described)),
            ),
            None => (
                format!("no proto has `{name}`"),
                most_similar(name, self.symbols.names(wanted.kinds))
                    .map(|it| format!("did you mean `{it}`?")),
            ),
        };
        self.problems.push(Problem {
            message,
            help,
            steps,
        });
        None
    }
}

/// Whether a text is the path of something in another crate.
fn extern_path(text: &str) -> Result<(), String> {
    let is_path = syn::parse_str::<syn::Path>(text).is_ok_and(|path| {
        path.leading_colon.is_some() && path.segments.iter().all(|it| it.arguments.is_none())
    });
    match is_path {
        true => Ok(()),
        false => Err(format!(
            "`{text}` is not the path of something in another crate, such as `::money::v1`"
        )),
    }
}

/// Whether a text is one attribute or more.
fn attributes(text: &str) -> Result<(), String> {
    let parsed = syn::Attribute::parse_outer.parse_str(text);
    match parsed {
        Ok(attributes) if !attributes.is_empty() => Ok(()),
        Ok(_) => Err("there is no attribute, such as `#[derive(Hash)]`".to_owned()),
        Err(error) => Err(format!("`{text}` is not an attribute: {error}")),
    }
}
