//! Sessions, which hold locks of keys as long as their checks pass and they are renewed.

use std::collections::BTreeMap;
use std::time::{Duration, Instant};

use serde_json::{Map, Value, json};

use super::super::decode::Object;
use super::super::duration;
use super::{MAX_ENTRIES, Refusal};

/// Consul's default of how long a lock stays free after its session was invalidated.
const DEFAULT_LOCK_DELAY: Duration = Duration::from_secs(15);
/// Its upper limit.
const LONGEST_LOCK_DELAY: Duration = Duration::from_secs(60);
/// Consul's limits of a TTL.
const SHORTEST_TTL: Duration = Duration::from_secs(10);
const LONGEST_TTL: Duration = Duration::from_secs(24 * 60 * 60);
/// Consul waits this many TTLs, so that a client that is somewhat late keeps its session.
const TTL_MULTIPLIER: u32 = 2;
/// The length of a session's id.
const ID_LENGTH: usize = 36;

/// What happens to the keys of a session that ends.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Behavior {
    Release,
    Delete,
}

/// A session.
#[derive(Clone, Debug)]
pub(in super::super) struct Session {
    name: String,
    lock_delay: Duration,
    behavior: Behavior,
    /// As it was given, and what it means; zero and empty: none.
    ttl: (String, Duration),
    node_checks: Vec<String>,
    service_checks: Option<Vec<String>>,
    checks: Vec<String>,
    expires: Option<Instant>,
    created: u64,
}

/// All sessions.
#[derive(Debug, Default)]
pub(in super::super) struct Sessions {
    all: BTreeMap<String, Session>,
    /// The index of the latest creation or end.
    index: u64,
    /// The keys whose lock nobody may have yet.
    delays: BTreeMap<String, Instant>,
}

impl Session {
    /// Reads the body of a creation; `node` is the only one there is.
    pub fn read(body: &Map<String, Value>, node: &str) -> Result<Self, Refusal> {
        let fields = Object::new(body, "");
        let failed = |text: String| Err(Refusal::Failed(text));
        let lock_delay = fields.lock_delay("LockDelay")?;
        let (name, wanted_node) = (fields.text("Name")?, fields.text("Node")?);
        let behavior = fields.text_of("Behavior", "structs.SessionBehavior")?;
        let ttl = fields.text("TTL")?;
        let checks = fields.texts("Checks")?;
        // An empty list of either is how a session without any check is asked for.
        let is_none = fields.get("Checks").is_some() && checks.is_empty();
        let node_checks = match fields.get("NodeChecks") {
            None if is_none => Vec::new(),
            None => vec!["serfHealth".to_owned()],
            Some(_) => fields.texts("NodeChecks")?,
        };
        let service_checks = match fields.get("ServiceChecks") {
            None => None,
            Some(_) => {
                let checks = fields.objects("ServiceChecks", "structs.ServiceCheck")?;
                let id = |check: &Map<String, Value>| Object::new(check, "").text("ID");
                Some(checks.into_iter().map(id).collect::<Result<_, _>>()?)
            }
        };
        let behavior = match behavior.as_str() {
            "" | "release" => Behavior::Release,
            "delete" => Behavior::Delete,
            other => return failed(format!("Invalid Behavior setting '{other}'")),
        };
        let length = match ttl.as_str() {
            "" => Duration::ZERO,
            text => match duration::parse(text) {
                Ok(length) => length,
                Err(why) => return failed(format!("Session TTL '{text}' invalid: {why}")),
            },
        };
        if !length.is_zero() && !(SHORTEST_TTL..=LONGEST_TTL).contains(&length) {
            return failed(format!(
                "Invalid Session TTL '{}', must be between [10s=24h0m0s]",
                length.as_nanos()
            ));
        }
        if !wanted_node.is_empty() && wanted_node != node {
            return failed("Missing node registration".to_owned());
        }
        Ok(Self {
            name,
            lock_delay: lock_delay.unwrap_or(DEFAULT_LOCK_DELAY),
            behavior,
            ttl: (ttl, length),
            node_checks,
            service_checks,
            checks,
            expires: None,
            created: 0,
        })
    }

    /// The checks that it depends on.
    pub fn all_checks(&self) -> impl Iterator<Item = &String> {
        let checks = self.node_checks.iter().chain(&self.checks);
        checks.chain(self.service_checks.iter().flatten())
    }

