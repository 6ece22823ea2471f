//! The catalog and its checks: a pure state machine, time is passed in.

use std::collections::{BTreeMap, HashMap};
use std::net::SocketAddr;
use std::time::{Duration, Instant};

use serde_json::{Value, json};

use super::json::Fields;
use super::kv::Store;

/// The most services, and the most checks, that are kept.
const MAX_ENTRIES: usize = 10_000;
/// Consul's lower limit of `DeregisterCriticalServiceAfter`.
const SHORTEST_DEREGISTER: Duration = Duration::from_secs(60);
/// Consul's lower limit of a check's interval.
const SHORTEST_INTERVAL: Duration = Duration::from_secs(1);
/// Consul's default time-out of a check.
const DEFAULT_TIMEOUT: Duration = Duration::from_secs(10);
/// The name of the only node.
pub(super) const NODE: &str = "msvc";
const NODE_ID: &str = "00000000-0000-4000-8000-000000000001";

/// The state of a check.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Status {
    Passing,
    Warning,
    Critical,
}

impl Status {
    pub fn parse(text: &str) -> Option<Self> {
        Some(match text {
            "passing" => Self::Passing,
            "warning" => Self::Warning,
            "critical" => Self::Critical,
            _ => return None,
        })
    }

    pub fn as_str(self) -> &'static str {
        match self {
            Self::Passing => "passing",
            Self::Warning => "warning",
            Self::Critical => "critical",
        }
    }
}

/// What a check does at its interval.
#[derive(Clone, Debug)]
pub(super) enum Probe {
    Http(String),
    Grpc(String),
    Tcp(String),
}

#[derive(Clone, Debug)]
enum Kind {
    /// Critical unless refreshed before the instant.
    Ttl(Duration, Instant),
    /// Runs next at the instant, with an interval and a time-out.
    Probe(Probe, Instant, Duration, Duration),
}

#[derive(Clone, Debug)]
pub(super) struct Check {
    id: String,
    name: String,
    notes: String,
    pub status: Status,
    output: String,
    service: Option<String>,
    kind: Kind,
    deregister_after: Option<Duration>,
    critical_since: Option<Instant>,
    created: u64,
    modified: u64,
}

#[derive(Clone, Debug)]
pub(super) struct Service {
    id: String,
    pub name: String,
    pub tags: Vec<String>,
    address: String,
    port: u64,
    meta: BTreeMap<String, String>,
    weights: Value,
    created: u64,
    modified: u64,
}

/// A check that is due: its id, registration's index, what to do and the time-out.
pub(super) type Due = ((String, u64), Probe, Duration);

/// Everything that the registry knows.
#[derive(Debug)]
pub(super) struct Registry {
    pub address: SocketAddr,
    index: u64,
    /// The index of the latest change of any service or check.
    pub catalog_index: u64,
    /// The index of the latest change of each service that exists.
    service_indexes: HashMap<String, u64>,
    services: BTreeMap<String, Service>,
    checks: BTreeMap<String, Check>,
    pub kv: Store,
}

impl Registry {
    pub fn new(address: SocketAddr) -> Self {
        Self {
            address,
            index: 1,
            catalog_index: 1,
            service_indexes: HashMap::new(),
            services: BTreeMap::new(),
            checks: BTreeMap::new(),
            kv: Store::default(),
        }
    }

    /// The index of the next write.
    pub fn next_index(&mut self) -> u64 {
        self.index += 1;
        self.index
    }

    fn touch(&mut self, service: &str) -> u64 {
        let index = self.next_index();
        self.catalog_index = index;
        if self.services.values().any(|other| other.name == service) {
            self.service_indexes.insert(service.to_owned(), index);
        } else {
            self.service_indexes.remove(service);
        }
        index
    }

    /// The index to wait on for a service.
    pub fn service_index(&self, name: &str) -> u64 {
        let known = self.service_indexes.get(name);
        known.copied().unwrap_or(self.catalog_index)
    }

