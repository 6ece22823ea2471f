//! What a workspace wants of its generated code beside the usual: `[proto.gen]` of `msvc.toml`.
//!
//! Names are those of the protos; what does not exist is refused with its line. Pure: no I/O.

mod canonical_json;
mod resolve;
mod symbols;

use std::collections::{BTreeMap, BTreeSet};

use prost_types::FileDescriptorProto;
use serde::Deserialize;
use toml_edit::DocumentMut;

pub use self::canonical_json::with_dependencies;
use self::symbols::Symbols;
use crate::manifest::place::{self, Place, Step};

/// `[proto.gen]` of `msvc.toml`. In all of its lists and tables, a name is a package, a message and so on
/// of the protos (`user.v1.User.email`) and stands for what is below it as well; `.` stands for all.
#[derive(Clone, Debug, Default, Deserialize, PartialEq, Eq)]
#[serde(default, deny_unknown_fields, rename_all = "kebab-case")]
pub struct GenConfig {
    /// Whether messages and enums implement serde's traits, as protobuf's canonical JSON.
    pub serde: bool,
    /// Where `bytes` is `prost::bytes::Bytes`, which is cloned without copying.
    pub bytes: Vec<String>,
    /// Fields whose message is put into a `Box`.
    pub boxed: Vec<String>,
    /// Packages, messages and enums that another crate has: `"::money::v1"`.
    pub extern_paths: BTreeMap<String, String>,
    /// Attributes for structs and enums.
    pub type_attributes: BTreeMap<String, String>,
    /// Attributes for fields, and for the variants of enums.
    pub field_attributes: BTreeMap<String, String>,
}

impl GenConfig {
    /// The crates that extern paths lead to, each with the key that wants it first.
    pub fn extern_crates(&self) -> BTreeMap<&str, &str> {
        let mut crates = BTreeMap::new();
        for (key, path) in &self.extern_paths {
            let path = path.trim_start_matches("::");
            let name = path.split("::").next().unwrap_or(path);
            crates.entry(name).or_insert(key.as_str());
        }
        crates
    }
}

/// Whether the manifest of a crate depends on another, named as Rust names it.
pub fn depends_on(manifest: &str, name: &str) -> bool {
    const BUILT_IN: &[&str] = &["alloc", "core", "std"];
    let Ok(manifest) = manifest.parse::<DocumentMut>() else {
        return true;
    };
    let dependencies = manifest.get("dependencies");
    let mut dependencies = dependencies.and_then(|it| it.as_table_like()).into_iter();
    BUILT_IN.contains(&name)
        || dependencies.any(|table| table.iter().any(|(key, _)| key.replace('-', "_") == name))
}

/// Something in `[proto.gen]` that cannot be done.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Problem {
    /// What is wrong, as a lowercase fragment.
    pub message: String,
    /// What to do about it.
    pub help: Option<String>,
    /// What of `[proto.gen]` it is about.
    pub steps: Vec<Step>,
}

impl Problem {
    /// Where it stands in the text of a manifest.
    pub fn place(&self, manifest: &str) -> Option<Place> {
        let below = ["proto", "gen"].map(|key| Step::Key(key.to_owned()));
        place::find(manifest, &[&below[..], &self.steps].concat())
    }
}

/// What the generators are told; names are as they are given to them, from the first dot on.
#[derive(Clone, Debug, Default)]
pub struct Options {
    /// See [`GenConfig::bytes`].
    pub bytes: Vec<String>,
    /// See [`GenConfig::boxed`].
    pub boxed: Vec<String>,
    /// See [`GenConfig::extern_paths`]; with those of the well-known types where any of them is among them.
    pub extern_paths: Vec<(String, String)>,
    /// Whether [`Options::extern_paths`] has the well-known types.
    pub has_well_known: bool,
    /// See [`GenConfig::type_attributes`].
    pub type_attributes: Vec<(String, String)>,
    /// See [`GenConfig::field_attributes`].
    pub field_attributes: Vec<(String, String)>,
    /// Messages and enums that another crate has, by their names in the protos.
    extern_types: BTreeSet<String>,
    /// See [`GenConfig::serde`].
    serde: bool,
}

impl Options {
    /// What a configuration means for files, given as they are in the protos and, those that code is made
    /// of, as the generators get them.
    ///
    /// # Errors
    /// All that cannot be done.
    pub fn resolve(
        config: &GenConfig,
        files: &[FileDescriptorProto],
        named: &[FileDescriptorProto],
    ) -> Result<Self, Vec<Problem>> {
        resolve::resolve(config, &Symbols::of(files, named))
    }

    /// Tells prost's generator.
    pub fn apply(&self, config: &mut prost_build::Config) {
        config.bytes(&self.bytes);
        for path in &self.boxed {
            config.boxed(path);
        }
        if self.has_well_known {
            config.compile_well_known_types();
        }
        for (name, path) in &self.extern_paths {
            config.extern_path(name, path);
        }
        for (name, attributes) in &self.type_attributes {
            config.type_attribute(name, attributes);
        }
        for (name, attributes) in &self.field_attributes {
            config.field_attribute(name, attributes);
        }
    }

    /// The code for canonical JSON: what all modules share, and that of each by its path.
    pub fn canonical_json(
        &self,
        files: &[FileDescriptorProto],
        named: &[FileDescriptorProto],
    ) -> Option<(&'static str, BTreeMap<Vec<String>, String>)> {
        let modules = || canonical_json::modules(files, named, &self.extern_types);
        self.serde.then(|| (canonical_json::SHARED, modules()))
    }
}
