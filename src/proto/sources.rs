//! Where proto files come from: memory, folders, and the ones built into the binary.

use std::collections::BTreeMap;
use std::fs;
use std::io;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use include_dir::{Dir, include_dir};
use prost_types::FileDescriptorProto;
use protox::file::{ChainFileResolver, File, FileResolver, GoogleFileResolver};

use crate::error::{IoContext, IoFailure};
use crate::paths;
use crate::proto::acceptance;
use crate::proto::diagnostic::ProtoDiagnostic;
use crate::proto::dialect::{self, Refusal};
use crate::proto::finding::is_at_or_below;
use crate::proto::resolved::Resolved;

/// The protos that may be imported without being in the workspace, beside `google/protobuf/*`.
static BUILT_IN: Dir<'_> = include_dir!("$CARGO_MANIFEST_DIR/templates/protos");

/// Where proto files are looked for, in this order: [`Sources::memory`], [`Sources::folders`],
/// [`Sources::vendored`], the built-in ones; and before all of these the well-known types, if
/// [`Sources::well_known`] says so.
#[derive(Clone, Debug, Default)]
pub struct Sources {
    /// Files that are not on disk (yet), by the name that imports use.
    pub memory: BTreeMap<String, String>,
    /// Folders that imports are relative to.
    pub folders: Vec<PathBuf>,
    /// What is vendored; looked for after the folders.
    pub vendored: Vec<Vendored>,
    /// Which copy of the well-known types is taken.
    pub well_known: WellKnown,
}

/// Which `google/protobuf/*.proto` are taken where a copy of them is among the files.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum WellKnown {
    /// Those built in, for their types are what generated code uses.
    #[default]
    BuiltIn,
    /// The copy, as protoc and buf do; those built in where there is none.
    AtHand,
}

/// A folder of protos from elsewhere: imports find them, but only some are compiled for themselves.
#[derive(Clone, Debug)]
pub struct Vendored {
    /// The folder that imports are relative to.
    pub folder: PathBuf,
    /// The files and folders in it that are compiled for themselves.
    pub wanted: Vec<String>,
}

impl Sources {
    /// The names, relative to their folder and sorted, of every proto file in the folders and in
    /// memory. Hidden folders are passed over. A folder that does not exist is empty: that of a
    /// workspace that is not made yet; one of a manifest is refused by
    /// [`Project::refuse_missing_roots`](crate::project::Project::refuse_missing_roots).
    ///
    /// # Errors
    /// When a folder cannot be listed.
    pub fn all_names(&self) -> Result<Vec<String>, IoFailure> {
        let mut names: Vec<String> = self.memory.keys().cloned().collect();
        for folder in self.folders.iter().filter(|folder| folder.is_dir()) {
            collect_names(folder, "", &mut names)?;
        }
        for vendored in self.vendored.iter().filter(|it| it.folder.is_dir()) {
            let mut there = Vec::new();
            collect_names(&vendored.folder, "", &mut there)?;
            let is_wanted =
                |name: &String| vendored.wanted.iter().any(|it| is_at_or_below(name, it));
            names.extend(there.into_iter().filter(is_wanted));
        }
        names.sort();
        names.dedup();
        Ok(names)
    }

    /// A file's path as it is shown from a folder; its name where it is not on disk.
    pub fn shown(&self, name: &str, directory: &Path) -> String {
        let mut paths = self.import_folders().map(|folder| folder.join(name));
        match paths.find(|path| !self.memory.contains_key(name) && path.is_file()) {
            Some(path) => paths::relative(directory, &path).display().to_string(),
            None => name.to_owned(),
        }
    }

    /// All folders that imports are relative to.
    pub fn import_folders(&self) -> impl Iterator<Item = &Path> {
        let vendored = self.vendored.iter().map(|it| &it.folder);
        self.folders.iter().chain(vendored).map(PathBuf::as_path)
    }

    /// The text of a file; none for what is built into the compiler.
    pub fn text(&self, name: &str) -> Option<String> {
        let file = self.resolver(Resolved::default()).open_file(name).ok()?;
        file.source().map(str::to_owned)
    }

    /// The text of a file that need not be a proto, as it is in memory or in the first folder that has
    /// it.
    pub(super) fn text_of(&self, name: &str) -> Option<String> {
        let in_memory = self.memory.get(name).cloned();
        in_memory.or_else(|| {
            let mut paths = self.import_folders().map(|folder| folder.join(name));
            let path = paths.find(|path| path.is_file())?;
            fs::read_to_string(path).ok()
        })
    }

