//! What is there: the workspace's own protos, what is vendored, and its lock.

use std::collections::BTreeMap;
use std::fs;
use std::path::Path;

use super::error::VendorError;
use crate::context::Context;
use crate::error::{IoContext, Result};
use crate::project::Project;
use crate::proto::compile::CompileErrors;
use crate::proto::diagnostic::ProtoDiagnostic;
use crate::proto::sources::Sources;
use crate::proto::vendor::choose::{self, Files};
use crate::proto::vendor::lock::Lock;
use crate::proto::vendor::{FOLDER, LOCK_NAME};

/// The workspace's own protos, each with what it imports.
pub fn own_imports(context: &Context, project: &Project) -> Result<BTreeMap<String, Vec<String>>> {
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
pub fn read_present(root: &Path) -> Result<BTreeMap<String, Files>> {
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

pub fn read_lock(root: &Path) -> Result<Lock> {
    let path = root.join(FOLDER).join(LOCK_NAME);
    if !path.is_file() {
        return Ok(Lock::default());
    }
    let text = fs::read_to_string(&path).when("read", &path)?;
    let path = format!("{FOLDER}/{LOCK_NAME}");
    Ok(Lock::parse(&text).map_err(|source| VendorError::Lock { path, source })?)
}
