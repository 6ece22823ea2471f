//! What is made where something was left open: the arguments, a question, else what is usual.

use super::NewArgs;
use super::error::NewError;
use crate::context::Context;
use crate::error::Result;
use crate::manifest::{FIRST_PORT, RegistryKind};
use crate::project::Project;
use crate::proto::model::Service;
use crate::scaffold::names::ServiceName;
use crate::scaffold::taken;

/// The name, asked for where none was given and somebody can answer.
pub(super) fn name(context: &Context, args: &NewArgs) -> Result<String> {
    if let Some(name) = &args.name {
        return Ok(name.clone());
    }
    if !context.is_interactive() || args.yes {
        return Err(NewError::NameMissing.into());
    }
    dialoguer::Input::new()
        .with_prompt("What is the service called?")
        .with_initial_text("user-service")
        .validate_with(|name: &String| match taken::parse(name) {
            Ok(_) => Ok(()),
            Err(error) => Err(error.to_string()),
        })
        .interact_text()
        .map_err(|_| NewError::NameMissing.into())
}

/// The port that was asked for, else the first free one.
pub(super) fn port(args: &NewArgs, project: Option<&Project>, name: &ServiceName) -> Result<u16> {
    let Some(manifest) = project.map(|project| &project.manifest) else {
        return Ok(args.port.unwrap_or(FIRST_PORT));
    };
    if manifest.services.contains_key(name) {
        return Err(NewError::ServiceExists(name.clone()).into());
    }
    match args.port {
        None => Ok(manifest.free_port().ok_or(NewError::NoPort)?),
        Some(port) => match manifest.holder(port).map(ToString::to_string) {
            Some(service) => Err(NewError::PortTaken { port, service }.into()),
            None => Ok(port),
        },
    }
}

/// The registry of the workspace, which all of its services share.
pub(super) fn registry(args: &NewArgs, project: Option<&Project>) -> Result<RegistryKind> {
    let Some(project) = project else {
        return Ok(args.registry.unwrap_or_default());
    };
    let has = project.manifest.registry.kind;
    match args.registry {
        Some(asked) if asked != has => Err(NewError::OtherRegistry {
            has: has.as_str(),
            asked: asked.as_str(),
        }
        .into()),
        _ => Ok(has),
    }
}

/// A method for examples, with a request where the service is a starter.
pub(super) fn example(serves: &[Service], is_starter: bool) -> (String, &'static str) {
    let service = serves
        .iter()
        .find(|service| !service.methods.is_empty())
        .unwrap_or(&serves[0]);
    let method = service
        .methods
        .iter()
        .find(|method| !method.client_streaming);
    let method = method.or(service.methods.first());
    let name = method.map_or("", |method| method.proto_name.as_str());
    let request = if is_starter { r#"{"id": 1}"# } else { "" };
    (format!("{}/{name}", service.full_name), request)
}
