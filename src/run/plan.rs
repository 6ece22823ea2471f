//! Which processes there are to be, and on which ports.

use std::collections::{BTreeMap, BTreeSet};
use std::ffi::{OsStr, OsString};
use std::net::{Ipv4Addr, SocketAddr};
use std::path::PathBuf;

use crate::infra::resource::Resource;
use crate::manifest::{ADMIN_PORT_OFFSET, Manifest, Service};
use crate::ports;
use crate::project::Project;
use crate::run::error::RunError;
use crate::run::process::Instance;
use crate::run::state_file::RunState;
use crate::suggestion::similar;

/// The services that are to run: those that were named, or all.
///
/// # Errors
/// When there are none, or a name is not one of theirs.
pub fn services(
    manifest: &Manifest,
    given: &[String],
    replicas: &[(String, u16)],
) -> Result<Vec<String>, RunError> {
    let known: Vec<String> = manifest.services.keys().map(ToString::to_string).collect();
    let replicated = replicas.iter().map(|(name, _)| name);
    for given in given.iter().chain(replicated) {
        if !known.contains(given) {
            return Err(RunError::UnknownService {
                given: given.clone(),
                similar: similar(given, known.iter().map(String::as_str)),
                known,
            });
        }
    }
    let chosen = if given.is_empty() {
        known
    } else {
        let mut chosen = given.to_vec();
        chosen.sort();
        chosen.dedup();
        chosen
    };
    if chosen.is_empty() {
        return Err(RunError::NoServices);
    }
    Ok(chosen)
}

/// Finds ports that cannot be had before the time for a build is spent. `left_over` is what an
/// `msvc run` that was killed had started.
///
/// # Errors
/// When the manifest gives a port twice, or somebody else has it.
pub fn check_ports(
    manifest: &Manifest,
    services: &[String],
    left_over: Option<&RunState>,
) -> Result<(), RunError> {
    let mut keys: BTreeMap<u16, String> = BTreeMap::new();
    for (name, entry) in &manifest.services {
        if !services.iter().any(|it| it == name.as_str()) {
            continue;
        }
        for (port, key) in [(entry.port, "port"), (entry.admin_port(), "admin-port")] {
            let second = format!("services.{name}.{key}");
            if let Some(first) = keys.insert(port, second.clone()) {
                return Err(RunError::SamePort {
                    port,
                    first,
                    second,
                });
            }
            if !ports::is_free(port) {
                let holder = ports::holder(port);
                let is_left_over = holder.as_ref().is_some_and(|holder| {
                    left_over.is_some_and(|run| run.pids().any(|pid| pid == holder.pid))
                });
                return Err(RunError::PortTaken {
                    port,
                    service: name.to_string(),
                    key,
                    holder,
                    is_left_over,
                });
            }
        }
    }
    Ok(())
}

/// What all processes have in common.
#[derive(Clone, Debug)]
pub struct Common<'a> {
    /// How many processes of a service; one where it is not named.
    pub replicas: &'a [(String, u16)],
    /// What they are told of their surroundings: variables with their values.
    pub variables: &'a [(String, String)],
    /// Where the resources are that `msvc up` has started.
    pub urls: &'a BTreeMap<Resource, String>,
    /// The names of the variables that they inherit, which are not set again.
    pub inherited: &'a BTreeSet<OsString>,
    /// Whether their logs may be coloured.
    pub color: bool,
}

