//! From proto files to descriptors. The only module that calls the proto compiler.

use std::collections::{BTreeMap, BTreeSet};
use std::path::Path;

use miette::Diagnostic as _;
use prost_reflect::DescriptorPool;
use prost_types::FileDescriptorSet;
use protox::Compiler;
use protox::file::FileResolver;

use crate::error::{Diagnostic, Exit, Located};
use crate::proto::diagnostic::ProtoDiagnostic;
use crate::proto::dialect;
use crate::proto::finding::most_similar;
use crate::proto::mend;
use crate::proto::public_imports;
use crate::proto::resolution;
use crate::proto::resolved::{Made, Resolved, Stage};
use crate::proto::schema::{File, last_part};
use crate::proto::set::{self, SetContents};
use crate::proto::sources::Sources;

/// Compiled protos: every file asked for and all that they import.
#[derive(Clone, Debug)]
pub struct Compiled {
    /// The files, each after those that it imports, with comments and places.
    pub descriptors: FileDescriptorSet,
    /// The same without comments and places, encoded, with the values of custom options.
    pub encoded: Vec<u8>,
}

/// Why protos do not compile.
#[derive(Clone, Debug, thiserror::Error)]
#[error("{0}")]
pub struct CompileError(pub Box<ProtoDiagnostic>);

impl Diagnostic for CompileError {
    fn places(&self) -> Vec<Located> {
        self.0.located().into_iter().collect()
    }

    fn exit(&self) -> Exit {
        Exit::Failed
    }
}

/// Compiles files, named as imports name them.
///
/// # Errors
/// The first error that the compiler finds.
pub fn compile(sources: &Sources, names: &[String]) -> Result<Compiled, CompileError> {
    let compiler = compiler(sources, names).map_err(|mut errors| {
        let first = errors.0.swap_remove(0);
        CompileError(Box::new(first))
    })?;
    Ok(compiled(compiler))
}

fn compiled(mut compiler: Compiler) -> Compiled {
    compiler.include_imports(true).include_source_info(true);
    let contents = SetContents {
        imports: true,
        source_info: false,
    };
    let mut descriptors = compiler.file_descriptor_set();
    for file in &mut descriptors.file {
        let written = public_imports::written(file);
        file.dependency.truncate(written);
    }
    Compiled {
        descriptors,
        encoded: set::encode(&compiler.descriptor_pool(), &BTreeSet::new(), contents),
    }
}

/// Compiles files and tells all that is wrong in them, by their paths as they are shown from a folder.
///
/// # Errors
/// [`CompileErrors`] with the errors of all files.
pub fn compile_shown(
    sources: &Sources,
    names: &[String],
    directory: &Path,
) -> Result<Compiled, CompileErrors> {
    let compiler = compiler(sources, names).map_err(|mut errors| {
        for diagnostic in &mut errors.0 {
            if let Some(file) = &mut diagnostic.file {
                *file = sources.shown(file, directory);
            }
        }
        errors
    })?;
    Ok(compiled(compiler))
}

/// Everything that keeps protos from compiling: what is found in each file, and not only in the first.
#[derive(Clone, Debug, thiserror::Error)]
#[error("{}", joined(.0))]
pub struct CompileErrors(pub Vec<ProtoDiagnostic>);

impl Diagnostic for CompileErrors {
    fn places(&self) -> Vec<Located> {
        self.0.iter().filter_map(ProtoDiagnostic::located).collect()
    }

    fn exit(&self) -> Exit {
        Exit::Failed
    }
}

fn joined(diagnostics: &[ProtoDiagnostic]) -> String {
    let texts: Vec<String> = diagnostics.iter().map(ToString::to_string).collect();
    texts.join("\n\n")
}

/// Compiles files, named as imports name them, and links them with all that they import.
///
/// # Errors
/// [`CompileErrors`] with the errors of all files.
pub fn link(sources: &Sources, names: &[String]) -> Result<DescriptorPool, CompileErrors> {
    Ok(compiler(sources, names)?.descriptor_pool())
}

