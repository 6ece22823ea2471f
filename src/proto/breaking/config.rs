//! What the rules for breaking changes are told.

use std::collections::BTreeMap;

use serde::Deserialize;

use crate::proto::finding::Selection;

/// `[proto.breaking]` of `msvc.toml`, or `breaking` of `buf.yaml`.
#[derive(Clone, Debug, Default, Deserialize, PartialEq, Eq)]
#[serde(default, deny_unknown_fields, rename_all = "kebab-case")]
pub struct BreakingConfig {
    /// Rules and categories; none means `FILE`.
    #[serde(rename = "use")]
    pub used: Vec<String>,
    /// Rules and categories that are taken away again.
    pub except: Vec<String>,
    /// Files and folders, relative to the folder of imports, in which nothing is found.
    pub ignore: Vec<String>,
    /// The same for a rule or a category alone.
    pub ignore_only: BTreeMap<String, Vec<String>>,
    /// Whether packages such as `user.v1beta1` may change as they like.
    pub ignore_unstable_packages: bool,
}

impl BreakingConfig {
    /// Which rules are asked, and where not.
    pub fn selection(&self) -> Selection {
        Selection {
            used: self.used.clone(),
            except: self.except.clone(),
            ignore: self.ignore.clone(),
            ignore_only: self.ignore_only.clone(),
        }
    }
}
