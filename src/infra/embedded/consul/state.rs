//! The catalog, the checks and the key-value store of one node. Pure: time is passed in.

use std::collections::BTreeMap;
use std::net::SocketAddr;
use std::time::{Duration, Instant};

use serde_json::{Value, json};

use super::duration;
use super::types::{CheckDefinition, Registration, Status, Weights};

/// The name of the one node.
const NODE: &str = "msvc";
/// The one data centre.
const DATACENTER: &str = "dc1";
/// Checks are run no more often than that, as Consul has it.
const SHORTEST_INTERVAL: Duration = Duration::from_secs(1);
/// How long a check may take unless it says so.
const DEFAULT_TIMEOUT: Duration = Duration::from_secs(10);
/// Consul takes no critical service away before that.
const SHORTEST_DEREGISTRATION: Duration = Duration::from_secs(60);

/// Everything that is registered and stored.
#[derive(Debug)]
pub(super) struct State {
    address: SocketAddr,
    index: u64,
    services: BTreeMap<String, Service>,
    checks: BTreeMap<String, Check>,
    keys: BTreeMap<String, Entry>,
}

#[derive(Clone, Debug, PartialEq)]
struct Service {
    name: String,
    tags: Vec<String>,
    address: String,
    port: u16,
    meta: BTreeMap<String, String>,
    weights: Weights,
    created: u64,
    modified: u64,
}

/// A check of a service.
#[derive(Clone, Debug)]
pub(super) struct Check {
    service: String,
    name: String,
    notes: String,
    status: Status,
    output: String,
    pub(super) kind: CheckKind,
    pub(super) timeout: Duration,
    interval: Duration,
    due: Instant,
    critical_since: Option<Instant>,
    deregister_after: Option<Duration>,
    created: u64,
    modified: u64,
}

/// How a check is made.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum CheckKind {
    Http(String),
    Grpc(String),
    Tcp(String),
    Ttl,
    Manual,
}

impl CheckKind {
    fn as_str(&self) -> &'static str {
        match self {
            Self::Http(_) => "http",
            Self::Grpc(_) => "grpc",
            Self::Tcp(_) => "tcp",
            Self::Ttl => "ttl",
            Self::Manual => "",
        }
    }
}

#[derive(Clone, Debug)]
pub(super) struct Entry {
    pub(super) value: Vec<u8>,
    flags: u64,
    created: u64,
    pub(super) modified: u64,
}

impl State {
    pub(super) fn new(address: SocketAddr) -> Self {
        Self {
            address,
            index: 1,
            services: BTreeMap::new(),
            checks: BTreeMap::new(),
            keys: BTreeMap::new(),
        }
    }

    /// Grows with every change; never below 1.
    pub(super) fn index(&self) -> u64 {
        self.index
    }

    pub(super) fn address(&self) -> SocketAddr {
        self.address
    }

    fn next_index(&mut self) -> u64 {
        self.index += 1;
        self.index
    }

    /// Registers a service with its checks, in place of what had its id.
    pub(super) fn register(&mut self, given: Registration, now: Instant) -> Result<(), String> {
        if given.name.is_empty() {
            return Err("Missing service name".to_owned());
        }
        let id = if given.id.is_empty() {
            given.name.clone()
        } else {
            given.id
        };
        let definitions: Vec<CheckDefinition> = given
            .check
            .into_iter()
            .chain(given.checks.into_iter().flatten())
            .collect();
        let mut checks = Vec::new();
        for (number, definition) in definitions.iter().enumerate() {
            let default_id = match definitions.len() {
                1 => format!("service:{id}"),
                _ => format!("service:{id}:{}", number + 1),
            };
            checks.push(self.check(definition, &id, &given.name, default_id, now)?);
        }
        let index = self.next_index();
        let created = self
            .services
            .get(&id)
            .map_or(index, |service| service.created);
        self.services.insert(
            id.clone(),
            Service {
                name: given.name,
                tags: given.tags.unwrap_or_default(),
                address: given.address,
                port: given.port,
                meta: given.meta.unwrap_or_default(),
                weights: given.weights.unwrap_or_default(),
                created,
                modified: index,
            },
        );
        self.checks.retain(|_, check| check.service != id);
        for (check_id, mut check) in checks {
            (check.created, check.modified) = (index, index);
            self.checks.insert(check_id, check);
        }
        Ok(())
    }

