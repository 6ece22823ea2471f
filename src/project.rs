//! Finding and reading the workspace that a command was started in.

use std::fs;
use std::path::{Component, Path, PathBuf};

use crate::error::{Diagnostic, IoContext, IoFailure};
use crate::manifest::{self, Manifest, ManifestError};

/// The folder, below the workspace's, in which `msvc` keeps what is not to be checked in.
pub const STATE_FOLDER: &str = ".msvc";

/// The manifest of the crate `chassis`, below the workspace's folder.
const CHASSIS_MANIFEST: &str = "crates/chassis/Cargo.toml";

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

    /// How to turn a Cargo feature of the chassis on, where it is off.
    pub fn how_to_turn_on(&self, feature: &str) -> Option<String> {
        let text = fs::read_to_string(self.root.join(CHASSIS_MANIFEST)).ok()?;
        is_off(&text, feature).then(|| {
            format!("add \"{feature}\" to `default` under [features] in {CHASSIS_MANIFEST}")
        })
    }

    /// Refuses to go on where a folder for protos is not there: generated code whose proto is not
    /// found is removed, so a slip in its name would remove all.
    ///
    /// # Errors
    /// [`ProjectError::NoRoot`] with the first that is missing.
    pub fn refuse_missing_roots(&self) -> Result<(), ProjectError> {
        let mut roots = self.manifest.proto.roots.iter();
        match roots.find(|root| !self.root.join(root).is_dir()) {
            Some(root) => Err(ProjectError::NoRoot(root.clone())),
            None => Ok(()),
        }
    }
}

/// Why there is no workspace to work in.
#[derive(Debug, thiserror::Error)]
pub enum ProjectError {
    /// Neither the folder nor one above it has a manifest.
    #[error("`{}` is not inside a workspace: no `{}` here or above", .0.display(), manifest::FILE_NAME)]
    NotFound(PathBuf),
    /// A folder for protos is not there.
    #[error("`roots` in `{}` has `{}`, which is not a folder", manifest::FILE_NAME, .0)]
    NoRoot(String),
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
            Self::NoRoot(_) => Some(
                "mend it in `[proto]`: protos and their imports are looked for in these folders"
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
    for folder in directory.ancestors() {
        if let Some(project) = at(folder)? {
            return Ok(Some(project));
        }
    }
    Ok(None)
}

/// The workspace in a folder itself, wherever that stands.
///
/// # Errors
/// [`ProjectError`] when it cannot be read.
pub fn at(root: &Path) -> Result<Option<Project>, ProjectError> {
    let path = root.join(manifest::FILE_NAME);
    if !path.is_file() {
        return Ok(None);
    }
    let manifest_text = fs::read_to_string(&path).when("read", &path)?;
    let manifest = Manifest::parse(&manifest_text)
        .map_err(|ManifestError(source)| ProjectError::Manifest { path, source })?;
    Ok(Some(Project {
        root: root.to_owned(),
        manifest,
        manifest_text,
    }))
}

/// The path of a folder that need not be there yet, without `..` and links, so that the folders
/// above it are told by its text.
///
/// # Errors
/// When a folder above it cannot be resolved.
pub fn resolve(path: &Path) -> Result<PathBuf, IoFailure> {
    let mut resolved = PathBuf::new();
    for part in path.components() {
        match part {
            // What comes before is resolved, so it is no link.
            Component::ParentDir => {
                resolved.pop();
            }
            Component::CurDir => {}
            part => resolved.push(part),
        }
        if resolved.symlink_metadata().is_ok() {
            resolved = resolved.canonicalize().when("resolve", &resolved)?;
        }
    }
    Ok(resolved)
}

/// Whether a manifest has a feature that is not among those by default.
fn is_off(manifest: &str, feature: &str) -> bool {
    let Ok(manifest) = manifest.parse::<toml_edit::DocumentMut>() else {
        return false;
    };
    let Some(features) = manifest.get("features") else {
        return false;
    };
    let default = features.get("default").and_then(|it| it.as_array());
    let mut default = default.into_iter().flatten();
    features.get(feature).is_some() && !default.any(|it| it.as_str() == Some(feature))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[cfg(unix)]
    #[test]
    fn a_path_is_resolved_as_far_as_it_is_there() {
        let folder = tempfile::tempdir().expect("a temporary folder");
        let root = folder.path().canonicalize().expect("there");
        fs::create_dir_all(root.join("real/shop")).expect("made");
        std::os::unix::fs::symlink(root.join("real/shop"), root.join("link")).expect("linked");
        for (given, expected) in [
            ("real/shop/../billing", "real/billing"),
            ("link/../billing", "real/billing"),
            ("real/./new/deep/../other", "real/new/other"),
            ("link", "real/shop"),
        ] {
            let resolved = resolve(&root.join(given)).expect("resolved");
            assert_eq!(resolved, root.join(expected), "{given}");
        }
    }

    #[test]
    fn a_feature_is_off_unless_it_is_on_by_default() {
        let manifest = "[features]\ndefault = [\"auth\"]\nauth = []\ntls = []\n";
        assert!(is_off(manifest, "tls"));
        for feature in ["auth", "no-such-feature"] {
            assert!(!is_off(manifest, feature), "{feature}");
        }
        assert!(is_off("[features]\ntls = []\n", "tls"));
        assert!(!is_off("not TOML", "tls"));
    }
}
