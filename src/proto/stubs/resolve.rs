//! Which trait a path in a Rust file means, as far as the file itself tells.
//!
//! A stub in the wrong `impl` block breaks code that has nothing to do with gRPC, so a path counts
//! only when it is followed to its end: through imports, renamed ones too, globs, and the modules
//! that stand in the file. What leads to another file ends as [`Meaning::Elsewhere`].

use std::collections::{BTreeMap, BTreeSet};

use crate::proto::stubs::scope::Scope;

/// How many imports are followed, one after the other, before a path is given up.
const MOST_STEPS: usize = 8;

/// What a path may mean.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Meaning {
    /// A full path that starts with a crate's name.
    Full(String),
    /// A trait that this file declares.
    Declared,
    /// A path that only another file could tell the meaning of, as far as it was followed.
    Elsewhere(String),
}

/// The modules that stand in one file, the file's own first.
#[derive(Debug, Default)]
pub struct Modules(Vec<Module>);

/// Which module of a file.
pub type ModuleId = usize;

#[derive(Debug, Default)]
struct Module {
    scope: Scope,
    traits: BTreeSet<String>,
    /// Those with their text in this file.
    children: BTreeMap<String, ModuleId>,
    /// Those with their text in another.
    files: BTreeSet<String>,
    parent: Option<ModuleId>,
}

impl Modules {
    /// The module that is the file itself.
    pub const FILE: ModuleId = 0;

    /// Reads the modules of a file.
    pub fn of(items: &[syn::Item]) -> Self {
        let mut modules = Self::default();
        modules.add(items, None);
        modules
    }

    /// The names that imports bring into a module.
    pub fn scope(&self, module: ModuleId) -> &Scope {
        &self.0[module].scope
    }

    /// A module that stands in another.
    pub fn child(&self, module: ModuleId, name: &str) -> Option<ModuleId> {
        self.0[module].children.get(name).copied()
    }

    /// Everything that a path written in a module may mean: more than one thing where there are
    /// globs, or imports that a `cfg` chooses from.
    pub fn meanings(&self, module: ModuleId, path: &syn::Path) -> Vec<Meaning> {
        let segments = path.segments.iter();
        let parts: Vec<String> = segments.map(|part| part.ident.to_string()).collect();
        if path.leading_colon.is_some() {
            return vec![Meaning::Full(parts.join("::"))];
        }
        let mut meanings = Vec::new();
        self.follow(module, &parts, MOST_STEPS, &mut meanings);
        meanings
    }

    fn add(&mut self, items: &[syn::Item], parent: Option<ModuleId>) -> ModuleId {
        let id = self.0.len();
        self.0.push(Module {
            scope: Scope::of(items),
            parent,
            ..Module::default()
        });
        for item in items {
            match item {
                syn::Item::Trait(item) => {
                    self.0[id].traits.insert(item.ident.to_string());
                }
                syn::Item::TraitAlias(item) => {
                    self.0[id].traits.insert(item.ident.to_string());
                }
                syn::Item::Mod(item) => {
                    let name = item.ident.to_string();
                    match &item.content {
                        Some((_, items)) => {
                            let child = self.add(items, Some(id));
                            self.0[id].children.insert(name, child);
                        }
                        None => {
                            self.0[id].files.insert(name);
                        }
                    }
                }
                _ => {}
            }
        }
        id
    }

    fn follow(&self, module: ModuleId, path: &[String], steps: usize, found: &mut Vec<Meaning>) {
        let elsewhere = || Meaning::Elsewhere(path.join("::"));
        let Some((first, rest)) = path.split_first() else {
            return;
        };
        if steps == 0 {
            found.push(elsewhere());
            return;
        }
        let here = &self.0[module];
        match first.as_str() {
            "crate" => return found.push(elsewhere()),
            "self" => return self.follow(module, rest, steps, found),
            "super" => {
                return match here.parent {
                    Some(parent) => self.follow(parent, rest, steps, found),
                    None => found.push(elsewhere()),
                };
            }
            _ => {}
        }
        let before = found.len();
        for full in here.scope.imports_of(first) {
            let full: Vec<String> = full.split("::").map(str::to_owned).collect();
            let names_itself = full.first() == Some(first);
            let whole = [full.as_slice(), rest].concat();
            if names_itself {
                found.push(Meaning::Full(whole.join("::")));
            } else {
                self.follow(module, &whole, steps - 1, found);
            }
        }
        if found.len() > before {
            return;
        }
        if rest.is_empty() && here.traits.contains(first) {
            return found.push(Meaning::Declared);
        }
        if let Some(child) = here.children.get(first).filter(|_| !rest.is_empty()) {
            return self.follow(*child, rest, steps, found);
        }
        if here.files.contains(first) {
            return found.push(elsewhere());
        }
        for glob in here.scope.globs() {
            let glob: Vec<String> = glob.split("::").map(str::to_owned).collect();
            // A glob does not bring the name by which it is written itself.
            if glob.first() != Some(first) {
                let whole = [glob.as_slice(), path].concat();
                self.follow(module, &whole, steps - 1, found);
            }
        }
        if !rest.is_empty() {
            found.push(Meaning::Full(path.join("::")));
        } else if found.len() == before {
            found.push(elsewhere());
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn meanings(source: &str, path: &str) -> Vec<Meaning> {
        let modules = Modules::of(&syn::parse_file(source).expect("valid Rust").items);
        modules.meanings(Modules::FILE, &syn::parse_str(path).expect("a path"))
    }

    fn full(path: &str) -> Meaning {
        Meaning::Full(path.to_owned())
    }

    fn elsewhere(path: &str) -> Meaning {
        Meaning::Elsewhere(path.to_owned())
    }

    #[test]
    fn paths_are_followed_as_far_as_the_file_tells() {
        for (source, path, expected) in [
            ("use a::b::{self, C};", "C", vec![full("a::b::C")]),
            ("use a::b::{self, C};", "b::D", vec![full("a::b::D")]),
            ("use a::C as Other;", "Other", vec![full("a::C")]),
            ("use a::b as m; use m::C;", "C", vec![full("a::b::C")]),
            (
                "use a; use b as a;",
                "a::C",
                vec![full("a::C"), full("b::C")],
            ),
            ("use a::*;", "C", vec![full("a::C")]),
            ("", "::a::C", vec![full("a::C")]),
            ("", "x::Y", vec![full("x::Y")]),
            ("", "Unknown", vec![elsewhere("Unknown")]),
            ("trait C {} use a::*;", "C", vec![Meaning::Declared]),
            (
                "mod m { pub trait C {} } use m::C;",
                "C",
                vec![Meaning::Declared],
            ),
            ("mod m { pub use a::C; }", "m::C", vec![full("a::C")]),
            (
                "mod m { pub use super::C; } use a::C;",
                "m::C",
                vec![full("a::C")],
            ),
            ("mod m; use m::C;", "C", vec![elsewhere("m::C")]),
            ("use crate::x::C as D;", "D", vec![elsewhere("crate::x::C")]),
            ("use super::*;", "C", vec![elsewhere("super::C")]),
            (
                "mod m { pub use super::*; } use m::*;",
                "C",
                vec![elsewhere("super::C")],
            ),
        ] {
            let mut found = meanings(source, path);
            found.dedup();
            assert_eq!(found, expected, "{path} in {source}");
        }
    }
}
