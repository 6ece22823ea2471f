//! Protos from elsewhere, checked in: `[proto.vendor.NAME]` of `msvc.toml`.
//!
//! Each source has a folder of its own below [`FOLDER`], which imports are relative to; it holds what the
//! protos of the workspace import, what that imports, and what is asked for. [`lock`] records from which
//! commit it came and what it was, so that it can be had again and a change by hand is noticed.
//! [`choose`], [`lock`] and [`state`] are pure; [`fetch`] asks git and cargo.

pub mod choose;
pub mod fetch;
pub mod lock;
pub mod state;

use serde::Deserialize;

/// Where vendored protos are, relative to the workspace.
pub const FOLDER: &str = "proto-vendor";
/// The lock, in that folder.
pub const LOCK_NAME: &str = "vendor.lock";

/// Where protos come from: `[proto.vendor.NAME]`.
#[derive(Clone, Debug, Deserialize, PartialEq, Eq)]
#[serde(try_from = "Table")]
pub struct Source {
    /// What has them.
    pub origin: Origin,
    /// The folder in it that imports are relative to; empty for its top.
    pub root: String,
    /// Files and folders below the root that are wanted, and compiled, whether or not anything imports
    /// them.
    pub files: Vec<String>,
}

/// What has protos.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Origin {
    /// A repository of git.
    Git {
        /// Whatever `git fetch` takes.
        url: String,
        /// A branch, a tag or a commit; `HEAD` where none is given.
        rev: String,
    },
    /// A folder, relative to the workspace.
    Path(String),
    /// A crate of cargo's registry.
    Crate {
        /// Its name.
        name: String,
        /// A requirement as in `Cargo.toml`.
        version: String,
    },
}

impl Origin {
    /// One line that says it all.
    pub fn described(&self) -> String {
        match self {
            Self::Git { url, rev } => format!("git {url} {rev}"),
            Self::Path(path) => format!("path {path}"),
            Self::Crate { name, version } => format!("crate {name} {version}"),
        }
    }
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields, rename_all = "kebab-case")]
struct Table {
    git: Option<String>,
    rev: Option<String>,
    path: Option<String>,
    #[serde(rename = "crate")]
    package: Option<String>,
    version: Option<String>,
    #[serde(default)]
    root: String,
    #[serde(default)]
    files: Vec<String>,
}

impl TryFrom<Table> for Source {
    type Error = &'static str;

    fn try_from(table: Table) -> Result<Self, Self::Error> {
        if table.rev.is_some() && table.git.is_none() {
            return Err("`rev` stands beside `git` alone");
        }
        if table.version.is_some() && table.package.is_none() {
            return Err("`version` stands beside `crate` alone");
        }
        let origin = match (table.git, table.path, table.package) {
            (Some(url), None, None) => Origin::Git {
                url,
                rev: table.rev.unwrap_or_else(|| "HEAD".to_owned()),
            },
            (None, Some(path), None) => Origin::Path(path),
            (None, None, Some(name)) => Origin::Crate {
                name,
                version: table.version.unwrap_or_else(|| "*".to_owned()),
            },
            _ => return Err("one of `git`, `path` and `crate` says where the protos are"),
        };
        Ok(Self {
            origin,
            root: normal(&table.root),
            files: table.files.iter().map(|it| normal(it)).collect(),
        })
    }
}

/// A path without `.` and slashes that mean nothing.
pub fn normal(path: &str) -> String {
    let parts = path.split('/').filter(|part| !matches!(*part, "" | "."));
    parts.collect::<Vec<_>>().join("/")
}

/// The name by which a vendored file is imported, from its path in the workspace.
pub fn name_of(path: &str) -> Option<&str> {
    let below = path.strip_prefix(FOLDER)?.strip_prefix('/')?;
    let (_, name) = below.split_once('/')?;
    name.ends_with(".proto").then_some(name)
}
