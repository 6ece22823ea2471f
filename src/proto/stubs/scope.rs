//! Which names a Rust file may use without their path, read from its `use` items.

use std::collections::BTreeMap;

use syn::UseTree;

/// The names that a file's imports bring into scope.
#[derive(Clone, Debug, Default)]
pub struct Scope {
    /// Full path → the name it has here.
    imported: BTreeMap<String, String>,
    /// Every import: the name it has here and its full path. A path may have two names, and a name
    /// two paths, of which a `cfg` chooses.
    bindings: Vec<(String, String)>,
    /// Modules whose names are all in scope.
    globs: Vec<String>,
}

impl Scope {
    /// Reads the imports at the top level of a file or module.
    pub fn of(items: &[syn::Item]) -> Self {
        let mut scope = Self::default();
        for item in items {
            if let syn::Item::Use(import) = item {
                scope.add(&import.tree, &mut Vec::new());
            }
        }
        scope
    }

    /// The shortest way to write a path here: by an import of it, of a module above it, or in full.
    /// Paths that start with a parenthesis are written as they are.
    pub fn shorten(&self, path: &str) -> String {
        if let Some(name) = self.imported.get(path) {
            return name.clone();
        }
        let Some((module, name)) = path.rsplit_once("::") else {
            return path.to_owned();
        };
        if self.globs.iter().any(|glob| glob == module) {
            return name.to_owned();
        }
        if let Some((above, _)) = path
            .rmatch_indices("::")
            .map(|(at, _)| path.split_at(at))
            .find(|(above, _)| self.imported.contains_key(*above))
        {
            return format!("{}{}", self.imported[above], &path[above.len()..]);
        }
        path.to_owned()
    }

    /// A name of the prelude, in full where an import took the name for something else.
    pub fn prelude(&self, name: &str, full: &str) -> String {
        let other = |(path, local): (&String, &String)| local == name && path != full;
        if self.imported.iter().any(other) {
            full.to_owned()
        } else {
            name.to_owned()
        }
    }

    /// The full paths that imports give a name here.
    pub fn imports_of(&self, name: &str) -> impl Iterator<Item = &str> {
        let bindings = self.bindings.iter();
        bindings
            .filter(move |(local, _)| local == name)
            .map(|(_, full)| full.as_str())
    }

    /// The modules whose names are all in scope.
    pub fn globs(&self) -> impl Iterator<Item = &str> {
        self.globs.iter().map(String::as_str)
    }

    fn add(&mut self, tree: &UseTree, path: &mut Vec<String>) {
        match tree {
            UseTree::Path(part) => {
                path.push(part.ident.to_string());
                self.add(&part.tree, path);
                path.pop();
            }
            UseTree::Name(name) if name.ident == "self" => {
                self.bind(path.join("::"), path.last().cloned().unwrap_or_default());
            }
            UseTree::Name(name) => {
                let name = name.ident.to_string();
                self.bind(full_path(path, &name), name);
            }
            UseTree::Rename(rename) => {
                let name = rename.ident.to_string();
                let full = if name == "self" {
                    path.join("::")
                } else {
                    full_path(path, &name)
                };
                self.bind(full, rename.rename.to_string());
            }
            UseTree::Glob(_) => self.globs.push(path.join("::")),
            UseTree::Group(group) => {
                for tree in &group.items {
                    self.add(tree, path);
                }
            }
        }
    }

    fn bind(&mut self, full: String, name: String) {
        // `use Trait as _` brings no name.
        if name != "_" {
            self.bindings.push((name.clone(), full.clone()));
            self.imported.insert(full, name);
        }
    }
}

fn full_path(path: &[String], name: &str) -> String {
    let mut parts = path.to_vec();
    parts.push(name.to_owned());
    parts.join("::")
}

#[cfg(test)]
mod tests {
    use super::*;

    fn scope(source: &str) -> Scope {
        Scope::of(&syn::parse_file(source).expect("valid Rust").items)
    }

    #[test]
    fn paths_are_written_as_shortly_as_imports_allow() {
        let scope = scope(
            "use protocol::user::v1::{User, self as pb, user_service_server::*};\n\
             use tonic::{Request, Status as GrpcStatus};\nuse prost as _;",
        );
        for (path, expected) in [
            ("protocol::user::v1::User", "User"),
            ("protocol::user::v1::Other", "pb::Other"),
            (
                "protocol::user::v1::user_service_server::UserService",
                "UserService",
            ),
            ("tonic::Request", "Request"),
            ("tonic::Status", "GrpcStatus"),
            ("tonic::Response", "tonic::Response"),
            ("()", "()"),
        ] {
            assert_eq!(scope.shorten(path), expected);
        }
    }
}
