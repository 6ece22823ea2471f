//! Names in a file as protoc resolves them: a package counts only where the file or what it imports has it.
//!
//! The compiler's pool also knows the packages of files that are compiled beside one, and takes the first
//! part of `config.core.v3.Address` for another package's `config`. Names that are resolved before cannot
//! be taken for another's. Pure: descriptors in, descriptors out.

use std::collections::{BTreeSet, HashSet};

use prost_reflect::DescriptorPool;
use prost_types::{DescriptorProto, FieldDescriptorProto, FileDescriptorProto};

/// Writes the names of types in full where they can be resolved by the file and what it imports, which is in
/// the pool; whether there was any.
pub fn resolve(file: &mut FileDescriptorProto, pool: &DescriptorPool) -> bool {
    let resolver = Resolver::of(file, pool);
    let package = file.package().to_owned();
    let mut changed = false;
    for message in &mut file.message_type {
        resolver.message(message, &package, &mut changed);
    }
    for field in &mut file.extension {
        resolver.field(field, &package, &mut changed);
    }
    for method in file.service.iter_mut().flat_map(|it| &mut it.method) {
        resolver.name(&mut method.input_type, &package, &mut changed);
        resolver.name(&mut method.output_type, &package, &mut changed);
    }
    changed
}

struct Resolver<'a> {
    pool: &'a DescriptorPool,
    /// The files that the file may use.
    visible: HashSet<String>,
    /// Their packages and its own, and what these are in.
    packages: BTreeSet<String>,
    /// The file's own messages and enums.
    own: HashSet<String>,
}

impl<'a> Resolver<'a> {
    fn of(file: &FileDescriptorProto, pool: &'a DescriptorPool) -> Self {
        let mut resolver = Self {
            pool,
            visible: HashSet::new(),
            packages: BTreeSet::new(),
            own: HashSet::new(),
        };
        resolver.package(file.package());
        for message in &file.message_type {
            resolver.types(message, file.package());
        }
        for one in &file.enum_type {
            resolver.own.insert(join(file.package(), one.name()));
        }
        let mut pending: Vec<String> = file.dependency.clone();
        while let Some(name) = pending.pop() {
            let Some(import) = pool.get_file_by_name(&name) else {
                continue;
            };
            if resolver.visible.insert(name) {
                resolver.package(import.package_name());
                let public = import.public_dependencies();
                pending.extend(public.map(|it| it.name().to_owned()));
            }
        }
        resolver
    }

    fn package(&mut self, package: &str) {
        let mut rest = Some(package).filter(|it| !it.is_empty());
        while let Some(name) = rest.filter(|it| self.packages.insert((*it).to_owned())) {
            rest = name.rsplit_once('.').map(|(above, _)| above);
        }
    }

    fn types(&mut self, message: &DescriptorProto, scope: &str) {
        let name = join(scope, message.name());
        for nested in &message.nested_type {
            self.types(nested, &name);
        }
        let enums = message.enum_type.iter().map(|it| join(&name, it.name()));
        self.own.extend(enums);
        self.own.insert(name);
    }

    fn message(&self, message: &mut DescriptorProto, scope: &str, changed: &mut bool) {
        let name = join(scope, message.name());
        for field in message.field.iter_mut().chain(&mut message.extension) {
            self.field(field, &name, changed);
        }
        for nested in &mut message.nested_type {
            self.message(nested, &name, changed);
        }
    }

    fn field(&self, field: &mut FieldDescriptorProto, scope: &str, changed: &mut bool) {
        self.name(&mut field.type_name, scope, changed);
        self.name(&mut field.extendee, scope, changed);
    }

    fn name(&self, name: &mut Option<String>, scope: &str, changed: &mut bool) {
        let Some(relative) = name.as_deref().filter(|it| !it.starts_with('.')) else {
            return;
        };
        if let Some(full) = self.full(relative, scope) {
            *name = Some(format!(".{full}"));
            *changed = true;
        }
    }

    /// From the innermost scope outwards; where the first part of a name is a scope, the rest has to be
    /// in it.
    fn full(&self, name: &str, scope: &str) -> Option<String> {
        let (first, has_rest) = match name.split_once('.') {
            Some((first, _)) => (first, true),
            None => (name, false),
        };
        let mut scope = Some(scope);
        while let Some(around) = scope {
            let candidate = join(around, first);
            if !has_rest && self.is_type(&candidate) {
                return Some(candidate);
            }
            if has_rest && (self.packages.contains(&candidate) || self.is_type(&candidate)) {
                let full = join(around, name);
                return self.is_type(&full).then_some(full);
            }
            scope = match around {
                "" => None,
                around => Some(around.rsplit_once('.').map_or("", |(above, _)| above)),
            };
        }
        None
    }

    fn is_type(&self, name: &str) -> bool {
        let is_visible = |file: prost_reflect::FileDescriptor| self.visible.contains(file.name());
        let message = || self.pool.get_message_by_name(name);
        let one = || self.pool.get_enum_by_name(name);
        self.own.contains(name)
            || message().is_some_and(|it| is_visible(it.parent_file()))
            || one().is_some_and(|it| is_visible(it.parent_file()))
    }
}

fn join(scope: &str, name: &str) -> String {
    match scope {
        "" => name.to_owned(),
        scope => format!("{scope}.{name}"),
    }
}
