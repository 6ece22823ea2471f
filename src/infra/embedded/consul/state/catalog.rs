//! The catalog: what all who discover services see. The agent hands its services and checks to
//! it, and each write has an index.

use std::collections::BTreeMap;

use serde_json::{Value, json};

use super::checks::{Check, Status};
use super::index::{FIRST, Indexes};
use super::services::Service;

/// The service that stands for the servers of Consul themselves.
const CONSUL: &str = "consul";
/// Where a server answers the other servers.
const SERVER_PORT: i64 = 8300;

/// Something with the indexes of its first and latest write.
#[derive(Clone, Debug)]
pub(in super::super) struct Entry<T> {
    pub value: T,
    pub created: u64,
    pub modified: u64,
}

/// The node, its services and its checks.
#[derive(Debug)]
pub(in super::super) struct Catalog {
    node: Value,
    services: BTreeMap<String, Entry<Service>>,
    checks: BTreeMap<String, Entry<Check>>,
    indexes: Indexes,
}

impl Catalog {
    /// A catalog of one node, which is given as the API shows it.
    pub(super) fn new(node: Value, version: &str) -> Self {
        let mut catalog = Self {
            node,
            services: BTreeMap::new(),
            checks: BTreeMap::new(),
            indexes: Indexes::default(),
        };
        let meta = [
            ("non_voter", "false"),
            ("raft_version", "3"),
            ("serf_protocol_current", "2"),
            ("serf_protocol_max", "5"),
            ("serf_protocol_min", "1"),
            ("version", version),
        ];
        let meta = meta.map(|(key, value)| (key.to_owned(), value.to_owned()));
        let server = Service {
            id: CONSUL.to_owned(),
            name: CONSUL.to_owned(),
            tags: Vec::new(),
            address: String::new(),
            port: SERVER_PORT,
            meta: BTreeMap::from(meta),
            tagged_addresses: serde_json::Map::new(),
            weights: (1, 1),
            enable_tag_override: false,
        };
        catalog.put_service(&server, FIRST);
        let serf = Check {
            id: "serfHealth".to_owned(),
            name: "Serf Health Status".to_owned(),
            notes: String::new(),
            status: Status::Passing,
            output: "Agent alive and reachable".to_owned(),
            service_id: String::new(),
            service_name: String::new(),
            service_tags: Vec::new(),
            kind: "",
        };
        catalog.put_check(serf, FIRST);
        catalog
    }

    /// Writes the service, unless it is there as it is.
    pub(super) fn put_service(&mut self, service: &Service, index: u64) {
        let old = self.services.get(&service.id);
        if old.is_some_and(|old| old.value == *service) {
            return;
        }
        let created = old.map_or(index, |old| old.created);
        let renamed = old
            .map(|old| old.value.name.clone())
            .filter(|name| *name != service.name);
        let entry = Entry {
            value: service.clone(),
            created,
            modified: index,
        };
        self.services.insert(service.id.clone(), entry);
        self.indexes.services = index;
        self.indexes.touch_service(&service.name, index);
        if let Some(name) = renamed {
            self.lost_instance(&name, index);
        }
    }

    /// Writes the check; one that is there as it is keeps its index, but not the table, for so it
    /// is in Consul.
    pub(super) fn put_check(&mut self, mut check: Check, index: u64) {
        self.indexes.checks = index;
        if let Some(service) = self.services.get(&check.service_id) {
            check.belong_to(&service.value);
        }
        let old = self.checks.get(&check.id);
        if old.is_some_and(|old| old.value == check) {
            return;
        }
        let created = old.map_or(index, |old| old.created);
        self.touch(&check, index);
        let entry = Entry {
            value: check,
            created,
            modified: index,
        };
        self.checks.insert(entry.value.id.clone(), entry);
    }

    fn touch(&mut self, check: &Check, index: u64) {
        if check.service_id.is_empty() {
            self.indexes.touch_all_services(index);
        } else if let Some(service) = self.services.get(&check.service_id) {
            self.indexes.touch_service(&service.value.name, index);
        }
    }

