//! What is in a file, and what it says of itself.

use std::collections::BTreeSet;

use prost_types::{FileDescriptorProto, FileOptions};

use crate::proto::breaking::{Pair, States};
use crate::proto::finding::Complaint;
use crate::proto::schema::{File, SourcePath, join, tag};

type Files<'a> = Pair<'a, File<'a>>;

pub fn file_no_delete(states: &States<'_>) -> Vec<(String, Complaint)> {
    let gone = states.before.files().map(File::name);
    let gone = gone.filter(|name| states.after.file(name).is_none());
    gone.map(|name| {
        (
            name.to_owned(),
            Complaint::new(Vec::new(), "the file is gone"),
        )
    })
    .collect()
}

/// What is left of the surroundings of something that is gone: the message that it stood in.
pub fn surroundings(file: &File<'_>, nested_name: &str) -> SourcePath {
    let mut outer = nested_name;
    while let Some((rest, _)) = outer.rsplit_once('.') {
        outer = rest;
        let mut messages = file.messages.iter();
        if let Some(message) = messages.find(|it| it.nested_name == outer) {
            return message.path.clone();
        }
    }
    Vec::new()
}

/// The definitions of a kind that a file no longer has.
fn gone(files: &Files<'_>, kind: &str, names: [BTreeSet<&str>; 2]) -> Vec<Complaint> {
    let [before, after] = names;
    before
        .difference(&after)
        .map(|name| {
            let path = surroundings(files.after, name);
            Complaint::new(path, format!("{kind} `{name}` is gone from the file"))
        })
        .collect()
}

pub fn enum_no_delete(files: &Files<'_>) -> Vec<Complaint> {
    let names = [files.before, files.after].map(|file| {
        file.enums
            .iter()
            .map(|it| it.nested_name.as_str())
            .collect()
    });
    gone(files, "enum", names)
}

pub fn message_no_delete(files: &Files<'_>) -> Vec<Complaint> {
    let names = [files.before, files.after].map(|file| {
        let messages = file.messages.iter();
        messages.map(|it| it.nested_name.as_str()).collect()
    });
    gone(files, "message", names)
}

pub fn service_no_delete(files: &Files<'_>) -> Vec<Complaint> {
    let names = [files.before, files.after]
        .map(|file| file.services.iter().map(|it| it.proto.name()).collect());
    gone(files, "service", names)
}

/// The names of a file's extensions, with those of the messages that they stand in.
pub fn extensions(file: &File<'_>) -> BTreeSet<String> {
    let name = |path: &[i32], name: &str| {
        let messages = file.messages.iter();
        let outer = messages
            .filter(|it| path.len() == it.path.len() + 2 && path.starts_with(&it.path))
            .map(|it| it.nested_name.as_str())
            .next();
        join(outer.unwrap_or_default(), name)
    };
    let extensions = file.extensions.iter();
    extensions
        .map(|field| name(&field.path, field.proto.name()))
        .collect()
}

pub fn extension_no_delete(files: &Files<'_>) -> Vec<Complaint> {
    let [before, after] = [extensions(files.before), extensions(files.after)];
    let names = [&before, &after].map(|names| names.iter().map(String::as_str).collect());
    gone(files, "extension", names)
}

/// Something that a file says of itself, and that must stay.
fn same(
    files: &Files<'_>,
    (what, path): (&str, SourcePath),
    get: impl Fn(&FileDescriptorProto) -> String,
) -> Vec<Complaint> {
    let [before, after] = [files.before, files.after].map(|file| get(file.proto));
    if before == after {
        return Vec::new();
    }
    let message = format!("{what} was `{before}` and is `{after}`");
    vec![Complaint::new(path, message)]
}

pub fn file_same_package(files: &Files<'_>) -> Vec<Complaint> {
    let package = ("the package", vec![tag::FILE_PACKAGE]);
    same(files, package, |file| file.package().to_owned())
}

