//! `msvc proto vendor`: protos from elsewhere, checked in.

use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};
use std::time::Duration;

use clap::{Args, ValueHint};
use serde::Serialize;

use crate::context::Context;
use crate::duration;
use crate::error::{Diagnostic, Exit, IoContext, Result};
use crate::manifest::{self, Manifest};
use crate::project::{self, Project};
use crate::proto::compile::CompileErrors;
use crate::proto::diagnostic::ProtoDiagnostic;
use crate::proto::sources::Sources;
use crate::proto::vendor::choose::{self, Choice, Files, Missing, Refused};
use crate::proto::vendor::fetch::Fetcher;
use crate::proto::vendor::lock::{Lock, Locked, checksum};
use crate::proto::vendor::state::State;
use crate::proto::vendor::{FOLDER, LOCK_NAME, Origin, Source, normal};
use crate::scaffold::apply;
use crate::scaffold::lock::WorkspaceLock;
use crate::scaffold::plan::{ChangeSummary, Plan};

/// Arguments of `msvc proto vendor`.
#[derive(Args, Debug)]
#[command(after_help = "Examples:\n  \
    msvc proto vendor --git https://github.com/googleapis/googleapis     what the protos import of it\n  \
    msvc proto vendor --git git@example.com:protos --rev v3 billing/v1   and billing/v1, imported or not\n  \
    msvc proto vendor --crate opentelemetry-proto@0.31\n  \
    msvc proto vendor             after a change of imports or of [proto.vendor] in msvc.toml\n  \
    msvc proto vendor --update    the newest commits and versions\n  \
    msvc proto vendor --check     in CI: exit code 1 when something is not as locked")]
pub struct VendorArgs {
    /// Add a repository of git to `msvc.toml`: whatever `git fetch` takes.
    #[arg(long, value_name = "URL", group = "origin")]
    pub git: Option<String>,
    /// The branch, tag or commit of the repository [default: its HEAD].
    #[arg(long, requires = "git")]
    pub rev: Option<String>,
    /// Add a folder to `msvc.toml`.
    #[arg(long, value_name = "DIR", group = "origin", value_hint = ValueHint::DirPath)]
    pub path: Option<PathBuf>,
    /// Add a crate of cargo's registry to `msvc.toml`; `NAME@VERSION` for one of some versions.
    #[arg(long = "crate", value_name = "CRATE", group = "origin")]
    pub package: Option<String>,
    /// What to call it [default: the last part of what is added].
    #[arg(long, requires = "origin")]
    pub name: Option<String>,
    /// The folder in it that imports are relative to [default: where what is needed begins].
    #[arg(long, value_name = "DIR", requires = "origin")]
    pub root: Option<String>,
    /// Files and folders below it that are wanted whether or not anything imports them.
    #[arg(value_name = "FILE", requires = "origin")]
    pub files: Vec<String>,
    /// Take the newest of what `msvc.toml` allows, instead of what is locked.
    #[arg(long, conflicts_with = "check")]
    pub update: bool,
    /// Change and fetch nothing; fail when something would change.
    #[arg(long, conflicts_with_all = ["origin", "dry_run", "force"])]
    pub check: bool,
    /// Change nothing; show what would change.
    #[arg(long)]
    pub dry_run: bool,
    /// Overwrite files that were changed by hand.
    #[arg(long)]
    pub force: bool,
    /// How long each fetch may take.
    #[arg(long, value_name = "DURATION", default_value = "2m", value_parser = duration::parse_positive)]
    pub timeout: Duration,
}

/// Why nothing is vendored.
#[derive(Debug, thiserror::Error)]
enum VendorError {
    #[error("what is vendored is not what it should be:\n  {}", .0.join("\n  "))]
    Stale(Vec<String>),
    #[error("{}", missing_message(.0))]
    Missing(Vec<Missing>),
    #[error("these were changed by hand and would be lost:\n  {}", .0.join("\n  "))]
    Changed(Vec<String>),
    #[error("`{0}` is no name for a folder")]
    Name(String),
    #[error("`{path}` is not a lock")]
    Lock {
        path: String,
        #[source]
        source: toml_edit::de::Error,
    },
}

