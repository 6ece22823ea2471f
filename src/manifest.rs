//! `msvc.toml`, the manifest of a workspace: parsing and editing.
//!
//! Pure: text in, text out. Edits keep every comment and all formatting that they do not touch.

pub mod place;

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};
use toml_edit::{DocumentMut, Item, Table, value};

use crate::error::Diagnostic;
use crate::infra::resource::{Port, Resource};
use crate::proto::breaking::config::BreakingConfig;
use crate::proto::lint::config::LintConfig;
use crate::proto::options::GenConfig;
use crate::proto::vendor::{Origin, Source};
use crate::scaffold::names::ServiceName;
use crate::suggestion;

/// The manifest's file name; the folder that holds it is a workspace.
pub const FILE_NAME: &str = "msvc.toml";
/// The gRPC port of the first service of a workspace.
pub const FIRST_PORT: u16 = 50051;
/// A service's admin port (health, metrics) is its gRPC port plus this, unless set.
pub const ADMIN_PORT_OFFSET: u16 = 1000;

/// What `msvc.toml` says.
#[derive(Clone, Debug, Deserialize, PartialEq, Eq)]
#[serde(deny_unknown_fields, rename_all = "kebab-case")]
pub struct Manifest {
    /// The workspace as a whole.
    pub workspace: Workspace,
    /// Where services find each other.
    #[serde(default)]
    pub registry: Registry,
    /// Where protos are.
    #[serde(default)]
    pub proto: Proto,
    /// What `msvc up` starts.
    #[serde(default)]
    pub infra: Infra,
    /// The services by name.
    #[serde(default)]
    pub services: BTreeMap<ServiceName, Service>,
}

/// The workspace as a whole.
#[derive(Clone, Debug, Deserialize, PartialEq, Eq)]
#[serde(deny_unknown_fields, rename_all = "kebab-case")]
pub struct Workspace {
    /// What the workspace is called.
    pub name: String,
    /// The version of `msvc` whose templates the workspace was last brought up to.
    pub template_version: String,
}

/// Where services find each other.
#[derive(Clone, Debug, Default, Deserialize, PartialEq, Eq)]
#[serde(deny_unknown_fields, rename_all = "kebab-case")]
pub struct Registry {
    /// The kind of registry.
    #[serde(default)]
    pub kind: RegistryKind,
}

/// The kinds of registry.
#[derive(Clone, Copy, Debug, Default, Deserialize, Serialize, PartialEq, Eq, clap::ValueEnum)]
#[serde(rename_all = "kebab-case")]
pub enum RegistryKind {
    /// A Consul agent.
    #[default]
    Consul,
    /// An etcd cluster.
    Etcd,
    /// None: addresses are written in the configuration.
    Static,
}

impl RegistryKind {
    /// The name as it stands in configuration.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Consul => "consul",
            Self::Etcd => "etcd",
            Self::Static => "static",
        }
    }
}

/// Where protos are.
#[derive(Clone, Debug, Deserialize, PartialEq, Eq)]
#[serde(deny_unknown_fields, rename_all = "kebab-case")]
pub struct Proto {
    /// The folders that imports are relative to, relative to the workspace.
    #[serde(default = "default_roots")]
    pub roots: Vec<String>,
    /// What `msvc proto lint` is told; without it, what a `buf.yaml` says.
    #[serde(default)]
    pub lint: Option<LintConfig>,
    /// What `msvc proto breaking` is told; without it, what a `buf.yaml` says.
    #[serde(default)]
    pub breaking: Option<BreakingConfig>,
    /// Protos from elsewhere, by the folder that they are put into.
    #[serde(default)]
    pub vendor: BTreeMap<String, Source>,
    /// What is wanted of the generated code.
    #[serde(default, rename = "gen")]
    pub generation: GenConfig,
}

fn default_roots() -> Vec<String> {
    vec!["proto".to_owned()]
}

impl Default for Proto {
    fn default() -> Self {
        Self {
            roots: default_roots(),
            lint: None,
            breaking: None,
            vendor: BTreeMap::new(),
            generation: GenConfig::default(),
        }
    }
}

/// What `msvc up` starts, and from where it comes.
#[derive(Clone, Debug, Default, Deserialize, PartialEq, Eq)]
#[serde(deny_unknown_fields, rename_all = "kebab-case")]
pub struct Infra {
    /// What carries it.
    #[serde(default)]
    pub engine: EngineKind,
    /// What is started when nothing is named; else what the services need.
    #[serde(default)]
    pub resources: Option<Vec<Resource>>,
    /// A mirror of public registries, with a path if it has one, that images come from.
    #[serde(default)]
    pub mirror: Option<String>,
    /// Images that stand in place of the usual ones.
    #[serde(default)]
    pub images: BTreeMap<Resource, String>,
    /// Ports that stand in place of the usual ones.
    #[serde(default)]
    pub ports: BTreeMap<Port, u16>,
    /// Whether the traces that the built-in collector has are there again after a restart.
    #[serde(default)]
    pub keep_traces: bool,
}

