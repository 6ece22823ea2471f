//! What the registry knows: a state machine without input, output or a clock. The time is passed
//! in, and so is what probes found out.
//!
//! As in Consul there are two views. The agent has what services told it ([`local`]); the catalog
//! has what all may see ([`catalog`]). Here the agent hands a change over in the same breath, save
//! for a check's output that is new while its status is not.

mod catalog;
mod checks;
mod definition;
mod index;
mod kv;
mod local;
mod locks;
mod refusal;
mod services;
mod sessions;
#[cfg(test)]
mod tests;

use std::collections::BTreeMap;
use std::time::Instant;

use serde_json::{Value, json};

pub(super) use catalog::{Catalog, Entry};
pub(super) use checks::{Check, HttpProbe, Probe, Status};
pub(super) use definition::Definition;
pub(super) use kv::{Condition, Store};
pub(super) use local::Due;
pub(super) use refusal::Refusal;
pub(super) use services::Service;
pub(super) use sessions::{Session, Sessions, check_id};

use local::{LocalCheck, LocalChecks};

/// The most services, checks and sessions each that are kept.
const MAX_ENTRIES: usize = 10_000;
/// The version of Consul that the conformance suite compares with.
pub(super) const VERSION: &str = "1.8.7";
/// The name of the only node.
pub(super) const NODE: &str = "msvc";
pub(super) const NODE_ID: &str = "00000000-0000-4000-8000-000000000001";
/// The id of the check that is the node's maintenance mode.
const NODE_MAINTENANCE: &str = "_node_maintenance";

/// Everything that the registry knows.
#[derive(Debug)]
pub(super) struct Registry {
    index: u64,
    services: BTreeMap<String, Service>,
    checks: LocalChecks,
    pub catalog: Catalog,
    pub kv: Store,
    pub sessions: Sessions,
}

impl Registry {
    /// An empty registry of a node with this IP address.
    pub fn new(ip: &str) -> Self {
        let node = json!({
            "ID": NODE_ID, "Node": NODE, "Address": ip, "Datacenter": "dc1",
            "TaggedAddresses": {"lan": ip, "lan_ipv4": ip, "wan": ip, "wan_ipv4": ip},
            "Meta": {"consul-network-segment": ""},
            "CreateIndex": index::FIRST, "ModifyIndex": index::FIRST,
        });
        Self {
            index: index::FIRST,
            services: BTreeMap::new(),
            checks: LocalChecks::new(),
            catalog: Catalog::new(node, VERSION),
            kv: Store::default(),
            sessions: Sessions::default(),
        }
    }

    fn next_index(&mut self) -> u64 {
        self.index += 1;
        self.index
    }

    /// Registers a service with its checks, or replaces it; with `replace` its other checks go.
    pub fn register(
        &mut self,
        service: Service,
        checks: Vec<Definition>,
        replace: bool,
        now: Instant,
    ) -> Result<(), Refusal> {
        if self.services.len() >= MAX_ENTRIES && !self.services.contains_key(&service.id) {
            return Err(Refusal::full("services"));
        }
        if self.checks.len() + checks.len() > MAX_ENTRIES {
            return Err(Refusal::full("checks"));
        }
        if replace {
            let goes = |check: &&LocalCheck| {
                let check = check.check();
                check.service_id == service.id && !checks.iter().any(|new| new.check.id == check.id)
            };
            let gone = self.checks.values().filter(goes);
            let gone: Vec<_> = gone.map(|check| check.check().id.clone()).collect();
            gone.iter().for_each(|id| self.deregister_check(id, now));
        }
        let index = self.next_index();
        self.catalog.put_service(&service, index);
        self.services.insert(service.id.clone(), service);
        for check in checks {
            self.add_check(check, index, now);
        }
        Ok(())
    }

    fn add_check(&mut self, definition: Definition, index: u64, now: Instant) {
        let id = definition.check.id.clone();
        let check = LocalCheck::new(definition, self.checks.get(&id), index, now);
        self.hand_over(check.check().clone(), index, now);
        self.checks.insert(id, check);
    }

    /// Registers a check of the node or of a service.
    pub fn register_check(
        &mut self,
        mut definition: Definition,
        now: Instant,
    ) -> Result<(), Refusal> {
        let service = definition.check.service_id.clone();
        if !service.is_empty() {
            match self.services.get(&service) {
                Some(service) => definition.check.belong_to(service),
                None => {
                    let text = format!("ServiceID \"{service}\" does not exist");
                    return Err(Refusal::Failed(text));
                }
            }
        }
        if self.checks.len() >= MAX_ENTRIES && !self.checks.contains_key(&definition.check.id) {
            return Err(Refusal::full("checks"));
        }
        let index = self.next_index();
        self.add_check(definition, index, now);
        Ok(())
    }

    /// Removes a service and its checks, if it is there.
    pub fn deregister(&mut self, id: &str, now: Instant) {
        if self.services.remove(id).is_none() {
            return;
        }
        self.checks
            .retain(|_, check| check.check().service_id != id);
        let index = self.next_index();
        for check in self.catalog.remove_service(id, index) {
            self.end_sessions_of(&check, index, now);
        }
    }

