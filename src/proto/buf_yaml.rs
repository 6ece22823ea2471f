//! `buf.yaml` and `buf.work.yaml`: what of them says where protos are and which rules they follow.
//!
//! Pure: text in, settings out. Keys that mean nothing here are passed over.

use std::collections::BTreeMap;

use yaml_rust2::{Yaml, YamlLoader};

use crate::error::Diagnostic;
use crate::proto::breaking::config::BreakingConfig;
use crate::proto::finding::{Selection, is_at_or_below};
use crate::proto::lint::config::LintConfig;

/// The name of the file that describes a module or, in version 2, several.
pub const FILE_NAME: &str = "buf.yaml";
/// The name of the file that lists modules in version 1.
pub const WORK_FILE_NAME: &str = "buf.work.yaml";

/// One folder of protos.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct BufModule {
    /// The folder, relative to the file.
    pub path: String,
    /// Files and folders in it that do not belong to it.
    pub excludes: Vec<String>,
    /// What lint rules are told.
    pub lint: LintConfig,
    /// What the rules for breaking changes are told.
    pub breaking: BreakingConfig,
}

/// What a `buf.yaml` says.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct BufYaml {
    /// The folders of protos; one in version 1.
    pub modules: Vec<BufModule>,
    /// Modules of a registry whose protos may be imported.
    pub dependencies: Vec<String>,
}

/// Why a file cannot be used.
#[derive(Debug, thiserror::Error)]
pub enum BufYamlError {
    /// It is not YAML.
    #[error("line {}, column {}: {}", .0.marker().line(), .0.marker().col() + 1, .0.info())]
    Syntax(#[from] yaml_rust2::ScanError),
    /// It has a version that is not known.
    #[error("`version` is `{0}`")]
    Version(String),
    /// A key has a value of another kind.
    #[error("`{key}` is not {expected}")]
    Kind {
        /// The key, with those that it stands below.
        key: String,
        /// What it should be.
        expected: &'static str,
    },
}

impl Diagnostic for BufYamlError {
    fn hint(&self) -> Option<String> {
        match self {
            Self::Version(_) => Some("the versions `v1` and `v2` are understood".to_owned()),
            Self::Syntax(_) | Self::Kind { .. } => None,
        }
    }
}

/// Reads a `buf.yaml`.
///
/// # Errors
/// [`BufYamlError`] when it is not YAML, or not what is expected.
pub fn parse(text: &str) -> Result<BufYaml, BufYamlError> {
    let documents = YamlLoader::load_from_str(text)?;
    let root = Node::new(documents.first().unwrap_or(&Yaml::Null));
    let dependencies = root.get("deps").strings()?;
    let version = root.get("version").text()?;
    let modules = match version.as_deref() {
        None | Some("v1" | "v1beta1") => vec![BufModule {
            path: ".".to_owned(),
            excludes: root.get("build").get("excludes").strings()?,
            lint: lint(&root.get("lint"), false)?,
            breaking: breaking(&root.get("breaking"))?,
        }],
        Some("v2") => modules(&root)?,
        Some(other) => return Err(BufYamlError::Version(other.to_owned())),
    };
    Ok(BufYaml {
        modules,
        dependencies,
    })
}

/// Reads the folders of a `buf.work.yaml`.
///
/// # Errors
/// As [`parse`].
pub fn parse_work(text: &str) -> Result<Vec<String>, BufYamlError> {
    let documents = YamlLoader::load_from_str(text)?;
    let root = Node::new(documents.first().unwrap_or(&Yaml::Null));
    root.get("directories").strings()
}

/// The modules of version 2. Paths there are relative to the file, while rules want them relative to
/// the module.
fn modules(root: &Node<'_>) -> Result<Vec<BufModule>, BufYamlError> {
    let listed = root.get("modules").items()?;
    if listed.is_empty() {
        let module = module(root, root, ".".to_owned())?;
        return Ok(vec![module]);
    }
    listed
        .iter()
        .map(|item| {
            let path = item.get("path").text()?.unwrap_or_else(|| ".".to_owned());
            module(root, item, path)
        })
        .collect()
}

fn module(root: &Node<'_>, item: &Node<'_>, path: String) -> Result<BufModule, BufYamlError> {
    let settings = |key: &str| match item.get(key) {
        own if own.is_there() => own,
        _ => root.get(key),
    };
    let excludes = item.get("excludes").strings()?;
    let mut lint = lint(&settings("lint"), true)?;
    let mut breaking = breaking(&settings("breaking"))?;
    for (ignore, ignore_only) in [
        (&mut lint.ignore, &mut lint.ignore_only),
        (&mut breaking.ignore, &mut breaking.ignore_only),
    ] {
        *ignore = below_module(ignore, &path);
        for paths in ignore_only.values_mut() {
            *paths = below_module(paths, &path);
        }
    }
    Ok(BufModule {
        excludes: below_module(&excludes, &path),
        path,
        lint,
        breaking,
    })
}

/// Those of the paths that concern a module, relative to it.
fn below_module(paths: &[String], module: &str) -> Vec<String> {
    let module = module.trim_start_matches("./").trim_end_matches('/');
    let concern = paths.iter().filter_map(|path| {
        let path = path.trim_start_matches("./").trim_end_matches('/');
        if module == "." || module.is_empty() {
            return Some(path.to_owned());
        }
        if is_at_or_below(module, path) {
            return Some(".".to_owned());
        }
        Some(path.strip_prefix(module)?.strip_prefix('/')?.to_owned())
    });
    concern.collect()
}

fn selection(node: &Node<'_>) -> Result<Selection, BufYamlError> {
    let mut ignore_only = BTreeMap::new();
    for (rule, paths) in node.get("ignore_only").entries()? {
        ignore_only.insert(rule, paths.strings()?);
    }
    Ok(Selection {
        used: node.get("use").strings()?,
        except: node.get("except").strings()?,
        ignore: node.get("ignore").strings()?,
        ignore_only,
    })
}

fn lint(node: &Node<'_>, is_v2: bool) -> Result<LintConfig, BufYamlError> {
    let default = LintConfig::default();
    let Selection {
        used,
        except,
        ignore,
        ignore_only,
    } = selection(node)?;
    // Version 1 asks for it, version 2 asks for the contrary.
    let allow_comment_ignores = match is_v2 {
        true => !node.get("disallow_comment_ignores").flag()?,
        false => node.get("allow_comment_ignores").flag()?,
    };
    Ok(LintConfig {
        used,
        except,
        ignore,
        ignore_only,
        enum_zero_value_suffix: node
            .get("enum_zero_value_suffix")
            .text()?
            .unwrap_or(default.enum_zero_value_suffix),
        service_suffix: node
            .get("service_suffix")
            .text()?
            .unwrap_or(default.service_suffix),
        rpc_allow_same_request_response: node.get("rpc_allow_same_request_response").flag()?,
        rpc_allow_google_protobuf_empty_requests: node
            .get("rpc_allow_google_protobuf_empty_requests")
            .flag()?,
        rpc_allow_google_protobuf_empty_responses: node
            .get("rpc_allow_google_protobuf_empty_responses")
            .flag()?,
        allow_comment_ignores,
    })
}

fn breaking(node: &Node<'_>) -> Result<BreakingConfig, BufYamlError> {
    let Selection {
        used,
        except,
        ignore,
        ignore_only,
    } = selection(node)?;
    Ok(BreakingConfig {
        used,
        except,
        ignore,
        ignore_only,
        ignore_unstable_packages: node.get("ignore_unstable_packages").flag()?,
    })
}

/// A value with the keys that lead to it, for messages.
struct Node<'a> {
    key: String,
    value: &'a Yaml,
}