    fn check(
        &self,
        given: &CheckDefinition,
        service: &str,
        service_name: &str,
        default_id: String,
        now: Instant,
    ) -> Result<(String, Check), String> {
        let read = |name: &str, text: &str| match text {
            "" => Ok(None),
            text => match duration::parse(text) {
                Some(length) => Ok(Some(length)),
                None => Err(format!("Invalid {name}: time: invalid duration {text:?}")),
            },
        };
        let ttl = read("TTL", &given.ttl)?;
        let interval = read("Interval", &given.interval)?;
        let kind = match (&given.http, &given.grpc, &given.tcp, ttl) {
            (url, _, _, _) if !url.is_empty() => CheckKind::Http(url.clone()),
            (_, target, _, _) if !target.is_empty() => CheckKind::Grpc(target.clone()),
            (_, _, target, _) if !target.is_empty() => CheckKind::Tcp(target.clone()),
            (_, _, _, Some(_)) => CheckKind::Ttl,
            _ => CheckKind::Manual,
        };
        if given.grpc_use_tls {
            return Err("GRPCUseTLS is not supported by this registry for development".to_owned());
        }
        let is_active = !matches!(kind, CheckKind::Ttl | CheckKind::Manual);
        if is_active && interval.is_none_or(|length| length.is_zero()) {
            return Err("Interval must be > 0 for Script, HTTP, or TCP checks".to_owned());
        }
        if kind == CheckKind::Manual {
            return Err("TTL must be > 0 for TTL checks".to_owned());
        }
        let interval = ttl.or(interval).unwrap_or(SHORTEST_INTERVAL);
        let interval = if is_active {
            interval.max(SHORTEST_INTERVAL)
        } else {
            interval
        };
        let status = given.status.unwrap_or_default();
        let deregister = read(
            "DeregisterCriticalServiceAfter",
            &given.deregister_critical_service_after,
        )?;
        let id = given
            .check_id
            .clone()
            .or(given.id.clone())
            .filter(|id| !id.is_empty());
        let name = match given.name.as_str() {
            "" => format!("Service '{service_name}' check"),
            name => name.to_owned(),
        };
        Ok((
            id.unwrap_or(default_id),
            Check {
                service: service.to_owned(),
                name,
                notes: given.notes.clone(),
                status,
                output: String::new(),
                due: if is_active {
                    now + interval.min(SHORTEST_INTERVAL)
                } else {
                    now + interval
                },
                kind,
                timeout: read("Timeout", &given.timeout)?.unwrap_or(DEFAULT_TIMEOUT),
                interval,
                critical_since: (status == Status::Critical).then_some(now),
                deregister_after: deregister.map(|length| length.max(SHORTEST_DEREGISTRATION)),
                created: 0,
                modified: 0,
            },
        ))
    }

    /// Takes a service away; whether it was there.
    pub(super) fn deregister(&mut self, id: &str) -> bool {
        let was_there = self.services.remove(id).is_some();
        if was_there {
            self.checks.retain(|_, check| check.service != id);
            self.next_index();
        }
        was_there
    }

    /// Takes the outcome of a check; an unchanged one changes no index. Whether it was there.
    pub(super) fn update_check(
        &mut self,
        id: &str,
        status: Status,
        output: String,
        now: Instant,
    ) -> bool {
        let Some(check) = self.checks.get_mut(id) else {
            return false;
        };
        check.due = now + check.interval;
        check.critical_since = match status {
            Status::Critical => check.critical_since.or(Some(now)),
            Status::Passing | Status::Warning => None,
        };
        if (check.status, &check.output) != (status, &output) {
            (check.status, check.output) = (status, output);
            self.index += 1;
            check.modified = self.index;
        }
        true
    }

