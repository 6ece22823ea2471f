//! Which of the files that a file imports it uses.

use std::collections::{BTreeMap, BTreeSet};

use prost_reflect::{
    DescriptorPool, DynamicMessage, FileDescriptor, Kind, MessageDescriptor, Value,
};

/// The indices of imports that nothing in the file refers to. Public imports are for others to use.
pub fn unused_imports(pool: &DescriptorPool, name: &str) -> Vec<usize> {
    let Some(file) = pool.get_file_by_name(name) else {
        return Vec::new();
    };
    let proto = file.file_descriptor_proto();
    let mut offers: BTreeMap<usize, BTreeSet<String>> = BTreeMap::new();
    for (index, import) in proto.dependency.iter().enumerate() {
        let is_public = (0..).zip(&proto.public_dependency);
        if is_public
            .into_iter()
            .any(|(_, &public)| usize::try_from(public) == Ok(index))
        {
            continue;
        }
        let mut offered = BTreeSet::new();
        if let Some(imported) = pool.get_file_by_name(import) {
            add_offered(&imported, &mut offered);
        }
        offers.insert(index, offered);
    }
    // References of fields and methods are quick to see; options have to be decoded, so that is done
    // only for what is still in doubt, and only until nothing is.
    let mut doubtful = Doubtful(offers);
    doubtful.look_at_types(&file);
    if !doubtful.0.is_empty() {
        doubtful.look_at_options(&file);
    }
    doubtful.0.into_keys().collect()
}

/// A file itself, and those that come with it by public imports.
fn add_offered(file: &FileDescriptor, offered: &mut BTreeSet<String>) {
    if offered.insert(file.name().to_owned()) {
        for public in file.public_dependencies() {
            add_offered(&public, offered);
        }
    }
}

/// Imports that have not been seen to be used, with the files that each of them brings.
struct Doubtful(BTreeMap<usize, BTreeSet<String>>);

impl Doubtful {
    fn used(&mut self, file: &str) {
        self.0.retain(|_, offered| !offered.contains(file));
    }

    fn used_by_kind(&mut self, kind: &Kind) {
        match kind {
            Kind::Message(message) => self.used(message.parent_file().name()),
            Kind::Enum(it) => self.used(it.parent_file().name()),
            _ => {}
        }
    }

    fn look_at_types(&mut self, file: &FileDescriptor) {
        for message in file.messages() {
            self.look_at_message(&message);
        }
        for extension in file.extensions() {
            self.used(extension.containing_message().parent_file().name());
            self.used_by_kind(&extension.kind());
        }
        for method in file
            .services()
            .flat_map(|it| it.methods().collect::<Vec<_>>())
        {
            self.used(method.input().parent_file().name());
            self.used(method.output().parent_file().name());
        }
    }

    fn look_at_message(&mut self, message: &MessageDescriptor) {
        for field in message.fields() {
            self.used_by_kind(&field.kind());
        }
        for extension in message.child_extensions() {
            self.used(extension.containing_message().parent_file().name());
            self.used_by_kind(&extension.kind());
        }
        for inner in message.child_messages() {
            self.look_at_message(&inner);
        }
    }

    fn look_at_options(&mut self, file: &FileDescriptor) {
        self.look_at_option(&file.options());
        for service in file.services() {
            self.look_at_option(&service.options());
            for method in service.methods() {
                if self.0.is_empty() {
                    return;
                }
                self.look_at_option(&method.options());
            }
        }
        for message in file.messages() {
            self.look_at_options_of_message(&message);
        }
        for it in file.enums() {
            self.look_at_options_of_enum(&it);
        }
        for extension in file.extensions() {
            self.look_at_option(&extension.options());
        }
    }

    fn look_at_options_of_message(&mut self, message: &MessageDescriptor) {
        if self.0.is_empty() {
            return;
        }
        let proto = message.descriptor_proto();
        if proto.options.is_some() {
            self.look_at_option(&message.options());
        }
        for field in message.fields() {
            if field.field_descriptor_proto().options.is_some() {
                self.look_at_option(&field.options());
            }
        }
        for oneof in message.oneofs() {
            self.look_at_option(&oneof.options());
        }
        for extension in message.child_extensions() {
            self.look_at_option(&extension.options());
        }
        for it in message.child_enums() {
            self.look_at_options_of_enum(&it);
        }
        for inner in message.child_messages() {
            self.look_at_options_of_message(&inner);
        }
    }

    fn look_at_options_of_enum(&mut self, it: &prost_reflect::EnumDescriptor) {
        if self.0.is_empty() {
            return;
        }
        self.look_at_option(&it.options());
        for value in it.values() {
            if value.enum_value_descriptor_proto().options.is_some() {
                self.look_at_option(&value.options());
            }
        }
    }

    fn look_at_option(&mut self, options: &DynamicMessage) {
        for (extension, value) in options.extensions() {
            self.used(extension.parent_file().name());
            self.look_at_value(value);
        }
        for (_, value) in options.fields() {
            self.look_at_value(value);
        }
    }

    /// An option's value may be a message that has extensions of its own.
    fn look_at_value(&mut self, value: &Value) {
        match value {
            Value::Message(message) => self.look_at_option(message),
            Value::List(values) => values.iter().for_each(|value| self.look_at_value(value)),
            Value::Map(values) => values.values().for_each(|value| self.look_at_value(value)),
            _ => {}
        }
    }
}
