//! Why no service was made.

use crate::error::{Diagnostic, Exit};
use crate::scaffold::names::ServiceName;

/// Why no service was made.
#[derive(Debug, thiserror::Error)]
pub(super) enum NewError {
    #[error("no name was given")]
    NameMissing,
    #[error("a gateway has nothing to stand in front of here")]
    NoServices,
    #[error("`--{0}` is of no use to a gateway")]
    NotOfGateway(&'static str),
    #[error("the workspace has a service `{0}` already")]
    ServiceExists(ServiceName),
    #[error("port {port} is taken by `{service}`")]
    PortTaken { port: u16, service: String },
    #[error("every port is taken")]
    NoPort,
    #[error("this workspace has the registry `{has}`, not `{asked}`")]
    OtherRegistry {
        has: &'static str,
        asked: &'static str,
    },
}

impl Diagnostic for NewError {
    fn hint(&self) -> Option<String> {
        Some(match self {
            Self::NameMissing => {
                "say what the service is called: `msvc new user-service`".to_owned()
            }
            Self::NoServices => {
                "make a workspace first: `msvc new user-service`, then `msvc add gateway` in it"
                    .to_owned()
            }
            Self::NotOfGateway(_) => {
                "leave it out: a gateway is made for all services of the workspace".to_owned()
            }
            Self::ServiceExists(name) => {
                format!("choose another name, or look at `services/{name}`")
            }
            Self::PortTaken { .. } => "leave `--port` out to get the first free one".to_owned(),
            Self::NoPort => "free one in `msvc.toml`".to_owned(),
            Self::OtherRegistry { .. } => {
                "a workspace has one registry: change `kind` in `msvc.toml`".to_owned()
            }
        })
    }

    fn exit(&self) -> Exit {
        match self {
            Self::NameMissing | Self::NotOfGateway(_) => Exit::Usage,
            _ => Exit::Failed,
        }
    }
}