    /// The files whose types a file may use, as they were written. What is not there or cannot be parsed
    /// is told by who compiles it.
    fn imported(&self, file: &FileDescriptorProto) -> Vec<FileDescriptorProto> {
        let mut imported: Vec<FileDescriptorProto> = Vec::new();
        let mut pending = file.dependency.clone();
        while let Some(name) = pending.pop() {
            if imported.iter().any(|it| it.name() == name) {
                continue;
            }
            let is_fixed = self.well_known == WellKnown::BuiltIn && is_well_known(&name);
            let text = self.text_of(&name).filter(|_| !is_fixed);
            let found = match text {
                Some(text) => dialect::as_written(&name, &text),
                None => built_in(&name),
            };
            let Some(found) = found else { continue };
            let public = found.public_dependency.iter();
            let public = public.filter_map(|it| usize::try_from(*it).ok());
            pending.extend(public.filter_map(|it| found.dependency.get(it).cloned()));
            imported.push(found);
        }
        imported
    }

    /// Opens files by their names; `resolved` has those whose descriptors are already made.
    pub(super) fn resolver(&self, resolved: Resolved) -> impl FileResolver + 'static {
        let sources = Arc::new(self.clone());
        let mut chain = ChainFileResolver::new();
        chain.add(resolved);
        if self.well_known == WellKnown::BuiltIn {
            chain.add(GoogleFileResolver::new());
        }
        chain.add(MemoryResolver(Arc::clone(&sources)));
        for folder in self.import_folders() {
            chain.add(FolderResolver {
                folder: folder.to_owned(),
                sources: Arc::clone(&sources),
            });
        }
        chain.add(GoogleFileResolver::new());
        chain.add(BuiltInResolver);
        chain
    }
}

/// Whether a file of this name is built into the binary.
pub fn is_built_in(name: &str) -> bool {
    BUILT_IN.get_file(name).is_some() || is_well_known(name)
}

/// The names of the files of the well-known types.
pub fn well_known_names() -> impl Iterator<Item = String> {
    let names = [
        "any",
        "api",
        "descriptor",
        "duration",
        "empty",
        "field_mask",
        "source_context",
        "struct",
        "timestamp",
        "type",
        "wrappers",
    ];
    names
        .into_iter()
        .map(|name| format!("google/protobuf/{name}.proto"))
}

/// Whether a file of this name has well-known types, such as `google/protobuf/timestamp.proto`.
pub fn is_well_known(name: &str) -> bool {
    name.starts_with("google/protobuf/") && GoogleFileResolver::new().open_file(name).is_ok()
}

fn collect_names(folder: &Path, prefix: &str, names: &mut Vec<String>) -> Result<(), IoFailure> {
    for entry in fs::read_dir(folder).when("list", folder)? {
        let entry = entry.when("list", folder)?;
        let file_name = entry.file_name();
        let Some(file_name) = file_name.to_str().filter(|name| !name.starts_with('.')) else {
            continue;
        };
        let name = format!("{prefix}{file_name}");
        let path = entry.path();
        if path.is_dir() {
            collect_names(&path, &format!("{name}/"), names)?;
        } else if file_name.ends_with(".proto") {
            names.push(name);
        }
    }
    Ok(())
}

/// Files of a folder, once it is certain that the parser can take them.
struct FolderResolver {
    folder: PathBuf,
    sources: Arc<Sources>,
}

impl FileResolver for FolderResolver {
    fn open_file(&self, name: &str) -> Result<File, protox::Error> {
        let path = self.folder.join(name);
        let refused = |error: io::Error| {
            let message = format!("failed to read `{}`: {error}", path.display());
            Refused::of(name, ProtoDiagnostic::of_file(name, message))
        };
        let length = match fs::metadata(&path) {
            Ok(metadata) => metadata.len(),
            Err(error) if error.kind() == io::ErrorKind::NotFound => {
                return Err(protox::Error::file_not_found(name));
            }
            Err(error) => return Err(refused(error)),
        };
        if length > acceptance::MAX_BYTES {
            return Err(Refused::of(name, acceptance::too_large(name, length)));
        }
        let bytes = fs::read(&path).map_err(refused)?;
        match acceptance::accept(name, bytes) {
            Ok(text) => parse(&self.sources, name, &text),
            Err(diagnostic) => Err(Refused::of(name, *diagnostic)),
        }
    }
}

/// A file that the parser is not asked to parse, on its way through the compiler.
#[derive(Debug, thiserror::Error)]
#[error("`{name}` cannot be parsed")]
struct Refused {
    name: String,
    source: ProtoDiagnostic,
}

impl Refused {
    fn of(name: &str, source: ProtoDiagnostic) -> protox::Error {
        protox::Error::new(Self {
            name: name.to_owned(),
            source,
        })
    }
}