impl Diagnostic for VendorError {
    fn hint(&self) -> Option<String> {
        Some(match self {
            Self::Stale(_) => "run `msvc proto vendor` and commit what it changes".to_owned(),
            Self::Missing(missing) => match missing.iter().find_map(|it| it.similar.as_ref()) {
                Some(similar) => format!(
                    "did you mean `{similar}`? names are relative to `root` of [proto.vendor]"
                ),
                None => "nothing was changed; add what has it: `msvc proto vendor --git URL`, \
                         `--path DIR` or `--crate CRATE`"
                    .to_owned(),
            },
            Self::Changed(_) => format!(
                "move them to the workspace's own protos, which go before those in `{FOLDER}`, or \
                 overwrite them with `--force`; nothing was changed"
            ),
            Self::Name(_) => "choose one of letters, digits, `-` and `_` with `--name`".to_owned(),
            Self::Lock { .. } => "take it from git, or remove it to vendor all anew".to_owned(),
        })
    }

    fn exit(&self) -> Exit {
        match self {
            Self::Name(_) => Exit::Usage,
            _ => Exit::Failed,
        }
    }
}

fn missing_message(missing: &[Missing]) -> String {
    let lines = missing.iter();
    let lines = lines.map(|it| format!("nothing has `{}`, for {}", it.name, it.wanted_by));
    lines.collect::<Vec<_>>().join("\n")
}

/// What was done, as it is printed.
#[derive(Debug, Serialize)]
struct Report<'a> {
    up_to_date: bool,
    dry_run: bool,
    changes: Vec<ChangeSummary<'a>>,
    sources: &'a Lock,
}

/// Runs `msvc proto vendor`.
///
/// # Errors
/// When a source cannot be had, has not what is needed, or something would be overwritten.
pub fn run(context: &Context, args: &VendorArgs) -> Result {
    let root = project::find(&context.directory)?.root;
    let lock = match args.check || args.dry_run {
        true => {
            apply::refuse_interrupted(&context.directory)?;
            None
        }
        false => Some(WorkspaceLock::take(&root)?),
    };
    if let Some(lock) = &lock {
        apply::recover(lock)?;
    }
    let project = project::find(&context.directory)?;
    let own = own_imports(context, &project)?;
    let present = read_present(&project.root)?;
    let locked = read_lock(&project.root)?;
    let mut sources = project.manifest.proto.vendor.clone();
    let added = added(context, args, &project)?;
    if let Some((name, source)) = &added {
        sources.insert(name.clone(), source.clone());
    }
    let state = State {
        sources: &sources,
        lock: &locked,
        present: &present,
        own: &own,
    };
    let problems = state.problems();
    if args.check && !problems.is_empty() {
        return Err(VendorError::Stale(problems).into());
    }
    let mut plan = Plan::default();
    let mut new_lock = locked.clone();
    if !problems.is_empty() || args.update {
        let detect = added.as_ref().filter(|_| args.root.is_none());
        let detect = detect.map(|(name, _)| name.as_str());
        let fetched = fetch(args, &project, &state, detect)?;
        if let Some((name, source)) = &added {
            let source = Source {
                root: fetched.roots[name].clone(),
                ..source.clone()
            };
            let text = manifest::with_vendored(&project.manifest_text, name, &source)?;
            Manifest::parse(&text)?;
            plan.write(manifest::FILE_NAME, text);
        }
        new_lock = plan_files(&state, &fetched, args.force, &mut plan)?;
    }
    if let Some(lock) = lock.filter(|_| !plan.is_empty()) {
        apply::apply(&lock, &plan)?;
    }
    let report = Report {
        up_to_date: plan.is_empty(),
        dry_run: args.dry_run,
        changes: plan.summary(),
        sources: &new_lock,
    };
    print(context, &report)
}

