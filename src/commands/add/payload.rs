//! The message that a queue carries. It is one of the protos', so that all services that use the queue
//! agree on it.

use std::fs;
use std::path::Path;

use crate::error::{Diagnostic, Exit, IoContext, Result};
use crate::project::Project;
use crate::proto;
use crate::proto::codegen::Generated;
use crate::proto::compile::{self, Compiled};
use crate::proto::model::Service;
use crate::proto::namer::{self, Kind};
use crate::scaffold::names::{ServiceName, pascal};
use crate::scaffold::plan::Plan;
use crate::scaffold::protocol;
use crate::suggestion::{did_you_mean, similar};

/// What a queue carries.
#[derive(Debug)]
pub struct Payload {
    /// Its path in Rust: `protocol::order::v1::OrderCreated`.
    pub rust_path: String,
    /// The proto that it was added to, where there was none.
    pub added_to: Option<String>,
    /// The gRPC services that the service serves.
    pub served: Vec<Service>,
}

/// Why there is no message to carry.
#[derive(Debug, thiserror::Error)]
pub enum PayloadError {
    /// None is called so.
    #[error("no proto of the workspace has a message `{given}`")]
    Unknown {
        /// What was given.
        given: String,
        /// All that there are.
        known: Vec<String>,
    },
    /// Several are.
    #[error("several packages have a message `{given}`: {}", .found.join(", "))]
    Ambiguous {
        /// What was given.
        given: String,
        /// Their full names.
        found: Vec<String>,
    },
    /// The service has no proto of its own.
    #[error("`{0}` has no proto of its own that could get the message")]
    NoProto(ServiceName),
}

impl Diagnostic for PayloadError {
    fn hint(&self) -> Option<String> {
        Some(match self {
            Self::Unknown { given, known } => {
                let short = known.iter().filter_map(|name| name.rsplit('.').next());
                let all = known.iter().map(String::as_str).chain(short);
                did_you_mean(&similar(given, all)).unwrap_or_else(|| {
                    "leave `--message` out to have one added that is called like the queue"
                        .to_owned()
                })
            }
            Self::Ambiguous { found, .. } => format!("name one: `--message {}`", found[0]),
            Self::NoProto(_) => "name one of another service with `--message`".to_owned(),
        })
    }

    fn exit(&self) -> Exit {
        match self {
            Self::Unknown { .. } | Self::Ambiguous { .. } => Exit::Usage,
            Self::NoProto(_) => Exit::Failed,
        }
    }
}

/// Finds the message of the queue `queue` of a service, or adds it to the proto of the service and to the
/// generated code. `given` is what was asked for; errors show files as seen from `directory`.
///
/// # Errors
/// When it is not there or there are several, and when a proto does not compile.
pub fn plan(
    project: &Project,
    directory: &Path,
    (service, queue): (&ServiceName, &str),
    given: Option<&str>,
    plan: &mut Plan,
) -> Result<Payload> {
    project.refuse_missing_roots()?;
    let mut sources = project.sources();
    let compiled = compile::compile(&sources, &sources.all_names()?)?;
    let serves = &project.manifest.services[service].serves;
    let own = serves.first().and_then(|it| it.rsplit_once('.'));
    let own = own.map_or("", |(package, _)| package);
    let short = pascal(queue);
    let (full_name, added_to) = match find(&compiled, given.unwrap_or(&short), own)? {
        Some(found) => (found, None),
        None => {
            if let Some(given) = given {
                let (given, known) = (given.to_owned(), messages(&compiled));
                return Err(PayloadError::Unknown { given, known }.into());
            }
            let file = file_of(&compiled, serves.first().map(String::as_str));
            let path = file.and_then(|file| Some((file, on_disk(project, file)?)));
            let (file, path) = path.ok_or_else(|| PayloadError::NoProto(service.clone()))?;
            let absolute = project.root.join(&path);
            let text = fs::read_to_string(&absolute).when("read", &absolute)?;
            let text = with_message(&text, &short, queue);
            sources.memory.insert(file.to_owned(), text.clone());
            plan.write(&path, text);
            let full_name = match own {
                "" => short,
                _ => format!("{own}.{short}"),
            };
            (full_name, Some(path))
        }
    };
    let (compiled, generated) = proto::generate_all(&sources, &project.generation(directory))?;
    if added_to.is_some() {
        let existing = protocol::read_generated(&project.root)?;
        protocol::plan_sources(&generated, &compiled.encoded, &existing, plan);
    }
    let rust_path = rust_path(&full_name, &generated);
    let served = generated.services.into_iter();
    Ok(Payload {
        rust_path,
        added_to,
        served: served.filter(|it| serves.contains(&it.full_name)).collect(),
    })
}

