//! Encrypted values, `"enc:v1:…"`, wherever a secret can be set: in files, variables and the store.
//!
//! The key is in the variable `APP_CONFIG_KEY`, or in the file that `APP_CONFIG_KEY_FILE` names. It
//! is looked for when there is something to decrypt, and not kept.

#[cfg(feature = "secrets")]
mod cipher;
#[cfg(not(feature = "secrets"))]
#[path = "off.rs"]
mod cipher;
#[cfg(all(test, feature = "secrets"))]
mod tests;

use std::fmt;
use std::path::PathBuf;

use super::node::{Node, Value};
use super::source::Source;
use super::{ConfigError, Secret};

const KEY: &str = "APP_CONFIG_KEY";
const KEY_FILE: &str = "APP_CONFIG_KEY_FILE";

/// Where the key is.
#[derive(Debug, Clone)]
pub(super) enum Keys {
    Variable(Secret),
    File(PathBuf),
    Nowhere,
}

impl Keys {
    pub(super) fn of(source: &Source) -> Result<Self, ConfigError> {
        if let Some(key) = source.variable(KEY)?.filter(|key| !key.is_empty()) {
            return Ok(Self::Variable(Secret::new(key)));
        }
        let file = source.variable(KEY_FILE)?.filter(|path| !path.is_empty());
        Ok(match file {
            Some(path) => Self::File(source.working_folder.join(path)),
            None => Self::Nowhere,
        })
    }

    /// Decrypts what is encrypted in `root`.
    ///
    /// # Errors
    /// The setting that cannot be decrypted, and why.
    pub(super) fn open_all(&self, root: &mut Node) -> Result<(), ConfigError> {
        self.open_below(root, &mut Vec::new())
    }

    fn open_below(&self, node: &mut Node, path: &mut Vec<String>) -> Result<(), ConfigError> {
        let sealed = match &mut node.value {
            Value::Table(table) => {
                for (key, node) in table {
                    path.push(key.clone());
                    self.open_below(node, path)?;
                    path.pop();
                }
                return Ok(());
            }
            Value::Array(items) => {
                for (index, node) in items.iter_mut().enumerate() {
                    path.push(index.to_string());
                    self.open_below(node, path)?;
                    path.pop();
                }
                return Ok(());
            }
            Value::Text { raw, .. } if raw.starts_with(cipher::PREFIX) => raw,
            // `"enc:v1:…"` in quotes, or within a table or list.
            Value::Text {
                parsed: Some(parsed),
                ..
            } => {
                self.open_below(parsed, path)?;
                if matches!(parsed.value, Value::Sealed(_)) {
                    node.value = parsed.value.clone();
                }
                return Ok(());
            }
            Value::String(text) if text.starts_with(cipher::PREFIX) => text,
            _ => return Ok(()),
        };
        let opened = self.key().and_then(|key| {
            let opened = cipher::open(key.expose(), sealed);
            opened.map_err(|problem| self.at(problem))
        });
        match opened {
            Ok(text) => {
                node.value = Value::Sealed(Secret::new(text));
                node.secret.set();
                Ok(())
            }
            Err(problem) => {
                let origin = node.origin.clone();
                Err(ConfigError::setting(origin, &path.join("."), problem))
            }
        }
    }

    fn key(&self) -> Result<Secret, String> {
        match self {
            Self::Variable(key) => Ok(key.clone()),
            Self::File(path) => match std::fs::read_to_string(path) {
                Ok(key) => Ok(Secret::new(key)),
                Err(error) => Err(self.at(error)),
            },
            Self::Nowhere => Err(format!(
                "it is encrypted, and neither {KEY} nor {KEY_FILE} is set"
            )),
        }
    }

    /// `problem` with the place of the key.
    fn at(&self, problem: impl fmt::Display) -> String {
        match self {
            Self::Variable(_) => format!("{problem} (the key is that of {KEY})"),
            Self::File(path) => format!("{problem} (the key is that of {})", path.display()),
            Self::Nowhere => problem.to_string(),
        }
    }
}
