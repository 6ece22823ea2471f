//! An earlier state of the protos: out of git, out of another folder, or out of a descriptor set.

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::io::{BufRead, BufReader, Write};
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::thread;

use prost_reflect::DescriptorPool;

use crate::error::{Diagnostic, Exit, IoContext, IoFailure};
use crate::proto::compile::{self, CompileErrors};
use crate::proto::diagnostic::ProtoDiagnostic;
use crate::proto::finding::is_at_or_below;
use crate::proto::module::{ModuleError, Modules};
use crate::proto::sources::{self, Sources};
use crate::proto::{acceptance, layout};

/// An earlier state, compiled.
pub struct Earlier {
    /// Its files and what they import.
    pub pool: DescriptorPool,
    /// The names of its own files.
    pub names: BTreeSet<String>,
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

/// What git says when it fails.
#[derive(Debug, thiserror::Error)]
pub enum GitError {
    /// The program cannot be started.
    #[error("`git` cannot be started: {0}")]
    Start(std::io::Error),
    /// It ended with an error.
    #[error("{0}")]
    Failed(String),
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

    fn exit(&self) -> Exit {
        match self {
            Self::Nothing { .. } | Self::NotDescriptors { .. } => Exit::Usage,
            Self::Module(error) => error.exit(),
            _ => Exit::Failed,
        }
    }
}

/// The state that a folder, a file or a commit has; `directory` is where it was named, `modules` are
/// those of the present.
///
/// # Errors
/// [`EarlierError`] when it is nothing of these, or its protos do not compile.
pub fn read(directory: &Path, modules: &Modules, given: &str) -> Result<Earlier, EarlierError> {
    let path = directory.join(given);
    if path.is_dir() {
        let earlier = Modules::of_earlier(&path, modules)?;
        let names: BTreeSet<String> = earlier.names(&[])?.into_iter().flatten().collect();
        return compiled(given, &earlier.sources(), names);
    }
    if path.is_file() {
        return of_descriptors(&path);
    }
    let git = Git {
        folder: &modules.top,
    };
    let commit = git.commit(given).map_err(|source| EarlierError::Nothing {
        given: given.to_owned(),
        source,
    })?;
    let files = git.files(&commit).map_err(|source| EarlierError::Git {
        given: given.to_owned(),
        source,
    })?;
    of_files(given, files, modules)
}

fn compiled(
    given: &str,
    sources: &Sources,
    names: BTreeSet<String>,
) -> Result<Earlier, EarlierError> {
    if names.is_empty() {
        return Err(EarlierError::Empty(given.to_owned()));
    }
    let listed: Vec<String> = names.iter().cloned().collect();
    let broken = |source| EarlierError::Broken {
        given: given.to_owned(),
        source,
    };
    let pool = compile::link(sources, &listed).map_err(broken)?;
    Ok(Earlier { pool, names })
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
    Ok(Earlier { pool, names })
}

/// The state of a commit, from its files by their paths below the folder of the configuration.
fn of_files(
    given: &str,
    files: BTreeMap<String, Vec<u8>>,
    modules: &Modules,
) -> Result<Earlier, EarlierError> {
    let mut memory = BTreeMap::new();
    let mut names = BTreeSet::new();
    let mut unreadable = Vec::new();
    let folders = layout::folders(&files, modules);
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
    if !unreadable.is_empty() {
        return Err(broken(given, unreadable));
    }
    let sources = Sources {
        memory,
        folders: Vec::new(),
    };
    compiled(given, &sources, names)
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

/// A git repository, of which only what is committed is read: neither the files of the user nor the
/// index are touched.
struct Git<'a> {
    /// A folder in it.
    folder: &'a Path,
}

impl Git<'_> {
    fn run(&self, args: &[&str]) -> Result<Vec<u8>, GitError> {
        let output = Command::new("git")
            .arg("-C")
            .arg(self.folder)
            .args(args)
            .stdin(Stdio::null())
            .output()
            .map_err(GitError::Start)?;
        match output.status.success() {
            true => Ok(output.stdout),
            false => Err(GitError::Failed(said(&output.stderr))),
        }
    }