    /// Registers a service with its checks, or replaces it.
    pub fn register(
        &mut self,
        body: &Fields<'_>,
        replace: bool,
        now: Instant,
    ) -> Result<(), String> {
        let name = body.text("name");
        if name.is_empty() {
            return Err("Missing service name".to_owned());
        }
        let id = Some(body.text("id"))
            .filter(|id| !id.is_empty())
            .unwrap_or_else(|| name.clone());
        if self.services.len() >= MAX_ENTRIES && !self.services.contains_key(&id) {
            return Err("too many services for a registry that is for development".to_owned());
        }
        let mut definitions: Vec<_> = body
            .get("check")
            .and_then(Value::as_object)
            .into_iter()
            .collect();
        let more = body.get("checks").and_then(Value::as_array);
        definitions.extend(more.into_iter().flatten().filter_map(Value::as_object));
        let mut checks = Vec::new();
        for (at, definition) in definitions.iter().enumerate() {
            let default_id = match definitions.len() {
                1 => format!("service:{id}"),
                _ => format!("service:{id}:{}", at + 1),
            };
            let mut check = Check::read(&Fields(definition), now).map_err(|why| {
                match why.starts_with("Request") {
                    true => why,
                    false => format!("Invalid check: {why}"),
                }
            })?;
            if check.id.is_empty() {
                check.id = default_id;
            }
            if check.name.is_empty() {
                check.name = format!("Service '{name}' check");
            }
            check.service = Some(id.clone());
            checks.push(check);
        }
        let weights = match body.get("weights").and_then(Value::as_object) {
            None => json!({"Passing": 1, "Warning": 1}),
            Some(given) => {
                let given = Fields(given);
                let weight = |name| given.get(name).and_then(Value::as_u64).unwrap_or(1);
                json!({"Passing": weight("passing"), "Warning": weight("warning")})
            }
        };
        if replace {
            let kept = |check: &Check| checks.iter().any(|new| new.id == check.id);
            self.checks
                .retain(|_, check| check.service.as_ref() != Some(&id) || kept(check));
        }
        let old = self.services.get(&id).cloned();
        let service = Service {
            id: id.clone(),
            name: name.clone(),
            tags: body.texts("tags"),
            address: body.text("address"),
            port: body.get("port").and_then(Value::as_u64).unwrap_or(0),
            meta: body.map("meta"),
            weights,
            created: 0,
            modified: 0,
        };
        self.services.insert(id.clone(), service);
        if let Some(old) = old.as_ref().filter(|old| old.name != name) {
            self.touch(&old.name);
        }
        let index = self.touch(&name);
        if let Some(service) = self.services.get_mut(&id) {
            service.created = old.map_or(index, |old| old.created);
            service.modified = index;
        }
        for check in checks {
            self.insert_check(check, index);
        }
        Ok(())
    }

    fn insert_check(&mut self, mut check: Check, index: u64) {
        check.created = index;
        check.modified = index;
        // A check that is registered again keeps its outcome, as in Consul.
        if let Some(old) = self.checks.get(&check.id) {
            check.status = old.status;
            check.output.clone_from(&old.output);
            check.critical_since = old.critical_since;
        }
        self.checks.insert(check.id.clone(), check);
    }

    /// Registers a check of the node or of a service.
    pub fn register_check(&mut self, body: &Fields<'_>, now: Instant) -> Result<(), String> {
        let mut check = Check::read(body, now)?;
        if check.name.is_empty() {
            return Err("Missing check name".to_owned());
        }
        if check.id.is_empty() {
            check.id.clone_from(&check.name);
        }
        let service = body.text("serviceid");
        if !service.is_empty() {
            if !self.services.contains_key(&service) {
                return Err(format!("ServiceID \"{service}\" does not exist"));
            }
            check.service = Some(service);
        }
        if self.checks.len() >= MAX_ENTRIES && !self.checks.contains_key(&check.id) {
            return Err("too many checks for a registry that is for development".to_owned());
        }
        let index = self.touch_check(&check);
        self.insert_check(check, index);
        Ok(())
    }

    fn touch_check(&mut self, check: &Check) -> u64 {
        let service = check.service.as_ref().and_then(|id| self.services.get(id));
        let name = service.map(|service| service.name.clone());
        self.touch(&name.unwrap_or_default())
    }

    /// Removes a service and its checks; false when it is unknown.
    pub fn deregister(&mut self, id: &str) -> bool {
        let Some(service) = self.services.remove(id) else {
            return false;
        };
        self.checks
            .retain(|_, check| check.service.as_deref() != Some(id));
        self.touch(&service.name);
        true
    }

    /// Removes a check; false when it is unknown.
    pub fn deregister_check(&mut self, id: &str) -> bool {
        let removed = self.checks.remove(id);
        removed.map(|check| self.touch_check(&check)).is_some()
    }

    /// Refreshes a TTL check.
    pub fn update_ttl(
        &mut self,
        id: &str,
        status: Status,
        output: String,
        now: Instant,
    ) -> Result<(), String> {
        match self.checks.get_mut(id).map(|check| &mut check.kind) {
            Some(Kind::Ttl(ttl, expires)) => *expires = now + *ttl,
            _ => return Err(format!("CheckID \"{id}\" does not have associated TTL")),
        }
        self.set_status(id, status, output, now);
        Ok(())
    }

