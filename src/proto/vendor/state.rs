//! What is vendored, against what should be.
//!
//! Pure: data in, data out.

use std::collections::{BTreeMap, BTreeSet};

use crate::proto::vendor::Source;
use crate::proto::vendor::choose::{self, Choice, Files, Refused};
use crate::proto::vendor::lock::{Lock, Locked, checksum};

/// What is there.
#[derive(Debug)]
pub struct State<'a> {
    /// The sources of `msvc.toml`.
    pub sources: &'a BTreeMap<String, Source>,
    /// The lock.
    pub lock: &'a Lock,
    /// The files of each source that has a folder, by the names that imports use.
    pub present: &'a BTreeMap<String, Files>,
    /// The workspace's own files, each with what it imports.
    pub own: &'a BTreeMap<String, Vec<String>>,
}

impl State<'_> {
    /// What of the sources is asked for.
    pub fn wanted(&self) -> BTreeMap<String, Vec<String>> {
        let sources = self.sources.iter();
        sources
            .map(|(name, source)| (name.clone(), source.files.clone()))
            .collect()
    }

    /// What is locked of a source, where that is still the one of `msvc.toml`.
    pub fn locked(&self, name: &str) -> Option<&Locked> {
        let source = self.sources.get(name)?;
        let locked = self.lock.0.get(name)?;
        (locked.origin == source.origin.described() && locked.root == source.root).then_some(locked)
    }

    /// Files whose contents are not those of the lock: changed by hand, or put there.
    pub fn changed(&self) -> BTreeSet<(String, String)> {
        let present = self.present.iter();
        let files = present.flat_map(|(source, files)| files.iter().map(move |it| (source, it)));
        let changed = files.filter(|(source, (name, contents))| {
            let locked = self.lock.0.get(*source);
            locked.and_then(|it| it.files.get(*name)) != Some(&checksum(contents))
        });
        changed
            .map(|(source, (name, _))| (source.clone(), name.clone()))
            .collect()
    }

    /// Everything in which it is not as it should be, as lines; empty when nothing has to be fetched.
    pub fn problems(&self) -> Vec<String> {
        let mut problems = Vec::new();
        for name in self.sources.keys() {
            if self.locked(name).is_none() {
                problems.push(match self.lock.0.contains_key(name) {
                    true => format!("`{name}` is not what was vendored"),
                    false => format!("`{name}` is not vendored yet"),
                });
            }
        }
        for (name, locked) in &self.lock.0 {
            if !self.sources.contains_key(name) {
                problems.push(format!("`{name}` is not in `msvc.toml` any more"));
            }
            let present = self.present.get(name);
            let gone = locked.files.keys();
            let gone = gone.filter(|file| !present.is_some_and(|it| it.contains_key(*file)));
            problems.extend(gone.map(|file| format!("`{name}/{file}` is gone")));
        }
        for (source, name) in self.changed() {
            problems.push(format!("`{source}/{name}` was changed"));
        }
        if !problems.is_empty() {
            return problems;
        }
        let choice = Choice {
            own: self.own,
            trees: self.present,
            wanted: &self.wanted(),
        };
        match choose::choose(&choice) {
            Ok(chosen) => {
                for (source, files) in self.present {
                    let of_source = chosen.get(source);
                    let unused = files.keys();
                    let unused = unused.filter(|it| !of_source.is_some_and(|of| of.contains(*it)));
                    problems.extend(unused.map(|it| format!("`{source}/{it}` is not needed")));
                }
            }
            Err(Refused::Missing(missing)) => {
                let missing = missing.into_iter();
                problems.extend(
                    missing.map(|it| format!("`{}` is missing, for {}", it.name, it.wanted_by)),
                );
            }
            Err(Refused::Broken(broken)) => {
                problems.extend(broken.into_iter().map(|it| it.to_string()));
            }
        }
        problems
    }
}