/// Links files of which there are descriptors already; nothing where that fails.
pub(super) fn link_resolved(
    sources: &Sources,
    names: &[String],
    resolved: &Resolved,
) -> Option<DescriptorPool> {
    let compiler = attempt(sources, names, resolved).ok()?;
    Some(compiler.descriptor_pool())
}

/// Parses a proto, without what it imports.
///
/// # Errors
/// [`CompileErrors`] with all that is wrong in it.
pub fn parse(name: &str, text: &str) -> Result<(), CompileErrors> {
    match dialect::read(name, text) {
        Ok(_) => Ok(()),
        Err(error) => Err(CompileErrors(ProtoDiagnostic::all_from_compiler(&error))),
    }
}

/// Reads all files.
fn compiler(sources: &Sources, names: &[String]) -> Result<Compiler, CompileErrors> {
    attempt(sources, names, &Resolved::default()).map_err(CompileErrors)
}

/// Opens a file. The compiler knows packages of files that are compiled beside one but not imported by
/// it, and takes the first part of a name for such a package. Names are resolved before it sees them then;
/// where that is not enough, the file is compiled by itself, which is right, and taken as it was.
fn open(
    compiler: &mut Compiler,
    sources: &Sources,
    name: &str,
    resolved: &Resolved,
) -> Result<(), protox::Error> {
    // As it was first said, with the text.
    let mut said: BTreeMap<String, protox::Error> = BTreeMap::new();
    loop {
        let error = match compiler.open_file(name) {
            Ok(_) => return Ok(()),
            Err(error) => error,
        };
        if let Some((file, made)) = by_public_imports(compiler, sources, &error, resolved) {
            resolved.add(&file, made);
            continue;
        }
        let Some(file) = misled(&error) else {
            let error = error.file().and_then(|it| said.remove(it)).unwrap_or(error);
            return Err(with_places(compiler, sources, name, error, resolved));
        };
        let made = match resolved.stage(&file) {
            Stage::Parsed => by_names(compiler, sources, &file, resolved)
                .or_else(|| alone(sources, &file, resolved)),
            Stage::Names => alone(sources, &file, resolved),
            Stage::Last => None,
        };
        match made {
            Some(made) => {
                resolved.add(&file, made);
                said.entry(file).or_insert(error);
            }
            None => {
                let error = said.remove(&file).unwrap_or(error);
                return Err(with_places(compiler, sources, name, error, resolved));
            }
        }
    }
}

/// An error with its places, also in a file to which imports were added: what was parsed has no text, so the
/// file is opened once more from that.
fn with_places(
    compiler: &mut Compiler,
    sources: &Sources,
    name: &str,
    error: protox::Error,
    resolved: &Resolved,
) -> protox::Error {
    let text = error.file().and_then(|file| sources.text(file));
    let (None, Some(file), Some(text)) = (error.source_code(), error.file(), text) else {
        return error;
    };
    if !resolved.take_text(file, text) {
        return error;
    }
    match compiler.open_file(name) {
        Err(again) if again.file() == error.file() && !again.is_parse() => again,
        _ => error,
    }
}

/// The file of an error that comes from a type behind several `import public`, with an import of that.
fn by_public_imports(
    compiler: &Compiler,
    sources: &Sources,
    error: &protox::Error,
    resolved: &Resolved,
) -> Option<(String, Made)> {
    let diagnostic = ProtoDiagnostic::from_compiler(error);
    let (name, help) = (diagnostic.file?, diagnostic.help?);
    let (_, defined_in) = help.split_once("' is defined in '")?;
    let (defined_in, _) = defined_in.split_once("', which is not imported by '")?;
    let parsed = sources.resolver(resolved.clone()).open_file(&name).ok()?;
    let mut file = parsed.file_descriptor_proto().clone();
    let imports = &mut file.dependency;
    let is_there = imports.iter().any(|it| it == defined_in);
    if is_there || !public_imports::bring(imports, defined_in, &compiler.descriptor_pool()) {
        return None;
    }
    imports.push(defined_in.to_owned());
    match resolved.stage(&name) {
        Stage::Parsed => Some((name, Made::Parsed(Box::new(file)))),
        Stage::Names => Some((name, Made::Names(Box::new(file)))),
        Stage::Last => None,
    }
}