    pub fn deletes(&self) -> bool {
        self.behavior == Behavior::Delete
    }

    fn renew(&mut self, now: Instant) {
        let length = self.ttl.1;
        self.expires = (!length.is_zero()).then(|| now + length * TTL_MULTIPLIER);
    }

    fn to_json(&self, id: &str, node: &str) -> Value {
        let service_checks = self.service_checks.as_ref().map(|checks| {
            let shown = checks.iter().map(|id| json!({"ID": id, "Namespace": ""}));
            shown.collect::<Vec<_>>()
        });
        let behavior = match self.behavior {
            Behavior::Release => "release",
            Behavior::Delete => "delete",
        };
        let mut value = json!({
            "ID": id, "Name": self.name, "Node": node,
            "LockDelay": u64::try_from(self.lock_delay.as_nanos()).unwrap_or(u64::MAX),
            "Behavior": behavior, "TTL": self.ttl.0, "NodeChecks": self.node_checks,
            "ServiceChecks": service_checks,
            "CreateIndex": self.created, "ModifyIndex": self.created,
        });
        if !self.checks.is_empty() {
            value["Checks"] = self.checks.clone().into();
        }
        value
    }
}

/// Refuses what cannot be a session's id.
pub(in super::super) fn check_id(id: &str) -> Result<(), Refusal> {
    if id.len() == ID_LENGTH {
        return Ok(());
    }
    let text = "failed session lookup: index error: UUID must be 36 characters";
    Err(Refusal::Failed(text.to_owned()))
}

impl Sessions {
    /// The index of the latest creation or end.
    pub fn index(&self) -> u64 {
        self.index
    }

    pub(super) fn create(
        &mut self,
        id: String,
        mut session: Session,
        index: u64,
        now: Instant,
    ) -> Result<(), Refusal> {
        if self.all.len() >= MAX_ENTRIES {
            return Err(Refusal::full("sessions"));
        }
        session.renew(now);
        session.created = index;
        self.all.insert(id, session);
        self.index = index;
        Ok(())
    }

    /// Lets the session live on; false when there is none.
    pub fn renew(&mut self, id: &str, now: Instant) -> bool {
        let session = self.all.get_mut(id);
        session.map(|session| session.renew(now)).is_some()
    }

    pub(super) fn remove(&mut self, id: &str, index: u64) -> Option<Session> {
        let session = self.all.remove(id)?;
        self.index = index;
        Some(session)
    }

    /// Keeps these keys from being locked for the session's delay.
    pub(super) fn delay(&mut self, keys: &[String], session: &Session, now: Instant) {
        let delay = session.lock_delay.min(LONGEST_LOCK_DELAY);
        self.delays.retain(|_, until| *until > now);
        if delay.is_zero() {
            return;
        }
        let until = keys.iter().map(|key| (key.clone(), now + delay));
        self.delays.extend(until);
    }

    pub(super) fn is_delayed(&self, key: &str, now: Instant) -> bool {
        self.delays.get(key).is_some_and(|until| *until > now)
    }

    pub fn contains(&self, id: &str) -> bool {
        self.all.contains_key(id)
    }

    /// The sessions that depend on the check.
    pub(super) fn of_check(&self, check: &str) -> Vec<String> {
        let depends = |session: &Session| session.all_checks().any(|own| own == check);
        let found = self.all.iter().filter(|(_, session)| depends(session));
        found.map(|(id, _)| id.clone()).collect()
    }

    pub(super) fn expired(&self, now: Instant) -> Vec<String> {
        let over = |session: &Session| session.expires.is_some_and(|at| at <= now);
        let found = self.all.iter().filter(|(_, session)| over(session));
        found.map(|(id, _)| id.clone()).collect()
    }

    pub(super) fn next_expiry(&self) -> Option<Instant> {
        self.all
            .values()
            .filter_map(|session| session.expires)
            .min()
    }

    /// All sessions, or the one of this id, as the API shows them.
    pub fn to_json(&self, id: Option<&str>, node: &str) -> Value {
        let wanted = self.all.iter();
        let wanted = wanted.filter(|(own, _)| id.is_none_or(|id| id == *own));
        wanted
            .map(|(id, session)| session.to_json(id, node))
            .collect()
    }
}
