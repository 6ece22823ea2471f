//! The protos of a source, out of git, a folder or a crate.

use std::collections::BTreeMap;
use std::fs;
use std::io::Read as _;
use std::os::unix::process::CommandExt as _;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::thread;
use std::time::{Duration, Instant};

use rustix::process::{Pid, Signal, kill_process_group};

use crate::duration;
use crate::error::{Diagnostic, Exit, IoContext, IoFailure};
use crate::proto::git::{Git, GitError, said};
use crate::proto::sources::Sources;
use crate::proto::vendor::choose::Files;
use crate::proto::vendor::{Origin, lock};

/// How often it is looked whether a process has ended.
const POLL: Duration = Duration::from_millis(10);

/// The protos of a source.
#[derive(Debug)]
pub struct Fetched {
    /// The commit or the version; empty for a folder.
    pub pin: String,
    /// All its protos, by their paths from its top.
    pub files: Files,
}

/// From where and how.
#[derive(Debug)]
pub struct Fetcher<'a> {
    /// The workspace; paths are relative to it.
    pub root: &'a Path,
    /// Where repositories are kept, so that they are fetched once.
    pub cache: PathBuf,
    /// How long a fetch may take.
    pub limit: Duration,
}

/// Why a source cannot be had.
#[derive(Debug, thiserror::Error)]
pub enum FetchError {
    /// git or cargo cannot be started, or fails on what is there.
    #[error("failed to read `{what}`")]
    Git {
        /// The source.
        what: String,
        /// What git says.
        #[source]
        source: GitError,
    },
    /// The repository cannot be reached, or has not what was asked for.
    #[error("failed to fetch `{rev}` of `{url}`: {said}")]
    Remote {
        /// The repository.
        url: String,
        /// What was asked for.
        rev: String,
        /// What git said.
        said: String,
    },
    /// It takes too long.
    #[error("`{what}` has not answered within {}", duration::exact(*.limit))]
    Slow {
        /// The source.
        what: String,
        /// How long it was waited for.
        limit: Duration,
    },
    /// There is no such folder.
    #[error("there is no folder `{}`", .0.display())]
    NoFolder(PathBuf),
    /// cargo does not find the crate.
    #[error("failed to find the crate `{name}`: {said}")]
    NoCrate {
        /// The crate.
        name: String,
        /// What cargo said.
        said: String,
    },
    /// A file cannot be read.
    #[error(transparent)]
    Io(#[from] IoFailure),
}

impl Diagnostic for FetchError {
    fn hint(&self) -> Option<String> {
        match self {
            Self::Remote { .. } => Some(
                "nothing was changed; see whether `git ls-remote` knows the repository and what is \
                 asked for"
                    .to_owned(),
            ),
            Self::Slow { .. } => {
                Some("nothing was changed; `--timeout` waits for longer".to_owned())
            }
            Self::NoFolder(_) => Some("`path` is relative to `msvc.toml`".to_owned()),
            _ => None,
        }
    }

    fn exit(&self) -> Exit {
        match self {
            Self::Remote { .. } | Self::Slow { .. } => Exit::Unreachable,
            _ => Exit::Failed,
        }
    }
}

impl Fetcher<'_> {
    /// All protos of a source, at the pin where one is given.
    ///
    /// # Errors
    /// [`FetchError`] when it cannot be had.
    pub fn fetch(&self, origin: &Origin, pin: Option<&str>) -> Result<Fetched, FetchError> {
        match origin {
            Origin::Git { url, rev } => self.git(url, rev, pin),
            Origin::Path(path) => {
                let folder = self.root.join(path);
                if !folder.is_dir() {
                    return Err(FetchError::NoFolder(folder));
                }
                Ok(Fetched {
                    pin: String::new(),
                    files: read(&folder)?,
                })
            }
            Origin::Crate { name, version } => self.package(name, version, pin),
        }
    }

    fn git(&self, url: &str, rev: &str, pin: Option<&str>) -> Result<Fetched, FetchError> {
        // A folder is meant as seen from the workspace, not from where git is started.
        let folder = self.root.join(url).canonicalize().ok();
        let folder = folder.map(|it| it.display().to_string());
        let url = folder.as_deref().unwrap_or(url);
        let repository = self.cache.join(&lock::checksum(url.as_bytes())[..16]);
        let failed = |source| FetchError::Git {
            what: url.to_owned(),
            source,
        };
        if !repository.join("HEAD").is_file() {
            fs::create_dir_all(&repository).when("create", &repository)?;
            let git = Git {
                folder: &repository,
            };
            git.run(&["init", "--quiet", "--bare"]).map_err(failed)?;
        }
        let git = Git {
            folder: &repository,
        };
        let known = pin.and_then(|pin| git.commit(pin).ok());
        let commit = match known {
            Some(commit) => commit,
            None => self.fetch_commit(git, url, pin.unwrap_or(rev))?,
        };
        let files = git.files(&commit).map_err(failed)?;
        Ok(Fetched {
            pin: commit,
            files: protos(files),
        })
    }

