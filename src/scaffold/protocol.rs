//! Planning the generated crate `protocol`.
//!
//! Pure but for [`read_generated`], which reads what is there.

use std::collections::BTreeMap;
use std::fs;
use std::path::Path;

use crate::error::{IoContext, IoFailure};
use crate::proto::codegen::Generated;
use crate::scaffold::plan::Plan;

/// The crate's source folder, relative to the workspace.
pub const SOURCE: &str = "crates/protocol/src";
/// The encoded descriptors, in the source folder.
pub const DESCRIPTORS: &str = "descriptors.binpb";
/// In the first line of each generated file.
const MARK: &str = "// @generated";

/// The files that are in the source folder, by their path below it.
pub type Existing = BTreeMap<String, Vec<u8>>;

/// Adds to a plan what makes the crate's sources equal to what was generated: files that differ are
/// written, generated files that have no proto any more are removed, all else is left alone.
pub fn plan_sources(generated: &Generated, encoded: &[u8], existing: &Existing, plan: &mut Plan) {
    let files = generated.files.iter();
    let files = files.map(|(path, text)| (path.as_str(), text.as_bytes()));
    for (path, contents) in files.chain([(DESCRIPTORS, encoded)]) {
        if existing.get(path).map(Vec::as_slice) != Some(contents) {
            plan.write(format!("{SOURCE}/{path}"), contents.to_vec());
        }
    }
    for (path, contents) in existing {
        if contents.starts_with(MARK.as_bytes()) && !generated.files.contains_key(path) {
            plan.remove(format!("{SOURCE}/{path}"));
        }
    }
}

/// Reads the source folder of the crate.
///
/// # Errors
/// When it cannot be read; a missing folder is empty.
pub fn read_generated(root: &Path) -> Result<Existing, IoFailure> {
    fn read(folder: &Path, prefix: &str, files: &mut Existing) -> Result<(), IoFailure> {
        for entry in fs::read_dir(folder).when("list", folder)? {
            let path = entry.when("list", folder)?.path();
            let Some(name) = path.file_name().and_then(|name| name.to_str()) else {
                continue;
            };
            let name = format!("{prefix}{name}");
            if path.is_dir() {
                read(&path, &format!("{name}/"), files)?;
            } else {
                files.insert(name, fs::read(&path).when("read", &path)?);
            }
        }
        Ok(())
    }
    let mut files = Existing::new();
    let folder = root.join(SOURCE);
    if folder.is_dir() {
        read(&folder, "", &mut files)?;
    }
    Ok(files)
}
