//! A workspace whose infrastructure is containers, and a look at them from outside.

use std::fs;
use std::process::Command;
use std::sync::{Mutex, MutexGuard, PoisonError};

use serde_json::Value;

use crate::support::ports::free_port;
use crate::support::{Sandbox, skip};

/// One test at a time has the engine: together they would take each other's time and ports.
static ENGINE: Mutex<()> = Mutex::new(());

/// The ports that tests move to free ones.
const PORTS: [&str; 9] = [
    "consul",
    "etcd",
    "kafka",
    "nats",
    "nats-monitoring",
    "postgres",
    "prometheus",
    "redis",
    "rabbitmq",
];

/// A workspace, whose containers, volumes and network are removed at its end.
pub struct Site {
    pub sandbox: Sandbox,
    /// Where the engine answers.
    pub host: String,
    _engine: Option<MutexGuard<'static, ()>>,
}

/// Where the engine of the tests answers.
fn host() -> Option<String> {
    let host = std::env::var("MSVC_TEST_DOCKER_HOST").ok();
    if host.is_none() {
        skip("no Docker engine for tests (`.ci/engine`, `.ci/images`, MSVC_TEST_DOCKER_HOST)");
    }
    host
}

impl Site {
    /// A workspace on ports of its own; `None` where there is no engine.
    pub fn new() -> Option<Self> {
        let host = host()?;
        let engine = ENGINE.lock().unwrap_or_else(PoisonError::into_inner);
        Some(Self::with(host, Some(engine)))
    }

    /// One more beside another.
    pub fn beside(other: &Self) -> Self {
        Self::with(other.host.clone(), None)
    }

    fn with(host: String, engine: Option<MutexGuard<'static, ()>>) -> Self {
        let site = Self {
            sandbox: Sandbox::new(),
            host,
            _engine: engine,
        };
        let ports: Vec<String> = PORTS
            .iter()
            .map(|name| format!("{name} = {}", free_port()))
            .collect();
        site.configure(&format!("[infra.ports]\n{}\n", ports.join("\n")));
        site
    }

    /// Writes the manifest with this below it.
    pub fn configure(&self, infra: &str) {
        let manifest = format!(
            "[workspace]\nname = \"shop\"\ntemplate-version = \"0.1.0\"\n\n\
             [registry]\nkind = \"static\"\n\n{infra}\n\
             [services.alpha]\nport = 50051\n"
        );
        fs::write(self.sandbox.path().join("msvc.toml"), manifest).expect("writable");
    }

    /// Changes the text of the manifest.
    pub fn edit(&self, from: &str, to: &str) {
        let path = self.sandbox.path().join("msvc.toml");
        let text = fs::read_to_string(&path).expect("there");
        assert!(text.contains(from), "{from} in {text}");
        fs::write(path, text.replace(from, to)).expect("writable");
    }

    /// `msvc` with these arguments, for the engine of the tests.
    pub fn command(&self, args: &[&str]) -> Command {
        let mut command = self.sandbox.command(args);
        command.env("DOCKER_HOST", &self.host);
        command
    }

    /// Runs it to its end: exit code, stdout and stderr, without what differs from run to run.
    pub fn msvc(&self, args: &[&str]) -> String {
        let output = self.command(args).output().expect("msvc starts");
        self.steady(&self.sandbox.render(output))
    }

    /// Runs it and returns its JSON.
    pub fn json(&self, args: &[&str]) -> Value {
        let args = [&["--format", "json"], args].concat();
        let output = self.command(&args).output().expect("msvc starts");
        let text = String::from_utf8(output.stdout).expect("text");
        serde_json::from_str(&text).unwrap_or_else(|_| {
            let said = String::from_utf8_lossy(&output.stderr);
            panic!("JSON of {args:?}: {text}{said}")
        })
    }

    /// A text without what differs from run to run: names, ports, times, the order of what happens at
    /// once.
    pub fn steady(&self, text: &str) -> String {
        let mut text = text.replace(&self.host, "[HOST]");
        text = text.replace(&self.id(), "[ID]");
        let manifest = fs::read_to_string(self.sandbox.path().join("msvc.toml")).expect("there");
        for line in manifest.lines() {
            if let Some((name, number)) = line.split_once(" = ")
                && let Ok(number) = number.parse::<u16>()
            {
                text = text.replace(&number.to_string(), &format!("[{name}]"));
            }
        }
        let mut lines: Vec<String> = text.lines().map(without_seconds).collect();
        // What happens to several at once is told in no order.
        for verb in ["Pulling ", "Healthy "] {
            let is_step = |line: &String| line.trim_start().starts_with(verb);
            let mut steps: Vec<String> = lines.iter().filter(|it| is_step(it)).cloned().collect();
            steps.sort();
            let mut steps = steps.into_iter();
            for line in lines.iter_mut().filter(|it| is_step(it)) {
                *line = steps.next().expect("as many as there are");
            }
        }
        lines.join("\n")
    }

    /// What tells this workspace's things from others'.
    pub fn id(&self) -> String {
        let root = self.sandbox.path().canonicalize().expect("there");
        msvc::infra::docker::labels::Project::new("shop", &root).id
    }

    /// What Docker's own command line says.
    pub fn docker(&self, args: &[&str]) -> String {
        let mut command = Command::new("docker");
        let output = command.args(args).env("DOCKER_HOST", &self.host).output();
        let output = output.expect("docker is there");
        let errors = String::from_utf8_lossy(&output.stderr);
        assert!(output.status.success(), "docker {args:?}: {errors}");
        String::from_utf8(output.stdout)
            .expect("text")
            .trim()
            .to_owned()
    }

    /// The id of the container of a resource.
    pub fn container(&self, resource: &str) -> String {
        let name = format!("{}-{resource}", self.id());
        self.docker(&["inspect", "--format", "{{.Id}}", &name])
    }

    /// The containers, volumes and networks that there are of it.
    pub fn left(&self) -> [String; 3] {
        let label = format!("label=dev.msvc.project={}", self.id());
        [
            self.docker(&["ps", "--all", "--filter", &label, "--format", "{{.Names}}"]),
            self.docker(&["volume", "ls", "--filter", &label, "--format", "{{.Name}}"]),
            self.docker(&["network", "ls", "--filter", &label, "--format", "{{.Name}}"]),
        ]
    }

    /// Removes all, and proves it.
    pub fn clear(&self) {
        let output = self.msvc(&["down", "--volumes", "--yes", "-q"]);
        assert_eq!(output, "exit: 0");
        assert_eq!(self.left(), ["", "", ""]);
    }
}

impl Drop for Site {
    fn drop(&mut self) {
        let _ = self.command(&["down", "--volumes", "--yes", "-q"]).output();
    }
}

/// A line in which seconds read `[N] s`.
fn without_seconds(line: &str) -> String {
    let words: Vec<&str> = line.split(' ').collect();
    let mut told: Vec<String> = Vec::new();
    for (number, word) in words.iter().enumerate() {
        let is_count = word.trim_start_matches('(').parse::<f64>().is_ok();
        let is_time = words
            .get(number + 1)
            .is_some_and(|it| it.starts_with('s') && it.len() < 3);
        told.push(match (is_count && is_time, word.starts_with('(')) {
            (true, true) => "([N]".to_owned(),
            (true, false) => "[N]".to_owned(),
            (false, _) => (*word).to_owned(),
        });
    }
    told.join(" ")
}
