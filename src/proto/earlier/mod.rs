//! An earlier state of the protos: out of git, out of another folder, or out of a descriptor set.

mod changes;
mod skeleton;

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::path::{Path, PathBuf};

use prost_reflect::DescriptorPool;
use prost_types::FileDescriptorProto;

use crate::error::{Diagnostic, Exit, IoContext, IoFailure, Located};
use crate::proto::compile::{self, CompileErrors};
use crate::proto::diagnostic::ProtoDiagnostic;
use crate::proto::finding::is_at_or_below;
use crate::proto::git::{Git, GitError};
use crate::proto::module::{ModuleError, Modules};
use crate::proto::sources::{self, Sources, WellKnown};
use crate::proto::{acceptance, layout, vendor};

/// The present state, compiled.
#[derive(Clone, Copy)]
pub struct Present<'a> {
    /// Where its files are.
    pub modules: &'a Modules,
    /// Its files and what they import.
    pub pool: &'a DescriptorPool,
}

/// An earlier state, compiled.
pub struct Earlier {
    /// Its files and what they import, but for those that are as they were.
    pub pool: DescriptorPool,
    /// The names of its own files.
    pub names: BTreeSet<String>,
    /// The names of files, its own and imported ones, that are as they were: their descriptors are those of
    /// the present state, and `pool` may have another that is not whole.
    pub unchanged: BTreeSet<String>,
}

impl Earlier {
    /// The descriptors of the files that were others.
    pub fn changed(&self) -> impl Iterator<Item = &FileDescriptorProto> {
        let files = self.pool.file_descriptor_protos();
        files.filter(|file| !self.unchanged.contains(file.name()))
    }
}

