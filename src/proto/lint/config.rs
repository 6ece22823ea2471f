//! What the lint rules are told.

use std::collections::BTreeMap;

use serde::Deserialize;

use crate::proto::finding::Selection;

/// `[proto.lint]` of `msvc.toml`, or `lint` of `buf.yaml`.
#[derive(Clone, Debug, Deserialize, PartialEq, Eq)]
#[serde(default, deny_unknown_fields, rename_all = "kebab-case")]
pub struct LintConfig {
    /// Rules and categories; none means `STANDARD`.
    #[serde(rename = "use")]
    pub used: Vec<String>,
    /// Rules and categories that are taken away again.
    pub except: Vec<String>,
    /// Files and folders, relative to the folder of imports, in which nothing is found.
    pub ignore: Vec<String>,
    /// The same for a rule or a category alone.
    pub ignore_only: BTreeMap<String, Vec<String>>,
    /// What the value 0 of an enum ends in.
    pub enum_zero_value_suffix: String,
    /// What services end in.
    pub service_suffix: String,
    /// Whether a method may respond with the type of its request.
    pub rpc_allow_same_request_response: bool,
    /// Whether several methods may take `google.protobuf.Empty`.
    pub rpc_allow_google_protobuf_empty_requests: bool,
    /// Whether several methods may return `google.protobuf.Empty`.
    pub rpc_allow_google_protobuf_empty_responses: bool,
    /// Whether `buf:lint:ignore RULE` in a comment switches a rule off.
    pub allow_comment_ignores: bool,
}

impl Default for LintConfig {
    fn default() -> Self {
        Self {
            used: Vec::new(),
            except: Vec::new(),
            ignore: Vec::new(),
            ignore_only: BTreeMap::new(),
            enum_zero_value_suffix: "_UNSPECIFIED".to_owned(),
            service_suffix: "Service".to_owned(),
            rpc_allow_same_request_response: false,
            rpc_allow_google_protobuf_empty_requests: false,
            rpc_allow_google_protobuf_empty_responses: false,
            allow_comment_ignores: true,
        }
    }
}

impl LintConfig {
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