    /// Removes a check, if it is there.
    pub fn deregister_check(&mut self, id: &str, now: Instant) {
        if self.checks.remove(id).is_none() {
            return;
        }
        let index = self.next_index();
        self.catalog.remove_check(id, index);
        self.end_sessions_of(id, index, now);
    }

    /// Takes what a TTL check is told.
    pub fn update_ttl(
        &mut self,
        id: &str,
        status: Status,
        output: &str,
        now: Instant,
    ) -> Result<(), Refusal> {
        let check = self.checks.get_mut(id);
        let Some(changed) = check.and_then(|check| check.told(status, output, now)) else {
            let text = format!("CheckID \"{id}\" does not have associated TTL");
            return Err(Refusal::Failed(text));
        };
        self.hand_over_now(changed, now);
        Ok(())
    }

    /// Takes the outcome of a probe, unless the check was registered anew meanwhile.
    pub fn probed(
        &mut self,
        (id, generation): &(String, u64),
        outcome: (Status, String),
        now: Instant,
    ) {
        let check = self.checks.get_mut(id);
        let changed = check.and_then(|check| check.probed(*generation, outcome, now));
        self.hand_over_now(changed, now);
    }

    fn hand_over_now(&mut self, check: Option<Check>, now: Instant) {
        if let Some(check) = check {
            let index = self.next_index();
            self.hand_over(check, index, now);
        }
    }

    fn hand_over(&mut self, check: Check, index: u64, now: Instant) {
        let (id, status) = (check.id.clone(), check.status);
        self.catalog.put_check(check, index);
        if status == Status::Critical {
            self.end_sessions_of(&id, index, now);
        }
    }

    /// Begins or ends the maintenance mode of a service.
    pub fn maintain_service(
        &mut self,
        id: &str,
        on: bool,
        reason: &str,
        now: Instant,
    ) -> Result<(), Refusal> {
        let Some(service) = self.services.get(id) else {
            let text = format!("No service registered with ID \"{id}\"");
            return Err(Refusal::Unknown(text));
        };
        let check_id = format!("_service_maintenance:{id}");
        let check = Definition::maintenance(Some(service), check_id, reason);
        self.maintain(check, on, now);
        Ok(())
    }

    /// Begins or ends the maintenance mode of the node.
    pub fn maintain_node(&mut self, on: bool, reason: &str, now: Instant) {
        let check = Definition::maintenance(None, NODE_MAINTENANCE.to_owned(), reason);
        self.maintain(check, on, now);
    }

    fn maintain(&mut self, check: Definition, on: bool, now: Instant) {
        let is_on = self.checks.contains_key(&check.check.id);
        match (on, is_on) {
            (true, false) => {
                let index = self.next_index();
                self.add_check(check, index, now);
            }
            (false, true) => self.deregister_check(&check.check.id, now),
            // The reason that was given first stays.
            _ => {}
        }
    }

    /// Lets time pass: TTLs run out, outputs reach the catalog, sessions end, and services go that
    /// were critical for too long. Whether any of it happened.
    pub fn elapse(&mut self, now: Instant) -> bool {
        let before = self.index;
        let elapsed = self.checks.values_mut();
        let elapsed: Vec<_> = elapsed.filter_map(|check| check.elapse(now)).collect();
        for check in elapsed {
            self.hand_over_now(Some(check), now);
        }
        let reaped = self.checks.values();
        let reaped = reaped.filter(|check| check.reaped_at().is_some_and(|at| at <= now));
        let reaped: Vec<_> = reaped
            .map(|check| check.check().service_id.clone())
            .collect();
        reaped.iter().for_each(|id| self.deregister(id, now));
        for session in self.sessions.expired(now) {
            self.destroy_session(&session, now);
        }
        self.index != before
    }

    /// The probes to run now; each is next due when its outcome is known.
    pub fn due(&mut self, now: Instant) -> Vec<Due> {
        let checks = self.checks.values_mut();
        checks.filter_map(|check| check.start(now)).collect()
    }

    /// When something happens next without a request.
    pub fn next_event(&self) -> Option<Instant> {
        let checks = self.checks.values().filter_map(LocalCheck::next_event);
        checks.chain(self.sessions.next_expiry()).min()
    }

    /// A service of the agent.
    pub fn service(&self, id: &str) -> Option<&Service> {
        self.services.get(id)
    }

    /// The services of the agent, ordered by their ids.
    pub fn services(&self) -> impl Iterator<Item = &Service> {
        self.services.values()
    }

    /// The checks of the agent, ordered by their ids.
    pub fn checks(&self) -> impl Iterator<Item = &Check> {
        self.checks.values().map(LocalCheck::check)
    }

    /// A check of the agent as the API shows it; the agent knows no indexes.
    pub fn check_json(&self, check: &Check) -> Value {
        check.to_json(NODE, 0, 0)
    }
}
