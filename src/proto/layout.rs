//! Where the protos of another state are: as its own configuration says, or where the present ones are.
//!
//! Pure: files by their paths in, folders out.

use std::collections::BTreeMap;

use crate::manifest::{self, Manifest};
use crate::proto::buf_yaml;
use crate::proto::module::Modules;

/// Whether a file is a proto, or says where protos are.
pub fn is_wanted(path: &str) -> bool {
    let configurations = [
        manifest::FILE_NAME,
        buf_yaml::FILE_NAME,
        buf_yaml::WORK_FILE_NAME,
    ];
    path.ends_with(".proto") || configurations.contains(&path)
}

/// Puts what links lead to in their place: `links` are targets by the paths of the links. What leads
/// to no file that is there, or in a circle, is no file.
pub fn follow_links(files: &mut BTreeMap<String, Vec<u8>>, links: &BTreeMap<String, String>) {
    for path in links.keys() {
        let mut place = path.clone();
        // Whoever takes more steps than there are links goes in a circle.
        for _ in links {
            let Some(target) = links.get(&place) else {
                break;
            };
            let Some(next) = joined(&place, target) else {
                break;
            };
            place = next;
        }
        if let Some(contents) = files.get(&place).filter(|_| !links.contains_key(&place)) {
            let contents = contents.clone();
            files.insert(path.clone(), contents);
        }
    }
}

/// The path that a link leads to, unless it leads above the top.
fn joined(link: &str, target: &str) -> Option<String> {
    if target.starts_with('/') {
        return None;
    }
    let mut parts: Vec<&str> = link.split('/').collect();
    parts.pop();
    for part in target.split('/') {
        match part {
            "" | "." => {}
            ".." => {
                parts.pop()?;
            }
            part => parts.push(part),
        }
    }
    Some(parts.join("/"))
}

/// The folders of protos, relative to that of the configuration, each with what does not belong to it.
pub fn folders(files: &BTreeMap<String, Vec<u8>>, modules: &Modules) -> Vec<(String, Vec<String>)> {
    let text = |name: &str| {
        let bytes = files.get(name)?;
        std::str::from_utf8(bytes).ok()
    };
    let without_excludes =
        |folders: Vec<String>| folders.into_iter().map(|it| (it, Vec::new())).collect();
    if let Some(manifest) = text(manifest::FILE_NAME).and_then(|it| Manifest::parse(it).ok()) {
        return without_excludes(manifest.proto.roots);
    }
    if let Some(folders) =
        text(buf_yaml::WORK_FILE_NAME).and_then(|it| buf_yaml::parse_work(it).ok())
    {
        return without_excludes(folders);
    }
    if let Some(configuration) = text(buf_yaml::FILE_NAME).and_then(|it| buf_yaml::parse(it).ok()) {
        let modules = configuration.modules.into_iter();
        return modules.map(|it| (it.path, it.excludes)).collect();
    }
    modules.folders()
}