impl<'a> Node<'a> {
    fn new(value: &'a Yaml) -> Self {
        Self {
            key: String::new(),
            value,
        }
    }

    fn is_there(&self) -> bool {
        !matches!(self.value, Yaml::Null | Yaml::BadValue)
    }

    fn get(&self, key: &str) -> Node<'a> {
        let path = match self.key.is_empty() {
            true => key.to_owned(),
            false => format!("{}.{key}", self.key),
        };
        Node {
            key: path,
            value: &self.value[key],
        }
    }

    fn is_not<T>(&self, expected: &'static str) -> Result<T, BufYamlError> {
        Err(BufYamlError::Kind {
            key: self.key.clone(),
            expected,
        })
    }

    fn text(&self) -> Result<Option<String>, BufYamlError> {
        match self.value {
            Yaml::String(text) => Ok(Some(text.clone())),
            _ if !self.is_there() => Ok(None),
            _ => self.is_not("a text"),
        }
    }

    fn flag(&self) -> Result<bool, BufYamlError> {
        match self.value {
            Yaml::Boolean(flag) => Ok(*flag),
            _ if !self.is_there() => Ok(false),
            _ => self.is_not("`true` or `false`"),
        }
    }

    fn items(&self) -> Result<Vec<Node<'a>>, BufYamlError> {
        match self.value {
            Yaml::Array(items) => Ok((0..)
                .zip(items)
                .map(|(index, value)| Node {
                    key: format!("{}[{index}]", self.key),
                    value,
                })
                .collect()),
            _ if !self.is_there() => Ok(Vec::new()),
            _ => self.is_not("a list"),
        }
    }

    fn strings(&self) -> Result<Vec<String>, BufYamlError> {
        let items = self.items()?;
        let texts = items.iter().map(|item| match item.text()? {
            Some(text) => Ok(text),
            None => item.is_not("a text"),
        });
        texts.collect()
    }

    fn entries(&self) -> Result<Vec<(String, Node<'a>)>, BufYamlError> {
        match self.value {
            Yaml::Hash(entries) => entries
                .iter()
                .map(|(name, value)| {
                    let Some(name) = name.as_str() else {
                        return self.is_not("a table with texts as keys");
                    };
                    let key = format!("{}.{name}", self.key);
                    Ok((name.to_owned(), Node { key, value }))
                })
                .collect(),
            _ if !self.is_there() => Ok(Vec::new()),
            _ => self.is_not("a table"),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn version_1_describes_its_own_folder() {
        let text = "version: v1\ndeps:\n  - buf.build/googleapis/googleapis\n\
            build:\n  excludes: [old]\n\
            lint:\n  use: [BASIC]\n  except: [FIELD_LOWER_SNAKE_CASE]\n  ignore: [a]\n\
            \x20 ignore_only:\n    ENUM_PASCAL_CASE: [b/c.proto]\n\
            \x20 enum_zero_value_suffix: _NONE\n  rpc_allow_same_request_response: true\n\
            breaking:\n  use: [WIRE]\n  ignore_unstable_packages: true\n";
        let owned = |names: &[&str]| {
            names
                .iter()
                .map(|&name| name.to_owned())
                .collect::<Vec<_>>()
        };
        let expected = BufYaml {
            modules: vec![BufModule {
                path: ".".to_owned(),
                excludes: owned(&["old"]),
                lint: LintConfig {
                    used: owned(&["BASIC"]),
                    except: owned(&["FIELD_LOWER_SNAKE_CASE"]),
                    ignore: owned(&["a"]),
                    ignore_only: BTreeMap::from([(
                        "ENUM_PASCAL_CASE".to_owned(),
                        owned(&["b/c.proto"]),
                    )]),
                    enum_zero_value_suffix: "_NONE".to_owned(),
                    rpc_allow_same_request_response: true,
                    allow_comment_ignores: false,
                    ..LintConfig::default()
                },
                breaking: BreakingConfig {
                    used: owned(&["WIRE"]),
                    ignore_unstable_packages: true,
                    ..BreakingConfig::default()
                },
            }],
            dependencies: owned(&["buf.build/googleapis/googleapis"]),
        };
        assert_eq!(parse(text).expect("valid"), expected);
    }

    #[test]
    fn version_2_has_modules_and_paths_are_made_relative_to_them() {
        let text = "version: v2\nmodules:\n  - path: proto\n    excludes: [proto/old]\n\
            \x20 - path: vendor\n    lint:\n      use: [MINIMAL]\n\
            lint:\n  ignore: [proto/a, vendor]\n  disallow_comment_ignores: true\n";
        let parsed = parse(text).expect("valid");
        let summary: Vec<_> = parsed
            .modules
            .iter()
            .map(|it| {
                (
                    it.path.as_str(),
                    &it.excludes,
                    &it.lint.used,
                    &it.lint.ignore,
                )
            })
            .collect();
        let owned = |name: &str| vec![name.to_owned()];
        assert_eq!(
            summary,
            [
                ("proto", &owned("old"), &vec![], &owned("a")),
                ("vendor", &vec![], &owned("MINIMAL"), &vec![]),
            ]
        );
        assert!(!parsed.modules[0].lint.allow_comment_ignores);
        assert!(parsed.modules[1].lint.allow_comment_ignores);
    }

    #[test]
    fn what_is_wrong_is_named_with_its_key_or_its_place() {
        for (text, expected) in [
            ("version: v3", "`version` is `v3`"),
            ("lint:\n  use: BASIC", "`lint.use` is not a list"),
            (
                "version: v2\nmodules:\n  - path: [1]",
                "`modules[0].path` is not a text",
            ),
            (
                "lint:\n  ignore_only:\n    A: 1",
                "`lint.ignore_only.A` is not a list",
            ),
            (
                "lint: [",
                "line 2, column 1: while parsing a node, did not find expected node content",
            ),
        ] {
            assert_eq!(parse(text).expect_err(text).to_string(), expected);
        }
    }
}