/// The full name of the message that is meant: one of the package `own` before others.
fn find(compiled: &Compiled, given: &str, own: &str) -> Result<Option<String>, PayloadError> {
    let is_it = |name: &String| name == given || name.rsplit('.').next() == Some(given);
    let mut found: Vec<String> = messages(compiled).into_iter().filter(is_it).collect();
    let exact = |name: &String| name == given || *name == format!("{own}.{given}");
    if let Some(at) = found.iter().position(exact) {
        return Ok(Some(found.swap_remove(at)));
    }
    match found.len() {
        0 | 1 => Ok(found.pop()),
        _ => Err(PayloadError::Ambiguous {
            given: given.to_owned(),
            found,
        }),
    }
}

/// The full names of the messages that code is made of.
fn messages(compiled: &Compiled) -> Vec<String> {
    let files = compiled.descriptors.file.iter();
    let files = files.filter(|file| !namer::is_provided(file));
    let names = files.flat_map(|file| {
        file.message_type.iter().map(|it| match file.package() {
            "" => it.name().to_owned(),
            package => format!("{package}.{}", it.name()),
        })
    });
    names.collect()
}

/// The file that defines a service.
fn file_of<'a>(compiled: &'a Compiled, service: Option<&str>) -> Option<&'a str> {
    let (package, name) = service?.rsplit_once('.').unwrap_or(("", service?));
    let mut files = compiled.descriptors.file.iter();
    let found = files
        .find(|file| file.package() == package && file.service.iter().any(|it| it.name() == name));
    found.map(|file| file.name())
}

/// Where a file is in the workspace.
fn on_disk(project: &Project, file: &str) -> Option<String> {
    let roots = project.manifest.proto.roots.iter();
    let mut paths = roots.map(|root| format!("{root}/{file}"));
    paths.find(|path| project.root.join(path).is_file())
}

/// A message at the end of a proto.
fn with_message(text: &str, name: &str, queue: &str) -> String {
    let newline = if text.contains("\r\n") { "\r\n" } else { "\n" };
    let end = if text.ends_with('\n') { "" } else { newline };
    let message = [
        "",
        &format!("// What the queue `{queue}` carries: whatever those who get it have to know."),
        &format!("message {name} {{"),
        "  // What it is about.",
        "  string id = 1;",
        "}",
        "",
    ];
    format!("{text}{end}{}", message.join(newline))
}

/// The path of a message in Rust.
fn rust_path(full_name: &str, generated: &Generated) -> String {
    let (package, name) = full_name.rsplit_once('.').unwrap_or(("", full_name));
    let beside = generated.services.iter().find(|service| {
        let own = service.full_name.rsplit_once('.');
        own.map_or("", |(package, _)| package) == package
    });
    let module: Vec<String> = match beside {
        Some(service) => service.module.clone(),
        None => {
            let parts = package.split('.').filter(|part| !part.is_empty());
            parts.map(namer::snake).collect()
        }
    };
    let mut renames = generated.renames.iter();
    let renamed = renames.find(|it| it.kind == Kind::Message && it.proto == full_name);
    let name = renamed.map_or_else(|| namer::camel(name), |it| it.rust.clone());
    let parts = ["protocol".to_owned()].into_iter().chain(module);
    let parts: Vec<String> = parts.chain([name]).collect();
    parts.join("::")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_message_comes_last_and_line_ends_are_kept() {
        let text = with_message("package a;\r\nmessage B {}", "C", "c");
        assert_eq!(
            text,
            "package a;\r\nmessage B {}\r\n\r\n// What the queue `c` carries: whatever those who get it \
             have to know.\r\nmessage C {\r\n  // What it is about.\r\n  string id = 1;\r\n}\r\n"
        );
    }
}
