//! Why a configuration could not be loaded.

use std::path::PathBuf;
use std::{fmt, io};

use super::de::Problem;
use super::node::Origin;

/// Why a configuration could not be loaded. Each variant names the file, variable or key at fault.
#[derive(Debug)]
#[non_exhaustive]
pub enum ConfigError {
    /// `APP_CONFIG_DIR` names something that is not a folder.
    NoSuchFolder {
        /// What the variable says.
        path: PathBuf,
    },
    /// A file is there but cannot be read.
    Unreadable {
        /// The file.
        path: PathBuf,
        /// What the system says.
        source: io::Error,
    },
    /// A file is not TOML.
    Syntax {
        /// The file, the line and the column (both from 1): `config/dev.toml:3:8`.
        position: String,
        /// What the parser says.
        message: String,
    },
    /// An environment variable is not valid Unicode.
    NotUnicode {
        /// Its name.
        variable: String,
    },
    /// The store that the service needs (`config_center.required`) has no settings for it.
    Store {
        /// The store and the key: `consul:config/dev/user-service`.
        name: String,
        /// Why not.
        message: String,
    },
    /// A setting is unknown, missing or of the wrong type or range.
    Setting {
        /// Where its value came from.
        origin: Origin,
        /// The key, as in `server.port`.
        key: String,
        /// Everything else, the key included.
        message: String,
    },
}

impl ConfigError {
    /// What `Display` says, and the cause.
    pub(super) fn with_cause(&self) -> String {
        match std::error::Error::source(self) {
            Some(cause) => format!("{self}: {cause}"),
            None => self.to_string(),
        }
    }

    /// A setting that has the right type and a value that makes no sense.
    pub(crate) fn setting(origin: Origin, key: &str, message: impl fmt::Display) -> Self {
        Self::Setting {
            origin,
            key: key.to_owned(),
            message: format!("`{key}`: {message}"),
        }
    }
}

impl From<Problem> for ConfigError {
    fn from(problem: Problem) -> Self {
        Self::Setting {
            key: problem.key(),
            message: problem.to_string(),
            origin: problem.origin.unwrap_or(Origin::Default),
        }
    }
}

impl fmt::Display for ConfigError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::NoSuchFolder { path } => write!(
                f,
                "failed to load the configuration: APP_CONFIG_DIR names `{}`, which is not a folder",
                path.display()
            ),
            Self::Unreadable { path, .. } => write!(f, "failed to read {}", path.display()),
            Self::Syntax { position, message } => {
                write!(f, "failed to load {position}: {message}")
            }
            Self::NotUnicode { variable } => write!(
                f,
                "failed to load the environment variable {variable}: it is not valid Unicode"
            ),
            Self::Store { name, message } => {
                write!(
                    f,
                    "failed to load {name} (config_center.required): {message}"
                )
            }
            Self::Setting {
                origin, message, ..
            } => write!(f, "failed to load {origin}: {message}"),
        }
    }
}

impl std::error::Error for ConfigError {
    fn source(&self) -> Option<&(dyn std::error::Error + 'static)> {
        match self {
            Self::Unreadable { source, .. } => Some(source),
            _ => None,
        }
    }
}