    /// The checks that are to be made now, each put off by its interval; TTLs that ran out become
    /// critical, and services that were critical for too long go.
    pub(super) fn tick(&mut self, now: Instant) -> Vec<(String, Check)> {
        let expired: Vec<String> = self
            .checks
            .iter()
            .filter(|(_, check)| check.kind == CheckKind::Ttl && check.due <= now)
            .map(|(id, _)| id.clone())
            .collect();
        for id in expired {
            self.update_check(&id, Status::Critical, "TTL expired".to_owned(), now);
        }
        let reaped: Vec<String> = self
            .checks
            .values()
            .filter(
                |check| match (check.critical_since, check.deregister_after) {
                    (Some(since), Some(after)) => now.duration_since(since) >= after,
                    _ => false,
                },
            )
            .map(|check| check.service.clone())
            .collect();
        for service in reaped {
            self.deregister(&service);
        }
        let mut due = Vec::new();
        for (id, check) in &mut self.checks {
            if check.kind != CheckKind::Ttl && check.due <= now {
                check.due = now + check.interval;
                due.push((id.clone(), check.clone()));
            }
        }
        due
    }

    pub(super) fn agent_services(&self) -> Value {
        let entries = self.services.iter();
        Value::Object(
            entries
                .map(|(id, it)| (id.clone(), agent_service(id, it)))
                .collect(),
        )
    }

    pub(super) fn agent_service(&self, id: &str) -> Option<Value> {
        self.services
            .get(id)
            .map(|service| agent_service(id, service))
    }

    pub(super) fn agent_checks(&self) -> Value {
        let entries = self.checks.iter();
        Value::Object(
            entries
                .map(|(id, check)| (id.clone(), self.health_check(id, check)))
                .collect(),
        )
    }

    /// The names of all services with their tags.
    pub(super) fn catalog_services(&self) -> Value {
        let mut names: BTreeMap<&str, Vec<&str>> = BTreeMap::from([("consul", Vec::new())]);
        for service in self.services.values() {
            let tags = names.entry(&service.name).or_default();
            tags.extend(service.tags.iter().map(String::as_str));
            tags.sort_unstable();
            tags.dedup();
        }
        json!(names)
    }

    /// The instances of a service, by the catalog's names.
    pub(super) fn catalog_service(&self, name: &str, tag: Option<&str>) -> Value {
        let entries = self.instances(name, tag).map(|(id, service)| {
            json!({
                "ID": "", "Node": NODE, "Address": self.address.ip().to_string(), "Datacenter": DATACENTER,
                "ServiceID": id, "ServiceName": service.name, "ServiceTags": service.tags,
                "ServiceAddress": service.address, "ServicePort": service.port,
                "ServiceMeta": service.meta, "ServiceWeights": service.weights,
                "CreateIndex": service.created, "ModifyIndex": service.modified,
            })
        });
        Value::Array(entries.collect())
    }

    /// The instances of a service with their checks.
    pub(super) fn health_service(&self, name: &str, tag: Option<&str>, passing: bool) -> Value {
        let entries = self.instances(name, tag).filter_map(|(id, service)| {
            let checks = || {
                self.checks
                    .iter()
                    .filter(move |(_, check)| &check.service == id)
            };
            if passing && checks().any(|(_, check)| check.status != Status::Passing) {
                return None;
            }
            let checks: Vec<Value> = checks()
                .map(|(id, check)| self.health_check(id, check))
                .collect();
            let mut entry = agent_service(id, service);
            entry["CreateIndex"] = json!(service.created);
            entry["ModifyIndex"] = json!(service.modified);
            Some(json!({ "Node": self.node(), "Service": entry, "Checks": checks }))
        });
        Value::Array(entries.collect())
    }

    /// The checks of a service, or, without a name, those of a status (`any` for all).
    pub(super) fn health_checks(&self, name: Option<&str>, status: Option<&str>) -> Value {
        let entries = self.checks.iter().filter(|(_, check)| {
            let service = self.services.get(&check.service).map(|it| it.name.as_str());
            name.is_none_or(|name| service == Some(name))
                && status.is_none_or(|status| status == "any" || status == check.status.as_str())
        });
        Value::Array(
            entries
                .map(|(id, check)| self.health_check(id, check))
                .collect(),
        )
    }

