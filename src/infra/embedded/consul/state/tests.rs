//! The state machine with a clock of the tests' own.

use std::time::{Duration, Instant};

use super::super::decode;
use super::*;

/// A registry and the time.
struct World {
    registry: Registry,
    now: Instant,
}

impl World {
    fn new() -> Self {
        Self {
            registry: Registry::new("127.0.0.1"),
            now: Instant::now(),
        }
    }

    /// Lets seconds pass, all timers included.
    fn pass(&mut self, seconds: u64) {
        self.now += Duration::from_secs(seconds);
        self.registry.elapse(self.now);
    }

    fn register(&mut self, body: &str) {
        let body = decode::body(body.as_bytes()).expect("an object");
        let (service, checks) = Service::read(&body).expect("a service");
        let outcome = self.registry.register(service, checks, false, self.now);
        outcome.expect("registered");
    }

    fn tell(&mut self, check: &str, status: Status, output: &str) {
        let outcome = self.registry.update_ttl(check, status, output, self.now);
        outcome.expect("a TTL check");
    }

    /// Runs what is due; all probes have this outcome.
    fn probe(&mut self, outcome: &(Status, String)) -> usize {
        let due = self.registry.due(self.now);
        for due in &due {
            self.registry.probed(&due.key, outcome.clone(), self.now);
        }
        due.len()
    }

    /// The status and output of a check: the agent's, and the catalog's.
    fn check(&self, id: &str) -> [(Status, &str); 2] {
        let local = self.registry.checks().find(|check| check.id == id);
        let catalog = self.registry.catalog.check(id);
        [local, catalog].map(|check| {
            let check = check.expect("a check");
            (check.status, check.output.as_str())
        })
    }

    fn session(&mut self, body: &str, id: char) -> String {
        let id = String::from(id).repeat(36);
        let body = decode::body(body.as_bytes()).expect("an object");
        let session = Session::read(&body, NODE).expect("a session");
        let outcome = self.registry.create_session(id.clone(), session, self.now);
        outcome.expect("created");
        id
    }

    fn lock(&mut self, key: &str, session: &str) -> bool {
        let condition = Condition::Acquire(session.to_owned());
        let outcome = self
            .registry
            .put_key(key, (Vec::new(), 0), &condition, self.now);
        outcome.expect("an outcome")
    }

    fn wait(&self) -> Option<Duration> {
        Some(self.registry.next_event()?.duration_since(self.now))
    }
}

const TTL: &str = r#"{"Name":"web","Check":{"TTL":"30s","DeregisterCriticalServiceAfter":"90s"}}"#;
const HTTP: &str = r#"{"Name":"web","Check":{"HTTP":"http://a/","Interval":"10s","Timeout":"2s",
                      "SuccessBeforePassing":2,"FailuresBeforeCritical":3}}"#;

fn ok() -> (Status, String) {
    (Status::Passing, "ok".to_owned())
}

fn broken() -> (Status, String) {
    (Status::Critical, "broken".to_owned())
}

#[test]
fn a_ttl_runs_out_and_tells_what_it_was_told_last() {
    let mut world = World::new();
    world.register(TTL);
    assert_eq!(world.check("service:web")[0], (Status::Critical, ""));
    world.tell("service:web", Status::Passing, "well");
    world.pass(29);
    assert_eq!(world.check("service:web"), [(Status::Passing, "well"); 2]);
    world.pass(1);
    let told = "TTL expired (last output before timeout follows): well";
    assert_eq!(world.check("service:web"), [(Status::Critical, told); 2]);
}

#[test]
fn a_service_goes_when_it_was_critical_for_long_enough_counted_from_then() {
    let mut world = World::new();
    world.register(TTL);
    world.tell("service:web", Status::Passing, "");
    for _ in 0..10 {
        world.pass(20);
        world.tell("service:web", Status::Passing, "");
    }
    world.tell("service:web", Status::Critical, "");
    world.pass(89);
    assert!(world.registry.service("web").is_some());
    world.pass(1);
    assert!(world.registry.service("web").is_none());
    assert_eq!(world.registry.catalog.instances("web", &[]).count(), 0);
    assert_eq!(world.wait(), None);
}

#[test]
fn a_service_that_never_was_well_counts_from_its_first_outcome() {
    let mut world = World::new();
    world.register(TTL);
    // Nothing is told: critical from when the TTL runs out after 30 s.
    for _ in 0..30 {
        world.pass(1);
    }
    world.pass(89);
    assert!(world.registry.service("web").is_some());
    world.pass(1);
    assert!(world.registry.service("web").is_none());
}

#[test]
fn the_shortest_time_to_deregister_is_a_minute() {
    let mut world = World::new();
    world.register(&TTL.replace("90s", "1s"));
    world.tell("service:web", Status::Critical, "");
    world.pass(59);
    assert!(world.registry.service("web").is_some());
    world.pass(1);
    assert!(world.registry.service("web").is_none());
}

#[test]
fn a_probe_runs_at_once_and_then_at_its_interval() {
    let mut world = World::new();
    world.register(HTTP);
    assert_eq!(world.registry.due(world.now).len(), 1);
    // Nothing is heard of it: again after the time-out and the interval.
    assert_eq!(world.wait(), Some(Duration::from_secs(12)));
    world.pass(12);
    assert_eq!(world.probe(&ok()), 1);
    assert_eq!(world.probe(&ok()), 0);
    assert_eq!(world.wait(), Some(Duration::from_secs(10)));
}