/// A file whose names are written in full.
fn by_names(
    compiler: &Compiler,
    sources: &Sources,
    file: &str,
    resolved: &Resolved,
) -> Option<Made> {
    let parsed = sources.resolver(resolved.clone()).open_file(file).ok()?;
    let mut descriptor = parsed.file_descriptor_proto().clone();
    let pool = compiler.descriptor_pool();
    resolution::resolve(&mut descriptor, &pool).then(|| Made::Names(Box::new(descriptor)))
}

/// A file as it is when nothing but what it imports is compiled with it.
fn alone(sources: &Sources, file: &str, resolved: &Resolved) -> Option<Made> {
    if !resolved.try_alone(file) {
        return None;
    }
    let alone = attempt(sources, &[file.to_owned()], resolved).ok()?;
    let found = alone.descriptor_pool().get_file_by_name(file)?;
    Some(Made::Alone(found.encode_to_vec()))
}

/// The file of an error that may come from packages that it does not import.
fn misled(error: &protox::Error) -> Option<String> {
    let diagnostic = ProtoDiagnostic::from_compiler(error);
    let is_misled = diagnostic.message.contains("' resolves to '");
    diagnostic.file.filter(|_| is_misled)
}

/// Reads all files; those that are `resolved` are taken as they are, and there may be more of them then.
fn attempt(
    sources: &Sources,
    names: &[String],
    resolved: &Resolved,
) -> Result<Compiler, Vec<ProtoDiagnostic>> {
    let mut compiler = Compiler::with_file_resolver(sources.resolver(resolved.clone()));
    let mut errors: Vec<ProtoDiagnostic> = Vec::new();
    for name in names {
        let Err(error) = open(&mut compiler, sources, name, resolved) else {
            continue;
        };
        for diagnostic in ProtoDiagnostic::all_from_compiler(&error) {
            let text = diagnostic
                .file
                .as_ref()
                .and_then(|file| sources.text_of(file));
            let mut diagnostic = mend::clarified(diagnostic, text.as_deref());
            if diagnostic.help.is_none() {
                diagnostic.help = match error.is_file_not_found() {
                    true => Some(not_found_help(sources)),
                    false => similar(sources, &compiler, &diagnostic),
                };
            }
            errors.push(diagnostic);
        }
    }
    if errors.is_empty() {
        errors = reserved_names(sources, &compiler, names);
    }
    match errors.is_empty() {
        true => Ok(compiler),
        false => Err(mend::without_repetition(errors)),
    }
}

/// Fields whose names are reserved, in the files that were asked for.
fn reserved_names(
    sources: &Sources,
    compiler: &Compiler,
    names: &[String],
) -> Vec<ProtoDiagnostic> {
    let pool = compiler.descriptor_pool();
    let has_reserved = |file: &prost_types::FileDescriptorProto| {
        fn of_message(message: &prost_types::DescriptorProto) -> bool {
            !message.reserved_name.is_empty()
                || message.nested_type.iter().any(of_message)
                || message
                    .enum_type
                    .iter()
                    .any(|it| !it.reserved_name.is_empty())
        }
        file.message_type.iter().any(of_message)
            || file.enum_type.iter().any(|it| !it.reserved_name.is_empty())
    };
    let files = names.iter().filter_map(|name| pool.get_file_by_name(name));
    let mut found = Vec::new();
    for file in files.filter(|file| has_reserved(file.file_descriptor_proto())) {
        let text = sources.text_of(file.name());
        let file = File::new(file.file_descriptor_proto());
        found.extend(mend::reserved_names(&file, text.as_deref()));
    }
    found
}

/// What was probably meant by a name that is not there.
fn similar(sources: &Sources, compiler: &Compiler, diagnostic: &ProtoDiagnostic) -> Option<String> {
    match diagnostic.message.strip_prefix("option field '") {
        Some(quoted) => similar_option(quoted.strip_suffix("' is not defined")?),
        None => similar_type(sources, compiler, diagnostic),
    }
}

