//! Planning what follows from the protos of a workspace: its crate `protocol`, and stubs in the code of its
//! services.

use std::collections::BTreeSet;
use std::fs;
use std::path::{Path, PathBuf};

use serde::Serialize;

use crate::error::{Diagnostic, IoContext, Result};
use crate::project::Project;
use crate::proto;
use crate::proto::model::Service;
use crate::proto::namer::Rename;
use crate::proto::sources::Sources;
use crate::proto::stubs;
use crate::scaffold::plan::Plan;
use crate::scaffold::protocol;

/// A file of the user that cannot be parsed.
#[derive(Debug, thiserror::Error)]
#[error("`{}` is not valid Rust: line {line}, column {column}: {message}", .path.display())]
pub struct UnreadableCode {
    path: PathBuf,
    line: usize,
    column: usize,
    message: String,
}

impl UnreadableCode {
    /// What the parser says of a file.
    pub fn new(path: &Path, error: &syn::Error) -> Self {
        let start = error.span().start();
        Self {
            path: path.to_owned(),
            line: start.line,
            column: start.column + 1,
            message: error.to_string(),
        }
    }
}

impl Diagnostic for UnreadableCode {
    fn hint(&self) -> Option<String> {
        Some(
            "mend it first: what is added is put where parsing it shows that it belongs".to_owned(),
        )
    }
}

/// A function that implements a method which the protos do not have.
#[derive(Debug, Serialize)]
pub struct Leftover {
    /// The gRPC service.
    pub service: String,
    /// The function.
    pub function: String,
    /// Its file, relative to the workspace.
    pub file: String,
    /// Its line there, from 1.
    pub line: usize,
}

/// An `impl` block that was left alone because its trait comes by way of another file.
#[derive(Debug, Serialize)]
pub struct Unclear {
    /// The gRPC service.
    pub service: String,
    /// The file, relative to the workspace.
    pub file: String,
    /// The line there, from 1.
    pub line: usize,
    /// The path that makes it certain.
    pub import: String,
}

/// What follows from the protos.
#[derive(Debug)]
pub struct Regenerated {
    /// The gRPC services that they define.
    pub services: Vec<Service>,
    /// The names that had to become others in Rust.
    pub renames: Vec<Rename>,
    /// What the user's code has and lacks.
    pub user_code: UserCode,
}

/// Adds to a plan what makes the generated code, and the services' own, match the protos.
///
/// # Errors
/// When a proto does not compile or the code of a service cannot be read.
pub fn plan(project: &Project, sources: &Sources, plan: &mut Plan) -> Result<Regenerated> {
    let config = &project.manifest.proto.generation;
    let (compiled, generated) = proto::generate_all(sources, (config, &project.manifest_text))?;
    protocol::plan_options(project, plan)?;
    let existing = protocol::read_generated(&project.root)?;
    protocol::plan_sources(&generated, &compiled.encoded, &existing, plan);
    let user_code = plan_stubs(project, &generated.services, plan)?;
    Ok(Regenerated {
        services: generated.services,
        renames: generated.renames,
        user_code,
    })
}

/// What the user's code has and lacks.
#[derive(Debug, Default)]
pub struct UserCode {
    /// The methods that get a stub: `user.v1.UserService/Ping`.
    pub added: Vec<String>,
    /// The functions without a method.
    pub leftovers: Vec<Leftover>,
    /// Those in `serves` that have no `impl` block.
    pub not_implemented: Vec<String>,
    /// Those in `serves` that no proto has.
    pub not_defined: Vec<String>,
    /// The blocks that were left alone.
    pub unclear: Vec<Unclear>,
}

/// Adds to the plan the stubs that the services' own code lacks.
fn plan_stubs(project: &Project, services: &[Service], plan: &mut Plan) -> Result<UserCode> {
    let mut user_code = UserCode::default();
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
            let found = stubs::examine(&text, &served)
                .map_err(|error| UnreadableCode::new(&path, &error))?;
            let relative = relative(&project.root, &path);
            if !found.insertions.is_empty() {
                plan.write(relative.clone(), stubs::insert(&text, &found.insertions));
            }
            implemented.extend(found.implements);
            unclear.extend(found.unclear.into_iter().filter_map(|block| {
                let mut services = served.iter();
                let service = services.find(|service| service.full_name == block.service)?;
                Some(Unclear {
                    service: block.service,
                    file: relative.clone(),
                    line: block.line,
                    import: format!("{}::{}", service.server_module(), service.rust_name),
                })
            }));
            user_code.added.extend(found.added);
            user_code
                .leftovers
                .extend(found.leftovers.into_iter().map(|leftover| Leftover {
                    service: leftover.service,
                    function: leftover.function,
                    file: relative.clone(),
                    line: leftover.line,
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
pub fn relative(root: &Path, path: &Path) -> String {
    let below = path.strip_prefix(root).unwrap_or(path);
    let parts: Vec<_> = below.iter().map(|part| part.to_string_lossy()).collect();
    parts.join("/")
}
