//! The protos of a new service, from the user's files or made for a starter.

use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};

use crate::error::{Diagnostic, IoContext, Result};
use crate::proto::compile::{self, Compiled};
use crate::proto::entries;
use crate::proto::model::Service;
use crate::proto::sources::{Sources, Vendored, is_built_in, is_well_known};
use crate::scaffold::names::{ServiceName, StarterNames};
use crate::scaffold::service;

/// Why protos do not do for a new service.
#[derive(Debug, thiserror::Error)]
pub enum IncomingError {
    /// They define messages only.
    #[error("{0} has no service to serve")]
    NothingToServe(String),
    /// The workspace has a file of that name with another text.
    #[error("the workspace has another `{0}` already")]
    Conflict(String),
}

impl Diagnostic for IncomingError {
    fn hint(&self) -> Option<String> {
        Some(match self {
            Self::NothingToServe(_) => {
                "add a `service` to it, or leave `--proto` out to get a starter".to_owned()
            }
            Self::Conflict(_) => {
                "make the two files equal, or change the path of one of them".to_owned()
            }
        })
    }
}

/// The protos of a new service.
#[derive(Clone, Debug)]
pub struct Incoming {
    /// Their texts and those of all that they import, by the names that imports use.
    files: BTreeMap<String, String>,
    /// Those whose services are to be served.
    entries: Vec<String>,
    /// The names of the starter that they were made for.
    pub starter: Option<StarterNames>,
}

/// A starter, made from the name.
///
/// # Errors
/// When its template fails.
pub fn starter(name: &ServiceName) -> Result<Incoming> {
    let names = StarterNames::new(name);
    let text = service::starter_proto(&names)?;
    Ok(Incoming {
        files: BTreeMap::from([(names.proto_file.clone(), text)]),
        entries: vec![names.proto_file.clone()],
        starter: Some(names),
    })
}

/// Reads the user's protos and everything that they import; all paths are relative to `directory`.
///
/// # Errors
/// When one cannot be read, does not compile, or has no name in the folders `includes`.
pub fn given(directory: &Path, files: &[PathBuf], includes: &[PathBuf]) -> Result<Incoming> {
    let (sources, entries) = entries::resolve(directory, files, includes)?;
    let compiled = compile::compile_shown(&sources, &entries, directory)?;
    let mut texts = BTreeMap::new();
    let names = compiled.descriptors.file.iter().map(|file| file.name());
    for name in names.filter(|name| !is_well_known(name)) {
        let on_disk = sources
            .folders
            .iter()
            .map(|folder| folder.join(name))
            .find(|path| path.is_file());
        match on_disk {
            Some(path) => {
                texts.insert(
                    name.to_owned(),
                    fs::read_to_string(&path).when("read", &path)?,
                );
            }
            None => debug_assert!(is_built_in(name), "{name} came from somewhere"),
        }
    }
    Ok(Incoming {
        files: texts,
        entries,
        starter: None,
    })
}

impl Incoming {
    /// These among the workspace's own protos, which are in `folders`, and what it has vendored.
    ///
    /// # Errors
    /// When there is another file by one of their names.
    pub fn among(&self, folders: Vec<PathBuf>, vendored: Vec<Vendored>) -> Result<Sources> {
        let mut memory = BTreeMap::new();
        for (name, text) in &self.files {
            let there = folders
                .iter()
                .map(|folder| folder.join(name))
                .find(|path| path.is_file());
            match there {
                None => {
                    memory.insert(name.clone(), text.clone());
                }
                Some(path) => {
                    let is_same = fs::read_to_string(&path).when("read", &path)? == *text;
                    if !is_same {
                        return Err(IncomingError::Conflict(name.clone()).into());
                    }
                }
            }
        }
        Ok(Sources {
            memory,
            folders,
            vendored,
            ..Sources::default()
        })
    }

    /// The gRPC services among `services` that these define.
    ///
    /// # Errors
    /// When there are none.
    pub fn services(&self, compiled: &Compiled, services: &[Service]) -> Result<Vec<Service>> {
        let mut wanted = Vec::new();
        for file in &compiled.descriptors.file {
            if self.entries.iter().any(|entry| entry == file.name()) {
                wanted.extend(file.service.iter().map(|service| match file.package() {
                    "" => service.name().to_owned(),
                    package => format!("{package}.{}", service.name()),
                }));
            }
        }
        let found = services
            .iter()
            .filter(|service| wanted.contains(&service.full_name));
        let found: Vec<Service> = found.cloned().collect();
        if found.is_empty() {
            let entries: Vec<String> = self
                .entries
                .iter()
                .map(|entry| format!("`{entry}`"))
                .collect();
            return Err(IncomingError::NothingToServe(entries.join(", ")).into());
        }
        Ok(found)
    }
}
