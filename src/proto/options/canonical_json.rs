//! serde's traits for messages and enums: canonical JSON, by the descriptors that lie beside the code.
//!
//! The mapping of JSON is full of special cases (`Any`, `FieldMask`, wrappers, 64-bit numbers, `NaN`, names
//! that protos may give); a message that is handed to what implements them all by its descriptor is never
//! wrong in one, and its own code is a line. Pure: no I/O.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt::Write as _;

use prost_build::Module;
use prost_types::{DescriptorProto, EnumDescriptorProto, FileDescriptorProto};
use toml_edit::{DocumentMut, InlineTable, Item, Table, Value};

use super::symbols::is_map_entry;
use crate::manifest::ManifestError;
use crate::proto::namer::{self, camel, snake};

/// What the generated code depends on.
pub const DEPENDENCIES: &[Dependency] = &[
    Dependency {
        name: "prost-reflect",
        version: "0.16",
        features: &["serde"],
    },
    Dependency {
        name: "serde",
        version: "1",
        features: &[],
    },
];

/// A crate.
#[derive(Clone, Copy, Debug)]
pub struct Dependency {
    name: &'static str,
    version: &'static str,
    features: &'static [&'static str],
}

/// What stands at the root of the crate.
pub const SHARED: &str = r#"
/// Every proto of the workspace, to look descriptors up in.
pub fn descriptor_pool() -> ::prost_reflect::DescriptorPool {
    static POOL: ::std::sync::LazyLock<::prost_reflect::DescriptorPool> =
        ::std::sync::LazyLock::new(|| {
            ::prost_reflect::DescriptorPool::decode(DESCRIPTOR_SET)
                .expect("the descriptors are what `msvc proto gen` wrote")
        });
    POOL.clone()
}

/// The descriptor of a message, looked up once.
macro_rules! json_descriptor {
    ($name:literal) => {{
        static DESCRIPTOR: ::std::sync::LazyLock<::prost_reflect::MessageDescriptor> =
            ::std::sync::LazyLock::new(|| {
                crate::descriptor_pool()
                    .get_message_by_name($name)
                    .expect("the descriptors are those of this code")
            });
        DESCRIPTOR.clone()
    }};
}

/// serde's traits for messages, as protobuf's canonical JSON has them.
macro_rules! canonical_json {
    ($($message:ty = $name:literal,)*) => {$(
        impl ::serde::Serialize for $message {
            fn serialize<S: ::serde::Serializer>(
                &self,
                serializer: S,
            ) -> ::core::result::Result<S::Ok, S::Error> {
                let mut message = ::prost_reflect::DynamicMessage::new(json_descriptor!($name));
                message
                    .transcode_from(self)
                    .map_err(::serde::ser::Error::custom)?;
                ::serde::Serialize::serialize(&message, serializer)
            }
        }

        impl<'de> ::serde::Deserialize<'de> for $message {
            fn deserialize<D: ::serde::Deserializer<'de>>(
                deserializer: D,
            ) -> ::core::result::Result<Self, D::Error> {
                let descriptor = json_descriptor!($name);
                ::prost_reflect::DynamicMessage::deserialize(descriptor, deserializer)?
                    .transcode_to()
                    .map_err(::serde::de::Error::custom)
            }
        }
    )*};
}

/// serde's traits for enums: the names of their values; numbers are read as well.
macro_rules! canonical_json_of_enums {
    ($($enumeration:ty,)*) => {$(
        impl ::serde::Serialize for $enumeration {
            fn serialize<S: ::serde::Serializer>(
                &self,
                serializer: S,
            ) -> ::core::result::Result<S::Ok, S::Error> {
                serializer.serialize_str(self.as_str_name())
            }
        }

        impl<'de> ::serde::Deserialize<'de> for $enumeration {
            fn deserialize<D: ::serde::Deserializer<'de>>(
                deserializer: D,
            ) -> ::core::result::Result<Self, D::Error> {
                struct Visitor;

                impl ::serde::de::Visitor<'_> for Visitor {
                    type Value = $enumeration;

                    fn expecting(
                        &self,
                        formatter: &mut ::core::fmt::Formatter<'_>,
                    ) -> ::core::fmt::Result {
                        formatter.write_str("the name or the number of a value")
                    }

                    fn visit_str<E: ::serde::de::Error>(
                        self,
                        name: &str,
                    ) -> ::core::result::Result<Self::Value, E> {
                        <$enumeration>::from_str_name(name).ok_or_else(|| {
                            E::invalid_value(::serde::de::Unexpected::Str(name), &self)
                        })
                    }

                    fn visit_i64<E: ::serde::de::Error>(
                        self,
                        number: i64,
                    ) -> ::core::result::Result<Self::Value, E> {
                        let value = i32::try_from(number).ok();
                        value
                            .and_then(|number| <$enumeration>::try_from(number).ok())
                            .ok_or_else(|| {
                                E::invalid_value(::serde::de::Unexpected::Signed(number), &self)
                            })
                    }

                    fn visit_u64<E: ::serde::de::Error>(
                        self,
                        number: u64,
                    ) -> ::core::result::Result<Self::Value, E> {
                        self.visit_i64(i64::try_from(number).unwrap_or(i64::MAX))
                    }
                }

                deserializer.deserialize_any(Visitor)
            }
        }
    )*};
}
"#;

