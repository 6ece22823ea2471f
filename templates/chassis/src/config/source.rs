//! What a configuration is loaded from: the environment of the process, or a test's.

use std::collections::BTreeMap;
use std::ffi::OsString;
use std::io;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use serde::de::DeserializeOwned;

use super::node::{Node, Origin, Value};
use super::{Config, ConfigError, layers::Layers};

const PREFIX: &str = "APP_";
const SEPARATOR: &str = "__";
const ENVIRONMENT: &str = "APP_ENV";
const FOLDER: &str = "APP_CONFIG_DIR";
const MANIFEST_FOLDER: &str = "CARGO_MANIFEST_DIR";
const DEFAULT_ENVIRONMENT: &str = "dev";

/// The variables and the folder, which stay what they are while the process lives.
#[derive(Debug, Clone)]
pub(super) struct Source {
    pub(super) variables: BTreeMap<OsString, OsString>,
    pub(super) working_folder: PathBuf,
}

/// A file that may hold settings.
#[derive(Debug, Clone)]
pub(super) struct File {
    /// As it is told in errors.
    pub(super) name: Arc<str>,
    path: PathBuf,
}

impl Source {
    pub(super) fn from_process() -> Self {
        Self {
            variables: std::env::vars_os().collect(),
            working_folder: PathBuf::new(),
        }
    }

    /// The layers that need no store, and the files among them.
    pub(super) fn layers(
        &self,
        name: &str,
        version: &str,
    ) -> Result<(Layers, Vec<File>), ConfigError> {
        let environment = self
            .variable(ENVIRONMENT)?
            .filter(|environment| !environment.is_empty())
            .unwrap_or(DEFAULT_ENVIRONMENT);
        let files = match self.folder()? {
            Some(folder) => ["default", environment]
                .map(|layer| {
                    let path = folder.join(format!("{layer}.toml"));
                    let name = path.display().to_string().into();
                    let path = self.working_folder.join(path);
                    File { name, path }
                })
                .to_vec(),
            None => Vec::new(),
        };
        let mut variables = Vec::new();
        for (name, path) in self.settings() {
            let raw = self.variable(name)?.unwrap_or_default();
            variables.push((path, Node::from_variable(name, raw)));
        }
        let layers = Layers {
            built_in: built_in(name, version, environment),
            files: read(&files)?,
            names: files.iter().map(|file| Arc::clone(&file.name)).collect(),
            variables,
            store: None,
        };
        Ok((layers, files))
    }

    /// The settings that `tree` says.
    pub(super) fn typed<A>(&self, tree: &Node) -> Result<Config<A>, ConfigError>
    where
        A: DeserializeOwned + Default,
    {
        let config: Config<A> = serde::Deserialize::deserialize(tree)?;
        config.with_standard_variables(|name| {
            let value = self.variable(name)?;
            Ok(value.filter(|value| !value.is_empty()))
        })
    }

    fn folder(&self) -> Result<Option<PathBuf>, ConfigError> {
        if let Some(path) = self.variables.get(&OsString::from(FOLDER)) {
            let path = PathBuf::from(path);
            if self.working_folder.join(&path).is_dir() {
                return Ok(Some(path));
            }
            return Err(ConfigError::NoSuchFolder { path });
        }
        let manifest_folder = self.variables.get(&OsString::from(MANIFEST_FOLDER));
        let candidates = [
            Some(PathBuf::from("config")),
            manifest_folder.map(|folder| Path::new(folder).join("config")),
        ];
        Ok(candidates
            .into_iter()
            .flatten()
            .find(|path| self.working_folder.join(path).is_dir()))
    }

    /// The variables that are settings, with the path each stands for. Other programs own names
    /// such as `APP_HOME`: a setting is always inside a section, so its name has a separator.
    fn settings(&self) -> impl Iterator<Item = (&str, Vec<String>)> {
        self.variables.keys().filter_map(|name| {
            let name = name.to_str()?;
            let path = name.strip_prefix(PREFIX)?;
            let path: Vec<String> = path.split(SEPARATOR).map(str::to_lowercase).collect();
            let is_setting = path.len() > 1 && path.iter().all(|key| !key.is_empty());
            is_setting.then_some((name, path))
        })
    }

    pub(super) fn variable(&self, name: &str) -> Result<Option<&str>, ConfigError> {
        match self.variables.get(&OsString::from(name)) {
            None => Ok(None),
            Some(value) => match value.to_str() {
                Some(value) => Ok(Some(value)),
                None => Err(ConfigError::NotUnicode {
                    variable: name.to_owned(),
                }),
            },
        }
    }
}

fn built_in(name: &str, version: &str, environment: &str) -> Node {
    let mut root = Node::empty();
    for (key, value) in [
        ("name", name),
        ("version", version),
        ("environment", environment),
    ] {
        let value = Value::String(value.to_owned());
        root.insert(&["service", key], Node::new(Origin::Default, value));
    }
    root
}

/// The texts of `files`; `None` for those that are not there.
pub(super) fn read(files: &[File]) -> Result<Vec<Option<String>>, ConfigError> {
    let read = |file: &File| match std::fs::read_to_string(&file.path) {
        Ok(text) => Ok(Some(text)),
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(None),
        Err(source) => Err(ConfigError::Unreadable {
            path: PathBuf::from(&*file.name),
            source,
        }),
    };
    files.iter().map(read).collect()
}
