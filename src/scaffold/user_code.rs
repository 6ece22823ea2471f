//! The code of the services: what stubs it lacks, and what of it does not fit the protos.

use std::collections::BTreeSet;
use std::fs;
use std::path::{Path, PathBuf};

use serde::Serialize;

use crate::error::{Diagnostic, IoContext, Located, Result};
use crate::manifest::place::Place;
use crate::paths;
use crate::project::Project;
use crate::proto::diagnostic::{self, ProtoDiagnostic};
use crate::proto::model::Service;
use crate::proto::stubs::{self, FileStubs, Mismatch};
use crate::scaffold::plan::Plan;

/// A Rust file that cannot be parsed.
#[derive(Debug, thiserror::Error)]
#[error("{0}")]
struct Unreadable(Box<ProtoDiagnostic>);

impl Diagnostic for Unreadable {
    fn places(&self) -> Vec<Located> {
        self.0.located().into_iter().collect()
    }
}

/// What was found in the code of all services.
#[derive(Debug, Default)]
pub struct UserCode {
    /// The methods that got stubs.
    pub added: Vec<String>,
    /// What does not fit the protos.
    pub mismatches: Vec<Misfit>,
    /// Blocks of services that the protos do not have.
    pub gone: Vec<Gone>,
    /// What is in `serves` and implemented nowhere.
    pub not_implemented: Vec<String>,
    /// What is in `serves` and no proto has.
    pub not_defined: Vec<String>,
    /// Blocks that may be a service's.
    pub unclear: Vec<Unclear>,
}

/// Something in a file that does not fit the protos.
#[derive(Debug, Serialize)]
pub struct Misfit {
    file: String,
    #[serde(flatten)]
    what: Mismatch,
    #[serde(skip)]
    text: String,
}

impl Misfit {
    /// With its line.
    pub fn shown(&self) -> ProtoDiagnostic {
        let what = &self.what;
        shown(
            &self.file,
            what.place,
            &self.text,
            (&what.message, &what.help),
        )
    }
}

/// An `impl` block of a service that the protos do not have.
#[derive(Debug, Serialize)]
pub struct Gone {
    file: String,
    #[serde(flatten)]
    place: Place,
    /// The path of its trait.
    path: String,
    #[serde(skip)]
    text: String,
}

impl Gone {
    /// With its line.
    pub fn shown(&self) -> ProtoDiagnostic {
        let message = format!("no proto gives `{}`, so this does not compile", self.path);
        let help = "remove the block, and the service from `main.rs` and `serves` in `msvc.toml`";
        shown(&self.file, self.place, &self.text, (&message, help))
    }
}

/// An `impl` block that was left alone because its trait comes by way of another file.
#[derive(Debug, Serialize)]
pub struct Unclear {
    /// The gRPC service.
    pub service: String,
    /// The file.
    pub file: String,
    /// From 1.
    pub line: usize,
    /// The path that makes it certain.
    pub import: String,
}

fn shown(file: &str, place: Place, text: &str, (message, help): (&str, &str)) -> ProtoDiagnostic {
    ProtoDiagnostic {
        message: message.to_owned(),
        file: Some(file.to_owned()),
        place: Some(diagnostic::Place::new(
            place.line,
            place.column,
            place.length,
            text,
        )),
        help: Some(help.to_owned()),
    }
}

