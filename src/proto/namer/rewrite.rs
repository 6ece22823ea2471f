//! Gives descriptors the names that were decided on, and says what changed: in the comments, which
//! become documentation, and as a list.
//!
//! Pure: no I/O.

use std::collections::{HashMap, HashSet};

use prost_types::field_descriptor_proto::Type;
use prost_types::{
    DescriptorProto, EnumDescriptorProto, FileDescriptorProto, ServiceDescriptorProto,
};

use super::idents::{camel, snake, variant};
use super::members::{members, oneof_of};
use super::plan::Plan;
use super::{Kind, MARK, Originals, Rename, is_provided};
use crate::proto::schema::{SourcePath, below, tag};

/// Renames everything in the files that a plan has another name for.
pub fn rewrite(files: &mut [FileDescriptorProto], plan: Plan) -> (Vec<Rename>, Originals) {
    let mut rewriter = Rewriter {
        plan,
        renames: Vec::new(),
        originals: Originals::default(),
        notes: HashMap::new(),
    };
    let packages = rewriter.plan.packages.iter();
    let packages = packages.filter(|(_, given)| !given.contains(MARK));
    rewriter.renames = packages
        .map(|(package, given)| Rename {
            kind: Kind::Package,
            proto: package.clone(),
            rust: snake(given),
        })
        .collect();
    for file in files.iter_mut().filter(|file| !is_provided(file)) {
        rewriter.file(file);
    }
    rewriter.renames.sort();
    (rewriter.renames, rewriter.originals)
}

struct Rewriter {
    plan: Plan,
    renames: Vec<Rename>,
    originals: Originals,
    /// What the comments of the present file get appended.
    notes: HashMap<SourcePath, String>,
}

impl Rewriter {
    fn file(&mut self, file: &mut FileDescriptorProto) {
        let package = file.package().to_owned();
        let scope = match package.as_str() {
            "" => String::new(),
            package => format!(".{package}"),
        };
        let is_proto2 = matches!(file.syntax.as_deref(), None | Some("proto2"));
        for (index, message) in (0..).zip(&mut file.message_type) {
            let path = vec![tag::FILE_MESSAGE, index];
            self.message(message, &scope, &path, is_proto2);
        }
        for (index, one) in (0..).zip(&mut file.enum_type) {
            self.enumeration(one, &scope, &[tag::FILE_ENUM, index]);
        }
        let given = self.plan.package(&package);
        for service in &mut file.service {
            self.service(service, &package, &given);
        }
        if given != package {
            file.package = Some(given);
        }
        self.comment(file);
    }

    fn message(
        &mut self,
        message: &mut DescriptorProto,
        scope: &str,
        path: &[i32],
        is_proto2: bool,
    ) {
        let full = format!("{scope}.{}", message.name());
        let nested = message.nested_type.iter().map(|it| it.name());
        let nested = nested.chain(message.enum_type.iter().map(|it| it.name()));
        let types = &self.plan.types;
        let given = |name| match types.is_empty() {
            true => name,
            false => types
                .get(&format!("{full}.{name}"))
                .map_or(name, String::as_str),
        };
        let nested: Vec<&str> = nested.map(given).collect();
        let members = members(message, is_proto2, &nested);
        for ((index, field), given) in (0..).zip(&mut message.field).zip(members.fields) {
            if let Some(default) = &mut field.default_value
                && field.r#type == Some(Type::Enum.into())
                && let Some(values) = self
                    .plan
                    .values
                    .get(field.type_name.as_deref().unwrap_or_default())
                && let Some(value) = values.get(default)
            {
                value.clone_into(default);
            }
            self.refer(&mut field.type_name);
            if let Some(given) = given {
                let rust = match oneof_of(field) {
                    Some(_) => camel(&given),
                    None => snake(&given),
                };
                let path = below(path, &[tag::MESSAGE_FIELD, index]);
                self.note(Kind::Field, format!("{full}.{}", field.name()), rust, path);
                field.name = Some(given);
            }
        }
        for ((index, oneof), given) in (0..).zip(&mut message.oneof_decl).zip(members.oneofs) {
            if let Some(given) = given {
                let path = below(path, &[tag::MESSAGE_ONEOF, index]);
                let rust = snake(&given);
                self.note(Kind::Oneof, format!("{full}.{}", oneof.name()), rust, path);
                oneof.name = Some(given);
            }
        }
        for (index, nested) in (0..).zip(&mut message.nested_type) {
            let path = below(path, &[tag::MESSAGE_NESTED, index]);
            self.message(nested, &full, &path, is_proto2);
        }
        for (index, one) in (0..).zip(&mut message.enum_type) {
            let path = below(path, &[tag::MESSAGE_ENUM, index]);
            self.enumeration(one, &full, &path);
        }
        if let Some(given) = self.plan.types.get(&full).cloned() {
            self.note(Kind::Message, full, camel(&given), path.to_owned());
            message.name = Some(given);
        }
    }

