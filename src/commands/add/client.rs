//! `msvc add client`: one service calls another.

use std::path::Path;

use clap::Args;
use tera::Context as Values;
use toml_edit::{Array, Item};

use super::{AddError, Options, Planned, target};
use crate::error::{Diagnostic, Exit, Result};
use crate::manifest::RegistryKind;
use crate::project::Project;
use crate::proto;
use crate::proto::model::Service;
use crate::scaffold::draft::Draft;
use crate::scaffold::edit::handler::NewField;
use crate::scaffold::edit::{rust, settings};
use crate::scaffold::equip;
use crate::scaffold::names::{ServiceName, pascal, snake};
use crate::scaffold::plan::Plan;
use crate::scaffold::templates;

/// Arguments of `msvc add client`.
#[derive(Args, Debug)]
#[command(after_help = "Examples:\n  \
    msvc add client user-service --to order-service\n  \
    msvc add client user.v1.UserService --to order-service")]
pub struct ClientArgs {
    /// The service to call, or one of its gRPC services where it has several.
    #[arg(value_name = "OF-SERVICE")]
    pub of: String,
    /// The service that calls it [default: the only other one].
    #[arg(long, value_name = "SERVICE")]
    pub to: Option<String>,
    /// Whether to ask, and whether to do it.
    #[command(flatten)]
    pub options: Options,
}

#[derive(Debug, thiserror::Error)]
enum ClientError {
    #[error("`{0}` would call itself")]
    Itself(String),
    #[error("`{service}` serves several gRPC services: {}", .serves.join(", "))]
    Several {
        service: String,
        serves: Vec<String>,
    },
    #[error("`{to}` has a client of `{of}` already: {path}")]
    Exists {
        of: ServiceName,
        to: ServiceName,
        path: String,
    },
    #[error("`{0}` serves no gRPC service")]
    Nothing(String),
}

impl Diagnostic for ClientError {
    fn hint(&self) -> Option<String> {
        Some(match self {
            Self::Itself(_) => "name another service with `--to`".to_owned(),
            Self::Several { serves, .. } => {
                format!("name one of them: `msvc add client {}`", serves[0])
            }
            Self::Exists { path, .. } => format!("remove {path} to have it made anew"),
            Self::Nothing(_) => "see what `serves` has in `msvc.toml`".to_owned(),
        })
    }

    fn exit(&self) -> Exit {
        match self {
            Self::Itself(_) | Self::Several { .. } => Exit::Usage,
            Self::Exists { .. } | Self::Nothing(_) => Exit::Failed,
        }
    }
}

/// Plans a client. Errors show files as seen from `directory`.
///
/// # Errors
/// When a service is unknown, or the code of the one that calls is not recognised.
pub fn plan(project: &Project, directory: &Path, args: &ClientArgs) -> Result<Planned> {
    project.refuse_missing_roots()?;
    let sources = project.sources();
    let (_, generated) = proto::generate_all(&sources, &project.generation(directory))?;
    let (of, service) = called(project, &generated.services, &args.of)?;
    let to = caller(project, &of, args.to.as_deref())?;
    if to == of {
        return Err(ClientError::Itself(to.to_string()).into());
    }

    let module = format!("{}_client", snake(of.as_str()));
    let field = snake(of.as_str());
    let client_name = format!("{}Client", service.rust_name);
    let client = format!("{}::{client_name}", service.client_module());
    let settings_name = format!("{}Settings", pascal(of.as_str()));
    let mut values = Values::new();
    values.insert("of", of.as_str());
    values.insert("full_name", &service.full_name);
    values.insert("field", &field);
    values.insert("client", &client);
    values.insert("client_name", &client_name);
    values.insert("settings_name", &settings_name);

    let folder = format!("services/{to}");
    let lib = format!("{folder}/src/lib.rs");
    let mut draft = Draft::new(&project.root);
    let path = format!("{folder}/src/{module}.rs");
    if draft.has(&path) {
        return Err(ClientError::Exists { of, to, path }.into());
    }
    draft.create(path, templates::render("add/client.rs.tera", &values)?);
    draft.edit(&lib, |text| rust::with_module(text, &module, ""))?;
    let exported = format!("crate::{module}::{settings_name}");
    draft.edit(&lib, |text| rust::with_export(text, &exported))?;
    let setting = format!("/// Where `{of}` is.\npub {field}: {settings_name}");
    draft.edit(&lib, |text| rust::with_setting(text, &field, &setting))?;
    let warnings = equip::make_async(&mut draft, project, &to)?;
    let equipment = equip::Equipment {
        field: NewField {
            name: &field,
            of: &format!("{client_name}<Channel>"),
            summary: &format!("Calls `{of}`."),
        },
        statement: &format!("let {field} = {module}::connect(config).await?;"),
        imports: &["chassis::client::Channel", &client],
        is_used_later: false,
    };
    let served: Vec<Service> = served_by(project, &generated.services, &to);
    equip::hand_to_handlers(&mut draft, project, &to, &served, &equipment)?;
    if project.manifest.registry.kind == RegistryKind::Static {
        let port = project.manifest.services[&of].port;
        let addresses: Array = [format!("127.0.0.1:{port}")].into_iter().collect();
        draft.edit(&format!("{folder}/config/default.toml"), |text| {
            let item = Item::Value(addresses.into());
            let edited = settings::with_key(text, "registry.static", of.as_str(), item);
            Ok(edited.unwrap_or_else(|| text.to_owned()))
        })?;
    }
    let mut plan = Plan::default();
    draft.finish(&mut plan);
    Ok(Planned {
        plan,
        added: vec![format!("a client of {} to {to}", service.full_name)],
        warnings,
        hint: Some(format!(
            "handlers have it as `self.{field}`; a call is made on a clone of it"
        )),
    })
}

/// The service that is called: by its name, or by that of a gRPC service that it serves.
fn called(project: &Project, services: &[Service], given: &str) -> Result<(ServiceName, Service)> {
    let manifest = &project.manifest;
    let by_full_name = services.iter().find(|it| it.full_name == given);
    if let Some(service) = by_full_name {
        let mut entries = manifest.services.iter();
        if let Some((name, _)) =
            entries.find(|(_, entry)| entry.serves.iter().any(|it| it == given))
        {
            return Ok((name.clone(), service.clone()));
        }
    }
    let name = target(manifest, Some(given))?;
    let mut served = served_by(project, services, &name);
    match served.len() {
        0 => Err(ClientError::Nothing(name.to_string()).into()),
        1 => Ok((name, served.swap_remove(0))),
        _ => Err(ClientError::Several {
            service: name.to_string(),
            serves: served.into_iter().map(|it| it.full_name).collect(),
        }
        .into()),
    }
}

/// The service that calls: the one that was named, or the only one beside the called.
fn caller(
    project: &Project,
    of: &ServiceName,
    given: Option<&str>,
) -> Result<ServiceName, AddError> {
    let mut others = project.manifest.services.keys().filter(|name| *name != of);
    match (given, others.next(), others.next()) {
        (None, Some(only), None) => Ok(only.clone()),
        _ => target(&project.manifest, given),
    }
}

fn served_by(project: &Project, services: &[Service], name: &ServiceName) -> Vec<Service> {
    let serves = &project.manifest.services[name].serves;
    let served = services.iter().filter(|it| serves.contains(&it.full_name));
    served.cloned().collect()
}