/// The option that was probably meant, of whatever kind.
fn similar_option(name: &str) -> Option<String> {
    let pool = DescriptorPool::global();
    let file = pool.get_file_by_name("google/protobuf/descriptor.proto")?;
    let options = file.messages().filter(|it| it.name().ends_with("Options"));
    let names: Vec<String> = options
        .flat_map(|it| {
            it.fields()
                .map(|field| field.name().to_owned())
                .collect::<Vec<_>>()
        })
        .collect();
    let similar = most_similar(name, names.iter().map(String::as_str))?;
    Some(format!("did you mean `{similar}`?"))
}

/// The types that fields may have without a definition.
const SCALARS: &[&str] = &[
    "bool", "bytes", "double", "fixed32", "fixed64", "float", "int32", "int64", "sfixed32",
    "sfixed64", "sint32", "sint64", "string", "uint32", "uint64",
];

/// The type that was probably meant by a name that is not there, and what to do to use it.
fn similar_type(
    sources: &Sources,
    compiler: &Compiler,
    diagnostic: &ProtoDiagnostic,
) -> Option<String> {
    let quoted = diagnostic.message.strip_prefix("name '")?;
    let name = quoted.strip_suffix("' is not defined")?;
    let file = diagnostic.file.as_deref()?;
    let own = sources.resolver(Resolved::default()).open_file(file).ok()?;
    let own_file = File::new(own.file_descriptor_proto());
    let pool = compiler.descriptor_pool();
    let mut types: Vec<(String, Option<String>)> = Vec::new();
    let own_types = own_file.messages.iter().map(|it| &it.full_name);
    let own_types = own_types.chain(own_file.enums.iter().map(|it| &it.full_name));
    types.extend(own_types.map(|it| (it.clone(), None)));
    // What is built in may be meant, whether or not anything imports it.
    for pool in [&pool, &DescriptorPool::global()] {
        let messages = pool.all_messages();
        let enums = pool.all_enums();
        types.extend(messages.map(|it| defined(it.full_name(), &it.parent_file())));
        types.extend(enums.map(|it| defined(it.full_name(), &it.parent_file())));
    }
    // Types that need no definition may be meant by a name without a package.
    let scalars = SCALARS.iter().filter(|_| !name.contains('.'));
    types.extend(scalars.map(|it| ((*it).to_owned(), None)));
    let wanted = last_part(name);
    let exact = types
        .iter()
        .find(|(it, _)| it == name)
        .or_else(|| types.iter().find(|(it, _)| last_part(it) == wanted));
    let similar = || {
        let similar = most_similar(wanted, types.iter().map(|(it, _)| last_part(it)))?;
        types.iter().find(|(it, _)| last_part(it) == similar)
    };
    let (found, defined_in) = exact.or_else(similar)?;
    let is_known = |defined_in: &String| {
        let imports = &own.file_descriptor_proto().dependency;
        imports.contains(defined_in) || defined_in == file
    };
    Some(match defined_in.as_ref().filter(|it| !is_known(it)) {
        Some(defined_in) if found == name => format!("import \"{defined_in}\", which defines it"),
        Some(defined_in) => format!("did you mean `{found}`? then import \"{defined_in}\""),
        None => format!("did you mean `{found}`?"),
    })
}

/// A type's name with the file that defines it.
fn defined(name: &str, file: &prost_reflect::FileDescriptor) -> (String, Option<String>) {
    (name.to_owned(), Some(file.name().to_owned()))
}

fn not_found_help(sources: &Sources) -> String {
    let folders: Vec<String> = sources
        .import_folders()
        .map(|folder| format!("`{}`", folder.display()))
        .collect();
    format!(
        "imports are looked for in {}; add a folder with `-I DIR`, or bring it in: `msvc proto vendor`",
        if folders.is_empty() {
            "no folder".to_owned()
        } else {
            folders.join(", ")
        }
    )
}
