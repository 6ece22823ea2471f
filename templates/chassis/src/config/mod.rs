//! Typed configuration in layers.
//!
//! From the lowest to the highest:
//!
//! 1. the defaults built into [`Config`],
//! 2. `config/default.toml`,
//! 3. `config/{APP_ENV}.toml`, where `APP_ENV` is `dev` unless set; the file may be missing,
//! 4. environment variables with the prefix `APP_`, in which `__` separates the levels:
//!    `APP_SERVER__PORT=50051` is `server.port`. A value is read as TOML when the setting asks for
//!    a number, a boolean, a list or a table, and as plain text when it asks for text.
//!
//! The folder is `APP_CONFIG_DIR` if that is set (it must exist then), else `./config`, else
//! `$CARGO_MANIFEST_DIR/config` (so that `cargo run` works from any folder), else there are no
//! files. An error names the key, where its value came from and what was expected.

mod checked;
mod de;
mod endpoint;
mod error;
mod node;
mod registry_url;
mod sections;
mod suggest;
mod units;

use std::collections::BTreeMap;
use std::ffi::OsString;
use std::io;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use serde::de::DeserializeOwned;

pub use checked::{Directives, HttpUrl, PerSecond, Percent, Ratio, WebUrl};
pub use endpoint::HttpEndpoint;
pub use error::ConfigError;
pub use node::Origin;
pub use registry_url::RegistryUrl;
pub use sections::*;
pub use units::{Duration, NotAValue, Secret, Size};

use node::Node;

const PREFIX: &str = "APP_";
const SEPARATOR: &str = "__";
const ENVIRONMENT: &str = "APP_ENV";
const FOLDER: &str = "APP_CONFIG_DIR";
const MANIFEST_FOLDER: &str = "CARGO_MANIFEST_DIR";
const DEFAULT_ENVIRONMENT: &str = "dev";

/// Where OTLP/HTTP takes traces.
pub(crate) const OTLP_PATH: &str = "/v1/traces";

/// Loads the configuration of the service `name`, `version`: pass `env!("CARGO_PKG_NAME")` and
/// `env!("CARGO_PKG_VERSION")`.
///
/// # Errors
/// When a file or variable cannot be read, or a setting is unknown or wrong.
pub fn load<A>(name: &str, version: &str) -> Result<Config<A>, ConfigError>
where
    A: DeserializeOwned + Default,
{
    Source::from_process().load(name, version)
}

/// What a configuration is loaded from: the process' environment, or a test's.
struct Source {
    variables: BTreeMap<OsString, OsString>,
    working_folder: PathBuf,
}

impl Source {
    fn from_process() -> Self {
        Self {
            variables: std::env::vars_os().collect(),
            working_folder: PathBuf::new(),
        }
    }

    fn load<A>(&self, name: &str, version: &str) -> Result<Config<A>, ConfigError>
    where
        A: DeserializeOwned + Default,
    {
        let environment = self
            .variable(ENVIRONMENT)?
            .filter(|environment| !environment.is_empty())
            .unwrap_or(DEFAULT_ENVIRONMENT);

        let mut root = built_in(name, version, environment);
        if let Some(folder) = self.folder()? {
            for layer in ["default", environment] {
                let path = folder.join(format!("{layer}.toml"));
                if let Some(file) = read_file(&self.working_folder, &path)? {
                    root.merge(file);
                }
            }
        }
        for (name, path) in self.settings() {
            let raw = self.variable(name)?.unwrap_or_default();
            let path: Vec<&str> = path.iter().map(String::as_str).collect();
            root.insert(&path, Node::from_variable(name, raw));
        }

        let config: Config<A> = serde::Deserialize::deserialize(&root)?;
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

    fn variable(&self, name: &str) -> Result<Option<&str>, ConfigError> {
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
        let node = Node {
            origin: Origin::Default,
            value: node::Value::String(value.to_owned()),
        };
        root.insert(&["service", key], node);
    }
    root
}

fn read_file(working_folder: &Path, path: &Path) -> Result<Option<Node>, ConfigError> {
    let text = match std::fs::read_to_string(working_folder.join(path)) {
        Ok(text) => text,
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(None),
        Err(source) => {
            return Err(ConfigError::Unreadable {
                path: path.to_owned(),
                source,
            });
        }
    };
    let name: Arc<str> = path.display().to_string().into();
    match Node::from_toml(&name, &text) {
        Ok(node) => Ok(Some(node)),
        Err((line, column, message)) => Err(ConfigError::Syntax {
            position: format!("{name}:{line}:{column}"),
            message,
        }),
    }
}

#[cfg(test)]
mod tests;