/// Reads the code of the services, and adds to the plan the stubs that it lacks. Files are shown as seen
/// from `directory`.
///
/// # Errors
/// When a file cannot be read or parsed.
pub fn examine(
    directory: &Path,
    project: &Project,
    services: &[Service],
    plan: &mut Plan,
) -> Result<UserCode> {
    let mut user_code = UserCode::default();
    let traits: BTreeSet<String> = services
        .iter()
        .map(|it| format!("{}::{}", it.server_module(), it.rust_name))
        .collect();
    for (name, entry) in &project.manifest.services {
        let source = project.service_folder(name.as_str()).join("src");
        let served: Vec<Service> = services
            .iter()
            .filter(|service| entry.serves.contains(&service.full_name))
            .cloned()
            .collect();
        let mut implemented = BTreeSet::new();
        let mut unclear = Vec::new();
        for path in rust_files(&source)? {
            let text = fs::read_to_string(&path).when("read", &path)?;
            let file = paths::relative(directory, &path);
            let file = file.display().to_string();
            let found = parse(&file, &text, &served)?;
            if !found.insertions.is_empty() {
                let path = below(&project.root, &path);
                plan.write(path, stubs::insert(&text, &found.insertions));
            }
            implemented.extend(found.implements);
            unclear.extend(found.unclear.into_iter().filter_map(|block| {
                let mut services = served.iter();
                let service = services.find(|service| service.full_name == block.service)?;
                Some(Unclear {
                    service: block.service,
                    file: file.clone(),
                    line: block.line,
                    import: format!("{}::{}", service.server_module(), service.rust_name),
                })
            }));
            user_code.added.extend(found.added);
            let line = |place: Place| text.lines().nth(place.line - 1).unwrap_or_default();
            user_code
                .mismatches
                .extend(found.mismatches.into_iter().map(|what| Misfit {
                    file: file.clone(),
                    text: line(what.place).to_owned(),
                    what,
                }));
            let others = found.others.into_iter();
            let gone = others.filter(|it| !traits.contains(&it.path));
            user_code.gone.extend(gone.map(|it| Gone {
                file: file.clone(),
                text: line(it.place).to_owned(),
                place: it.place,
                path: it.path,
            }));
        }
        // Beside a block that is certain, another is a wrapper or has a trait of the same name.
        unclear.retain(|block| !implemented.contains(&block.service));
        let told: BTreeSet<String> = unclear.iter().map(|block| block.service.clone()).collect();
        user_code.unclear.extend(unclear);
        for full_name in &entry.serves {
            let line = format!("{name}: {full_name}");
            if !served.iter().any(|service| service.full_name == *full_name) {
                user_code.not_defined.push(line);
            } else if !implemented.contains(full_name) && !told.contains(full_name) {
                user_code.not_implemented.push(line);
            }
        }
    }
    Ok(user_code)
}

fn parse(file: &str, text: &str, served: &[Service]) -> Result<FileStubs> {
    stubs::examine(text, served).map_err(|error| {
        let start = error.span().start();
        let line = text.lines().nth(start.line - 1).unwrap_or_default();
        let place = diagnostic::Place::new(start.line, start.column + 1, 1, line);
        let diagnostic = ProtoDiagnostic {
            message: format!("this is not valid Rust: {error}"),
            file: Some(file.to_owned()),
            place: Some(place),
            help: Some(
                "mend it first: stubs are put into the `impl` blocks that are found by parsing it"
                    .to_owned(),
            ),
        };
        Unreadable(Box::new(diagnostic)).into()
    })
}

/// The Rust files below a folder, sorted; none where there is no folder.
///
/// # Errors
/// When a folder cannot be listed.
pub fn rust_files(folder: &Path) -> Result<Vec<PathBuf>> {
    let mut files = Vec::new();
    if !folder.is_dir() {
        return Ok(files);
    }
    for entry in fs::read_dir(folder).when("list", folder)? {
        let path = entry.when("list", folder)?.path();
        if path.is_dir() {
            files.extend(rust_files(&path)?);
        } else if path.extension().is_some_and(|extension| extension == "rs") {
            files.push(path);
        }
    }
    files.sort();
    Ok(files)
}

/// A path below the workspace, with `/` between its parts.
pub fn below(root: &Path, path: &Path) -> String {
    let below = path.strip_prefix(root).unwrap_or(path);
    let parts: Vec<_> = below.iter().map(|part| part.to_string_lossy()).collect();
    parts.join("/")
}
