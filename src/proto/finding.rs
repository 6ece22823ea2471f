//! What a rule finds, and which rules are asked: the same for lint rules and for breaking changes.
//!
//! Pure: no I/O.

use std::collections::{BTreeMap, BTreeSet};

use prost_types::source_code_info::Location;
use serde::Serialize;

use crate::error::{Diagnostic, Exit};

/// The names of the sets that rules come in, as buf has them.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Category {
    /// Lint: what every layout of files needs.
    Minimal,
    /// Lint: what is widely accepted.
    Basic,
    /// Lint: what new protos should follow.
    Standard,
    /// Lint: that everything has a comment.
    Comments,
    /// Lint: no streams.
    UnaryRpc,
    /// Breaking: generated code must keep compiling, file by file.
    File,
    /// Breaking: generated code must keep compiling, package by package.
    Package,
    /// Breaking: the wire and JSON must keep working.
    WireJson,
    /// Breaking: the wire must keep working.
    Wire,
}

impl Category {
    const ALL: [Self; 9] = [
        Self::Minimal,
        Self::Basic,
        Self::Standard,
        Self::Comments,
        Self::UnaryRpc,
        Self::File,
        Self::Package,
        Self::WireJson,
        Self::Wire,
    ];

    /// The name as configuration has it.
    pub fn name(self) -> &'static str {
        match self {
            Self::Minimal => "MINIMAL",
            Self::Basic => "BASIC",
            Self::Standard => "STANDARD",
            Self::Comments => "COMMENTS",
            Self::UnaryRpc => "UNARY_RPC",
            Self::File => "FILE",
            Self::Package => "PACKAGE",
            Self::WireJson => "WIRE_JSON",
            Self::Wire => "WIRE",
        }
    }

    fn parse(name: &str) -> Option<Self> {
        // The name that STANDARD had in version 1 of buf's configuration.
        let name = if name == "DEFAULT" { "STANDARD" } else { name };
        Self::ALL
            .into_iter()
            .find(|category| category.name() == name)
    }
}

/// A rule of buf that is not there: it checks the rules of another tool.
const NOT_ASKED: &str = "PROTOVALIDATE";

/// Names that rules of buf had before, each with the rule that took its place.
const FORMER_NAMES: &[(&str, &str)] = &[
    ("FIELD_SAME_CTYPE", "FIELD_SAME_CPP_STRING_TYPE"),
    ("FIELD_SAME_LABEL", "FIELD_SAME_CARDINALITY"),
    (
        "FILE_SAME_JAVA_STRING_CHECK_UTF8",
        "FIELD_SAME_JAVA_UTF8_VALIDATION",
    ),
];

/// What can be told of a rule without running it.
#[derive(Clone, Copy, Debug)]
pub struct RuleInfo {
    /// `ENUM_PASCAL_CASE`.
    pub name: &'static str,
    /// The sets that it belongs to.
    pub categories: &'static [Category],
    /// What it wants, as a sentence without its full stop.
    pub purpose: &'static str,
}

/// Which rules are asked, and where not.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Selection {
    /// Rules and categories; none means the default category.
    pub used: Vec<String>,
    /// Rules and categories that are taken away again.
    pub except: Vec<String>,
    /// Files and folders, relative to the folder of imports, in which nothing is found.
    pub ignore: Vec<String>,
    /// The same for a rule or a category alone.
    pub ignore_only: BTreeMap<String, Vec<String>>,
}

/// A name in the configuration that is neither a rule nor a category.
#[derive(Debug, thiserror::Error)]
#[error("there is no {kind} rule or category `{name}`")]
pub struct UnknownRule {
    kind: &'static str,
    name: String,
    similar: Option<&'static str>,
}

impl Diagnostic for UnknownRule {
    fn hint(&self) -> Option<String> {
        Some(match self.similar {
            Some(similar) => format!("did you mean `{similar}`?"),
            None => "`--list-rules` says which there are".to_owned(),
        })
    }

    fn exit(&self) -> Exit {
        Exit::Usage
    }
}

/// A selection with its names resolved.
#[derive(Clone, Debug)]
pub struct Chosen {
    names: BTreeSet<&'static str>,
    ignore: Vec<String>,
    ignore_only: BTreeMap<&'static str, Vec<String>>,
}

