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