/// What carries the infrastructure of a workspace.
#[derive(Clone, Copy, Debug, Default, Deserialize, PartialEq, Eq, clap::ValueEnum)]
#[serde(rename_all = "kebab-case")]
pub enum EngineKind {
    /// Docker where an engine answers, else what is built in.
    #[default]
    Auto,
    /// Containers of a Docker engine.
    Docker,
    /// What is built into `msvc`.
    Embedded,
}

/// One service of the workspace.
#[derive(Clone, Debug, Deserialize, PartialEq, Eq)]
#[serde(deny_unknown_fields, rename_all = "kebab-case")]
pub struct Service {
    /// The gRPC port in development.
    pub port: u16,
    /// The port of health and metrics in development; see [`Service::admin_port`].
    #[serde(default)]
    pub admin_port: Option<u16>,
    /// The gRPC services that it serves, by their full names.
    #[serde(default)]
    pub serves: Vec<String>,
    /// What `msvc up` starts for it, beside what all services need; `msvc run` tells it where that is.
    #[serde(default)]
    pub needs: Vec<Resource>,
}

impl Service {
    /// The port of health and metrics in development.
    pub fn admin_port(&self) -> u16 {
        self.admin_port
            .unwrap_or_else(|| self.port.saturating_add(ADMIN_PORT_OFFSET))
    }
}

