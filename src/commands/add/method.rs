//! `msvc add method`: one more method of a gRPC service.

use std::fs;
use std::path::Path;

use clap::Args;

use super::{Options, Planned};
use crate::error::{Diagnostic, Exit, IoContext, Result};
use crate::project::Project;
use crate::proto::compile::{self, Compiled};
use crate::scaffold::edit::proto::{NewMethod, with_method};
use crate::scaffold::names::pascal;
use crate::scaffold::plan::Plan;
use crate::scaffold::regenerate;
use crate::suggestion::{did_you_mean, similar};

/// Arguments of `msvc add method`.
#[derive(Args, Debug)]
#[command(after_help = "Examples:\n  \
    msvc add method UserService.BlockUser\n  \
    msvc add method user.v1.UserService/Follow --server-streaming")]
pub struct MethodArgs {
    /// The service and the new method: `UserService.BlockUser`, `user.v1.UserService/BlockUser`.
    #[arg(value_name = "SERVICE.METHOD")]
    pub method: String,
    /// The client sends a stream of requests.
    #[arg(long)]
    pub client_streaming: bool,
    /// The server answers with a stream.
    #[arg(long)]
    pub server_streaming: bool,
    /// Whether to ask, and whether to do it.
    #[command(flatten)]
    pub options: Options,
}

#[derive(Debug, thiserror::Error)]
enum MethodError {
    #[error("`{0}` does not name a method of a service")]
    Form(String),
    #[error("`{given}` is not a method's name in a proto")]
    Name { given: String },
    #[error("no proto of the workspace has a service `{given}`")]
    UnknownService { given: String, known: Vec<String> },
    #[error("several packages have a service `{given}`: {}", .found.join(", "))]
    Ambiguous { given: String, found: Vec<String> },
    #[error("`{service}` has a method `{method}` already")]
    Exists { service: String, method: String },
    #[error("`{service}` comes from `{file}`, which is not in the workspace")]
    Elsewhere { service: String, file: String },
}

impl Diagnostic for MethodError {
    fn hint(&self) -> Option<String> {
        match self {
            Self::Form(_) => Some("write it as `UserService.BlockUser`".to_owned()),
            Self::Name { given } => {
                let name = pascal(given);
                let does = name.starts_with(|first: char| first.is_ascii_uppercase());
                does.then(|| format!("try `{name}`"))
            }
            Self::UnknownService { given, known } => {
                let short = known.iter().filter_map(|name| name.rsplit('.').next());
                let all = known.iter().map(String::as_str).chain(short);
                did_you_mean(&similar(given, all))
                    .or_else(|| Some(format!("there are: {}", known.join(", "))))
            }
            Self::Ambiguous { .. } => Some("name it with its package".to_owned()),
            Self::Exists { .. } => Some("`msvc proto gen` adds stubs that are missing".to_owned()),
            Self::Elsewhere { .. } => None,
        }
    }

    fn exit(&self) -> Exit {
        match self {
            Self::Form(_)
            | Self::Name { .. }
            | Self::UnknownService { .. }
            | Self::Ambiguous { .. } => Exit::Usage,
            Self::Exists { .. } | Self::Elsewhere { .. } => Exit::Failed,
        }
    }
}

/// A service in its file.
struct Found<'a> {
    full_name: String,
    file: &'a prost_types::FileDescriptorProto,
    service: &'a prost_types::ServiceDescriptorProto,
}