    /// The commit that a name means.
    fn commit(&self, given: &str) -> Result<String, GitError> {
        // A name cannot be taken for an option behind this.
        let name = format!("{given}^{{commit}}");
        let args = ["rev-parse", "--verify", "--end-of-options", &name];
        Ok(String::from_utf8_lossy(&self.run(&args)?).trim().to_owned())
    }

    /// The protos of a commit at or below the folder, and what says where they are, by their paths
    /// relative to it.
    fn files(&self, commit: &str) -> Result<BTreeMap<String, Vec<u8>>, GitError> {
        let listed = self.run(&["ls-tree", "-r", "-z", commit, "--", "."])?;
        let mut wanted: Vec<(String, String)> = Vec::new();
        let mut links = BTreeSet::new();
        for entry in listed.split(|&byte| byte == 0) {
            // `100644 blob <object>\t<path>`
            let entry = String::from_utf8_lossy(entry);
            let Some((kind, path)) = entry.split_once('\t') else {
                continue;
            };
            let mut kind = kind.split(' ');
            let is_link = kind.next() == Some("120000");
            if kind.next() == Some("blob") && layout::is_wanted(path) {
                let object = kind.next().unwrap_or_default();
                wanted.push((object.to_owned(), path.to_owned()));
                if is_link {
                    links.insert(path.to_owned());
                }
            }
        }
        let mut files = self.contents(wanted)?;
        // What git has of a link is where it leads.
        let targets = links.into_iter().filter_map(|path| {
            let target = String::from_utf8(files.remove(&path)?).ok()?;
            Some((path, target))
        });
        let targets = targets.collect();
        layout::follow_links(&mut files, &targets);
        Ok(files)
    }

    /// The contents of objects, all out of one process.
    fn contents(
        &self,
        wanted: Vec<(String, String)>,
    ) -> Result<BTreeMap<String, Vec<u8>>, GitError> {
        let mut git = Command::new("git")
            .arg("-C")
            .arg(self.folder)
            .args(["cat-file", "--batch"])
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .spawn()
            .map_err(GitError::Start)?;
        let mut requests = git.stdin.take().expect("it is piped");
        let objects: String = wanted
            .iter()
            .map(|(object, _)| format!("{object}\n"))
            .collect();
        // Both pipes are finite: whoever asks for all before reading any waits for ever.
        let asking = thread::spawn(move || requests.write_all(objects.as_bytes()));
        let mut answers = BufReader::new(git.stdout.take().expect("it is piped"));
        let read = read_objects(&mut answers, wanted);
        drop(answers);
        let _ = asking.join();
        let output = git.wait_with_output().map_err(GitError::Start)?;
        match read {
            Ok(files) => Ok(files),
            Err(_) if !output.stderr.is_empty() => Err(GitError::Failed(said(&output.stderr))),
            Err(error) => Err(GitError::Failed(format!("`git cat-file`: {error}"))),
        }
    }
}

/// Reads what `git cat-file --batch` answers: `<object> blob <size>\n<contents>\n` for each.
fn read_objects(
    answers: &mut impl BufRead,
    wanted: Vec<(String, String)>,
) -> std::io::Result<BTreeMap<String, Vec<u8>>> {
    let mut files = BTreeMap::new();
    for (_, path) in wanted {
        let mut head = String::new();
        answers.read_line(&mut head)?;
        let size = head.trim_end().rsplit(' ').next().map(str::parse);
        let Some(Ok(size)) = size else {
            return Err(std::io::Error::other(format!(
                "unexpected `{}`",
                head.trim_end()
            )));
        };
        let mut contents = vec![0; size];
        answers.read_exact(&mut contents)?;
        answers.read_exact(&mut [0])?;
        files.insert(path, contents);
    }
    Ok(files)
}

/// The last line that git says, without its `fatal:`.
fn said(stderr: &[u8]) -> String {
    let text = String::from_utf8_lossy(stderr);
    let line = text.lines().last().unwrap_or("it failed without a word");
    line.trim_start_matches("fatal: ").to_owned()
}