/// Why `msvc.toml` cannot be used.
#[derive(Debug, thiserror::Error)]
#[error("`{FILE_NAME}` is not a valid manifest")]
pub struct ManifestError(#[from] pub toml_edit::de::Error);

impl Diagnostic for ManifestError {
    fn hint(&self) -> Option<String> {
        suggestion::of_expected(self.0.message())
    }
}

impl Manifest {
    /// Reads a manifest.
    ///
    /// # Errors
    /// When the text is not TOML or not a manifest; the message has line and column.
    pub fn parse(text: &str) -> Result<Self, ManifestError> {
        Ok(toml_edit::de::from_str(text)?)
    }

    /// The first gRPC port from [`FIRST_PORT`] on that no service of the workspace has, with its
    /// admin port; `None` when all are taken.
    pub fn free_port(&self) -> Option<u16> {
        self.free_port_from(FIRST_PORT)
    }

    /// As [`free_port`](Self::free_port), from another one on.
    pub fn free_port_from(&self, first: u16) -> Option<u16> {
        let taken = |port: u16| {
            self.services
                .values()
                .any(|service| service.port == port || service.admin_port() == port)
        };
        (first..=u16::MAX - ADMIN_PORT_OFFSET)
            .find(|port| !taken(*port) && !taken(port + ADMIN_PORT_OFFSET))
    }

    /// The service that has a port, or the admin port that would go with it.
    pub fn holder(&self, port: u16) -> Option<&ServiceName> {
        let wanted = [port, port.saturating_add(ADMIN_PORT_OFFSET)];
        let holds = |service: &Service| {
            wanted.contains(&service.port) || wanted.contains(&service.admin_port())
        };
        let mut services = self.services.iter();
        let found = services.find(|(_, service)| holds(service));
        found.map(|(name, _)| name)
    }
}

/// Adds to what a service needs, in the text of a manifest.
///
/// # Errors
/// When the text is not TOML.
pub fn with_need(
    text: &str,
    name: &ServiceName,
    resource: Resource,
) -> Result<String, ManifestError> {
    let mut document: DocumentMut = text.parse().map_err(toml_edit::de::Error::from)?;
    let service = document
        .get_mut("services")
        .and_then(|services| services.get_mut(name.as_str()))
        .and_then(Item::as_table_like_mut);
    if let Some(service) = service {
        let needs = service
            .entry("needs")
            .or_insert_with(|| value(toml_edit::Array::new()));
        if let Some(needs) = needs.as_array_mut()
            && !needs.iter().any(|it| it.as_str() == Some(resource.name()))
        {
            needs.push(resource.name());
        }
    }
    Ok(document.to_string())
}

/// Adds a service to the text of a manifest.
///
/// # Errors
/// When the text is not TOML.
pub fn with_service(
    text: &str,
    name: &ServiceName,
    service: &Service,
) -> Result<String, ManifestError> {
    let mut document: DocumentMut = text.parse().map_err(toml_edit::de::Error::from)?;
    let services = document
        .entry("services")
        .or_insert_with(|| {
            let mut table = Table::new();
            table.set_implicit(true);
            Item::Table(table)
        })
        .as_table_like_mut();
    if let Some(services) = services {
        let mut table = Table::new();
        table.insert("port", value(i64::from(service.port)));
        if let Some(port) = service.admin_port {
            table.insert("admin-port", value(i64::from(port)));
        }
        let serves: toml_edit::Array = service.serves.iter().map(String::as_str).collect();
        table.insert("serves", value(serves));
        services.insert(name.as_str(), Item::Table(table));
    }
    Ok(document.to_string())
}

/// Adds a source of protos to the text of a manifest, or replaces it.
///
/// # Errors
/// When the text is not TOML.
pub fn with_vendored(text: &str, name: &str, source: &Source) -> Result<String, ManifestError> {
    let mut document: DocumentMut = text.parse().map_err(toml_edit::de::Error::from)?;
    let mut table = Table::new();
    match &source.origin {
        Origin::Git { url, rev } => {
            table.insert("git", value(url));
            table.insert("rev", value(rev));
        }
        Origin::Path(path) => {
            table.insert("path", value(path));
        }
        Origin::Crate { name, version } => {
            table.insert("crate", value(name));
            table.insert("version", value(version));
        }
    }
    if !source.root.is_empty() {
        table.insert("root", value(&source.root));
    }
    if !source.files.is_empty() {
        let files: toml_edit::Array = source.files.iter().map(String::as_str).collect();
        table.insert("files", value(files));
    }
    let mut implicit = Table::new();
    implicit.set_implicit(true);
    let implicit = Item::Table(implicit);
    let proto = document.entry("proto").or_insert_with(|| implicit.clone());
    if let Some(proto) = proto.as_table_like_mut() {
        let vendor = proto.entry("vendor").or_insert(implicit);
        if let Some(vendor) = vendor.as_table_like_mut() {
            vendor.insert(name, Item::Table(table));
        }
    }
    Ok(document.to_string())
}

#[cfg(test)]
mod tests {
    use super::*;

    const TEXT: &str = r#"# ours
[workspace]
name = "shop"
template-version = "0.1.0" # the templates

[services.user-service]
port = 50051
serves = ["user.v1.UserService"]
"#;

    #[test]
    fn a_manifest_is_read_with_defaults() {
        let manifest = Manifest::parse(TEXT).expect("valid");
        assert_eq!(manifest.registry.kind, RegistryKind::Consul);
        assert_eq!(manifest.proto.roots, ["proto"]);
        let service = manifest.services.values().next().expect("one service");
        assert_eq!((service.port, service.admin_port()), (50051, 51051));
        assert_eq!(manifest.free_port(), Some(50052));
    }

    #[test]
    fn a_service_is_added_and_every_other_byte_is_kept() {
        let name = ServiceName::parse("order-service").expect("valid");
        let service = Service {
            port: 50052,
            admin_port: None,
            serves: vec!["order.v1.OrderService".to_owned()],
            needs: Vec::new(),
        };
        let edited = with_service(TEXT, &name, &service).expect("valid");
        assert_eq!(
            edited,
            format!(
                "{TEXT}\n[services.order-service]\nport = 50052\nserves = [\"order.v1.OrderService\"]\n"
            )
        );
        assert_eq!(Manifest::parse(&edited).expect("valid").services.len(), 2);
    }

    #[test]
    fn a_need_is_added_once() {
        let name = ServiceName::parse("user-service").expect("valid");
        let edited = with_need(TEXT, &name, Resource::Postgres).expect("valid");
        assert_eq!(edited, format!("{TEXT}needs = [\"postgres\"]\n"));
        let again = with_need(&edited, &name, Resource::Postgres).expect("valid");
        assert_eq!(again, edited);
        let manifest = Manifest::parse(&edited).expect("valid");
        assert_eq!(manifest.services[&name].needs, [Resource::Postgres]);
    }

    #[test]
    fn an_unknown_key_is_named_with_its_place() {
        let error =
            Manifest::parse("[workspace]\nname = \"x\"\ntemplate-version = \"1\"\ncolour = 1\n")
                .expect_err("unknown key");
        let source = std::error::Error::source(&error).expect("has a source");
        assert!(source.to_string().contains("line 4, column 1"), "{source}");
        assert!(source.to_string().contains("`colour`"), "{source}");
    }
}
