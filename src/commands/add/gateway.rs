//! `msvc add gateway`: HTTP and JSON in front of the services.

use clap::Args;

use super::{Options, Planned};
use crate::error::{Diagnostic, IoContext, Result};
use crate::manifest::{self, ADMIN_PORT_OFFSET, Service};
use crate::project::Project;
use crate::scaffold::draft::Draft;
use crate::scaffold::names::ServiceName;
use crate::scaffold::parts::{self, Part};
use crate::scaffold::plan::Plan;
use crate::scaffold::{gateway, taken};

/// What a gateway is called unless it is said.
const NAME: &str = "api-gateway";
/// Where the search for its port begins, the usual one for HTTP in development.
const FIRST_PORT: u16 = 8080;

/// Arguments of `msvc add gateway`.
#[derive(Args, Debug, Default)]
#[command(after_help = "Examples:\n  \
    msvc add gateway                  services/api-gateway, on port 8080\n  \
    msvc add gateway public-api --port 8000")]
pub struct GatewayArgs {
    /// What it is called [default: api-gateway].
    pub name: Option<String>,
    /// Its HTTP port in development [default: the first free one from 8080]; the admin port is 1000
    /// above it.
    #[arg(long, value_parser = clap::value_parser!(u16).range(1..=i64::from(u16::MAX - ADMIN_PORT_OFFSET)))]
    pub port: Option<u16>,
    /// Whether to ask, and whether to do it.
    #[command(flatten)]
    pub options: Options,
}

#[derive(Debug, thiserror::Error)]
enum GatewayError {
    #[error("the workspace has a service `{0}` already")]
    Exists(ServiceName),
    #[error("port {port} is taken by `{service}`")]
    PortTaken { port: u16, service: ServiceName },
    #[error("every port is taken")]
    NoPort,
}

impl Diagnostic for GatewayError {
    fn hint(&self) -> Option<String> {
        Some(match self {
            Self::Exists(_) => "choose another name".to_owned(),
            Self::PortTaken { .. } => "leave `--port` out to get the first free one".to_owned(),
            Self::NoPort => "free one in `msvc.toml`".to_owned(),
        })
    }
}

/// Plans a gateway.
///
/// # Errors
/// When its name or port is taken.
pub fn plan(project: &Project, args: &GatewayArgs) -> Result<Planned> {
    let name = taken::parse(args.name.as_deref().unwrap_or(NAME))?;
    let manifest = &project.manifest;
    if manifest.services.contains_key(&name) {
        return Err(GatewayError::Exists(name).into());
    }
    let lock_file = project.root.join("Cargo.lock");
    if lock_file.is_file() {
        let text = std::fs::read_to_string(&lock_file).when("read", &lock_file)?;
        taken::refuse_dependency(&name, &text)?;
    }
    let port = match args.port {
        None => manifest
            .free_port_from(FIRST_PORT)
            .ok_or(GatewayError::NoPort)?,
        Some(port) => match manifest.holder(port) {
            Some(service) => {
                let service = service.clone();
                return Err(GatewayError::PortTaken { port, service }.into());
            }
            None => port,
        },
    };
    let mut draft = Draft::new(&project.root);
    parts::lay(&mut draft, Part::Gateway, &[])?;
    for (path, text) in gateway::files(&name, (port, port + ADMIN_PORT_OFFSET), manifest)? {
        draft.create(format!("services/{name}/{path}"), text);
    }
    let mut plan = Plan::default();
    draft.finish(&mut plan);
    let entry = Service {
        port,
        admin_port: None,
        serves: Vec::new(),
        needs: Vec::new(),
    };
    let text = manifest::with_service(&project.manifest_text, &name, &entry)?;
    plan.write(manifest::FILE_NAME, text);
    Ok(Planned {
        plan,
        added: vec![format!("services/{name}: HTTP on port {port}")],
        warnings: Vec::new(),
        hint: Some(format!(
            "`[[app.gateway.services]]` in services/{name}/config/default.toml says what is called \
             through it; `msvc run` starts it with the others"
        )),
    })
}
