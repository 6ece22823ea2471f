//! Packages: their names, their folders, what their files agree on and how they import each other.

use std::collections::{BTreeMap, BTreeSet};

use prost_types::FileOptions;

use crate::proto::finding::Complaint;
use crate::proto::lint::version::{self, Stability};
use crate::proto::lint::{Scope, case};
use crate::proto::schema::{File, tag};

/// A complaint about the line that names the package.
fn about_package(message: String) -> Complaint {
    Complaint::new(vec![tag::FILE_PACKAGE], message)
}

pub fn package_defined(_: &Scope<'_>, file: &File<'_>) -> Vec<Complaint> {
    if !file.proto.package().is_empty() {
        return Vec::new();
    }
    let expected = match file.folder() {
        "." => "user.v1".to_owned(),
        folder => folder.replace('/', "."),
    };
    let complaint = Complaint::new(Vec::new(), "the file has no package");
    vec![complaint.help(format!("add one, such as `package {expected};`"))]
}

pub fn package_directory_match(_: &Scope<'_>, file: &File<'_>) -> Vec<Complaint> {
    let package = file.proto.package();
    let expected = package.replace('.', "/");
    if package.is_empty() || file.folder() == expected {
        return Vec::new();
    }
    let message = format!("package `{package}` is in the folder `{}`", file.folder());
    vec![about_package(message).help(format!("move the file to `{expected}`"))]
}

pub fn package_lower_snake_case(_: &Scope<'_>, file: &File<'_>) -> Vec<Complaint> {
    let package = file.proto.package();
    let parts: Vec<String> = package.split('.').map(case::lower_snake).collect();
    let expected = parts.join(".");
    if package == expected {
        return Vec::new();
    }
    let message = format!("package `{package}` is not in lower_snake.case");
    vec![about_package(message).help(format!("call it `{expected}`"))]
}

pub fn package_version_suffix(_: &Scope<'_>, file: &File<'_>) -> Vec<Complaint> {
    let package = file.proto.package();
    if package.is_empty() || version::of_package(package).is_some() {
        return Vec::new();
    }
    let message = format!("package `{package}` does not end in a version");
    vec![about_package(message).help(format!("call it `{package}.v1`"))]
}

pub fn stable_package_no_import_unstable(scope: &Scope<'_>, file: &File<'_>) -> Vec<Complaint> {
    let package = file.proto.package();
    if version::of_package(package) != Some(Stability::Stable) {
        return Vec::new();
    }
    let imports = (0..).zip(&file.proto.dependency);
    imports
        .filter_map(|(index, import)| {
            let mut all_files = scope.all_files.iter();
            let imported = all_files.find(|it| it.name() == import)?.proto.package();
            if version::of_package(imported) != Some(Stability::Unstable) {
                return None;
            }
            let message = format!("the stable package `{package}` imports `{imported}`");
            Some(Complaint::new(vec![tag::FILE_DEPENDENCY, index], message))
        })
        .collect()
}

/// The indices of files by what they have in common.
fn grouped<'a>(
    scope: &Scope<'a>,
    key: impl Fn(&File<'a>) -> &'a str,
) -> BTreeMap<&'a str, Vec<usize>> {
    let mut groups: BTreeMap<&str, Vec<usize>> = BTreeMap::new();
    for (index, file) in scope.files.iter().enumerate() {
        groups.entry(key(file)).or_default().push(index);
    }
    groups
}

fn listed<'a>(names: impl IntoIterator<Item = &'a str>) -> String {
    let names: Vec<String> = names.into_iter().map(|name| format!("`{name}`")).collect();
    names.join(", ")
}

pub fn directory_same_package(scope: &Scope<'_>) -> Vec<(usize, Complaint)> {
    let mut complaints = Vec::new();
    for (folder, indices) in grouped(scope, |file| file.folder()) {
        let packages = indices.iter().map(|&it| scope.files[it].proto.package());
        let packages: BTreeSet<&str> = packages.collect();
        if packages.len() < 2 {
            continue;
        }
        let named = packages.iter().copied().filter(|it| !it.is_empty());
        let mut message = format!("the folder `{folder}` has files of {}", listed(named));
        if packages.contains("") {
            message.push_str(" and without a package");
        }
        for index in indices {
            let complaint = about_package(message.clone());
            complaints.push((
                index,
                complaint.help("give each package a folder of its own"),
            ));
        }
    }
    complaints
}

pub fn package_same_directory(scope: &Scope<'_>) -> Vec<(usize, Complaint)> {
    let mut complaints = Vec::new();
    for (package, indices) in grouped(scope, |file| file.proto.package()) {
        let folders: BTreeSet<&str> = indices.iter().map(|&it| scope.files[it].folder()).collect();
        if package.is_empty() || folders.len() < 2 {
            continue;
        }
        let message = format!("files of package `{package}` are in {}", listed(folders));
        for index in indices {
            let complaint = about_package(message.clone());
            complaints.push((index, complaint.help("keep them in one folder")));
        }
    }
    complaints
}

