//! What packages, types and services are to be called: they share the modules of Rust.
//!
//! Pure: no I/O.

use std::collections::{BTreeMap, BTreeSet, HashMap};

use prost_types::{
    DescriptorProto, EnumDescriptorProto, FileDescriptorProto, ServiceDescriptorProto,
};

use super::idents::{camel, snake, tonic_snake};
use super::members::{self, has_oneofs, is_map_entry};
use super::scope::{Ident, Space, Taken, Wish, distribute};
use super::{Kind, MARK, is_provided};

/// Types that generated code refers to by name alone, which a module of that name would hide.
const PRIMITIVES: &[&str] = &[
    "bool", "f32", "f64", "i32", "i64", "str", "u32", "u64", "u8", "usize",
];
/// What the code that tonic makes of a service refers to by name alone: its trait cannot be called so.
const IN_SERVICES: &[&str] = &[
    "Arc",
    "B",
    "Body",
    "Box",
    "BoxFuture",
    "Bytes",
    "Clone",
    "CompressionEncoding",
    "Context",
    "Default",
    "EnabledCompressionEncodings",
    "F",
    "GrpcMethod",
    "InterceptedService",
    "Into",
    "Option",
    "Poll",
    "Result",
    "StdError",
    "T",
    "Uri",
];
/// What the code that prost derives for fields calls types of its own, which an enum's would be taken for.
const IN_DERIVES: &[&str] = &[
    "Inner",
    "KeyWrapper",
    "MapWrapper",
    "ScalarWrapper",
    "ValueWrapper",
];
/// The package of the types that prost brings.
const WELL_KNOWN: &str = "google.protobuf";

/// The names that take the place of others. Types and packages stand in it by their full names, types
/// with a dot at the front.
#[derive(Debug, Default)]
pub struct Plan {
    /// The last parts of packages.
    pub packages: HashMap<String, String>,
    /// The last parts of messages and enums.
    pub types: HashMap<String, String>,
    /// The last parts of services.
    pub services: HashMap<String, String>,
    /// The values of enums, by name; aliases lead to what they stand for.
    pub values: HashMap<String, HashMap<String, String>>,
    /// What full names of types became, where anything in them is another.
    pub references: HashMap<String, String>,
}

/// What shares a module.
#[derive(Default)]
struct Module<'a> {
    packages: BTreeSet<&'a str>,
    services: Vec<&'a ServiceDescriptorProto>,
    messages: Vec<&'a DescriptorProto>,
    enums: Vec<&'a EnumDescriptorProto>,
}

/// Decides on all names but those of members.
pub fn plan(files: &[FileDescriptorProto]) -> Plan {
    let mut modules: BTreeMap<&str, Module<'_>> = BTreeMap::new();
    for file in files.iter().filter(|file| !is_provided(file)) {
        let module = modules.entry(file.package()).or_default();
        module.services.extend(&file.service);
        module.messages.extend(&file.message_type);
        module.enums.extend(&file.enum_type);
        let mut package = file.package();
        while !package.is_empty() {
            let (parent, child) = package.rsplit_once('.').unwrap_or(("", package));
            modules.entry(parent).or_default().packages.insert(child);
            package = parent;
        }
    }
    let mut plan = Plan::default();
    for (package, module) in &modules {
        plan.add_module(package, module);
    }
    for (package, module) in &modules {
        let from = scope(package);
        let to = scope(&plan.package(package));
        plan.add_references(&from, &to, &module.messages, &module.enums);
    }
    plan
}

/// The name of a package or type as what stands in it begins.
fn scope(package: &str) -> String {
    match package {
        "" => String::new(),
        package => format!(".{package}"),
    }
}

impl Plan {
    /// What a package is to be called.
    pub fn package(&self, package: &str) -> String {
        if self.packages.is_empty() {
            return package.to_owned();
        }
        let ends = package.match_indices('.').map(|(at, _)| at);
        let ends = ends.chain([package.len()]);
        let parts = ends.map(|end| {
            let part = package[..end].rsplit('.').next().unwrap_or_default();
            self.packages
                .get(&package[..end])
                .map_or(part, String::as_str)
        });
        parts.collect::<Vec<_>>().join(".")
    }

    fn add_module(&mut self, package: &str, module: &Module<'_>) {
        let mut taken = Taken::reserving(Space::Item, PRIMITIVES);
        let full = |name: &str| match package {
            "" => name.to_owned(),
            package => format!("{package}.{name}"),
        };
        let children: Vec<&str> = module.packages.iter().copied().collect();
        let wishes: Vec<Wish<'_>> = wishes_of(Kind::Package, children.iter().copied());
        let idents = |_, name: &str| vec![(Space::Item, snake(name))];
        for (child, replaced) in children.iter().zip(distribute(&wishes, &mut taken, idents)) {
            let child = full(child);
            // prost takes this package's types for those that it brings.
            let replaced =
                replaced.or_else(|| (child == WELL_KNOWN).then(|| format!("protobuf{MARK}")));
            self.packages.extend(replaced.map(|it| (child, it)));
        }
        let names = module.services.iter().map(|it| it.name());
        let wishes: Vec<Wish<'_>> = wishes_of(Kind::Service, names);
        let idents = |index: usize, name: &str| service_idents(module.services[index], name);
        let replaced = distribute(&wishes, &mut taken, idents);
        for (service, replaced) in module.services.iter().zip(replaced) {
            let replaced = replaced.map(|it| (full(service.name()), it));
            self.services.extend(replaced);
        }
        self.add_types(&scope(package), &module.messages, &module.enums, taken);
    }