/// Why an earlier state cannot be had.
#[derive(Debug, thiserror::Error)]
pub enum EarlierError {
    /// What was given is nothing.
    #[error("`{given}` is neither a file, nor a folder, nor a commit")]
    Nothing {
        /// What was given.
        given: String,
        /// What git says about it.
        #[source]
        source: GitError,
    },
    /// Git fails on a commit that is there.
    #[error("failed to read the protos of `{given}`")]
    Git {
        /// The commit as it was given.
        given: String,
        /// What git says.
        #[source]
        source: GitError,
    },
    /// A file is no descriptor set.
    #[error("`{}` is not a descriptor set", .path.display())]
    NotDescriptors {
        /// The file.
        path: PathBuf,
        /// What is wrong with it.
        #[source]
        source: prost_reflect::DescriptorError,
    },
    /// The state has no protos.
    #[error("`{0}` has no protos where the present ones are")]
    Empty(String),
    /// The protos do not compile.
    #[error("the protos of `{given}` do not compile")]
    Broken {
        /// What was given.
        given: String,
        /// What is wrong with them.
        #[source]
        source: CompileErrors,
    },
    /// A folder cannot be worked on.
    #[error(transparent)]
    Module(#[from] ModuleError),
    /// A file cannot be read.
    #[error(transparent)]
    Io(#[from] IoFailure),
}

impl Diagnostic for EarlierError {
    fn hint(&self) -> Option<String> {
        match self {
            Self::Nothing { .. } => Some(
                "name a branch, a tag or a commit, such as `main` or `HEAD~1`; a folder; or a file \
                 that `msvc proto build` or `protoc --descriptor_set_out` wrote; a repository without \
                 commits has nothing to compare with"
                    .to_owned(),
            ),
            Self::NotDescriptors { .. } => {
                Some("`msvc proto build -o FILE` writes one".to_owned())
            }
            Self::Empty(_) => Some("there is nothing yet that could break".to_owned()),
            Self::Module(error) => error.hint(),
            Self::Git { .. } | Self::Broken { .. } | Self::Io(_) => None,
        }
    }

    fn places(&self) -> Vec<Located> {
        match self {
            Self::Broken { source, .. } => source.places(),
            Self::Module(error) => error.places(),
            _ => Vec::new(),
        }
    }

    fn exit(&self) -> Exit {
        match self {
            Self::Nothing { .. } | Self::NotDescriptors { .. } => Exit::Usage,
            Self::Module(error) => error.exit(),
            _ => Exit::Failed,
        }
    }
}

/// The state that a folder, a file or a commit has; `directory` is where it was named.
///
/// # Errors
/// [`EarlierError`] when it is nothing of these, or its protos do not compile.
pub fn read(directory: &Path, present: Present<'_>, given: &str) -> Result<Earlier, EarlierError> {
    let path = directory.join(given);
    if path.is_dir() {
        let earlier = Modules::of_earlier(&path, present.modules)?;
        let names: BTreeSet<String> = earlier.names(&[])?.into_iter().flatten().collect();
        return compiled(given, &earlier.sources(), names, present);
    }
    if path.is_file() {
        return of_descriptors(&path);
    }
    let git = Git {
        folder: &present.modules.top,
    };
    let commit = git.commit(given).map_err(|source| EarlierError::Nothing {
        given: given.to_owned(),
        source,
    })?;
    let files = git.files(&commit).map_err(|source| EarlierError::Git {
        given: given.to_owned(),
        source,
    })?;
    of_files(given, files, present)
}

fn compiled(
    given: &str,
    sources: &Sources,
    names: BTreeSet<String>,
    present: Present<'_>,
) -> Result<Earlier, EarlierError> {
    if names.is_empty() {
        return Err(EarlierError::Empty(given.to_owned()));
    }
    let now = present.modules.sources();
    if let Some(changes) = changes::between((sources, &names), (&now, present.pool)) {
        return Ok(Earlier {
            pool: changes.pool,
            names,
            unchanged: changes.unchanged,
        });
    }
    let listed: Vec<String> = names.iter().cloned().collect();
    let broken = |source| EarlierError::Broken {
        given: given.to_owned(),
        source,
    };
    let pool = compile::link(sources, &listed).map_err(broken)?;
    Ok(Earlier {
        pool,
        names,
        unchanged: BTreeSet::new(),
    })
}

fn of_descriptors(path: &Path) -> Result<Earlier, EarlierError> {
    let encoded = fs::read(path).when("read", path)?;
    let pool = DescriptorPool::decode(encoded.as_slice()).map_err(|source| {
        EarlierError::NotDescriptors {
            path: path.to_owned(),
            source,
        }
    })?;
    let names = pool.files().map(|file| file.name().to_owned());
    let names = names.filter(|name| !sources::is_built_in(name)).collect();
    Ok(Earlier {
        pool,
        names,
        unchanged: BTreeSet::new(),
    })
}

/// The state of a commit, from its files by their paths below the folder of the configuration.
fn of_files(
    given: &str,
    files: BTreeMap<String, Vec<u8>>,
    present: Present<'_>,
) -> Result<Earlier, EarlierError> {
    let mut memory = BTreeMap::new();
    let mut names = BTreeSet::new();
    let mut unreadable = Vec::new();
    let folders = layout::folders(&files, present.modules);
    for (folder, excludes) in &folders {
        for (path, bytes) in &files {
            let Some(name) = below(path, folder).filter(|it| it.ends_with(".proto")) else {
                continue;
            };
            let is_excluded = excludes.iter().any(|it| is_at_or_below(name, it));
            if is_excluded || memory.contains_key(name) {
                continue;
            }
            match acceptance::accept(name, bytes.clone()) {
                Ok(text) => {
                    memory.insert(name.to_owned(), text);
                    names.insert(name.to_owned());
                }
                Err(diagnostic) => unreadable.push(*diagnostic),
            }
        }
    }
    // What was vendored then is imported.
    for (path, bytes) in &files {
        let name = vendor::name_of(path).filter(|name| !memory.contains_key(*name));
        if let Some(name) = name {
            match acceptance::accept(name, bytes.clone()) {
                Ok(text) => drop(memory.insert(name.to_owned(), text)),
                Err(diagnostic) => unreadable.push(*diagnostic),
            }
        }
    }
    if !unreadable.is_empty() {
        return Err(broken(given, unreadable));
    }
    let sources = Sources {
        memory,
        well_known: WellKnown::AtHand,
        ..Sources::default()
    };
    compiled(given, &sources, names, present)
}

fn broken(given: &str, diagnostics: Vec<ProtoDiagnostic>) -> EarlierError {
    EarlierError::Broken {
        given: given.to_owned(),
        source: CompileErrors(diagnostics),
    }
}

/// A path relative to a folder that holds it.
fn below<'a>(path: &'a str, folder: &str) -> Option<&'a str> {
    match folder {
        "" | "." => Some(path),
        folder => path.strip_prefix(folder)?.strip_prefix('/'),
    }
}
