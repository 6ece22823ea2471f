//! Against a real Consul agent: `CONSUL_BIN`, or `consul` on the path. Without one these tests are
//! skipped, except where `CI` is `true`: there they fail.

use std::collections::BTreeSet;
use std::io::{Read, Write};
use std::net::{SocketAddr, TcpStream};
use std::path::PathBuf;
use std::process::{Child, Command, Stdio};

use chassis::client::{self, Channel};
use chassis::config::{Config, NoSettings, RegistryKind};
use serde_json::Value;

use crate::discovery::{wait_for_instances, wait_until};
use crate::process::Service;
use crate::support::{ProbeClient, free_port};

mod checks;
#[cfg(feature = "tls")]
mod tls;

/// An agent in development mode, whose data is gone when it ends.
pub(crate) struct Agent {
    child: Child,
    address: SocketAddr,
    arguments: Vec<String>,
}

fn binary() -> Option<PathBuf> {
    if let Some(path) = std::env::var_os("CONSUL_BIN") {
        return Some(path.into());
    }
    let path = std::env::var_os("PATH")?;
    let candidates = std::env::split_paths(&path).map(|folder| folder.join("consul"));
    candidates.into_iter().find(|path| path.is_file())
}

impl Agent {
    /// A new agent; `None` when there is no Consul here.
    pub(crate) fn start() -> Option<Self> {
        Self::start_with(Vec::new())
    }

    /// A new agent with more arguments.
    fn start_with(arguments: Vec<String>) -> Option<Self> {
        let Some(binary) = binary() else {
            let is_ci = std::env::var("CI").is_ok_and(|ci| ci == "true");
            assert!(!is_ci, "in CI there must be a Consul: set CONSUL_BIN");
            let text = "skipped: no Consul here (CONSUL_BIN, or consul on the path)\n";
            std::io::stderr().write_all(text.as_bytes()).expect("open");
            return None;
        };
        let address = SocketAddr::from(([127, 0, 0, 1], free_port()));
        Some(Self::start_at(binary, address, arguments))
    }

    fn start_at(binary: PathBuf, address: SocketAddr, arguments: Vec<String>) -> Self {
        let port = |name: &str, port: u16| format!("-{name}-port={port}");
        let child = Command::new(binary)
            .args([
                "agent",
                "-dev",
                "-dns-port=-1",
                "-serf-wan-port=-1",
                "-grpc-port=-1",
            ])
            .args(["-bind=127.0.0.1", "-client=127.0.0.1", "-log-level=err"])
            .arg(port("http", address.port()))
            .arg(port("server", free_port()))
            .arg(port("serf-lan", free_port()))
            .args(&arguments)
            .stdin(Stdio::null())
            .stdout(Stdio::null())
            .stderr(Stdio::null())
            .spawn()
            .expect("Consul starts");
        let agent = Self {
            child,
            address,
            arguments,
        };
        wait_until(|| {
            agent
                .try_get("/v1/status/leader")
                .is_some_and(|it| it.contains(':'))
        });
        agent
    }

    /// Ends the agent and starts another in its place, which knows nothing.
    pub(crate) fn replace(mut self) -> Self {
        self.kill();
        let arguments = std::mem::take(&mut self.arguments);
        let binary = binary().expect("it was here before");
        Self::start_at(binary, self.address, arguments)
    }

    pub(crate) fn kill(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }

    pub(crate) fn url(&self) -> String {
        format!("http://{}", self.address)
    }

    pub(crate) fn signal(&self, name: &str) {
        let pid = self.child.id().to_string();
        let status = Command::new("kill").args(["-s", name, &pid]).status();
        assert!(status.expect("kill runs").success());
    }

    fn request(&self, method: &str, path: &str) -> Option<String> {
        self.send(method, path, "")
    }

    /// The body of the answer, if it is 200.
    pub(crate) fn send(&self, method: &str, path: &str, body: &str) -> Option<String> {
        let mut stream = TcpStream::connect(self.address).ok()?;
        let length = body.len();
        let head =
            format!("{method} {path} HTTP/1.0\r\nhost: x\r\ncontent-length: {length}\r\n\r\n");
        stream.write_all((head + body).as_bytes()).ok()?;
        let mut text = String::new();
        stream.read_to_string(&mut text).ok()?;
        let (head, body) = text.split_once("\r\n\r\n")?;
        head.contains(" 200 ").then(|| body.to_owned())
    }

    fn try_get(&self, path: &str) -> Option<String> {
        self.request("GET", path)
    }

    fn get(&self, path: &str) -> Value {
        let text = self.try_get(path).expect("an answer");
        serde_json::from_str(&text).expect("JSON")
    }

    /// The ids of the passing instances.
    pub(crate) fn passing(&self) -> BTreeSet<String> {
        let entries = self.get("/v1/health/service/probe?passing");
        let entries = entries.as_array().expect("an array").iter();
        let ids = entries.filter_map(|entry| entry["Service"]["ID"].as_str());
        ids.map(str::to_owned).collect()
    }

