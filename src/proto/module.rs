//! Which protos a command works on, and by which rules: from `-I`, `msvc.toml` or `buf.yaml`, whatever
//! is there first, else from the folder itself.

use std::collections::BTreeSet;
use std::fs;
use std::path::{Path, PathBuf};

use crate::error::{Diagnostic, Exit, IoContext, IoFailure, Located};
use crate::paths;
use crate::project::{self, Project, ProjectError};
use crate::proto::breaking::config::BreakingConfig;
use crate::proto::buf_yaml::{self, BufModule, BufYaml, BufYamlError};
use crate::proto::finding::is_at_or_below;
use crate::proto::lint::config::LintConfig;
use crate::proto::sources::{Sources, Vendored, WellKnown};

/// A folder that imports are relative to, and the rules of what is in it.
#[derive(Clone, Debug)]
pub struct Module {
    /// The folder; absolute.
    pub root: PathBuf,
    /// Files and folders in it that are left alone.
    pub excludes: Vec<String>,
    /// What lint rules are told.
    pub lint: LintConfig,
    /// What the rules for breaking changes are told.
    pub breaking: BreakingConfig,
}

/// All the modules that are compiled together.
#[derive(Clone, Debug)]
pub struct Modules {
    /// Where the command was started; paths are shown relative to it.
    directory: PathBuf,
    /// The folder that all of them are configured in; absolute.
    pub top: PathBuf,
    /// The modules, in the order in which imports are looked for.
    pub list: Vec<Module>,
    /// What is vendored; it is imported, and otherwise left alone.
    pub vendored: Vec<Vendored>,
}

