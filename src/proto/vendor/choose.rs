//! Which files of the sources are needed.
//!
//! Pure: files in, names out.

use std::collections::{BTreeMap, BTreeSet};

use crate::proto::acceptance;
use crate::proto::diagnostic::ProtoDiagnostic;
use crate::proto::dialect::{self, Refusal};
use crate::proto::finding::{is_at_or_below, most_similar};
use crate::proto::sources;

/// Files by the names that imports use.
pub type Files = BTreeMap<String, Vec<u8>>;

/// What there is to choose from.
#[derive(Debug)]
pub struct Choice<'a> {
    /// The workspace's own files, each with what it imports.
    pub own: &'a BTreeMap<String, Vec<String>>,
    /// The files of each source.
    pub trees: &'a BTreeMap<String, Files>,
    /// The files and folders of each source that are asked for.
    pub wanted: &'a BTreeMap<String, Vec<String>>,
}

/// An import or something that was asked for, and is nowhere.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Missing {
    /// The name.
    pub name: String,
    /// What wants it: a file, or a source.
    pub wanted_by: String,
    /// What was probably meant.
    pub similar: Option<String>,
}

/// Why nothing can be chosen.
#[derive(Debug)]
pub enum Refused {
    /// Something is nowhere.
    Missing(Vec<Missing>),
    /// A file cannot be parsed.
    Broken(Vec<ProtoDiagnostic>),
}

/// The names that are needed of each source.
///
/// # Errors
/// [`Refused`] with all that is wrong.
pub fn choose(choice: &Choice<'_>) -> Result<BTreeMap<String, BTreeSet<String>>, Refused> {
    let mut chosen: BTreeMap<String, BTreeSet<String>> = BTreeMap::new();
    let (mut missing, mut broken) = (Vec::new(), Vec::new());
    // What is wanted, by whom.
    let mut pending: Vec<(String, String)> = Vec::new();
    for (name, imports) in choice.own {
        pending.extend(imports.iter().map(|import| (import.clone(), name.clone())));
    }
    for (source, wanted) in choice.wanted {
        let files = choice
            .trees
            .get(source)
            .into_iter()
            .flat_map(BTreeMap::keys);
        for one in wanted {
            let found: Vec<&String> = files.clone().filter(|it| is_at_or_below(it, one)).collect();
            if found.is_empty() {
                missing.push(Missing {
                    name: one.clone(),
                    wanted_by: format!("`files` of `{source}`"),
                    similar: similar(one, files.clone()),
                });
            }
            pending.extend(found.into_iter().map(|it| (it.clone(), source.clone())));
        }
    }
    let mut seen = BTreeSet::new();
    while let Some((name, wanted_by)) = pending.pop() {
        let is_own = choice.own.contains_key(&name) || sources::is_well_known(&name);
        if is_own || !seen.insert(name.clone()) {
            continue;
        }
        let mut trees = choice.trees.iter();
        let Some((source, files)) = trees.find(|(_, files)| files.contains_key(&name)) else {
            if !sources::is_built_in(&name) {
                let all = choice.trees.values().flat_map(BTreeMap::keys);
                missing.push(Missing {
                    similar: similar(&name, all),
                    wanted_by: format!("`{wanted_by}`"),
                    name,
                });
            }
            continue;
        };
        match imports(&name, &files[&name]) {
            Ok(imports) => pending.extend(imports.into_iter().map(|it| (it, name.clone()))),
            Err(diagnostic) => broken.push(*diagnostic),
        }
        chosen.entry(source.clone()).or_default().insert(name);
    }
    missing.sort_by(|one, other| one.name.cmp(&other.name));
    match (missing.is_empty(), broken.is_empty()) {
        (true, true) => Ok(chosen),
        (false, _) => Err(Refused::Missing(missing)),
        (true, false) => Err(Refused::Broken(broken)),
    }
}

fn similar<'a>(name: &str, names: impl Iterator<Item = &'a String>) -> Option<String> {
    most_similar(name, names.map(String::as_str)).map(str::to_owned)
}