/// The processes to start. The first of a service has the ports of the manifest, each further one
/// the next pair that is free and that the manifest gives to nobody.
///
/// # Errors
/// When there are no more ports.
pub fn instances(
    project: &Project,
    programs: &BTreeMap<String, PathBuf>,
    common: &Common<'_>,
) -> Result<Vec<Instance>, RunError> {
    let mut instances: Vec<Instance> = Vec::new();
    for (name, entry) in &project.manifest.services {
        let service = name.as_str();
        let Some(program) = programs.get(service) else {
            continue;
        };
        let replicas = common.replicas.iter().find(|(name, _)| name == service);
        let mut pair = (entry.port, entry.admin_port());
        for number in 1..=replicas.map_or(1, |(_, count)| *count) {
            if number > 1 {
                pair = next_pair(&project.manifest, &instances, pair.0)
                    .ok_or_else(|| RunError::NoPort(service.to_owned()))?;
            }
            instances.push(Instance {
                label: match number {
                    1 => service.to_owned(),
                    _ => format!("{service}-{number}"),
                },
                service: service.to_owned(),
                program: program.clone(),
                folder: project.service_folder(service),
                grpc: SocketAddr::from((Ipv4Addr::LOCALHOST, pair.0)),
                admin: SocketAddr::from((Ipv4Addr::LOCALHOST, pair.1)),
                variables: [common.variables, &needed(service, entry, common)].concat(),
                color: common.color,
            });
        }
    }
    Ok(instances)
}

/// The settings by which a service finds what it needs and `msvc up` has started; without them its
/// configuration says what it uses.
fn needed(name: &str, entry: &Service, common: &Common<'_>) -> Vec<(String, String)> {
    let mut variables = Vec::new();
    for resource in &entry.needs {
        let Some(url) = common.urls.get(resource) else {
            continue;
        };
        let (variable, url) = match resource {
            // A service has a database of its own, which it makes.
            Resource::Postgres => {
                let server = url
                    .rsplit_once('/')
                    .map_or(url.as_str(), |(server, _)| server);
                let database = name.replace('-', "_");
                ("APP_APP__DATABASE__URL", format!("{server}/{database}"))
            }
            Resource::Rabbitmq | Resource::Nats => ("APP_APP__MESSAGING__URL", url.clone()),
            Resource::Kafka => ("APP_APP__MESSAGING__URL", format!("kafka://{url}")),
            Resource::Redis => ("APP_APP__CACHE__URL", url.clone()),
            _ => continue,
        };
        let is_new = variables.iter().all(|(other, _)| other != variable);
        if is_new && !common.inherited.contains(OsStr::new(variable)) {
            variables.push((variable.to_owned(), url));
        }
    }
    variables
}

/// The next gRPC and admin port after `port` that nobody has or is to have.
fn next_pair(manifest: &Manifest, instances: &[Instance], port: u16) -> Option<(u16, u16)> {
    let is_promised = |port: u16| {
        let mut entries = manifest.services.values();
        entries.any(|it| it.port == port || it.admin_port() == port)
            || instances
                .iter()
                .any(|it| it.grpc.port() == port || it.admin.port() == port)
    };
    let mut port = port;
    loop {
        port = ports::free_pair(port.checked_add(1)?, ADMIN_PORT_OFFSET)?;
        let admin = port + ADMIN_PORT_OFFSET;
        if !is_promised(port) && !is_promised(admin) {
            return Some((port, admin));
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_service_is_told_where_what_it_needs_is() {
        let urls = BTreeMap::from([
            (
                Resource::Postgres,
                "postgres://a:b@127.0.0.1:5432/shop".to_owned(),
            ),
            (Resource::Nats, "nats://127.0.0.1:4222".to_owned()),
        ]);
        let told = |needs: &[Resource], inherited: &[&str]| {
            let entry = Service {
                port: 1,
                admin_port: None,
                serves: Vec::new(),
                needs: needs.to_vec(),
            };
            let common = Common {
                replicas: &[],
                variables: &[],
                urls: &urls,
                inherited: &inherited.iter().map(OsString::from).collect(),
                color: false,
            };
            let told = needed("user-service", &entry, &common).into_iter();
            told.map(|(name, value)| format!("{name}={value}"))
                .collect::<Vec<_>>()
        };
        assert_eq!(
            told(&[Resource::Postgres, Resource::Nats, Resource::Redis], &[]),
            [
                "APP_APP__DATABASE__URL=postgres://a:b@127.0.0.1:5432/user_service",
                "APP_APP__MESSAGING__URL=nats://127.0.0.1:4222",
            ]
        );
        assert_eq!(
            told(&[Resource::Postgres], &["APP_APP__DATABASE__URL"]),
            [""; 0]
        );
        assert_eq!(told(&[], &[]), [""; 0]);
    }
}