    fn enumeration(&mut self, one: &mut EnumDescriptorProto, scope: &str, path: &[i32]) {
        let full = format!("{scope}.{}", one.name());
        let usual = camel(one.name());
        let given = self.plan.types.get(&full).cloned();
        let rust = given.as_deref().map_or_else(|| usual.clone(), camel);
        if let Some(values) = self.plan.values.remove(&full) {
            let mut numbers = HashSet::new();
            for (index, value) in (0..).zip(&mut one.value) {
                let is_alias = !numbers.insert(value.number());
                let Some(given) = values.get(value.name()).filter(|_| !is_alias) else {
                    continue;
                };
                let name = variant(&rust, given);
                if name != variant(&usual, value.name()) {
                    let path = below(path, &[tag::ENUM_VALUE, index]);
                    self.note(Kind::Value, format!("{full}.{}", value.name()), name, path);
                }
                let given = format!("{given}{}", self.mark());
                let original = value.name.replace(given.clone()).unwrap_or_default();
                self.originals.values.insert(given, original);
            }
            // Fields of other files may refer to them by default.
            self.plan.values.insert(full.clone(), values);
        }
        if let Some(given) = given {
            self.note(Kind::Enum, full, rust, path.to_owned());
            one.name = Some(given);
        }
    }

    fn service(&mut self, service: &mut ServiceDescriptorProto, package: &str, given: &str) {
        for method in &mut service.method {
            self.refer(&mut method.input_type);
            self.refer(&mut method.output_type);
        }
        let name = service.name().to_owned();
        let full = match package {
            "" => name.clone(),
            package => format!("{package}.{name}"),
        };
        if let Some(given) = self.plan.services.get(&full) {
            self.renames.push(Rename {
                kind: Kind::Service,
                proto: full,
                rust: camel(given),
            });
            service.name = Some(given.clone());
        }
        if given != package || service.name() != name {
            let given = (given.to_owned(), service.name().to_owned());
            let original = (package.to_owned(), name);
            self.originals.services.insert(given, original);
        }
    }

    fn refer(&self, name: &mut Option<String>) {
        if let Some(name) = name
            && let Some(given) = self.plan.references.get(name)
        {
            given.clone_into(name);
        }
    }

    /// What tells a name from all others to which the same was appended.
    fn mark(&self) -> String {
        /// How many characters there are for private use, from [`MARK`] on.
        const DIGITS: usize = 6400;
        let mut rest = self.originals.values.len();
        let mut mark = String::from(MARK);
        while rest > 0 {
            let digit = u32::try_from(rest % DIGITS).unwrap_or_default();
            mark.extend(char::from_u32(u32::from(MARK) + digit));
            rest /= DIGITS;
        }
        mark
    }

    fn note(&mut self, kind: Kind, full: String, rust: String, path: SourcePath) {
        let proto = full.trim_start_matches('.').to_owned();
        self.notes.insert(path, called(&proto));
        self.renames.push(Rename { kind, proto, rust });
    }

    /// Appends the notes to the comments.
    fn comment(&mut self, file: &mut FileDescriptorProto) {
        let notes = std::mem::take(&mut self.notes);
        let Some(info) = file.source_code_info.as_mut().filter(|_| !notes.is_empty()) else {
            return;
        };
        for location in &mut info.location {
            if let Some(note) = notes.get(&location.path) {
                let comment = location.leading_comments.get_or_insert_default();
                if !comment.is_empty() {
                    comment.push('\n');
                }
                comment.push_str(note);
                comment.push('\n');
            }
        }
    }
}

/// The line that documentation gets.
fn called(proto: &str) -> String {
    format!(" `{proto}` in the proto.")
}

/// Adds that line to documentation.
pub fn note(lines: &mut Vec<String>, proto: &str) {
    if !lines.is_empty() {
        lines.push(String::new());
    }
    lines.push(called(proto));
}