/// What files of one package must agree on, for they become one unit of another language: an option by
/// its name and its number.
fn same_option(
    scope: &Scope<'_>,
    (name, number): (&str, i32),
    get: fn(&FileOptions) -> Option<String>,
) -> Vec<(usize, Complaint)> {
    let mut complaints = Vec::new();
    for (package, indices) in grouped(scope, |file| file.proto.package()) {
        if package.is_empty() {
            continue;
        }
        let values = indices.iter().map(|&index| {
            let options = scope.files[index].proto.options.as_ref();
            options.and_then(get).unwrap_or_default()
        });
        let values: BTreeSet<String> = values.collect();
        if values.len() < 2 {
            continue;
        }
        let set = values
            .iter()
            .map(String::as_str)
            .filter(|it| !it.is_empty());
        let mut message = format!(
            "files of package `{package}` set `{name}` to {}",
            listed(set)
        );
        if values.contains("") {
            message.push_str(" and not at all");
        }
        for index in indices {
            let path = vec![tag::FILE_OPTIONS, number];
            let complaint = Complaint::new(path, message.clone());
            complaints.push((index, complaint.help("set it to the same in all of them")));
        }
    }
    complaints
}

pub fn same_csharp_namespace(scope: &Scope<'_>) -> Vec<(usize, Complaint)> {
    same_option(scope, ("csharp_namespace", 37), |it| {
        it.csharp_namespace.clone()
    })
}

pub fn same_go_package(scope: &Scope<'_>) -> Vec<(usize, Complaint)> {
    same_option(scope, ("go_package", 11), |it| it.go_package.clone())
}

pub fn same_java_multiple_files(scope: &Scope<'_>) -> Vec<(usize, Complaint)> {
    same_option(scope, ("java_multiple_files", 10), |it| {
        it.java_multiple_files.map(|value| value.to_string())
    })
}

pub fn same_java_package(scope: &Scope<'_>) -> Vec<(usize, Complaint)> {
    same_option(scope, ("java_package", 1), |it| it.java_package.clone())
}

pub fn same_php_namespace(scope: &Scope<'_>) -> Vec<(usize, Complaint)> {
    same_option(scope, ("php_namespace", 41), |it| it.php_namespace.clone())
}

pub fn same_ruby_package(scope: &Scope<'_>) -> Vec<(usize, Complaint)> {
    same_option(scope, ("ruby_package", 45), |it| it.ruby_package.clone())
}

pub fn same_swift_prefix(scope: &Scope<'_>) -> Vec<(usize, Complaint)> {
    same_option(scope, ("swift_prefix", 39), |it| it.swift_prefix.clone())
}

pub fn package_no_import_cycle(scope: &Scope<'_>) -> Vec<(usize, Complaint)> {
    let packages: BTreeMap<&str, &str> = scope
        .all_files
        .iter()
        .map(|file| (file.name(), file.proto.package()))
        .collect();
    let mut imports: BTreeMap<&str, BTreeSet<&str>> = BTreeMap::new();
    for file in scope.all_files {
        let package = file.proto.package();
        for import in &file.proto.dependency {
            let imported = packages.get(import.as_str()).copied().unwrap_or_default();
            if !package.is_empty() && !imported.is_empty() && imported != package {
                imports.entry(package).or_default().insert(imported);
            }
        }
    }
    let mut cycles: BTreeMap<(&str, &str), Option<String>> = BTreeMap::new();
    let mut complaints = Vec::new();
    for (file_index, file) in scope.files.iter().enumerate() {
        let package = file.proto.package();
        for (index, import) in (0..).zip(&file.proto.dependency) {
            let imported = packages.get(import.as_str()).copied().unwrap_or_default();
            let is_edge = imports.get(package).is_some_and(|to| to.contains(imported));
            if !is_edge {
                continue;
            }
            let cycle = cycles.entry((package, imported)).or_insert_with(|| {
                let way = way(&imports, imported, package)?;
                Some(format!("{package} -> {}", way.join(" -> ")))
            });
            if let Some(cycle) = cycle {
                let message = format!("packages import each other: {cycle}");
                let complaint = Complaint::new(vec![tag::FILE_DEPENDENCY, index], message);
                complaints.push((
                    file_index,
                    complaint.help("move what both need to a package of its own"),
                ));
            }
        }
    }
    complaints
}

/// The shortest way from one package to another by imports, both included.
fn way<'a>(
    imports: &BTreeMap<&'a str, BTreeSet<&'a str>>,
    from: &'a str,
    to: &'a str,
) -> Option<Vec<&'a str>> {
    let mut came_from: BTreeMap<&str, &str> = BTreeMap::from([(from, from)]);
    let mut next = std::collections::VecDeque::from([from]);
    while let Some(package) = next.pop_front() {
        if package == to {
            let mut way = vec![to];
            let mut at = to;
            while at != from {
                at = came_from[at];
                way.push(at);
            }
            way.reverse();
            return Some(way);
        }
        for &imported in imports.get(package).into_iter().flatten() {
            came_from.entry(imported).or_insert_with(|| {
                next.push_back(imported);
                package
            });
        }
    }
    None
}
