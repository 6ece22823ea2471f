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

/// Puts what links lead to, files or folders, in their place: `links` are targets by the paths of the links.
/// What leads to nothing that is there, or in a circle, is nothing.
pub fn follow_links(files: &mut BTreeMap<String, Vec<u8>>, links: &BTreeMap<String, String>) {
    /// Folders that lead into each other would go on for ever.
    const MOST_FILES: usize = 100_000;
    // What a link leads to may be behind another.
    for _ in links {
        let before = files.len();
        for (path, target) in links {
            let Some(target) = joined(path, target) else {
                continue;
            };
            if let Some(contents) = files.get(&target).filter(|_| is_wanted(path)) {
                let contents = contents.clone();
                files.insert(path.clone(), contents);
                continue;
            }
            let folder = match target.as_str() {
                "" => String::new(),
                target => format!("{target}/"),
            };
            // In a folder that holds the link, there would be no end.
            if path.starts_with(&folder) {
                continue;
            }
            let below = files.range(folder.clone()..);
            let below = below.take_while(|(name, _)| name.starts_with(&folder));
            let found: Vec<(String, Vec<u8>)> = below
                .map(|(name, contents)| {
                    (
                        format!("{path}/{}", &name[folder.len()..]),
                        contents.clone(),
                    )
                })
                .collect();
            files.extend(found);
        }
        if files.len() == before || files.len() > MOST_FILES {
            break;
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
