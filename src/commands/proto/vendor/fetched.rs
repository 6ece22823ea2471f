//! What came of the sources, and what has to be written for it.

use std::collections::BTreeMap;

use super::VendorArgs;
use super::error::VendorError;
use crate::error::{Failure, Result};
use crate::project::Project;
use crate::proto::compile::CompileErrors;
use crate::proto::vendor::choose::{self, Choice, Files, Refused};
use crate::proto::vendor::fetch::Fetcher;
use crate::proto::vendor::lock::{Lock, Locked, checksum};
use crate::proto::vendor::state::State;
use crate::proto::vendor::{FOLDER, LOCK_NAME};
use crate::scaffold::plan::Plan;

/// What came of the sources.
pub struct Fetched {
    /// Their files, by the names that imports use.
    pub trees: BTreeMap<String, Files>,
    /// Their commits and versions.
    pub pins: BTreeMap<String, String>,
    /// The folders that names are relative to.
    pub roots: BTreeMap<String, String>,
}

/// Fetches all sources; where `detect` is, its root is found by what is needed.
pub fn fetch(
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
pub fn plan_files(
    state: &State<'_>,
    fetched: &Fetched,
    force: bool,
    plan: &mut Plan,
) -> Result<Lock> {
    let choice = Choice {
        own: state.own,
        trees: &fetched.trees,
        wanted: &state.wanted(),
    };
    let chosen = choose::choose(&choice).map_err(|refused| match refused {
        Refused::Missing(missing) => Failure::from(VendorError::Missing(missing)),
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