    /// Takes the outcome of a probe, unless the check was registered anew; whether it changed.
    pub fn probed(
        &mut self,
        (id, created): &(String, u64),
        status: Status,
        output: String,
        now: Instant,
    ) -> bool {
        let Some(check) = self
            .checks
            .get_mut(id)
            .filter(|check| check.created == *created)
        else {
            return false;
        };
        if let Kind::Probe(_, next, interval, _) = &mut check.kind {
            *next = now + *interval;
        }
        self.set_status(id, status, output, now);
        // The checker has to learn the time of the next run in any case.
        true
    }

    fn set_status(&mut self, id: &str, status: Status, output: String, now: Instant) {
        let Some(check) = self.checks.get_mut(id) else {
            return;
        };
        if check.status == status && check.output == output {
            return;
        }
        check.critical_since =
            (status == Status::Critical).then(|| check.critical_since.unwrap_or(now));
        check.status = status;
        check.output = output;
        let check = check.clone();
        let index = self.touch_check(&check);
        if let Some(check) = self.checks.get_mut(id) {
            check.modified = index;
        }
    }

    /// Lets TTLs run out and removes services that were critical for too long; whether any did.
    pub fn expire(&mut self, now: Instant) -> bool {
        let expired = |check: &&Check| {
            check.status != Status::Critical
                && matches!(check.kind, Kind::Ttl(_, expires) if expires <= now)
        };
        let silent: Vec<String> = self
            .checks
            .values()
            .filter(expired)
            .map(|check| check.id.clone())
            .collect();
        for id in &silent {
            self.set_status(id, Status::Critical, "TTL expired".to_owned(), now);
        }
        let gone: Vec<String> = self
            .checks
            .values()
            .filter(|check| check.dies_at().is_some_and(|at| at <= now))
            .filter_map(|check| check.service.clone())
            .collect();
        let removed = gone.iter().filter(|id| self.deregister(id)).count();
        !silent.is_empty() || removed > 0
    }

    /// The checks to run now; each is next due when its outcome is known.
    pub fn due(&mut self, now: Instant) -> Vec<Due> {
        let mut due = Vec::new();
        for check in self.checks.values_mut() {
            if let Kind::Probe(probe, next, interval, timeout) = &mut check.kind
                && *next <= now
            {
                *next = now + *timeout + *interval;
                due.push(((check.id.clone(), check.created), probe.clone(), *timeout));
            }
        }
        due
    }

    /// When something happens next without a request.
    pub fn next_wake(&self) -> Option<Instant> {
        let wake = |check: &Check| {
            let next = match check.kind {
                Kind::Ttl(_, expires) => (check.status != Status::Critical).then_some(expires),
                Kind::Probe(_, next, ..) => Some(next),
            };
            next.into_iter().chain(check.dies_at()).min()
        };
        self.checks.values().filter_map(wake).min()
    }

    pub fn service(&self, id: &str) -> Option<&Service> {
        self.services.get(id)
    }

    pub fn services(&self) -> impl Iterator<Item = &Service> {
        self.services.values()
    }

    pub fn checks(&self) -> impl Iterator<Item = &Check> {
        self.checks.values()
    }

    /// The node's checks and those of one service.
    pub fn checks_of<'a>(&'a self, id: &'a str) -> impl Iterator<Item = &'a Check> {
        let mine = move |check: &&Check| check.service.as_deref().is_none_or(|owner| owner == id);
        self.checks.values().filter(mine)
    }

    pub fn service_of(&self, check: &Check) -> Option<&Service> {
        self.services.get(check.service.as_ref()?)
    }

    pub fn check_json(&self, check: &Check) -> Value {
        let service = self.service_of(check);
        let kind = match check.kind {
            Kind::Ttl(..) => "ttl",
            Kind::Probe(Probe::Http(_), ..) => "http",
            Kind::Probe(Probe::Grpc(_), ..) => "grpc",
            Kind::Probe(Probe::Tcp(_), ..) => "tcp",
        };
        json!({
            "Node": NODE, "CheckID": check.id, "Name": check.name, "Status": check.status.as_str(),
            "Notes": check.notes, "Output": check.output,
            "ServiceID": check.service.as_deref().unwrap_or_default(),
            "ServiceName": service.map_or("", |service| &service.name),
            "ServiceTags": service.map_or(&[][..], |service| &service.tags),
            "Type": kind, "Definition": {},
            "CreateIndex": check.created, "ModifyIndex": check.modified,
        })
    }

