//! The configuration of a running service: changed in files, in a real Consul and in a real etcd.

use std::io::Write;
use std::path::PathBuf;
use std::time::{Duration, Instant};

use serde_json::{Value, json};

use crate::consul::Agent;
use crate::discovery::wait_until;
use crate::etcd::Etcd;
use crate::process::Service;

pub(crate) const REFUSED: &str =
    "a change of the configuration was refused, the last good one stays";
const AWAY: &str = "the configuration store cannot be reached, the last settings stay";

/// A store of settings that is real.
trait Store: Sized {
    /// Its name in the configuration.
    const NAME: &str;
    /// The key of the service.
    const KEY: &str;

    /// The setting that says where it is.
    fn address(&self) -> (&'static str, String);
    fn put(&self, text: &str);
    fn delete(&self);
    fn end(&mut self);
    /// Starts it again where it was, with or without its data.
    fn again(self) -> Self;

    /// A service that takes its settings from here.
    fn service(&self) -> Service {
        let (name, address) = self.address();
        Service::start(&[
            ("APP_CONFIG_CENTER__SOURCE", Self::NAME),
            ("APP_APP__GREETING", "variable"),
            ("APP_REGISTRY__ETCD__REQUEST_TIMEOUT", "1s"),
            ("APP_ADMIN__PORT", "0"),
            (name, &address),
        ])
    }
}

impl Store for Agent {
    const NAME: &str = "consul";
    const KEY: &str = "config/dev/probe";

    fn address(&self) -> (&'static str, String) {
        ("APP_REGISTRY__CONSUL__ADDRESS", self.url())
    }

    fn put(&self, text: &str) {
        let path = format!("/v1/kv/{}", Self::KEY);
        assert!(self.send("PUT", &path, text).is_some());
    }

    fn delete(&self) {
        let path = format!("/v1/kv/{}", Self::KEY);
        assert!(self.send("DELETE", &path, "").is_some());
    }

    fn end(&mut self) {
        self.kill();
    }

    fn again(self) -> Self {
        self.replace()
    }
}

impl Store for Etcd {
    const NAME: &str = "etcd";
    const KEY: &str = "/config/dev/probe";

    fn address(&self) -> (&'static str, String) {
        (
            "APP_REGISTRY__ETCD__ENDPOINTS",
            format!("[{:?}]", self.url()),
        )
    }

    fn put(&self, text: &str) {
        self.control(&["put", Self::KEY, text]);
    }

    fn delete(&self) {
        self.control(&["del", Self::KEY]);
    }

    fn end(&mut self) {
        self.kill();
    }

    fn again(mut self) -> Self {
        self.restart();
        self
    }
}

fn configz(service: &Service) -> Value {
    let (status, text) = service.get("/configz");
    assert_eq!(status, 200, "{text}");
    serde_json::from_str(&text).expect("JSON")
}

/// The greeting that is in force, and where it came from.
fn greeting(service: &Service) -> Value {
    configz(service)["settings"]["app.greeting"].clone()
}

/// Waits for the settings to be changed to `expected`, by whatever steps.
fn wait_for_greeting(service: &mut Service, expected: &str) {
    while service.wait_for("settings changed")["fields"]["greeting"] != expected {}
}

fn text(greeting: &str) -> String {
    format!("[app]\ngreeting = \"{greeting}\"\n")
}

/// A service follows its key through everything that happens to it.
fn follow<S: Store>(mut store: S) {
    store.put(&text("one"));
    let mut service = store.service();
    let origin = format!("{}:{}:2", S::NAME, S::KEY);
    let from_store = |value: &str| json!({"value": value, "origin": origin, "live": true});
    assert_eq!(greeting(&service), from_store("one"));

    store.put(&text("two"));
    wait_for_greeting(&mut service, "two");
    assert_eq!(greeting(&service), from_store("two"));

    store.put("[app]\ngreting = \"three\"\n");
    let refused = service.wait_for(REFUSED);
    let reason =
        format!("failed to load {origin}: unknown key `app.greting`, did you mean `app.greeting`?");
    assert_eq!(
        refused["fields"],
        json!({"source": S::NAME, "reason": reason})
    );
    assert_eq!(greeting(&service), from_store("two"));
    assert_eq!(configz(&service)["refused"]["reason"], reason.as_str());

    store.end();
    service.wait_for(AWAY);
    assert_eq!(greeting(&service), from_store("two"));
    let store = store.again();
    store.put(&text("four"));
    wait_for_greeting(&mut service, "four");
    assert_eq!(configz(&service)["refused"], Value::Null);

    store.delete();
    wait_for_greeting(&mut service, "variable");
    let origin = "the environment variable APP_APP__GREETING";
    assert_eq!(
        greeting(&service),
        json!({"value": "variable", "origin": origin, "live": true})
    );
    store.put(&text("five"));
    wait_for_greeting(&mut service, "five");

    let metrics = service.get("/metrics").1;
    let refused = format!(
        "config_reloads_total{{source=\"{}\",result=\"refused\"}} 1\n",
        S::NAME
    );
    assert!(metrics.contains(&refused), "{metrics}");
    let time = "\nconfig_last_reload_success_timestamp_seconds ";
    assert!(metrics.contains(time), "{metrics}");
}

/// A service starts while its store is away, and takes what it says once it is there.
fn start_without<S: Store>(mut store: S) {
    store.end();
    let mut service = store.service();
    let origin = "the environment variable APP_APP__GREETING";
    assert_eq!(
        greeting(&service),
        json!({"value": "variable", "origin": origin, "live": true})
    );
    let store = store.again();
    store.put(&text("late"));
    wait_for_greeting(&mut service, "late");
}

/// The times from what `put` writes to the log line of `service` that has the new settings.
fn latencies(name: &str, mut service: Service, put: impl Fn(&str)) {
    let times = (0..20).map(|number: u32| {
        let number = number.to_string();
        let begin = Instant::now();
        put(&text(&number));
        wait_for_greeting(&mut service, &number);
        begin.elapsed()
    });
    let mut times: Vec<Duration> = times.collect();
    times.sort_unstable();
    let (median, most) = (times[times.len() / 2], times[times.len() - 1]);
    let line = format!("{name}: median {median:?}, at most {most:?}\n");
    std::io::stderr().write_all(line.as_bytes()).expect("open");
}

#[test]
#[ignore = "measures and proves nothing: how long an update takes to reach a service"]
fn latency() {
    if let Some(agent) = Agent::start() {
        latencies("consul", Store::service(&agent), |text| agent.put(text));
    }
    if let Some(etcd) = Etcd::start() {
        latencies("etcd", Store::service(&etcd), |text| etcd.put(text));
    }
    let folder = Folder::new("latency");
    folder.write("default.toml", "");
    let service = Service::start(&[("APP_CONFIG_DIR", folder.path())]);
    latencies("file", service, |text| folder.write("default.toml", text));
}

#[test]
fn a_service_follows_its_key_in_consul() {
    if let Some(agent) = Agent::start() {
        follow(agent);
    }
}

#[test]
fn a_service_follows_its_key_in_etcd() {
    if let Some(etcd) = Etcd::start() {
        follow(etcd);
    }
}

#[test]
fn a_service_starts_without_consul_and_follows_it_later() {
    if let Some(agent) = Agent::start() {
        start_without(agent);
    }
}

#[test]
fn a_service_starts_without_etcd_and_follows_it_later() {
    if let Some(etcd) = Etcd::start() {
        start_without(etcd);
    }
}

/// A folder for one test, which is removed at its end.
pub(crate) struct Folder(PathBuf);

impl Folder {
    pub(crate) fn new(name: &str) -> Self {
        let name = format!("chassis-live-{name}-{}", std::process::id());
        let path = std::env::temp_dir().join(name);
        std::fs::create_dir_all(&path).expect("a folder");
        Self(path)
    }