    fn add_types(
        &mut self,
        scope: &str,
        messages: &[&DescriptorProto],
        enums: &[&EnumDescriptorProto],
        mut taken: Taken,
    ) {
        let names = wishes(Kind::Message, messages.iter().map(|it| it.name()));
        let names = names.chain(wishes(Kind::Enum, enums.iter().map(|it| it.name())));
        let wishes: Vec<Wish<'_>> = names.collect();
        let idents = |index: usize, name: &str| match messages.get(index) {
            Some(message) => message_idents(message, name),
            None if IN_DERIVES.contains(&camel(name).as_str()) => vec![unavailable()],
            None => vec![(Space::Item, camel(name))],
        };
        let replaced = distribute(&wishes, &mut taken, idents);
        for (wish, replaced) in wishes.iter().zip(replaced) {
            let full = format!("{scope}.{}", wish.name);
            self.types.extend(replaced.map(|it| (full, it)));
        }
        for one in enums {
            let full = format!("{scope}.{}", one.name());
            let values = members::values(one, self.types.get(&full).map(String::as_str));
            if !values.is_empty() {
                self.values.insert(full, values);
            }
        }
        for message in messages {
            let nested: Vec<&DescriptorProto> = nested(message).collect();
            let enums: Vec<&EnumDescriptorProto> = message.enum_type.iter().collect();
            let taken = Taken::reserving(Space::Item, PRIMITIVES);
            let scope = format!("{scope}.{}", message.name());
            self.add_types(&scope, &nested, &enums, taken);
        }
    }

    fn add_references(
        &mut self,
        from: &str,
        to: &str,
        messages: &[&DescriptorProto],
        enums: &[&EnumDescriptorProto],
    ) {
        if from == to && self.types.is_empty() {
            return;
        }
        for one in enums {
            self.add_reference(from, to, one.name());
        }
        for message in messages {
            let (from, to) = self.add_reference(from, to, message.name());
            let nested: Vec<&DescriptorProto> = message.nested_type.iter().collect();
            let enums: Vec<&EnumDescriptorProto> = message.enum_type.iter().collect();
            self.add_references(&from, &to, &nested, &enums);
        }
    }

    fn add_reference(&mut self, from: &str, to: &str, name: &str) -> (String, String) {
        let from = format!("{from}.{name}");
        let name = self.types.get(&from).map_or(name, String::as_str);
        let to = format!("{to}.{name}");
        if from != to {
            self.references.insert(from.clone(), to.clone());
        }
        (from, to)
    }
}

fn wishes<'a>(kind: Kind, names: impl Iterator<Item = &'a str>) -> impl Iterator<Item = Wish<'a>> {
    names.map(move |name| Wish {
        name,
        order: 0,
        suffix: kind.suffix(),
    })
}

fn wishes_of<'a>(kind: Kind, names: impl Iterator<Item = &'a str>) -> Vec<Wish<'a>> {
    wishes(kind, names).collect()
}

/// The messages in a message, without the entries of maps, which are no types in Rust.
fn nested(message: &DescriptorProto) -> impl Iterator<Item = &DescriptorProto> {
    message.nested_type.iter().filter(|it| !is_map_entry(it))
}

/// What nothing can be called.
fn unavailable() -> Ident {
    (Space::Item, String::new())
}

fn message_idents(message: &DescriptorProto, name: &str) -> Vec<Ident> {
    let has_module =
        nested(message).next().is_some() || !message.enum_type.is_empty() || has_oneofs(message);
    let mut idents = vec![(Space::Item, camel(name))];
    if has_module {
        idents.push((Space::Item, snake(name)));
    }
    idents
}

fn service_idents(service: &ServiceDescriptorProto, name: &str) -> Vec<Ident> {
    let rust = camel(name);
    // Each method gets a type of its own within a function of the server.
    let is_of_method = |name: &str| {
        let method = name.strip_suffix("Svc");
        method.is_some_and(|method| service.method.iter().any(|it| it.name() == method))
    };
    if IN_SERVICES.contains(&rust.as_str()) || is_of_method(&rust) {
        return vec![(Space::Trait, rust), unavailable()];
    }
    let module = tonic_snake(&rust);
    vec![
        (Space::Trait, rust),
        (Space::Item, format!("{module}_client")),
        (Space::Item, format!("{module}_server")),
    ]
}