struct MemoryResolver(Arc<Sources>);

impl FileResolver for MemoryResolver {
    fn open_file(&self, name: &str) -> Result<File, protox::Error> {
        match self.0.memory.get(name) {
            Some(source) => parse(&self.0, name, source),
            None => Err(protox::Error::file_not_found(name)),
        }
    }
}

fn parse(sources: &Sources, name: &str, text: &str) -> Result<File, protox::Error> {
    dialect::parse_with(name, text, &|file| sources.imported(file)).map_err(|refusal| match refusal
    {
        Refusal::Parser(error) => error,
        Refusal::Own(diagnostic) => Refused::of(name, *diagnostic),
    })
}

/// A file that is built in.
fn built_in(name: &str) -> Option<FileDescriptorProto> {
    let file = match is_well_known(name) {
        true => GoogleFileResolver::new().open_file(name),
        false => BuiltInResolver.open_file(name),
    };
    file.ok().map(|file| file.file_descriptor_proto().clone())
}

struct BuiltInResolver;

impl FileResolver for BuiltInResolver {
    fn open_file(&self, name: &str) -> Result<File, protox::Error> {
        match BUILT_IN
            .get_file(name)
            .and_then(|file| file.contents_utf8())
        {
            Some(source) => File::from_source(name, source),
            None => Err(protox::Error::file_not_found(name)),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::proto::compile::compile;

    #[test]
    fn a_copy_of_the_well_known_types_is_read_where_it_is_asked_for() {
        let own = "syntax = \"proto3\"; import \"google/protobuf/empty.proto\"; \
                   message A { google.protobuf.Empty empty = 1; }";
        let copy = "syntax = \"proto3\"; package google.protobuf; message Empty { int32 own = 1; }";
        let files = [("a.proto", own), ("google/protobuf/empty.proto", copy)];
        let files = files.map(|(name, text)| (name.to_owned(), text.to_owned()));
        let fields = |well_known| {
            let sources = Sources {
                memory: BTreeMap::from(files.clone()),
                well_known,
                ..Sources::default()
            };
            let compiled = compile(&sources, &["a.proto".to_owned()]).expect("valid");
            compiled.descriptors.file[0].message_type[0].field.len()
        };
        assert_eq!(fields(WellKnown::BuiltIn), 0);
        assert_eq!(fields(WellKnown::AtHand), 1);
    }

    #[test]
    fn every_built_in_proto_compiles() {
        let sources = Sources::default();
        let folders = ["google/api", "google/rpc"].map(|path| BUILT_IN.get_dir(path));
        for file in folders
            .into_iter()
            .flat_map(|folder| folder.expect("built in").files())
        {
            let name = file.path().to_str().expect("UTF-8");
            compile(&sources, &[name.to_owned()]).expect(name);
        }
    }

    #[test]
    fn a_file_with_an_edition_knows_the_types_that_it_imports() {
        let common =
            "edition = \"2023\"; package common; enum Kind { KIND_NONE = 0; } message Part {}";
        let again = "syntax = \"proto3\"; import public \"common.proto\"; import \"used.proto\";";
        let used = "edition = \"2023\"; option features.message_encoding = DELIMITED;\n\
            import \"again.proto\"; import \"google/protobuf/struct.proto\";\n\
            message A { common.Kind kind = 1; common.Part part = 2; repeated common.Kind kinds = 3;\n\
            google.protobuf.NullValue null = 4; }";
        let again = again.replace(" import \"used.proto\";", "");
        let files = [
            ("common.proto", common),
            ("again.proto", &again),
            ("used.proto", used),
        ];
        let files = files.map(|(name, text)| (name.to_owned(), text.to_owned()));
        let sources = Sources {
            memory: BTreeMap::from(files),
            ..Sources::default()
        };
        let compiled = compile(&sources, &["used.proto".to_owned()]).expect("valid");
        let mut files = compiled.descriptors.file.iter();
        let file = files.find(|it| it.name() == "used.proto").expect("there");
        let fields = file.message_type[0].field.iter();
        let told: Vec<(&str, Option<bool>)> = fields
            .map(|field| {
                let packed = field.options.as_ref().and_then(|it| it.packed);
                (field.r#type().as_str_name(), packed)
            })
            .collect();
        let expected = [
            ("TYPE_ENUM", None),
            ("TYPE_GROUP", None),
            ("TYPE_ENUM", Some(true)),
            ("TYPE_ENUM", None),
        ];
        assert_eq!(
            (file.syntax(), told.as_slice()),
            ("proto2", expected.as_slice())
        );
    }
}