/// What a file imports.
///
/// # Errors
/// When it is no proto.
pub fn imports(name: &str, contents: &[u8]) -> Result<Vec<String>, Box<ProtoDiagnostic>> {
    let text = acceptance::accept(name, contents.to_vec())?;
    match dialect::parse(name, &text) {
        Ok(file) => Ok(file.file_descriptor_proto().dependency.clone()),
        Err(Refusal::Own(diagnostic)) => Err(diagnostic),
        Err(Refusal::Parser(error)) => Err(Box::new(ProtoDiagnostic::from_compiler(&error))),
    }
}

/// The folder that names are relative to, where all that is needed of a source and nowhere else is below
/// one: `proto` for `proto/user/v1/user.proto`, of which `user/v1/user.proto` is needed.
pub fn root<'a>(
    paths: impl Iterator<Item = &'a String> + Clone,
    needed: &[String],
) -> Option<String> {
    let roots = needed.iter().filter_map(|name| {
        let end = format!("/{name}");
        let mut roots: Vec<&str> = paths
            .clone()
            .filter_map(|it| it.strip_suffix(&end))
            .collect();
        roots.sort_by_key(|root| root.len());
        roots.first().map(|root| (*root).to_owned())
    });
    let roots: BTreeSet<String> = roots.collect();
    let mut roots = roots.into_iter();
    roots.next().filter(|_| roots.next().is_none())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn files(files: &[(&str, &str)]) -> Files {
        let files = files.iter();
        let files = files.map(|(name, text)| ((*name).to_owned(), text.as_bytes().to_vec()));
        files.collect()
    }

    #[test]
    fn what_is_imported_is_chosen_with_what_that_imports_and_no_more() {
        let own = BTreeMap::from([(
            "own.proto".to_owned(),
            [
                "a.proto",
                "google/api/annotations.proto",
                "google/protobuf/any.proto",
            ]
            .map(str::to_owned)
            .to_vec(),
        )]);
        let one = [
            (
                "a.proto",
                "syntax = \"proto3\"; import \"b/b.proto\"; import \"own.proto\";",
            ),
            ("unused.proto", "not a proto"),
            ("google/protobuf/any.proto", "not a proto"),
        ];
        let other = [
            (
                "b/b.proto",
                "edition = \"2023\"; import public \"c.proto\";",
            ),
            ("c.proto", "syntax = \"proto2\";"),
            ("wanted/d.proto", ""),
        ];
        let trees = BTreeMap::from([
            ("one".to_owned(), files(&one)),
            ("other".to_owned(), files(&other)),
        ]);
        let wanted = BTreeMap::from([("other".to_owned(), vec!["wanted".to_owned()])]);
        let choice = Choice {
            own: &own,
            trees: &trees,
            wanted: &wanted,
        };
        let chosen = choose(&choice).expect("all there");
        let chosen: Vec<(String, Vec<String>)> = chosen
            .into_iter()
            .map(|(source, names)| (source, names.into_iter().collect()))
            .collect();
        let names = |names: &[&str]| names.iter().map(|it| (*it).to_owned()).collect();
        assert_eq!(
            chosen,
            [
                ("one".to_owned(), names(&["a.proto"])),
                (
                    "other".to_owned(),
                    names(&["b/b.proto", "c.proto", "wanted/d.proto"])
                ),
            ]
        );
    }

    #[test]
    fn the_root_is_where_the_needed_names_begin() {
        let paths = [
            "x/user/v1/user.proto",
            "src/proto/a/b.proto",
            "src/proto/c.proto",
        ];
        let paths = paths.map(str::to_owned);
        let needed = |names: &[&str]| names.iter().map(|it| (*it).to_owned()).collect::<Vec<_>>();
        let found = |names: &[&str]| root(paths.iter(), &needed(names));
        assert_eq!(
            found(&["a/b.proto", "c.proto"]).as_deref(),
            Some("src/proto")
        );
        assert_eq!(found(&["a/b.proto", "v1/user.proto"]), None);
        assert_eq!(found(&["nowhere.proto"]), None);
    }
}