    pub(super) fn node(&self) -> Value {
        let address = self.address.ip().to_string();
        json!({
            "ID": "", "Node": NODE, "Address": address, "Datacenter": DATACENTER,
            "TaggedAddresses": { "lan": address, "wan": address },
            "Meta": {}, "CreateIndex": 1, "ModifyIndex": 1,
        })
    }

    fn instances<'a>(
        &'a self,
        name: &'a str,
        tag: Option<&'a str>,
    ) -> impl Iterator<Item = (&'a String, &'a Service)> {
        self.services.iter().filter(move |(_, service)| {
            service.name == name && tag.is_none_or(|tag| service.tags.iter().any(|one| one == tag))
        })
    }

    fn health_check(&self, id: &str, check: &Check) -> Value {
        let service = self.services.get(&check.service);
        json!({
            "Node": NODE, "CheckID": id, "Name": check.name, "Status": check.status,
            "Notes": check.notes, "Output": check.output, "ServiceID": check.service,
            "ServiceName": service.map_or("", |service| &service.name),
            "ServiceTags": service.map_or(&[][..], |service| &service.tags),
            "Type": check.kind.as_str(), "Definition": {},
            "CreateIndex": check.created, "ModifyIndex": check.modified,
        })
    }

    pub(super) fn key(&self, key: &str) -> Option<&Entry> {
        self.keys.get(key)
    }

    /// The keys that start with a prefix, in their order.
    pub(super) fn keys_below<'a>(
        &'a self,
        prefix: &'a str,
    ) -> impl Iterator<Item = (&'a String, &'a Entry)> {
        let from = self.keys.range(prefix.to_owned()..);
        from.take_while(move |(key, _)| key.starts_with(prefix))
    }

    /// Stores a value; with `expected`, only where the key was last changed at that index (0: where
    /// it is not there). Whether it was stored.
    pub(super) fn put(
        &mut self,
        key: &str,
        value: Vec<u8>,
        flags: u64,
        expected: Option<u64>,
    ) -> bool {
        let existing = self.keys.get(key);
        let modified = existing.map_or(0, |entry| entry.modified);
        if expected.is_some_and(|expected| expected != modified) {
            return false;
        }
        let created = existing.map(|entry| entry.created);
        if existing.is_some_and(|entry| entry.value == value && entry.flags == flags) {
            return true;
        }
        let index = self.next_index();
        let created = created.unwrap_or(index);
        let entry = Entry {
            value,
            flags,
            created,
            modified: index,
        };
        self.keys.insert(key.to_owned(), entry);
        true
    }

    /// Removes a key, or all below a prefix; with `expected` as [`State::put`].
    pub(super) fn delete(&mut self, key: &str, recurse: bool, expected: Option<u64>) -> bool {
        let modified = self.keys.get(key).map_or(0, |entry| entry.modified);
        if expected.is_some_and(|expected| expected != modified) {
            return false;
        }
        let before = self.keys.len();
        if recurse {
            self.keys.retain(|one, _| !one.starts_with(key));
        } else {
            self.keys.remove(key);
        }
        if self.keys.len() != before {
            self.next_index();
        }
        true
    }
}

impl Entry {
    pub(super) fn json(&self, key: &str) -> Value {
        use base64::Engine as _;
        let value = match self.value.as_slice() {
            [] => Value::Null,
            bytes => json!(base64::engine::general_purpose::STANDARD.encode(bytes)),
        };
        json!({
            "LockIndex": 0, "Key": key, "Flags": self.flags, "Value": value,
            "CreateIndex": self.created, "ModifyIndex": self.modified,
        })
    }
}

fn agent_service(id: &str, service: &Service) -> Value {
    json!({
        "ID": id, "Service": service.name, "Tags": service.tags, "Meta": service.meta,
        "Port": service.port, "Address": service.address, "Weights": service.weights,
        "EnableTagOverride": false,
    })
}