impl Selection {
    /// Resolves the names. `kind` is for messages: `lint` or `breaking`.
    ///
    /// # Errors
    /// [`UnknownRule`] with the first name that means nothing.
    pub fn choose(
        &self,
        kind: &'static str,
        rules: &[RuleInfo],
        default: Category,
    ) -> Result<Chosen, UnknownRule> {
        let resolve = |name: &String| resolve(kind, rules, name);
        let mut names = BTreeSet::new();
        if self.used.is_empty() {
            names.extend(of_category(rules, default));
        }
        for name in &self.used {
            names.extend(resolve(name)?);
        }
        // What is not asked anyway may be taken away.
        let is_unknown_here = |name: &String| name == NOT_ASKED;
        for name in self.except.iter().filter(|it| !is_unknown_here(it)) {
            for rule in resolve(name)? {
                names.remove(rule);
            }
        }
        let mut ignore_only: BTreeMap<&'static str, Vec<String>> = BTreeMap::new();
        let ignored = self.ignore_only.iter();
        for (name, paths) in ignored.filter(|(name, _)| !is_unknown_here(name)) {
            for rule in resolve(name)? {
                ignore_only.entry(rule).or_default().extend(paths.clone());
            }
        }
        Ok(Chosen {
            names,
            ignore: self.ignore.clone(),
            ignore_only,
        })
    }
}

impl Chosen {
    /// Whether a rule is asked.
    pub fn has(&self, rule: &str) -> bool {
        self.names.contains(rule)
    }

    /// Whether what a rule finds in a file is passed over.
    pub fn ignores(&self, rule: &str, file: &str) -> bool {
        let of_rule = self.ignore_only.get(rule).into_iter().flatten();
        self.ignore
            .iter()
            .chain(of_rule)
            .any(|path| is_at_or_below(file, path))
    }
}

/// Whether a file is the one at a path, or in the folder at it.
pub fn is_at_or_below(file: &str, path: &str) -> bool {
    let path = path.trim_start_matches("./").trim_end_matches('/');
    if path.is_empty() || path == "." {
        return true;
    }
    file.strip_prefix(path)
        .is_some_and(|rest| rest.is_empty() || rest.starts_with('/'))
}

fn of_category(rules: &[RuleInfo], category: Category) -> impl Iterator<Item = &'static str> {
    rules
        .iter()
        .filter(move |rule| rule.categories.contains(&category))
        .map(|rule| rule.name)
}

fn resolve(
    kind: &'static str,
    rules: &[RuleInfo],
    name: &str,
) -> Result<Vec<&'static str>, UnknownRule> {
    let former = FORMER_NAMES.iter().find(|(former, _)| *former == name);
    let name = former.map_or(name, |(_, present)| *present);
    if let Some(category) = Category::parse(name) {
        let found: Vec<_> = of_category(rules, category).collect();
        if !found.is_empty() {
            return Ok(found);
        }
    }
    if let Some(rule) = rules.iter().find(|rule| rule.name == name) {
        return Ok(vec![rule.name]);
    }
    let categories = Category::ALL
        .into_iter()
        .filter(|category| of_category(rules, *category).next().is_some())
        .map(Category::name);
    let candidates = rules.iter().map(|rule| rule.name).chain(categories);
    Err(UnknownRule {
        kind,
        name: name.to_owned(),
        similar: most_similar(&name.to_uppercase(), candidates),
    })
}

/// The name that was probably meant: one that begins like the given one, or differs in few letters.
pub fn most_similar<'a>(given: &str, names: impl Iterator<Item = &'a str>) -> Option<&'a str> {
    /// Below this, two names have little to do with each other.
    const SIMILAR: f64 = 0.8;
    /// One letter in so many may be wrong, missing or in another place.
    const LETTERS_A_SLIP: usize = 3;
    names
        .filter_map(|name| {
            let similarity = strsim::jaro_winkler(name, given);
            let slips = strsim::osa_distance(name, given);
            let is_slip = slips <= given.chars().count() / LETTERS_A_SLIP;
            (similarity > SIMILAR || is_slip).then_some((slips, name))
        })
        .min_by_key(|(slips, _)| *slips)
        .map(|(_, name)| name)
}

/// What a rule has against a part of a file.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Complaint {
    /// The part; empty for the file as a whole.
    pub path: Vec<i32>,
    /// What is wrong, as a lowercase fragment.
    pub message: String,
    /// What to do about it.
    pub help: Option<String>,
}