/// What is to be added to `msvc.toml`.
fn added(
    context: &Context,
    args: &VendorArgs,
    project: &Project,
) -> Result<Option<(String, Source)>> {
    let origin = if let Some(url) = &args.git {
        let rev = args.rev.clone().unwrap_or_else(|| "HEAD".to_owned());
        let url = url.clone();
        Origin::Git { url, rev }
    } else if let Some(path) = &args.path {
        let folder = project::resolve(&context.directory.join(path))?;
        let path = crate::paths::relative(&project.root, &folder);
        Origin::Path(path.display().to_string())
    } else if let Some(name) = &args.package {
        let (name, version) = name.split_once('@').unwrap_or((name, "*"));
        Origin::Crate {
            name: name.to_owned(),
            version: version.to_owned(),
        }
    } else {
        return Ok(None);
    };
    let name = args.name.clone().unwrap_or_else(|| {
        let text = match &origin {
            Origin::Git { url, .. } => url,
            Origin::Path(path) => path,
            Origin::Crate { name, .. } => name,
        };
        let last = text.trim_end_matches('/').rsplit(['/', ':']).next();
        last.unwrap_or_default().trim_end_matches(".git").to_owned()
    });
    let is_plain = |one: char| one.is_ascii_alphanumeric() || matches!(one, '-' | '_');
    if name.is_empty() || !name.chars().all(is_plain) {
        return Err(VendorError::Name(name).into());
    }
    let source = Source {
        origin,
        root: args.root.as_deref().map(normal).unwrap_or_default(),
        files: args.files.iter().map(|it| normal(it)).collect(),
    };
    Ok(Some((name, source)))
}

/// What came of the sources.
struct Fetched {
    /// Their files, by the names that imports use.
    trees: BTreeMap<String, Files>,
    /// Their commits and versions.
    pins: BTreeMap<String, String>,
    /// The folders that names are relative to.
    roots: BTreeMap<String, String>,
}

/// Fetches all sources; where `detect` is, its root is found by what is needed.
fn fetch(
    args: &VendorArgs,
    project: &Project,
    state: &State<'_>,
    detect: Option<&str>,
) -> Result<Fetched> {
    let fetcher = Fetcher {
        root: &project.root,
        cache: project.state_folder().join("vendor"),
        limit: args.timeout,
    };
    let mut fetched = Fetched {
        trees: BTreeMap::new(),
        pins: BTreeMap::new(),
        roots: BTreeMap::new(),
    };
    for (name, source) in state.sources {
        let locked = state.locked(name).filter(|_| !args.update);
        let pin = locked.map(|it| it.pin.as_str()).filter(|it| !it.is_empty());
        let found = fetcher.fetch(&source.origin, pin)?;
        let mut root = source.root.clone();
        if detect == Some(name.as_str()) {
            let imports = state.own.values().flatten().cloned();
            let needed: Vec<String> = match source.files.as_slice() {
                [] => imports.collect(),
                files => files
                    .iter()
                    .filter(|it| it.ends_with(".proto"))
                    .cloned()
                    .collect(),
            };
            let at_top = needed.iter().any(|it| found.files.contains_key(it));
            let below = choose::root(found.files.keys(), &needed).filter(|_| !at_top);
            root = below.unwrap_or_default();
        }
        let prefix = match root.as_str() {
            "" => String::new(),
            root => format!("{root}/"),
        };
        let files = found.files.into_iter();
        let files = files.filter_map(|(path, contents)| {
            Some((path.strip_prefix(&prefix)?.to_owned(), contents))
        });
        fetched.trees.insert(name.clone(), files.collect());
        fetched.pins.insert(name.clone(), found.pin);
        fetched.roots.insert(name.clone(), root);
    }
    Ok(fetched)
}

