//! What the last run that had nothing to do saw, so that the next can see that nothing changed without
//! making all the code once more: a checksum of everything that goes into it and comes out of it, and of
//! this program.

use std::env;
use std::fs;
use std::path::{Path, PathBuf};
use std::time::UNIX_EPOCH;

use ring::digest::{Context as Digest, SHA256};

use crate::error::{IoContext, Result};
use crate::project::Project;
use crate::proto::sources::Sources;
use crate::scaffold::protocol;

/// The file, below the state folder.
const NAME: &str = "gen.stamp";

/// The checksum of a workspace as it is.
#[derive(Debug, PartialEq, Eq)]
pub struct Stamp(Vec<u8>);

impl Stamp {
    /// Reads all that the generated code and the stubs depend on, and the code.
    ///
    /// # Errors
    /// When something cannot be read.
    pub fn of(project: &Project, sources: &Sources) -> Result<Self> {
        let mut digest = Digest::new(&SHA256);
        add(&mut digest, program().as_bytes());
        add(&mut digest, project.manifest_text.as_bytes());
        let protos = sources.import_folders().map(Path::to_owned);
        let code = [protocol::SOURCE, protocol::MANIFEST].map(|it| project.root.join(it));
        let services = project.manifest.services.keys();
        let services = services.map(|it| project.service_folder(it.as_str()).join("src"));
        for path in protos.chain(code).chain(services) {
            add_below(&mut digest, &path)?;
        }
        Ok(Self(digest.finish().as_ref().to_vec()))
    }

    /// Whether the last run saw the same.
    pub fn is_known(&self, project: &Project) -> bool {
        fs::read(path(project)).is_ok_and(|known| known == self.0)
    }

    /// Remembers it. In a workspace that has not been worked in, such as one of CI, nothing is; nor does a
    /// failure matter: the next run takes longer.
    pub fn keep(&self, project: &Project) {
        if project.state_folder().is_dir() {
            let _ = fs::write(path(project), &self.0);
        }
    }
}

fn path(project: &Project) -> PathBuf {
    project.state_folder().join(NAME)
}

/// What tells this program from another, a build of the same version as well.
fn program() -> String {
    let metadata = env::current_exe().and_then(fs::metadata).ok();
    let length = metadata.as_ref().map(fs::Metadata::len);
    let modified = metadata.and_then(|it| it.modified().ok());
    let modified = modified.and_then(|it| it.duration_since(UNIX_EPOCH).ok());
    format!("{} {length:?} {modified:?}", env!("CARGO_PKG_VERSION"))
}

/// With its length, so that two texts are not one.
fn add(digest: &mut Digest, bytes: &[u8]) {
    digest.update(&(bytes.len() as u64).to_le_bytes());
    digest.update(bytes);
}

fn add_below(digest: &mut Digest, path: &Path) -> Result {
    add(digest, path.as_os_str().as_encoded_bytes());
    if path.is_dir() {
        let mut entries = Vec::new();
        for entry in fs::read_dir(path).when("list", path)? {
            entries.push(entry.when("list", path)?.path());
        }
        entries.sort();
        for entry in entries {
            add_below(digest, &entry)?;
        }
    } else if path.is_file() {
        add(digest, &fs::read(path).when("read", path)?);
    }
    Ok(())
}