/// Why it is not known what to work on.
#[derive(Debug, thiserror::Error)]
pub enum ModuleError {
    /// A path that was given is not there.
    #[error("there is no `{}`", .0.display())]
    Missing(PathBuf),
    /// A path that was given is in none of the modules.
    #[error("`{}` is in none of the folders of protos: {}", .path.display(), listed(.roots))]
    Outside {
        /// The path.
        path: PathBuf,
        /// The folders.
        roots: Vec<PathBuf>,
    },
    /// A folder of protos is not there.
    #[error("`{named_in}` has the folder `{}`, which is not there", .folder.display())]
    NoRoot {
        /// Where it is named.
        named_in: String,
        /// The folder.
        folder: PathBuf,
    },
    /// A configuration cannot be used.
    #[error("`{}` cannot be used", .path.display())]
    BufYaml {
        /// Its path.
        path: PathBuf,
        /// What is wrong with it.
        #[source]
        source: BufYamlError,
    },
    /// The workspace cannot be read.
    #[error(transparent)]
    Project(#[from] ProjectError),
    /// A file or folder cannot be read.
    #[error(transparent)]
    Io(#[from] IoFailure),
}

impl Diagnostic for ModuleError {
    fn hint(&self) -> Option<String> {
        match self {
            Self::Outside { .. } => Some("name the folder above it with `-I DIR`".to_owned()),
            Self::Missing(_) | Self::NoRoot { .. } => None,
            Self::BufYaml { source, .. } => source.hint(),
            Self::Project(error) => error.hint(),
            Self::Io(error) => error.hint(),
        }
    }

    fn places(&self) -> Vec<Located> {
        match self {
            Self::Project(error) => error.places(),
            _ => Vec::new(),
        }
    }

    fn exit(&self) -> Exit {
        match self {
            Self::Missing(_) | Self::Outside { .. } => Exit::Usage,
            Self::Project(error) => error.exit(),
            _ => Exit::Failed,
        }
    }
}

fn listed(paths: &[PathBuf]) -> String {
    let paths: Vec<String> = paths
        .iter()
        .map(|path| format!("`{}`", path.display()))
        .collect();
    paths.join(", ")
}

impl Modules {
    /// The modules for a command that was started in a folder, with the folders given by `-I`.
    ///
    /// # Errors
    /// [`ModuleError`] when a configuration cannot be used or a folder is not there.
    pub fn find(directory: &Path, include: &[PathBuf]) -> Result<Self, ModuleError> {
        let modules = match include {
            [] => configured(directory)?,
            folders => Self {
                directory: directory.to_owned(),
                top: directory.to_owned(),
                list: folders
                    .iter()
                    .map(|folder| with_own_rules(&directory.join(folder)))
                    .collect::<Result<_, _>>()?,
                vendored: vendored_above(directory)?,
            },
        };
        match modules.list.iter().find(|module| !module.root.is_dir()) {
            None => Ok(modules),
            Some(module) => Err(ModuleError::NoRoot {
                named_in: match include.is_empty() {
                    true => "the configuration".to_owned(),
                    false => "-I".to_owned(),
                },
                folder: modules.relative(&module.root),
            }),
        }
    }

    /// The modules of an earlier state in another folder: as the configuration there says, else where
    /// the present ones are, else the folder itself.
    ///
    /// # Errors
    /// As [`Modules::find`].
    pub fn of_earlier(folder: &Path, present: &Self) -> Result<Self, ModuleError> {
        if let Some(list) = configured_in(folder)? {
            return Ok(Self {
                directory: folder.to_owned(),
                top: folder.to_owned(),
                list,
                vendored: vendored_above(folder)?,
            });
        }
        let same = present.folders().into_iter();
        let same = same.map(|(below, _)| joined(folder, &below));
        let mut list: Vec<Module> = same.filter(|it| it.is_dir()).map(unconfigured).collect();
        if list.is_empty() {
            list.push(unconfigured(folder.to_owned()));
        }
        Ok(Self {
            directory: folder.to_owned(),
            top: folder.to_owned(),
            list,
            vendored: vendored_above(folder)?,
        })
    }

    /// The folders of the modules, relative to that of the configuration, each with what does not
    /// belong to it.
    pub fn folders(&self) -> Vec<(String, Vec<String>)> {
        let modules = self.list.iter();
        let folders = modules.filter_map(|module| {
            let below = module.root.strip_prefix(&self.top).ok()?;
            let parts: Vec<_> = below.iter().map(|part| part.to_string_lossy()).collect();
            Some((parts.join("/"), module.excludes.clone()))
        });
        folders.collect()
    }

    /// Where the compiler looks for files.
    pub fn sources(&self) -> Sources {
        Sources {
            folders: self.list.iter().map(|it| it.root.clone()).collect(),
            vendored: self.vendored.clone(),
            well_known: WellKnown::AtHand,
            ..Sources::default()
        }
    }

    /// The names of the files of each module: all of them, or those at or below the given paths. A name
    /// that several modules have belongs to the first.
    ///
    /// # Errors
    /// [`ModuleError`] when a path is not there or in no module.
    pub fn names(&self, paths: &[PathBuf]) -> Result<Vec<BTreeSet<String>>, ModuleError> {
        let wanted = self.wanted(paths)?;
        let mut taken = BTreeSet::new();
        let mut all = Vec::new();
        for (index, module) in self.list.iter().enumerate() {
            let sources = Sources {
                folders: vec![module.root.clone()],
                ..Sources::default()
            };
            let names = sources.all_names()?.into_iter().filter(|name| {
                let is_excluded = module.excludes.iter().any(|it| is_at_or_below(name, it));
                let is_wanted = paths.is_empty()
                    || wanted
                        .iter()
                        .any(|(module, path)| *module == index && is_at_or_below(name, path));
                !is_excluded && is_wanted
            });
            let names: BTreeSet<String> = names.filter(|name| taken.insert(name.clone())).collect();
            all.push(names);
        }
        Ok(all)
    }

    /// The paths that were given, each with its module and relative to that.
    fn wanted(&self, paths: &[PathBuf]) -> Result<Vec<(usize, String)>, ModuleError> {
        let mut wanted = Vec::new();
        for given in paths {
            let path = self.directory.join(given);
            let Ok(real) = path.canonicalize() else {
                return Err(ModuleError::Missing(given.clone()));
            };
            let mut is_found = false;
            for (index, module) in self.list.iter().enumerate() {
                let root = module.root.canonicalize().when("resolve", &module.root)?;
                // A folder above a module means all of it.
                let below = match real.strip_prefix(&root) {
                    Ok(below) => below.to_owned(),
                    Err(_) if root.starts_with(&real) => PathBuf::new(),
                    Err(_) => continue,
                };
                let parts: Vec<_> = below.iter().map(|part| part.to_string_lossy()).collect();
                wanted.push((index, parts.join("/")));
                is_found = true;
            }
            if !is_found {
                return Err(ModuleError::Outside {
                    path: given.clone(),
                    roots: self
                        .list
                        .iter()
                        .map(|module| self.relative(&module.root))
                        .collect(),
                });
            }
        }
        Ok(wanted)
    }

    /// Where the file of a name is, if a module has it.
    pub fn path(&self, name: &str) -> Option<PathBuf> {
        let vendored = self.vendored.iter().map(|it| &it.folder);
        let folders = self.list.iter().map(|module| &module.root);
        let mut candidates = folders.chain(vendored).map(|folder| folder.join(name));
        candidates.find(|path| path.is_file())
    }

    /// A file's path as it is shown: relative to where the command was started, where it is below.
    pub fn shown(&self, name: &str) -> String {
        match self.path(name) {
            Some(path) => self.relative(&path).display().to_string(),
            None => name.to_owned(),
        }
    }

    fn relative(&self, path: &Path) -> PathBuf {
        paths::relative(&self.directory, path)
    }
}

/// The nearest configuration at or above a folder; without any, the folder is one module.
fn configured(directory: &Path) -> Result<Modules, ModuleError> {
    for folder in directory.ancestors() {
        if let Some(list) = configured_in(folder)? {
            return Ok(Modules {
                directory: directory.to_owned(),
                top: folder.to_owned(),
                list,
                vendored: vendored_above(folder)?,
            });
        }
    }
    Ok(Modules {
        directory: directory.to_owned(),
        top: directory.to_owned(),
        list: vec![unconfigured(directory.to_owned())],
        vendored: Vec::new(),
    })
}

/// What the workspace around a folder has vendored.
fn vendored_above(folder: &Path) -> Result<Vec<Vendored>, ModuleError> {
    let project = project::find_if_any(folder)?;
    Ok(project.map_or_else(Vec::new, |project| project.vendored()))
}

/// The modules of the configuration in a folder, if it has one.
fn configured_in(folder: &Path) -> Result<Option<Vec<Module>>, ModuleError> {
    if let Some(project) = project::at(folder)? {
        return of_project(&project).map(Some);
    }
    if let Some(folders) = read_work(folder)? {
        let modules = folders.iter().map(|it| with_own_rules(&joined(folder, it)));
        return modules.collect::<Result<_, _>>().map(Some);
    }
    let configuration = read_buf_yaml(folder)?;
    Ok(configuration.map(|it| {
        let modules = it.modules.into_iter();
        modules.map(|module| of_buf(folder, module)).collect()
    }))
}

/// The folders of a workspace; what `msvc.toml` says of rules goes before what a `buf.yaml` says, in the
/// folder of protos or beside `msvc.toml`.
fn of_project(project: &Project) -> Result<Vec<Module>, ModuleError> {
    project.refuse_missing_roots()?;
    let beside = read_buf_yaml(&project.root)?;
    let mut modules = Vec::new();
    for root in &project.manifest.proto.roots {
        let folder = joined(&project.root, root);
        let same = |module: &&BufModule| joined(&project.root, &module.path) == folder;
        let from_beside = beside.iter().flat_map(|it| it.modules.iter().find(same));
        let mut module = match from_beside.into_iter().next() {
            Some(module) => of_buf(&project.root, module.clone()),
            None => with_own_rules(&folder)?,
        };
        if let Some(lint) = &project.manifest.proto.lint {
            module.lint = lint.clone();
        }
        if let Some(breaking) = &project.manifest.proto.breaking {
            module.breaking = breaking.clone();
        }
        modules.push(module);
    }
    Ok(modules)
}

/// A folder with the rules of a `buf.yaml` that stands in it.
fn with_own_rules(folder: &Path) -> Result<Module, ModuleError> {
    let own = read_buf_yaml(folder)?;
    let own = own.and_then(|it| it.modules.into_iter().find(|module| module.path == "."));
    Ok(match own {
        Some(module) => of_buf(folder, module),
        None => unconfigured(folder.to_owned()),
    })
}

fn unconfigured(root: PathBuf) -> Module {
    Module {
        root,
        excludes: Vec::new(),
        lint: LintConfig::default(),
        breaking: BreakingConfig::default(),
    }
}

fn of_buf(folder: &Path, module: BufModule) -> Module {
    Module {
        root: joined(folder, &module.path),
        excludes: module.excludes,
        lint: module.lint,
        breaking: module.breaking,
    }
}

/// A folder below another, without `.` in its path.
fn joined(folder: &Path, below: &str) -> PathBuf {
    folder.join(below).components().collect()
}

fn read_buf_yaml(folder: &Path) -> Result<Option<BufYaml>, ModuleError> {
    read(&folder.join(buf_yaml::FILE_NAME), buf_yaml::parse)
}

fn read_work(folder: &Path) -> Result<Option<Vec<String>>, ModuleError> {
    read(&folder.join(buf_yaml::WORK_FILE_NAME), buf_yaml::parse_work)
}

fn read<T>(
    path: &Path,
    parse: impl Fn(&str) -> Result<T, BufYamlError>,
) -> Result<Option<T>, ModuleError> {
    if !path.is_file() {
        return Ok(None);
    }
    let text = fs::read_to_string(path).when("read", path)?;
    match parse(&text) {
        Ok(parsed) => Ok(Some(parsed)),
        Err(source) => Err(ModuleError::BufYaml {
            path: path.to_owned(),
            source,
        }),
    }
}