    /// Removes a service and its checks, whose ids are returned.
    pub(super) fn remove_service(&mut self, id: &str, index: u64) -> Vec<String> {
        let Some(service) = self.services.remove(id) else {
            return Vec::new();
        };
        let of_it = |check: &Entry<Check>| check.value.service_id == id;
        let removed = self.checks.values().filter(|check| of_it(check));
        let removed = removed.map(|check| check.value.id.clone()).collect();
        self.checks.retain(|_, check| !of_it(check));
        self.indexes.services = index;
        self.indexes.checks = index;
        self.lost_instance(&service.value.name, index);
        removed
    }

    fn lost_instance(&mut self, name: &str, index: u64) {
        if self.services.values().any(|other| other.value.name == name) {
            self.indexes.touch_service(name, index);
        } else {
            self.indexes.remove_service(name, index);
        }
    }

    /// Removes a check.
    pub(super) fn remove_check(&mut self, id: &str, index: u64) {
        let Some(check) = self.checks.remove(id) else {
            return;
        };
        self.indexes.checks = index;
        if check.value.service_id.is_empty() {
            self.indexes.services = index;
        }
        self.touch(&check.value, index);
    }

    /// The node as the API shows it.
    pub fn node_json(&self) -> &Value {
        &self.node
    }

    /// The node's name.
    pub fn node_name(&self) -> &str {
        self.node["Node"].as_str().unwrap_or_default()
    }

    /// The latest write to the node itself.
    pub fn nodes_index(&self) -> u64 {
        self.indexes.nodes
    }

    /// The latest write to any service.
    pub fn services_index(&self) -> u64 {
        self.indexes.services
    }

    /// The latest write to any check.
    pub fn checks_index(&self) -> u64 {
        self.indexes.checks
    }

    /// The latest write to a service and its checks; without `checks` counts less where the
    /// service is not there and none ever went.
    pub fn service_index(&self, name: &str, checks: bool) -> u64 {
        self.indexes.of_service(name, checks)
    }

    /// All instances, ordered by their ids.
    pub fn services(&self) -> impl Iterator<Item = &Entry<Service>> {
        self.services.values()
    }

    /// The instances of a service that have all these tags.
    pub fn instances<'a>(
        &'a self,
        name: &'a str,
        tags: &'a [&'a str],
    ) -> impl Iterator<Item = &'a Entry<Service>> {
        let wanted = move |service: &&Entry<Service>| {
            service.value.name == name && service.value.has_tags(tags)
        };
        self.services.values().filter(wanted)
    }

    /// All checks, ordered by their ids.
    pub fn checks(&self) -> impl Iterator<Item = &Entry<Check>> {
        self.checks.values()
    }

    /// A check.
    pub(super) fn check(&self, id: &str) -> Option<&Check> {
        self.checks.get(id).map(|check| &check.value)
    }

    /// The checks of the node, then those of the instance.
    pub fn checks_of<'a>(&'a self, service: &'a str) -> impl Iterator<Item = &'a Entry<Check>> {
        let owned_by = |owner: &'a str| {
            let checks = self.checks.values();
            checks.filter(move |check| check.value.service_id == owner)
        };
        owned_by("").chain(owned_by(service))
    }

    /// A check as the API shows it.
    pub fn check_json(&self, check: &Entry<Check>) -> Value {
        let node = self.node_name();
        check.value.to_json(node, check.created, check.modified)
    }

    /// An instance with its node, as the health endpoints show it.
    pub fn health_json(&self, service: &Entry<Service>) -> Value {
        let checks: Vec<_> = self.checks_of(&service.value.id).collect();
        json!({
            "Node": self.node,
            "Service": service.value.health_json(service.created, service.modified),
            "Checks": checks.into_iter().map(|check| self.check_json(check)).collect::<Vec<_>>(),
        })
    }
}
