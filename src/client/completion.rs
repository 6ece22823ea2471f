//! Names for the shell to complete: the workspace's services, the methods in its descriptors.
//!
//! A completion must be quick and never fail: what cannot be read offers nothing.

use std::collections::BTreeSet;
use std::ffi::{OsStr, OsString};
use std::path::PathBuf;

use clap_complete::engine::CompletionCandidate;

use crate::client::{descriptors, methods};
use crate::project::{self, Project};

/// The words of the command line that is being completed, which the shell hands over after `--`.
fn words() -> Vec<OsString> {
    std::env::args_os().skip_while(|it| it != "--").collect()
}

/// The workspace around the folder that `--project` names, or the current one.
fn workspace(words: &[OsString]) -> Option<Project> {
    let named = words.iter().enumerate().find_map(|(place, word)| {
        if word == "--project" {
            return words.get(place + 1).map(PathBuf::from);
        }
        word.to_str()?.strip_prefix("--project=").map(PathBuf::from)
    });
    let directory = match named {
        Some(named) => std::path::absolute(named).ok()?,
        None => std::env::current_dir().ok()?,
    };
    project::find_if_any(&directory).ok().flatten()
}

/// The services of the workspace at hand.
pub fn services(given: &OsStr) -> Vec<CompletionCandidate> {
    service_names(given)
        .into_iter()
        .map(CompletionCandidate::new)
        .collect()
}

/// The same as the beginning of `SERVICE=N`.
pub fn replicas(given: &OsStr) -> Vec<CompletionCandidate> {
    service_names(given)
        .into_iter()
        .map(|name| CompletionCandidate::new(format!("{name}=")))
        .collect()
}

fn service_names(given: &OsStr) -> Vec<String> {
    let (Some(given), Some(project)) = (given.to_str(), workspace(&words())) else {
        return Vec::new();
    };
    let names = project.manifest.services.keys();
    names
        .map(ToString::to_string)
        .filter(|name| name.starts_with(given))
        .collect()
}

/// The methods in the descriptors of the workspace at hand, by their full names: those of the service
/// that stands before on the command line, or of all. A bare name is completed to them as well.
pub fn workspace_methods(given: &OsStr) -> Vec<CompletionCandidate> {
    let words = words();
    let (Some(given), Some(project)) = (given.to_str(), workspace(&words)) else {
        return Vec::new();
    };
    let mut targets = project.manifest.services.iter();
    let target = targets.find(|(name, _)| words.iter().any(|word| word == name.as_str()));
    // A manifest written by hand need not say what a service serves.
    let served: Option<BTreeSet<&str>> = target
        .map(|(_, service)| service.serves.iter().map(String::as_str).collect())
        .filter(|served: &BTreeSet<&str>| !served.is_empty());
    let Ok(pool) = descriptors::from_file(&project.root.join(descriptors::WORKSPACE_FILE)) else {
        return Vec::new();
    };
    let served = pool.services().filter(|service| {
        served
            .as_ref()
            .is_none_or(|served| served.contains(service.full_name()))
    });
    let all = served.flat_map(|service| {
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