    pub(crate) fn path(&self) -> &str {
        self.0.to_str().expect("UTF-8")
    }

    /// Writes a file as a whole: a service that looks while it is written would take the half of it
    /// that is there, when nothing more comes for a while.
    pub(crate) fn write(&self, name: &str, text: &str) {
        let new = self.0.join(".new");
        std::fs::write(&new, text).expect("a file");
        std::fs::rename(new, self.0.join(name)).expect("replaced");
    }
}

impl Drop for Folder {
    fn drop(&mut self) {
        let _ = std::fs::remove_dir_all(&self.0);
    }
}

#[test]
fn a_service_follows_its_files_and_says_what_needs_a_restart() {
    let folder = Folder::new("files");
    folder.write("default.toml", &text("one"));
    let path = folder.0.display().to_string();
    let mut service = Service::start(&[
        ("APP_CONFIG_DIR", &path),
        ("APP_CONFIG_CENTER__POLL_INTERVAL", "20ms"),
        ("APP_ADMIN__PORT", "0"),
    ]);
    folder.write("default.toml", &text("two"));
    wait_for_greeting(&mut service, "two");

    folder.write("default.toml", "[app]\ngreeting = 3\n");
    let refused = service.wait_for(REFUSED);
    let reason = format!(
        "failed to load {path}/default.toml:2: `app.greeting`: \
         expected a string, got integer `3`"
    );
    assert_eq!(
        refused["fields"],
        json!({"source": "file", "reason": reason})
    );
    let origin = format!("{path}/default.toml:2");
    let in_force = json!({"value": "two", "origin": origin, "live": true});
    assert_eq!(greeting(&service), in_force);

    folder.write(
        "default.toml",
        &(text("four") + "[registry]\ntags = [\"a\"]\n"),
    );
    let restart = service.wait_for("these settings have changed and need a restart");
    let keys = json!({"source": "file", "keys": "registry.tags"});
    assert_eq!(restart["fields"], keys);
    wait_until(|| configz(&service)["restart_needed_for"] == json!(["registry.tags"]));
    assert_eq!(greeting(&service)["value"], "four");
    folder.write("default.toml", "[log]\nlevel = \"warn\"\n");
    wait_until(|| {
        let level: Value = serde_json::from_str(&service.get("/log/level").1).expect("JSON");
        level["level"] == "warn" && level["configured"] == "warn"
    });
    let metrics = service.get("/metrics").1;
    let refused = "config_reloads_total{source=\"file\",result=\"refused\"} 1\n";
    assert!(metrics.contains(refused), "{metrics}");
    let success = "config_reloads_total{source=\"file\",result=\"success\"} ";
    assert!(metrics.contains(success), "{metrics}");
}