impl Complaint {
    /// A complaint without advice.
    pub fn new(path: Vec<i32>, message: impl Into<String>) -> Self {
        Self {
            path,
            message: message.into(),
            help: None,
        }
    }

    /// Adds advice.
    pub fn help(mut self, help: impl Into<String>) -> Self {
        self.help = Some(help.into());
        self
    }
}

/// A range of a file: lines and columns from 1, the end exclusive; columns count bytes.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize)]
pub struct Span {
    /// The line that it begins in.
    pub line: usize,
    /// The column that it begins at.
    pub column: usize,
    /// The line that it ends in.
    pub end_line: usize,
    /// The column that it ends before.
    pub end_column: usize,
}

impl Span {
    /// The place of a descriptor.
    pub fn of(location: &Location) -> Option<Self> {
        let at = |index: usize| {
            let number = *location.span.get(index)?;
            usize::try_from(number).ok().map(|number| number + 1)
        };
        let (line, column) = (at(0)?, at(1)?);
        let (end_line, end_column) = match location.span.len() {
            3 => (line, at(2)?),
            _ => (at(2)?, at(3)?),
        };
        Some(Self {
            line,
            column,
            end_line,
            end_column,
        })
    }
}

/// What a rule found, with its place.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize)]
pub struct Finding {
    /// The file.
    pub file: String,
    /// Where in it, unless it is the file as a whole.
    pub span: Option<Span>,
    /// The rule's name.
    pub rule: &'static str,
    /// What is wrong.
    pub message: String,
    /// What to do about it.
    pub help: Option<String>,
}

#[cfg(test)]
mod tests {
    use super::*;

    const RULES: &[RuleInfo] = &[
        RuleInfo {
            name: "ENUM_PASCAL_CASE",
            categories: &[Category::Basic, Category::Standard],
            purpose: "",
        },
        RuleInfo {
            name: "SERVICE_SUFFIX",
            categories: &[Category::Standard],
            purpose: "",
        },
    ];

    fn selection(used: &[&str], except: &[&str]) -> Selection {
        let owned = |names: &[&str]| names.iter().map(|&name| name.to_owned()).collect();
        Selection {
            used: owned(used),
            except: owned(except),
            ..Selection::default()
        }
    }

    #[test]
    fn names_and_categories_choose_rules() {
        for (used, except, expected) in [
            (
                &[][..],
                &[][..],
                &["ENUM_PASCAL_CASE", "SERVICE_SUFFIX"][..],
            ),
            (&["BASIC"], &[], &["ENUM_PASCAL_CASE"]),
            (&["DEFAULT"], &["BASIC"], &["SERVICE_SUFFIX"]),
            (&["SERVICE_SUFFIX"], &["SERVICE_SUFFIX"], &[]),
            (&["SERVICE_SUFFIX"], &["PROTOVALIDATE"], &["SERVICE_SUFFIX"]),
        ] {
            let chosen = selection(used, except)
                .choose("lint", RULES, Category::Standard)
                .expect("known names");
            let names: Vec<_> = chosen.names.into_iter().collect();
            assert_eq!(names, expected, "{used:?} without {except:?}");
        }
    }

    #[test]
    fn an_unknown_name_is_refused_with_a_similar_one() {
        for (name, similar) in [
            ("ENUM_PASCALCASE", Some("ENUM_PASCAL_CASE")),
            ("standart", Some("STANDARD")),
            ("COMMENTS", None),
            ("PROTOVALIDATE", None),
        ] {
            let error = selection(&[name], &[])
                .choose("lint", RULES, Category::Standard)
                .expect_err("unknown");
            assert_eq!(
                (error.to_string(), error.similar),
                (
                    format!("there is no lint rule or category `{name}`"),
                    similar
                )
            );
        }
    }

    #[test]
    fn a_folder_holds_what_is_below_it_and_not_what_begins_like_it() {
        for (file, path, expected) in [
            ("a/b.proto", "a", true),
            ("a/b.proto", "./a/", true),
            ("a/b.proto", "a/b.proto", true),
            ("a/b.proto", ".", true),
            ("ab/b.proto", "a", false),
            ("a/b.proto", "a/b.proto/c", false),
        ] {
            assert_eq!(is_at_or_below(file, path), expected, "{file} {path}");
        }
    }
}