pub fn file_same_syntax(files: &Files<'_>) -> Vec<Complaint> {
    same(
        files,
        ("the syntax", vec![tag::FILE_SYNTAX]),
        |file| match file.syntax() {
            "" => "proto2".to_owned(),
            syntax => syntax.to_owned(),
        },
    )
}

/// An option of files by its number, with its default where it is not set.
fn same_option<T: ToString>(
    files: &Files<'_>,
    (name, number): (&str, i32),
    get: impl Fn(&FileOptions) -> T,
) -> Vec<Complaint> {
    let option = (format!("option `{name}`"), vec![tag::FILE_OPTIONS, number]);
    same(files, (&option.0, option.1), |file| {
        let default = FileOptions::default();
        get(file.options.as_ref().unwrap_or(&default)).to_string()
    })
}

pub fn same_java_package(files: &Files<'_>) -> Vec<Complaint> {
    same_option(files, ("java_package", 1), |it| {
        it.java_package().to_owned()
    })
}

pub fn same_java_outer_classname(files: &Files<'_>) -> Vec<Complaint> {
    same_option(files, ("java_outer_classname", 8), |it| {
        it.java_outer_classname().to_owned()
    })
}

pub fn same_optimize_for(files: &Files<'_>) -> Vec<Complaint> {
    same_option(files, ("optimize_for", 9), |it| {
        it.optimize_for().as_str_name().to_owned()
    })
}

pub fn same_java_multiple_files(files: &Files<'_>) -> Vec<Complaint> {
    same_option(files, ("java_multiple_files", 10), |it| {
        it.java_multiple_files()
    })
}

pub fn same_go_package(files: &Files<'_>) -> Vec<Complaint> {
    same_option(files, ("go_package", 11), |it| it.go_package().to_owned())
}

pub fn same_cc_generic_services(files: &Files<'_>) -> Vec<Complaint> {
    same_option(files, ("cc_generic_services", 16), |it| {
        it.cc_generic_services()
    })
}

pub fn same_java_generic_services(files: &Files<'_>) -> Vec<Complaint> {
    same_option(files, ("java_generic_services", 17), |it| {
        it.java_generic_services()
    })
}

pub fn same_py_generic_services(files: &Files<'_>) -> Vec<Complaint> {
    same_option(files, ("py_generic_services", 18), |it| {
        it.py_generic_services()
    })
}

pub fn same_cc_enable_arenas(files: &Files<'_>) -> Vec<Complaint> {
    same_option(files, ("cc_enable_arenas", 31), |it| it.cc_enable_arenas())
}

pub fn same_objc_class_prefix(files: &Files<'_>) -> Vec<Complaint> {
    same_option(files, ("objc_class_prefix", 36), |it| {
        it.objc_class_prefix().to_owned()
    })
}

pub fn same_csharp_namespace(files: &Files<'_>) -> Vec<Complaint> {
    same_option(files, ("csharp_namespace", 37), |it| {
        it.csharp_namespace().to_owned()
    })
}

pub fn same_swift_prefix(files: &Files<'_>) -> Vec<Complaint> {
    same_option(files, ("swift_prefix", 39), |it| {
        it.swift_prefix().to_owned()
    })
}

pub fn same_php_class_prefix(files: &Files<'_>) -> Vec<Complaint> {
    same_option(files, ("php_class_prefix", 40), |it| {
        it.php_class_prefix().to_owned()
    })
}

pub fn same_php_namespace(files: &Files<'_>) -> Vec<Complaint> {
    same_option(files, ("php_namespace", 41), |it| {
        it.php_namespace().to_owned()
    })
}

pub fn same_php_metadata_namespace(files: &Files<'_>) -> Vec<Complaint> {
    same_option(files, ("php_metadata_namespace", 44), |it| {
        it.php_metadata_namespace().to_owned()
    })
}

pub fn same_ruby_package(files: &Files<'_>) -> Vec<Complaint> {
    same_option(files, ("ruby_package", 45), |it| {
        it.ruby_package().to_owned()
    })
}
