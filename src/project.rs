//! Finding and reading the workspace that a command was started in.

use std::fs;
use std::path::{Path, PathBuf};

use crate::error::{Diagnostic, IoContext, IoFailure};
use crate::manifest::{self, Manifest, ManifestError};

/// The folder, below the workspace's, in which `msvc` keeps what is not to be checked in.
pub const STATE_FOLDER: &str = ".msvc";

/// A workspace on disk.
#[derive(Clone, Debug)]
pub struct Project {
    /// The folder that holds `msvc.toml`; absolute.
    pub root: PathBuf,
    /// What `msvc.toml` says.
    pub manifest: Manifest,
    /// The text of `msvc.toml`, to edit.
    pub manifest_text: String,
}

impl Project {
    /// The folder of a service's crate.
    pub fn service_folder(&self, name: &str) -> PathBuf {
        self.root.join("services").join(name)
    }

    /// The folder for what is not to be checked in.
    pub fn state_folder(&self) -> PathBuf {
        self.root.join(STATE_FOLDER)
    }

    /// The folders that proto imports are relative to; absolute.
    pub fn proto_roots(&self) -> Vec<PathBuf> {
        let roots = self.manifest.proto.roots.iter();
        roots.map(|root| self.root.join(root)).collect()
    }
}

/// Why there is no workspace to work in.
#[derive(Debug, thiserror::Error)]
pub enum ProjectError {
    /// Neither the folder nor one above it has a manifest.
    #[error("`{}` is not inside a workspace: no `{}` here or above", .0.display(), manifest::FILE_NAME)]
    NotFound(PathBuf),
    /// The manifest cannot be read.
    #[error(transparent)]
    Io(#[from] IoFailure),
    /// The manifest makes no sense.
    #[error("`{}` is not a valid manifest", .path.display())]
    Manifest {
        /// Its path.
        path: PathBuf,
        /// What is wrong with it.
        #[source]
        source: toml_edit::de::Error,
    },
}

impl Diagnostic for ProjectError {
    fn hint(&self) -> Option<String> {
        match self {
            Self::NotFound(_) => Some(
                "go to a workspace's folder or name it with `--project DIR`; \
                 `msvc new user-service` makes one"
                    .to_owned(),
            ),
            Self::Io(_) | Self::Manifest { .. } => None,
        }
    }
}

/// The workspace that holds a folder: the nearest `msvc.toml` there or above.
///
/// # Errors
/// [`ProjectError`] when there is none or when it cannot be read.
pub fn find(directory: &Path) -> Result<Project, ProjectError> {
    find_if_any(directory)?.ok_or_else(|| ProjectError::NotFound(directory.to_owned()))
}

/// As [`find`], but `None` where there is no workspace.
///
/// # Errors
/// [`ProjectError`] when there is one that cannot be read.
pub fn find_if_any(directory: &Path) -> Result<Option<Project>, ProjectError> {
    let Some(root) = directory
        .ancestors()
        .find(|folder| folder.join(manifest::FILE_NAME).is_file())
    else {
        return Ok(None);
    };
    let path = root.join(manifest::FILE_NAME);
    let manifest_text = fs::read_to_string(&path).when("read", &path)?;
    let manifest = Manifest::parse(&manifest_text)
        .map_err(|ManifestError(source)| ProjectError::Manifest { path, source })?;
    Ok(Some(Project {
        root: root.to_owned(),
        manifest,
        manifest_text,
    }))
}