/// The code of each module, for files as they are in the protos and as the generators get them.
pub fn modules(
    files: &[FileDescriptorProto],
    named: &[FileDescriptorProto],
    external: &BTreeSet<String>,
) -> BTreeMap<Vec<String>, String> {
    let originals: BTreeMap<&str, &FileDescriptorProto> =
        files.iter().map(|file| (file.name(), file)).collect();
    let mut modules: BTreeMap<Vec<String>, Types> = BTreeMap::new();
    for named in named.iter().filter(|file| !namer::is_provided(file)) {
        let Some(file) = originals.get(named.name()) else {
            continue;
        };
        let module = Module::from_protobuf_package_name(named.package());
        let parts = module.parts().map(str::to_owned).collect();
        let types = modules.entry(parts).or_default();
        let scope = (file.package(), "");
        types.messages(&file.message_type, &named.message_type, scope, external);
        types.enums(&file.enum_type, &named.enum_type, scope, external);
    }
    let modules = modules
        .into_iter()
        .map(|(path, types)| (path, types.render()));
    modules.filter(|(_, text)| !text.is_empty()).collect()
}

/// The types of a module.
#[derive(Default)]
struct Types {
    /// Paths in Rust, with names in the protos.
    messages: Vec<(String, String)>,
    /// Paths in Rust.
    enums: Vec<String>,
}

impl Types {
    /// `scope` is the name of what is around them, and their module in Rust with `::` at its end.
    fn messages(
        &mut self,
        messages: &[DescriptorProto],
        named: &[DescriptorProto],
        (scope, module): (&str, &str),
        external: &BTreeSet<String>,
    ) {
        for (message, named) in messages.iter().zip(named) {
            let name = child(scope, message.name());
            if is_map_entry(message) || external.contains(&name) {
                continue;
            }
            let inner = format!("{module}{}::", snake(named.name()));
            let scope = (name.as_str(), inner.as_str());
            self.messages(&message.nested_type, &named.nested_type, scope, external);
            self.enums(&message.enum_type, &named.enum_type, scope, external);
            let rust = format!("{module}{}", camel(named.name()));
            self.messages.push((rust, name));
        }
    }

    fn enums(
        &mut self,
        enums: &[EnumDescriptorProto],
        named: &[EnumDescriptorProto],
        (scope, module): (&str, &str),
        external: &BTreeSet<String>,
    ) {
        for (one, named) in enums.iter().zip(named) {
            if !external.contains(&child(scope, one.name())) {
                self.enums.push(format!("{module}{}", camel(named.name())));
            }
        }
    }

    fn render(mut self) -> String {
        self.messages.sort();
        self.enums.sort();
        let mut text = String::new();
        if !self.messages.is_empty() {
            text.push_str("canonical_json! {\n");
            for (rust, proto) in self.messages {
                writeln!(text, "    {rust} = \"{proto}\",").expect("writing to a string");
            }
            text.push_str("}\n");
        }
        if !self.enums.is_empty() {
            text.push_str("canonical_json_of_enums! {\n");
            for rust in self.enums {
                writeln!(text, "    {rust},").expect("writing to a string");
            }
            text.push_str("}\n");
        }
        text
    }
}

fn child(scope: &str, name: &str) -> String {
    match scope {
        "" => name.to_owned(),
        scope => format!("{scope}.{name}"),
    }
}

/// The manifest of the crate `protocol` with what the code depends on, as far as it is not there.
///
/// # Errors
/// When it is not TOML.
pub fn with_dependencies(manifest: &str) -> Result<String, ManifestError> {
    let mut document: DocumentMut = manifest.parse().map_err(toml_edit::de::Error::from)?;
    let dependencies = document
        .entry("dependencies")
        .or_insert_with(|| Item::Table(Table::new()))
        .as_table_like_mut();
    if let Some(dependencies) = dependencies {
        for dependency in DEPENDENCIES {
            if !dependencies.contains_key(dependency.name) {
                dependencies.insert(dependency.name, dependency.requirement());
            }
        }
    }
    Ok(document.to_string())
}

impl Dependency {
    fn requirement(self) -> Item {
        if self.features.is_empty() {
            return toml_edit::value(self.version);
        }
        let mut table = InlineTable::new();
        table.insert("version", Value::from(self.version));
        let features: toml_edit::Array = self.features.iter().copied().collect();
        table.insert("features", Value::from(features));
        toml_edit::value(table)
    }
}