/// Adds to a plan what makes the folder equal to what is needed of what was fetched.
fn plan_files(state: &State<'_>, fetched: &Fetched, force: bool, plan: &mut Plan) -> Result<Lock> {
    let choice = Choice {
        own: state.own,
        trees: &fetched.trees,
        wanted: &state.wanted(),
    };
    let chosen = choose::choose(&choice).map_err(|refused| match refused {
        Refused::Missing(missing) => crate::error::Failure::from(VendorError::Missing(missing)),
        Refused::Broken(broken) => CompileErrors(broken).into(),
    })?;
    let mut lock = Lock::default();
    for (name, source) in state.sources {
        let files = chosen.get(name).into_iter().flatten();
        let files = files.map(|file| (file.clone(), checksum(&fetched.trees[name][file])));
        let locked = Locked {
            origin: source.origin.described(),
            root: fetched.roots[name].clone(),
            pin: fetched.pins[name].clone(),
            files: files.collect(),
        };
        lock.0.insert(name.clone(), locked);
    }
    let mut lost = Vec::new();
    let changed = state.changed();
    for (source, files) in state.present {
        for (name, contents) in files {
            let path = format!("{FOLDER}/{source}/{name}");
            let wanted = lock.0.get(source).and_then(|it| it.files.get(name));
            if wanted == Some(&checksum(contents)) {
                continue;
            }
            if changed.contains(&(source.clone(), name.clone())) && !force {
                lost.push(path);
            } else if wanted.is_none() {
                plan.remove(path);
            }
        }
    }
    if !lost.is_empty() {
        return Err(VendorError::Changed(lost).into());
    }
    for (source, locked) in &lock.0 {
        for name in locked.files.keys() {
            let contents = &fetched.trees[source][name];
            let present = state.present.get(source).and_then(|it| it.get(name));
            if present != Some(contents) {
                plan.write(format!("{FOLDER}/{source}/{name}"), contents.clone());
            }
        }
    }
    if lock != *state.lock {
        plan.write(format!("{FOLDER}/{LOCK_NAME}"), lock.render());
    }
    Ok(lock)
}

/// The workspace's own protos, each with what it imports.
fn own_imports(context: &Context, project: &Project) -> Result<BTreeMap<String, Vec<String>>> {
    project.refuse_missing_roots()?;
    let sources = Sources {
        folders: project.proto_roots(),
        ..Sources::default()
    };
    let mut own = BTreeMap::new();
    let mut broken: Vec<ProtoDiagnostic> = Vec::new();
    for name in sources.all_names()? {
        let paths = sources.folders.iter().map(|folder| folder.join(&name));
        let Some(path) = paths.into_iter().find(|path| path.is_file()) else {
            continue;
        };
        match choose::imports(&name, &fs::read(&path).when("read", &path)?) {
            Ok(imports) => {
                own.insert(name, imports);
            }
            Err(mut diagnostic) => {
                diagnostic.file = Some(sources.shown(&name, &context.directory));
                broken.push(*diagnostic);
            }
        }
    }
    match broken.is_empty() {
        true => Ok(own),
        false => Err(CompileErrors(broken).into()),
    }
}

/// What is in the folder, by source and name.
fn read_present(root: &Path) -> Result<BTreeMap<String, Files>> {
    let folder = root.join(FOLDER);
    let sources = Sources {
        folders: vec![folder.clone()],
        ..Sources::default()
    };
    let mut present: BTreeMap<String, Files> = BTreeMap::new();
    for path in sources.all_names()? {
        if let Some((source, name)) = path.split_once('/') {
            let file = folder.join(&path);
            let contents = fs::read(&file).when("read", &file)?;
            let files = present.entry(source.to_owned()).or_default();
            files.insert(name.to_owned(), contents);
        }
    }
    Ok(present)
}

fn read_lock(root: &Path) -> Result<Lock> {
    let path = root.join(FOLDER).join(LOCK_NAME);
    if !path.is_file() {
        return Ok(Lock::default());
    }
    let text = fs::read_to_string(&path).when("read", &path)?;
    let path = format!("{FOLDER}/{LOCK_NAME}");
    Ok(Lock::parse(&text).map_err(|source| VendorError::Lock { path, source })?)
}

fn print(context: &Context, report: &Report<'_>) -> Result {
    let printer = &context.printer;
    if printer.is_json() {
        return printer.json(report);
    }
    for change in &report.changes {
        match (report.dry_run, change.action) {
            (true, action) => printer.data(&format!("{action:>6} {}\n", change.path))?,
            (false, "remove") => printer.step("Removed", change.path),
            (false, _) => printer.step("Wrote", change.path),
        }
    }
    if report.up_to_date {
        printer.step("Fresh", "what is vendored is what is needed");
        return Ok(());
    }
    if report.dry_run {
        return Ok(());
    }
    for (name, locked) in &report.sources.0 {
        let count = match locked.files.len() {
            1 => "1 file".to_owned(),
            count => format!("{count} files"),
        };
        let at = match locked.pin.as_str() {
            "" => String::new(),
            pin => format!(" at {pin}"),
        };
        printer.step("Vendored", format!("{name}{at}: {count}"));
    }
    printer.hint("`msvc proto gen` makes code of it");
    Ok(())
}