/// Plans a method. Errors show files as seen from `directory`.
///
/// # Errors
/// When there is no such service, or it has the method.
pub fn plan(project: &Project, directory: &Path, args: &MethodArgs) -> Result<Planned> {
    let given = args.method.as_str();
    let (service, name) = given
        .rsplit_once(['/', '.'])
        .filter(|(service, name)| !service.is_empty() && !name.is_empty())
        .ok_or_else(|| MethodError::Form(given.to_owned()))?;
    let is_name = name.starts_with(|first: char| first.is_ascii_uppercase())
        && name
            .chars()
            .all(|one| one.is_ascii_alphanumeric() || one == '_');
    if !is_name {
        let given = name.to_owned();
        return Err(MethodError::Name { given }.into());
    }
    project.refuse_missing_roots()?;
    let mut sources = project.sources();
    let compiled = compile::compile(&sources, &sources.all_names()?)?;
    let found = find(&compiled, service)?;
    if found.service.method.iter().any(|it| it.name() == name) {
        let (service, method) = (found.full_name, name.to_owned());
        return Err(MethodError::Exists { service, method }.into());
    }
    let method = NewMethod {
        service: found.service.name(),
        name,
        client_streaming: args.client_streaming,
        server_streaming: args.server_streaming,
    };
    // Whatever else has the name in the package would be in the way, or is meant.
    let package = found.file.package();
    let siblings = compiled.descriptors.file.iter();
    let siblings = siblings.filter(|file| file.package() == package);
    let taken: Vec<&str> = siblings
        .flat_map(|file| file.message_type.iter().map(|message| message.name()))
        .collect();
    let messages = method.messages().into_iter();
    let messages: Vec<String> = messages
        .filter(|it| !taken.contains(&it.as_str()))
        .collect();

    let file = found.file.name().to_owned();
    let roots = project.manifest.proto.roots.iter();
    let mut paths = roots.map(|root| format!("{root}/{file}"));
    let path = paths.find(|path| project.root.join(path).is_file());
    let path = path.ok_or_else(|| MethodError::Elsewhere {
        service: found.full_name.clone(),
        file: file.clone(),
    })?;
    let on_disk = project.root.join(&path);
    let text = fs::read_to_string(&on_disk).when("read", &on_disk)?;
    let text = with_method(&text, &method, &messages).map_err(|obstacle| obstacle.of(&path))?;
    let mut plan = Plan::default();
    sources.memory.insert(file, text.clone());
    plan.write(&path, text);
    let regenerated = regenerate::plan(project, directory, &sources, &mut plan)?;
    let user_code = regenerated.user_code;
    let full_name = format!("{}/{name}", found.full_name);
    let mut warnings: Vec<String> = regenerated
        .renames
        .iter()
        .map(ToString::to_string)
        .collect();
    if !user_code.added.contains(&full_name) {
        warnings.push(format!(
            "no service of the workspace has a handler for {full_name}"
        ));
    }
    Ok(Planned {
        plan,
        added: vec![format!("{full_name} to {path}")],
        warnings,
        hint: Some(format!(
            "fill in its messages in {path}, run `msvc proto gen`, and write what it does where it \
             answers UNIMPLEMENTED"
        )),
    })
}

fn find<'a>(compiled: &'a Compiled, given: &str) -> Result<Found<'a>, MethodError> {
    let all = compiled.descriptors.file.iter().flat_map(|file| {
        file.service.iter().map(move |service| Found {
            full_name: match file.package() {
                "" => service.name().to_owned(),
                package => format!("{package}.{}", service.name()),
            },
            file,
            service,
        })
    });
    let all: Vec<Found<'_>> = all.collect();
    let known = all.iter().map(|it| it.full_name.clone()).collect();
    let (exact, others): (Vec<_>, Vec<_>) = all.into_iter().partition(|it| it.full_name == given);
    let by_name = others.into_iter().filter(|it| it.service.name() == given);
    let mut found: Vec<Found<'_>> = exact.into_iter().chain(by_name).collect();
    if found.len() > 1 && found[0].full_name != given {
        return Err(MethodError::Ambiguous {
            given: given.to_owned(),
            found: found.into_iter().map(|it| it.full_name).collect(),
        });
    }
    match found.is_empty() {
        true => Err(MethodError::UnknownService {
            given: given.to_owned(),
            known,
        }),
        false => Ok(found.swap_remove(0)),
    }
}