    pub fn node_json(&self) -> Value {
        let ip = self.address.ip().to_string();
        json!({
            "ID": NODE_ID, "Node": NODE, "Address": ip, "Datacenter": "dc1",
            "TaggedAddresses": {"lan": ip, "lan_ipv4": ip, "wan": ip, "wan_ipv4": ip},
            "Meta": {"consul-network-segment": ""}, "CreateIndex": 1, "ModifyIndex": 1,
        })
    }
}

/// The check that stands for the node itself.
pub(super) fn node_check() -> Value {
    json!({
        "Node": NODE, "CheckID": "serfHealth", "Name": "Serf Health Status", "Status": "passing",
        "Notes": "", "Output": "Agent alive and reachable", "ServiceID": "", "ServiceName": "",
        "ServiceTags": [], "Type": "", "Definition": {}, "CreateIndex": 1, "ModifyIndex": 1,
    })
}

impl Service {
    pub fn agent_json(&self) -> Value {
        json!({
            "ID": self.id, "Service": self.name, "Tags": self.tags, "Meta": self.meta,
            "Port": self.port, "Address": self.address, "Weights": self.weights,
            "EnableTagOverride": false,
        })
    }

    pub fn health_json(&self) -> Value {
        let mut value = self.agent_json();
        if self.meta.is_empty() {
            value["Meta"] = Value::Null;
        }
        value["Proxy"] = json!({"MeshGateway": {}, "Expose": {}});
        value["Connect"] = json!({});
        value["CreateIndex"] = self.created.into();
        value["ModifyIndex"] = self.modified.into();
        value
    }

    pub fn catalog_json(&self, node: &Value) -> Value {
        json!({
            "ID": NODE_ID, "Node": NODE, "Address": node["Address"], "Datacenter": "dc1",
            "TaggedAddresses": node["TaggedAddresses"], "NodeMeta": node["Meta"],
            "ServiceKind": "", "ServiceID": self.id, "ServiceName": self.name,
            "ServiceTags": self.tags, "ServiceAddress": self.address,
            "ServiceWeights": self.weights, "ServiceMeta": self.meta, "ServicePort": self.port,
            "ServiceEnableTagOverride": false,
            "ServiceProxy": {"MeshGateway": {}, "Expose": {}}, "ServiceConnect": {},
            "CreateIndex": self.created, "ModifyIndex": self.modified,
        })
    }

    pub fn id(&self) -> &str {
        &self.id
    }
}

impl Check {
    fn read(body: &Fields<'_>, now: Instant) -> Result<Self, String> {
        let (interval, timeout) = (body.duration("interval")?, body.duration("timeout")?);
        let ttl = body.duration("ttl")?;
        let probes = [
            ("http", Probe::Http as fn(String) -> Probe),
            ("grpc", Probe::Grpc),
            ("tcp", Probe::Tcp),
        ];
        let probe = probes.into_iter().find_map(|(field, probe)| {
            Some(body.text(field))
                .filter(|text| !text.is_empty())
                .map(probe)
        });
        for unsupported in [
            "args",
            "script",
            "aliasservice",
            "grpcusetls",
            "method",
            "header",
            "body",
        ] {
            if body
                .get(unsupported)
                .is_some_and(|value| value != false && value != "")
            {
                return Err(format!(
                    "`{unsupported}` is not supported by the embedded registry"
                ));
            }
        }
        let kind = match probe {
            Some(_) if interval.is_zero() => {
                return Err("Interval must be > 0 for Script, HTTP, or TCP checks".to_owned());
            }
            Some(probe) => {
                let timeout = if timeout.is_zero() {
                    DEFAULT_TIMEOUT
                } else {
                    timeout
                };
                Kind::Probe(probe, now, interval.max(SHORTEST_INTERVAL), timeout)
            }
            None if ttl.is_zero() => return Err("TTL must be > 0 for TTL checks".to_owned()),
            None => Kind::Ttl(ttl, now + ttl),
        };
        let status = Status::parse(&body.text("status")).unwrap_or(Status::Critical);
        let after = body.duration("deregistercriticalserviceafter")?;
        let id = Some(body.text("checkid")).filter(|id| !id.is_empty());
        Ok(Self {
            id: id.unwrap_or_else(|| body.text("id")),
            name: body.text("name"),
            notes: body.text("notes"),
            status,
            output: String::new(),
            service: None,
            kind,
            deregister_after: (!after.is_zero()).then(|| after.max(SHORTEST_DEREGISTER)),
            critical_since: (status == Status::Critical).then_some(now),
            created: 0,
            modified: 0,
        })
    }

    /// When its service is removed.
    fn dies_at(&self) -> Option<Instant> {
        self.service.as_ref()?;
        Some(self.critical_since? + self.deregister_after?)
    }
}