#[test]
fn so_many_successes_and_failures_in_a_row_count() {
    let mut world = World::new();
    world.register(HTTP);
    let mut statuses = Vec::new();
    for outcome in [
        ok(),
        ok(),
        broken(),
        broken(),
        ok(),
        broken(),
        broken(),
        broken(),
    ] {
        world.probe(&outcome);
        statuses.push(world.check("service:web")[0].0);
        world.pass(10);
    }
    use Status::{Critical, Passing};
    let mut expected = [Passing; 8];
    (expected[0], expected[7]) = (Critical, Critical);
    assert_eq!(statuses, expected);
}

#[test]
fn the_outcome_for_an_older_registration_is_dropped() {
    let mut world = World::new();
    world.register(r#"{"Name":"web","Check":{"TCP":"a:1","Interval":"10s"}}"#);
    let old = world.registry.due(world.now);
    world.register(r#"{"Name":"web","Check":{"TCP":"b:1","Interval":"10s"}}"#);
    world.registry.probed(&old[0].key, ok(), world.now);
    assert_eq!(world.check("service:web")[0], (Status::Critical, ""));
    assert_eq!(world.probe(&ok()), 1);
    assert_eq!(world.check("service:web"), [(Status::Passing, "ok"); 2]);
}

#[test]
fn an_output_alone_reaches_the_catalog_later_and_raises_the_index_then() {
    let mut world = World::new();
    world.register(r#"{"Name":"web","Check":{"TTL":"24h"}}"#);
    world.tell("service:web", Status::Passing, "one");
    let index = |world: &World| world.registry.catalog.service_index("web", true);
    let before = index(&world);
    world.tell("service:web", Status::Passing, "two");
    let told = world.check("service:web");
    assert_eq!(told, [(Status::Passing, "two"), (Status::Passing, "one")]);
    world.pass(299);
    assert_eq!(index(&world), before);
    world.pass(1);
    assert_eq!(world.check("service:web"), [(Status::Passing, "two"); 2]);
    assert!(index(&world) > before);
}

#[test]
fn a_registration_of_what_is_there_keeps_indexes_and_outcome() {
    let mut world = World::new();
    world.register(TTL);
    world.tell("service:web", Status::Passing, "well");
    let shown = |world: &World| {
        let catalog = &world.registry.catalog;
        let all = catalog.instances("web", &[]);
        all.map(|service| catalog.health_json(service))
            .collect::<Vec<_>>()
    };
    let before = (
        shown(&world),
        world.registry.catalog.service_index("web", true),
    );
    world.register(TTL);
    let after = (
        shown(&world),
        world.registry.catalog.service_index("web", true),
    );
    assert_eq!(before, after);
}

#[test]
fn whoever_waits_for_a_service_that_is_renamed_is_woken() {
    let mut world = World::new();
    world.register(r#"{"Name":"old","ID":"1"}"#);
    let before = world.registry.catalog.service_index("old", true);
    world.register(r#"{"Name":"new","ID":"1"}"#);
    assert!(world.registry.catalog.service_index("old", true) > before);
}

#[test]
fn a_session_ends_after_twice_its_ttl_unless_it_is_renewed() {
    let mut world = World::new();
    let id = world.session(r#"{"TTL":"10s","LockDelay":"0s"}"#, 'a');
    assert!(world.lock("k", &id));
    world.pass(19);
    assert!(world.registry.sessions.renew(&id, world.now));
    world.pass(19);
    assert!(world.registry.sessions.contains(&id));
    assert_eq!(world.wait(), Some(Duration::from_secs(1)));
    world.pass(1);
    assert!(!world.registry.sessions.contains(&id));
    let other = world.session("{}", 'b');
    assert!(world.lock("k", &other));
}

#[test]
fn the_keys_of_a_session_that_deletes_go_with_it() {
    let mut world = World::new();
    let id = world.session(r#"{"TTL":"10s","Behavior":"delete"}"#, 'a');
    assert!(world.lock("k", &id));
    world.pass(20);
    assert_eq!(world.registry.kv.get("k").0, None);
}

#[test]
fn a_lock_stays_free_for_the_delay_of_a_session_that_ended() {
    let mut world = World::new();
    let one = world.session("{}", 'a');
    let other = world.session("{}", 'b');
    assert!(world.lock("k", &one));
    world.registry.destroy_session(&one, world.now);
    assert!(!world.lock("k", &other));
    world.pass(14);
    assert!(!world.lock("k", &other));
    world.pass(1);
    assert!(world.lock("k", &other));
}

#[test]
fn more_than_so_many_services_are_refused_as_an_error() {
    let mut world = World::new();
    for id in 0..MAX_ENTRIES {
        world.register(&format!(r#"{{"Name":"web","ID":"{id}"}}"#));
    }
    let body = decode::body(br#"{"Name":"more"}"#).expect("an object");
    let (service, checks) = Service::read(&body).expect("a service");
    let outcome = world.registry.register(service, checks, false, world.now);
    assert_eq!(outcome, Err(Refusal::full("services")));
    world.register(r#"{"Name":"other","ID":"7"}"#);
}
