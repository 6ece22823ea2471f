//! What the agent itself knows of its checks: when they are due and what came of them.

use std::collections::BTreeMap;
use std::time::{Duration, Instant};

use super::checks::{Check, Kind, Probe, Status};
use super::definition::Definition;

/// How long the catalog is not told of an output that is new while the status is not: Consul's
/// `check_update_interval`, around which a real agent draws at random.
pub(super) const OUTPUT_DELAY: Duration = Duration::from_secs(5 * 60);
const TTL_EXPIRED: &str = "TTL expired";

/// A check with what happens to it in time.
#[derive(Debug)]
pub(super) struct LocalCheck {
    pub definition: Definition,
    /// Tells this registration from others of the same id.
    generation: u64,
    /// When a TTL runs out or a probe runs next.
    due: Option<Instant>,
    /// What a TTL check was told last.
    told: String,
    successes: u64,
    failures: u64,
    /// Since when it is critical; not since its registration, for it starts critical.
    critical_since: Option<Instant>,
    /// When the catalog is told of an output.
    deferred: Option<Instant>,
}

/// A probe that is due.
#[derive(Clone, Debug)]
pub(in super::super) struct Due {
    /// The check, and which registration of it.
    pub key: (String, u64),
    pub probe: Probe,
    pub timeout: Duration,
    pub max_output: usize,
}

/// The agent's checks.
pub(super) type LocalChecks = BTreeMap<String, LocalCheck>;

impl LocalCheck {
    /// A check that is registered now, in place of an old one whose outcome it keeps.
    pub fn new(
        mut definition: Definition,
        old: Option<&Self>,
        generation: u64,
        now: Instant,
    ) -> Self {
        if let Some(old) = old {
            definition.check.status = old.check().status;
            definition.check.output.clone_from(&old.check().output);
        }
        let due = match definition.kind {
            Kind::Ttl(ttl) => Some(now + ttl),
            Kind::Probe { .. } => Some(now),
            Kind::Maintenance => None,
        };
        Self {
            definition,
            generation,
            due,
            told: String::new(),
            successes: 0,
            failures: 0,
            critical_since: None,
            deferred: None,
        }
    }

    pub fn check(&self) -> &Check {
        &self.definition.check
    }

    /// Takes what a TTL check is told; the check as the catalog is to learn it, if at once.
    /// None in the outer place: it is no TTL check.
    pub fn told(&mut self, status: Status, output: &str, now: Instant) -> Option<Option<Check>> {
        let Kind::Ttl(ttl) = self.definition.kind else {
            return None;
        };
        self.due = Some(now + ttl);
        self.told = shortened(output, self.definition.max_output);
        let output = self.told.clone();
        Some(self.set(status, output, now))
    }

    /// Takes the outcome of a probe of this registration.
    pub fn probed(
        &mut self,
        generation: u64,
        (status, output): (Status, String),
        now: Instant,
    ) -> Option<Check> {
        let Kind::Probe { interval, .. } = self.definition.kind else {
            return None;
        };
        if generation != self.generation {
            return None;
        }
        self.due = Some(now + interval);
        let (enough_successes, enough_failures) = self.definition.thresholds;
        let counts = if status == Status::Critical {
            (self.successes, self.failures) = (0, self.failures + 1);
            self.failures >= enough_failures
        } else {
            (self.successes, self.failures) = (self.successes + 1, 0);
            self.successes >= enough_successes
        };
        if !counts {
            return None;
        }
        self.set(status, output, now)
    }

    fn set(&mut self, status: Status, output: String, now: Instant) -> Option<Check> {
        self.critical_since =
            (status == Status::Critical).then(|| self.critical_since.unwrap_or(now));
        let check = &mut self.definition.check;
        if check.status == status {
            if check.output != output {
                check.output = output;
                self.deferred.get_or_insert(now + OUTPUT_DELAY);
            }
            return None;
        }
        check.status = status;
        check.output = output;
        self.deferred = None;
        Some(check.clone())
    }

    /// Lets a TTL run out and a deferred output through.
    pub fn elapse(&mut self, now: Instant) -> Option<Check> {
        let is_ttl = matches!(self.definition.kind, Kind::Ttl(_));
        if is_ttl && self.due.is_some_and(|due| due <= now) {
            self.due = None;
            let output = match self.told.as_str() {
                "" => TTL_EXPIRED.to_owned(),
                told => format!("{TTL_EXPIRED} (last output before timeout follows): {told}"),
            };
            if let Some(check) = self.set(Status::Critical, output, now) {
                return Some(check);
            }
        }
        if self.deferred.is_some_and(|at| at <= now) {
            self.deferred = None;
            return Some(self.check().clone());
        }
        None
    }

    /// The probe, when it is to run now. Until its outcome is known it is due after its time-out.
    pub fn start(&mut self, now: Instant) -> Option<Due> {
        let Kind::Probe {
            probe,
            interval,
            timeout,
        } = &self.definition.kind
        else {
            return None;
        };
        if self.due.is_none_or(|due| due > now) {
            return None;
        }
        self.due = Some(now + *timeout + *interval);
        Some(Due {
            key: (self.definition.check.id.clone(), self.generation),
            probe: probe.clone(),
            timeout: *timeout,
            max_output: self.definition.max_output,
        })
    }

    /// When its service is removed for being critical.
    pub fn reaped_at(&self) -> Option<Instant> {
        if self.check().service_id.is_empty() {
            return None;
        }
        Some(self.critical_since? + self.definition.deregister_after?)
    }

    /// When something happens to it without a request.
    pub fn next_event(&self) -> Option<Instant> {
        [self.due, self.deferred, self.reaped_at()]
            .into_iter()
            .flatten()
            .min()
    }
}

/// At most `most` bytes of an output, with a note where it was longer.
fn shortened(output: &str, most: usize) -> String {
    if output.len() <= most {
        return output.to_owned();
    }
    let end = (0..=most).rev().find(|at| output.is_char_boundary(*at));
    let kept = &output[..end.unwrap_or(0)];
    format!("{kept} ... (captured {most} of {} bytes)", output.len())
}