    /// Fetches as little as there has to be; all where a server gives no commits by their names.
    fn fetch_commit(&self, git: Git<'_>, url: &str, rev: &str) -> Result<String, FetchError> {
        let command = |args: &[&str]| {
            let mut command = Command::new("git");
            command.arg("-C").arg(git.folder);
            command.args(["fetch", "--quiet", "--no-write-commit-graph", "--force"]);
            command.args(args).env("GIT_TERMINAL_PROMPT", "0");
            command
        };
        let remote = |said| FetchError::Remote {
            url: url.to_owned(),
            rev: rev.to_owned(),
            said,
        };
        let shallow = ["--depth=1", "--no-tags", "--end-of-options", url, rev];
        let said = match self.run(command(&shallow), url)? {
            Ok(_) => {
                return git.commit("FETCH_HEAD").map_err(|source| FetchError::Git {
                    what: url.to_owned(),
                    source,
                });
            }
            Err(said) => said,
        };
        let is_commit = rev.len() >= 7 && rev.chars().all(|one| one.is_ascii_hexdigit());
        if !is_commit {
            return Err(remote(said));
        }
        let all = [
            "--end-of-options",
            url,
            "+refs/heads/*:refs/fetched/heads/*",
            "+refs/tags/*:refs/fetched/tags/*",
        ];
        match self.run(command(&all), url)? {
            Ok(_) => git.commit(rev).map_err(|_| remote(said)),
            Err(said) => Err(remote(said)),
        }
    }

    fn package(&self, name: &str, version: &str, pin: Option<&str>) -> Result<Fetched, FetchError> {
        let no_crate = |said: String| FetchError::NoCrate {
            name: name.to_owned(),
            said,
        };
        let requirement = pin.map_or_else(|| version.to_owned(), |pin| format!("={pin}"));
        // cargo fetches what a package depends on; this one does nothing else.
        let folder = self.cache.join("crate");
        fs::create_dir_all(folder.join("src")).when("create", &folder)?;
        let manifest = folder.join("Cargo.toml");
        let mut document = toml_edit::DocumentMut::new();
        for (key, value) in [
            ("name", "vendor"),
            ("version", "0.0.0"),
            ("edition", "2024"),
        ] {
            document["package"][key] = toml_edit::value(value);
        }
        document["workspace"] = toml_edit::table();
        document["dependencies"][name] = toml_edit::value(requirement);
        fs::write(&manifest, document.to_string()).when("write", &manifest)?;
        let library = folder.join("src/lib.rs");
        fs::write(&library, "").when("write", &library)?;
        let lock_file = folder.join("Cargo.lock");
        if lock_file.exists() {
            fs::remove_file(&lock_file).when("remove", &lock_file)?;
        }
        let mut cargo = Command::new("cargo");
        cargo.args([
            "metadata",
            "--format-version=1",
            "--quiet",
            "--manifest-path",
        ]);
        cargo.arg(&manifest).current_dir(&folder);
        let what = format!("crate {name}");
        let output = self.run(cargo, &what)?.map_err(no_crate)?;
        let metadata: serde_json::Value = serde_json::from_slice(&output)
            .map_err(|error| no_crate(format!("`cargo metadata`: {error}")))?;
        let packages = metadata["packages"].as_array().into_iter().flatten();
        let mut packages = packages.filter(|it| it["name"] == name);
        let found = packages.next().and_then(|package| {
            let version = package["version"].as_str()?;
            let folder = Path::new(package["manifest_path"].as_str()?).parent()?;
            Some((version.to_owned(), folder.to_owned()))
        });
        let (pin, folder) = found.ok_or_else(|| no_crate("cargo does not list it".to_owned()))?;
        Ok(Fetched {
            pin,
            files: read(&folder)?,
        })
    }

    /// Runs a command to its end, but for no longer than the limit; what it prints, or what it said when
    /// it failed.
    fn run(&self, mut command: Command, what: &str) -> Result<Result<Vec<u8>, String>, FetchError> {
        let failed = |error| FetchError::Git {
            what: what.to_owned(),
            source: GitError::Start(error),
        };
        let mut child = command
            .stdin(Stdio::null())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .process_group(0)
            .spawn()
            .map_err(failed)?;
        let read_all = |stream: Option<Box<dyn std::io::Read + Send>>| {
            thread::spawn(move || {
                let mut read = Vec::new();
                if let Some(mut stream) = stream {
                    let _ = stream.read_to_end(&mut read);
                }
                read
            })
        };
        let stdout = read_all(child.stdout.take().map(|it| Box::new(it) as _));
        let stderr = read_all(child.stderr.take().map(|it| Box::new(it) as _));
        let deadline = Instant::now() + self.limit;
        let status = loop {
            match child.try_wait().map_err(failed)? {
                Some(status) => break status,
                None if Instant::now() < deadline => thread::sleep(POLL),
                None => {
                    // What it started as well.
                    if let Some(group) = i32::try_from(child.id()).ok().and_then(Pid::from_raw) {
                        let _ = kill_process_group(group, Signal::KILL);
                    }
                    let _ = child.wait();
                    return Err(FetchError::Slow {
                        what: what.to_owned(),
                        limit: self.limit,
                    });
                }
            }
        };
        let stdout = stdout.join().unwrap_or_default();
        let stderr = stderr.join().unwrap_or_default();
        Ok(match status.success() {
            true => Ok(stdout),
            false => Err(complaint(&stderr)),
        })
    }
}

/// What git or cargo complain about first; further lines say what may be the cause.
fn complaint(stderr: &[u8]) -> String {
    let text = String::from_utf8_lossy(stderr);
    let mut lines = text.lines();
    let first = lines.find_map(|line| {
        let prefixes = ["fatal: ", "error: "].into_iter();
        prefixes.filter_map(|it| line.strip_prefix(it)).next()
    });
    first.map_or_else(|| said(stderr), str::to_owned)
}

fn protos(files: BTreeMap<String, Vec<u8>>) -> Files {
    let files = files.into_iter();
    files.filter(|(path, _)| path.ends_with(".proto")).collect()
}

fn read(folder: &Path) -> Result<Files, FetchError> {
    let sources = Sources {
        folders: vec![folder.to_owned()],
        ..Sources::default()
    };
    let mut files = Files::new();
    for name in sources.all_names()? {
        let path = folder.join(&name);
        files.insert(name, fs::read(&path).when("read", &path)?);
    }
    Ok(files)
}
