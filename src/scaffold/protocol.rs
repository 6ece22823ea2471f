//! Planning the generated crate `protocol`.
//!
//! Pure but for [`read_generated`] and [`plan_options`], which read what is there.

use std::collections::BTreeMap;
use std::fs;
use std::path::Path;

use crate::error::{IoContext, IoFailure, Result};
use crate::manifest::place::Step;
use crate::project::ProjectError;
use crate::proto::Generation;
use crate::proto::codegen::Generated;
use crate::proto::options::{self, GenConfig, Problem};
use crate::scaffold::plan::Plan;

/// The crate's source folder, relative to the workspace.
pub const SOURCE: &str = "crates/protocol/src";
/// The crate's manifest, relative to the workspace.
pub const MANIFEST: &str = "crates/protocol/Cargo.toml";
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

/// Adds to a plan what the crate's manifest lacks for what a workspace wants of the generated code.
///
/// # Errors
/// When the manifest cannot be read, or has not the crates that extern paths lead to.
pub fn plan_options(generation: &Generation<'_>, plan: &mut Plan) -> Result {
    let config = generation.config;
    let path = generation.root.join(MANIFEST);
    if *config == GenConfig::default() || !path.is_file() {
        return Ok(());
    }
    let manifest = fs::read_to_string(&path).when("read", &path)?;
    let missing = missing_crates(config, &manifest);
    if !missing.is_empty() {
        return Err(generation.refuse(missing).into());
    }
    if config.serde {
        let wanted = options::with_dependencies(&manifest)
            .map_err(|error| ProjectError::manifest(path, &manifest, error))?;
        if wanted != manifest {
            plan.write(MANIFEST, wanted);
        }
    }
    Ok(())
}

/// What extern paths lead to and the crate does not depend on.
fn missing_crates(config: &GenConfig, manifest: &str) -> Vec<Problem> {
    let crates = config.extern_crates().into_iter();
    let missing = crates.filter(|(name, _)| !options::depends_on(manifest, name));
    let problem = |(name, key): (&str, &str)| Problem {
        message: format!("`{MANIFEST}` has no crate `{name}`"),
        help: Some(format!("add it: `cargo add --package protocol {name}`")),
        steps: ["extern-paths", key]
            .map(|it| Step::Key(it.to_owned()))
            .to_vec(),
    };
    missing.map(problem).collect()
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
