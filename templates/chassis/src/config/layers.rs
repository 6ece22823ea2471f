//! The layers of a configuration as texts, and how they become one tree.

use std::sync::Arc;

use super::ConfigError;
use super::node::Node;
use super::seal::Keys;

/// What the store must not say: it would change where the store is.
const CENTER: &str = "config_center";

/// The layers, from the lowest to the highest.
#[derive(Debug, Clone)]
pub(super) struct Layers {
    pub(super) built_in: Node,
    /// The texts of the files; `None` for those that are not there.
    pub(super) files: Vec<Option<String>>,
    /// The names of the files, in the same order.
    pub(super) names: Vec<Arc<str>>,
    /// The variables, each with the path that it stands for.
    pub(super) variables: Vec<(Vec<String>, Node)>,
    /// The store's text, by the name that it has in errors.
    pub(super) store: Option<(Arc<str>, Vec<u8>)>,
}

impl Layers {
    /// All layers in one tree, in which `keys` have opened what was encrypted.
    ///
    /// # Errors
    /// When a text is not TOML, or a value cannot be decrypted.
    pub(super) fn tree(&self, keys: &Keys) -> Result<Node, ConfigError> {
        let mut root = self.built_in.clone();
        for (name, text) in self.names.iter().zip(&self.files) {
            if let Some(text) = text {
                root.merge(parse(name, text)?);
            }
        }
        for (path, node) in &self.variables {
            let path: Vec<&str> = path.iter().map(String::as_str).collect();
            root.insert(&path, node.clone());
        }
        if let Some((name, bytes)) = &self.store {
            let text = str::from_utf8(bytes).map_err(|error| {
                let valid = &bytes[..error.valid_up_to()];
                let line = valid.iter().filter(|&&byte| byte == b'\n').count() + 1;
                ConfigError::Syntax {
                    position: format!("{name}:{line}"),
                    message: "not UTF-8".to_owned(),
                }
            })?;
            let layer = parse(name, text)?;
            if let Some(center) = layer.get(CENTER) {
                let problem = "the store cannot say where the store is";
                let origin = center.origin.clone();
                return Err(ConfigError::setting(origin, CENTER, problem));
            }
            root.merge(layer);
        }
        keys.open_all(&mut root)?;
        Ok(root)
    }
}

fn parse(name: &Arc<str>, text: &str) -> Result<Node, ConfigError> {
    Node::from_toml(name, text).map_err(|(line, column, message)| ConfigError::Syntax {
        position: format!("{name}:{line}:{column}"),
        message,
    })
}
