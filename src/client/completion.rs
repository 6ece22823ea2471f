//! Names for the shell to complete: the workspace's services, the methods in its descriptors.
//!
//! A completion must be quick and never fail: what cannot be read offers nothing.

use std::ffi::OsStr;
use std::path::PathBuf;

use clap_complete::engine::CompletionCandidate;

use crate::client::{descriptors, methods};
use crate::project::{self, Project};

fn workspace() -> Option<Project> {
    let directory: PathBuf = std::env::current_dir().ok()?;
    project::find_if_any(&directory).ok().flatten()
}

/// The services of the workspace around the current folder.
pub fn services(given: &OsStr) -> Vec<CompletionCandidate> {
    let (Some(given), Some(project)) = (given.to_str(), workspace()) else {
        return Vec::new();
    };
    let names = project.manifest.services.keys();
    names
        .map(|name| name.as_str())
        .filter(|name| name.starts_with(given))
        .map(CompletionCandidate::new)
        .collect()
}

/// The methods in the descriptors of the workspace around the current folder, by their full names; a
/// bare name is completed to them as well.
pub fn workspace_methods(given: &OsStr) -> Vec<CompletionCandidate> {
    let (Some(given), Some(project)) = (given.to_str(), workspace()) else {
        return Vec::new();
    };
    let Ok(pool) = descriptors::from_file(&project.root.join(descriptors::WORKSPACE_FILE)) else {
        return Vec::new();
    };
    let all = pool.services().flat_map(|service| {
        let methods: Vec<_> = service.methods().collect();
        methods
    });
    all.filter_map(|method| {
        let name = methods::full_name(&method);
        let is_meant = name.starts_with(given) || method.name().starts_with(given);
        is_meant.then(|| {
            let input = method.input().name().to_owned();
            CompletionCandidate::new(name).help(Some(format!("takes {input}").into()))
        })
    })
    .collect()
}
