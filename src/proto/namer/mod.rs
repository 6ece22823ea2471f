//! One place for every name that protobuf allows and generated Rust cannot have: names that fold to one,
//! that a keyword or generated code has already, or that are none at all.
//!
//! It works on the descriptors before prost and tonic see them, and gives those names by which they
//! come to what was decided. What goes over the wire, paths of methods, names in JSON and the descriptors
//! for reflection, is none of its business or put back: [`Originals`]. The outcome depends on what
//! collides and on nothing else, so that a name stays when unrelated protos come or go.
//!
//! Pure: descriptors in, descriptors out.

mod idents;
mod members;
mod plan;
mod rewrite;
mod scope;

use std::collections::HashMap;
use std::fmt;

use prost_types::FileDescriptorProto;
use serde::Serialize;

pub use idents::{camel, snake, tonic_snake};
pub use members::distinct_functions;
pub use rewrite::note;

/// A character that no name in a proto has and prost takes for the end of a word. Names that end with
/// it and some more of its kind are told from all others when they are put back.
const MARK: char = '\u{e000}';

/// What has a name.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum Kind {
    /// A part of a package's name, which is a module.
    Package,
    /// A message, which is a struct and a module for what is nested in it.
    Message,
    /// An enum.
    Enum,
    /// A value of an enum, which is a variant.
    Value,
    /// A field; in a `oneof` it is a variant.
    Field,
    /// A `oneof`, which is a field and an enum.
    Oneof,
    /// A service, which is a trait, a server and a client.
    Service,
    /// A method of a service.
    Method,
}

impl Kind {
    /// What a name of this kind gets appended.
    const fn suffix(self) -> &'static str {
        match self {
            Self::Package => "package",
            Self::Message => "message",
            Self::Enum => "enum",
            Self::Value => "value",
            Self::Field => "field",
            Self::Oneof => "oneof",
            Self::Service => "service",
            Self::Method => "rpc",
        }
    }
}

/// A name in Rust that is not the usual one.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize)]
pub struct Rename {
    /// What has it.
    pub kind: Kind,
    /// The full name in the proto: `corner.v1.Corner/New`.
    pub proto: String,
    /// The name in Rust: `new_rpc`.
    pub rust: String,
}

impl fmt::Display for Rename {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(formatter, "`{}` is `{}` in Rust", self.proto, self.rust)
    }
}

/// Descriptors that code can be generated from.
#[derive(Debug)]
pub struct Named {
    /// The files, in the given order.
    pub files: Vec<FileDescriptorProto>,
    /// What is called otherwise than usual, but for methods, which keep their names here.
    pub renames: Vec<Rename>,
    /// What has to be put back in the generated code.
    pub originals: Originals,
}

/// The names that the generated code uses on the wire or shows, by those that the generators were given.
#[derive(Debug, Default)]
pub struct Originals {
    /// Package and name of services, by package and name.
    services: HashMap<(String, String), (String, String)>,
    /// Names of values of enums.
    values: HashMap<String, String>,
}

impl Originals {
    /// The package and name of a service.
    pub fn service(&self, package: &str, name: &str) -> (String, String) {
        let given = (package.to_owned(), name.to_owned());
        self.services.get(&given).cloned().unwrap_or(given)
    }

    /// Puts the names of values back into the text of generated code, where they stand in quotes.
    pub fn restore(&self, mut text: String) -> String {
        if self.values.is_empty() || !text.contains(MARK) {
            return text;
        }
        let mut restored = String::with_capacity(text.len());
        let mut is_first = true;
        for part in text.split('"') {
            if !is_first {
                restored.push('"');
            }
            is_first = false;
            restored.push_str(self.values.get(part).map_or(part, String::as_str));
        }
        std::mem::swap(&mut text, &mut restored);
        text
    }
}

/// Gives everything in a complete set of files a name that is distinct in Rust.
pub fn name(mut files: Vec<FileDescriptorProto>) -> Named {
    let plan = plan::plan(&files);
    let (renames, originals) = rewrite::rewrite(&mut files, plan);
    Named {
        files,
        renames,
        originals,
    }
}

/// Whether prost brings the types of a file, so that no code is made of it.
pub fn is_provided(file: &FileDescriptorProto) -> bool {
    const PROVIDED: &[&str] = &[
        "any",
        "api",
        "compiler/plugin",
        "descriptor",
        "duration",
        "empty",
        "field_mask",
        "source_context",
        "struct",
        "timestamp",
        "type",
        "wrappers",
    ];
    let name = file.name().strip_prefix("google/protobuf/");
    let name = name.and_then(|it| it.strip_suffix(".proto"));
    name.is_some_and(|it| PROVIDED.contains(&it))
}
