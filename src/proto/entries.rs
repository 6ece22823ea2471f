//! From the proto files that a user names to the names by which they are compiled.
//!
//! A compiler knows a proto by its path below a folder of imports, so two files can have one name, of
//! which the first folder's would be read for both. That is refused here, once for all commands.

use std::fs;
use std::path::{Path, PathBuf};

use crate::error::{Diagnostic, Exit, IoContext, IoFailure};
use crate::proto::sources::Sources;

/// Why a proto file cannot be compiled by a name.
#[derive(Debug, thiserror::Error)]
pub enum EntryError {
    /// It is in none of the folders.
    #[error("`{}` is in none of the folders given with `-I`", .0.display())]
    Outside(PathBuf),
    /// Its name means another file.
    #[error("`{}` would be read as `{name}`, which is `{}`", .file.display(), .other.display())]
    Shadowed {
        /// The file that was given.
        file: PathBuf,
        /// Its name.
        name: String,
        /// The file that the name means.
        other: PathBuf,
    },
    /// It cannot be read.
    #[error(transparent)]
    Io(#[from] IoFailure),
}

impl Diagnostic for EntryError {
    fn hint(&self) -> Option<String> {
        match self {
            Self::Outside(_) => Some("add the folder above it with `-I DIR`".to_owned()),
            Self::Shadowed { .. } => {
                Some("name the folder above both with `-I DIR`, ahead of others".to_owned())
            }
            Self::Io(_) => None,
        }
    }

    fn exit(&self) -> Exit {
        match self {
            Self::Io(_) => Exit::Failed,
            _ => Exit::Usage,
        }
    }
}

/// The folders to compile with and the names of the files in them; all paths are relative to
/// `directory`. Without folders, those of the files themselves are taken.
///
/// # Errors
/// [`EntryError`] when a file cannot be read or has no name that means it.
pub fn resolve(
    directory: &Path,
    files: &[PathBuf],
    folders: &[PathBuf],
) -> Result<(Sources, Vec<String>), EntryError> {
    let mut sources = Sources::default();
    let folders: Vec<PathBuf> = match folders {
        [] => {
            let paths = files.iter().map(|file| directory.join(file));
            paths
                .filter_map(|path| Some(path.parent()?.to_owned()))
                .collect()
        }
        given => given.iter().map(|folder| directory.join(folder)).collect(),
    };
    for folder in folders {
        if !sources.folders.contains(&folder) {
            sources.folders.push(folder);
        }
    }
    let mut names = Vec::new();
    for file in files {
        let path = directory.join(file);
        // A missing file is told by its path, before the compiler looks for it by its name.
        let real = fs::canonicalize(&path).when("read", &path)?;
        let name = name_below(&sources.folders, &path, &real);
        let name = name.ok_or_else(|| EntryError::Outside(file.clone()))?;
        let mut candidates = sources.folders.iter().map(|folder| folder.join(&name));
        let read = candidates.find(|candidate| candidate.is_file());
        let read = read.unwrap_or_else(|| path.clone());
        if fs::canonicalize(&read).when("read", &read)? != real {
            let other = read.strip_prefix(directory).unwrap_or(&read);
            return Err(EntryError::Shadowed {
                file: file.clone(),
                name,
                other: other.to_owned(),
            });
        }
        if !names.contains(&name) {
            names.push(name);
        }
    }
    Ok((sources, names))
}

/// The name of a file below the first folder that holds it, as the paths are written or as they lead.
fn name_below(folders: &[PathBuf], path: &Path, real: &Path) -> Option<String> {
    let below = folders.iter().find_map(|folder| {
        let below = match path.strip_prefix(folder) {
            Ok(below) => below,
            Err(_) => real.strip_prefix(folder.canonicalize().ok()?).ok()?,
        };
        Some(below.to_owned())
    })?;
    let parts: Vec<_> = below.iter().map(|part| part.to_string_lossy()).collect();
    Some(parts.join("/"))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn resolved(root: &Path, files: &[&str], folders: &[&str]) -> Result<Vec<String>, String> {
        let paths = |paths: &[&str]| paths.iter().map(PathBuf::from).collect::<Vec<_>>();
        match resolve(root, &paths(files), &paths(folders)) {
            Ok((_, names)) => Ok(names),
            Err(error) => Err(error.to_string()),
        }
    }

    #[test]
    fn a_name_means_the_file_that_was_given_or_is_refused() {
        let folder = tempfile::tempdir().expect("a temporary folder");
        let root = folder.path();
        for path in ["user", "order"] {
            fs::create_dir(root.join(path)).expect("made");
            fs::write(root.join(path).join("service.proto"), path).expect("written");
        }
        let both = ["user/service.proto", "order/service.proto"];
        let names = |names: &[&str]| Ok(names.iter().map(|&name| name.to_owned()).collect());
        let shadowed = "`order/service.proto` would be read as `service.proto`, which is \
                        `user/service.proto`";
        for (files, folders, expected) in [
            (&both[..], &["."][..], names(&both)),
            (&both[..1], &[], names(&["service.proto"])),
            (&[both[0], both[0]], &[], names(&["service.proto"])),
            (&both, &[], Err(shadowed.to_owned())),
            (&both, &["user", "order"], Err(shadowed.to_owned())),
            (&both, &["user/../order/..", "user"], names(&both)),
            (
                &both,
                &["user"],
                Err("`order/service.proto` is in none of the folders given with `-I`".to_owned()),
            ),
        ] {
            let found = resolved(root, files, folders);
            assert_eq!(found, expected, "{files:?} in {folders:?}");
        }
    }
}