    /// What the check of the instance says. It is the agent's own view: it tells the catalog of a
    /// new output only once in a while.
    fn check_output(&self) -> String {
        let checks = self.get("/v1/agent/checks");
        let mut checks = checks.as_object().into_iter().flat_map(|it| it.values());
        let output = checks.find_map(|it| it["Output"].as_str());
        output.unwrap_or_default().to_owned()
    }

    /// An instance that registers here.
    pub(crate) fn service(&self, name: &str) -> Service {
        self.service_with(&[
            ("PROBE_INSTANCE", name),
            ("APP_REGISTRY__CONSUL__ADDRESS", &self.url()),
        ])
    }

    /// An instance with settings beside the usual ones.
    fn service_with(&self, more: &[(&str, &str)]) -> Service {
        let port = free_port().to_string();
        let usual = [
            ("APP_REGISTRY__KIND", "consul"),
            ("APP_REGISTRY__CONSUL__CHECK_INTERVAL", "1s"),
            ("APP_REGISTRY__CONSUL__VERIFY_INTERVAL", "100ms"),
            ("APP_SERVER__PROPAGATION_DELAY", "300ms"),
            ("APP_SERVER__PORT", port.as_str()),
            ("APP_ADMIN__PORT", "0"),
        ];
        let service = Service::start(&[&usual[..], more].concat());
        let id = format!("probe-127.0.0.1-{}", service.grpc.port());
        wait_until(|| self.passing().contains(&id));
        service
    }

    pub(crate) async fn client(&self) -> ProbeClient<Channel> {
        let mut config = Config::<NoSettings>::default();
        config.registry.kind = RegistryKind::Consul;
        config.registry.consul.address = Some(self.url().parse().expect("an address"));
        let channel = client::connect("consul:///probe", &config).await;
        ProbeClient::new(channel.expect("a valid target"))
    }
}

impl Drop for Agent {
    fn drop(&mut self) {
        self.kill();
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn instances_register_are_called_and_leave_before_they_drain() {
    let Some(agent) = Agent::start() else { return };
    let mut first = agent.service("first");
    let entries = agent.get("/v1/health/service/probe");
    let service = &entries[0]["Service"];
    assert_eq!(service["Address"], "127.0.0.1");
    assert_eq!(service["Port"], first.grpc.port());
    assert_eq!(service["Meta"]["version"], "1.2.3");
    assert_eq!(service["Meta"]["admin"], first.admin.to_string());
    assert_eq!(first.get("/readyz").0, 200);
    let ready = first.get("/readyz").1;
    assert!(
        ready.contains(r#"{"name":"registry","ok":true,"required":false}"#),
        "{ready}"
    );

    let mut client = agent.client().await;
    wait_for_instances(&mut client, &["first"]).await;
    let _second = agent.service("second");
    wait_for_instances(&mut client, &["first", "second"]).await;

    first.signal("TERM");
    first.wait_for("deregistered");
    assert_eq!(agent.passing().len(), 1);
    // No call fails while it goes.
    wait_for_instances(&mut client, &["second"]).await;
    assert!(first.wait().success());
    let messages: Vec<_> = first
        .log
        .iter()
        .filter_map(|it| it["message"].as_str())
        .collect();
    let position = |message| messages.iter().position(|it| *it == message);
    assert!(position("deregistered") < position("waiting for clients to notice"));
    assert!(position("waiting for clients to notice") < position("finishing calls in flight"));
}

#[tokio::test(flavor = "multi_thread")]
async fn an_instance_that_the_agent_has_lost_registers_again() {
    let Some(agent) = Agent::start() else { return };
    let mut service = agent.service("one");
    let id = format!("probe-127.0.0.1-{}", service.grpc.port());
    let path = format!("/v1/agent/service/deregister/{id}");
    assert!(agent.request("PUT", &path).is_some());
    service.wait_for("the registry had lost this instance, registered again");
    assert!(agent.passing().contains(&id));
}

#[tokio::test(flavor = "multi_thread")]
async fn an_agent_that_goes_and_comes_back_without_its_data_costs_no_call() {
    let Some(mut agent) = Agent::start() else {
        return;
    };
    let mut service = agent.service("one");
    let mut client = agent.client().await;
    wait_for_instances(&mut client, &["one"]).await;

    agent.kill();
    service.wait_for("the registry cannot be reached, trying again");
    wait_for_instances(&mut client, &["one"]).await;
    assert_eq!(
        service.get("/readyz").0,
        200,
        "it can do without its registry"
    );

    let agent = agent.replace();
    wait_until(|| agent.passing().len() == 1);
    let _second = agent.service("second");
    wait_for_instances(&mut client, &["one", "second"]).await;
}
