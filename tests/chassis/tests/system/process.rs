//! Services as processes: configuration by the environment, logs, signals, the admin server.

use std::io::{BufRead, BufReader, Read, Write};
use std::net::{SocketAddr, TcpStream};
use std::process::{Child, Command, ExitStatus, Stdio};
use std::sync::mpsc::{self, Receiver};

use serde::Deserialize;
use serde_json::Value;
use tokio_stream::wrappers::ReceiverStream;

use crate::support::{self, Behaviour, ProbeApi, ProbeClient, ProbeRequest};

/// What can be set in `[app]` of these processes.
#[derive(Debug, Clone, Default, Deserialize)]
#[serde(deny_unknown_fields, default)]
struct Settings {
    greeting: String,
}

/// What the processes of these tests run: this very binary, told to run this one "test".
#[test]
#[ignore = "not a test: the service that tests start"]
fn service() -> Result<(), chassis::Error> {
    let runtime = tokio::runtime::Builder::new_multi_thread()
        .worker_threads(2)
        .enable_all()
        .build()
        .expect("a runtime");
    runtime.block_on(async {
        let config = chassis::config::load::<Settings>("probe", "1.2.3")?;
        config.live().on_change(|settings| {
            tracing::info!(greeting = settings.greeting, "settings changed");
        });
        let downstream = match std::env::var("PROBE_DOWNSTREAM") {
            Ok(target) => Some(chassis::client::connect(&target, &config).await?),
            Err(_) => None,
        };
        let services = support::services(ProbeApi {
            instance: std::env::var("PROBE_INSTANCE").unwrap_or_default(),
            downstream,
            always: always(),
        });
        let services = match std::env::var_os("PROBE_DATABASE") {
            Some(path) => services.depends_on("database", move || {
                let there = std::fs::metadata(&path).map(|_| ());
                async { there }
            }),
            None => services,
        };
        chassis::serve(config, services).await
    })
}

/// What unary calls do in this process: `hang` or `unavailable` in `PROBE_ALWAYS`.
fn always() -> Option<Behaviour> {
    match std::env::var("PROBE_ALWAYS").ok()?.as_str() {
        "hang" => Some(Behaviour::Hang(true)),
        "unavailable" => Some(Behaviour::Fail(tonic::Code::Unavailable as i32)),
        other => panic!("unknown: {other}"),
    }
}

/// A service in a process of its own. It is killed when this is dropped.
pub(crate) struct Service {
    child: Child,
    /// Read by a thread: a service whose log nobody reads would stand still.
    lines: Receiver<Value>,
    pub(crate) grpc: SocketAddr,
    pub(crate) admin: SocketAddr,
    /// The lines of the log so far.
    pub(crate) log: Vec<Value>,
}

impl Service {
    /// Starts one with `variables`, and waits until it listens.
    pub(crate) fn start(variables: &[(&str, &str)]) -> Self {
        Self::launch(&mut command(variables))
    }

    /// Starts it as this command says, and waits until it listens.
    fn launch(command: &mut Command) -> Self {
        let mut child = command.spawn().expect("this binary runs");
        let (sender, lines) = mpsc::channel();
        let stdout = child.stdout.take().expect("piped");
        std::thread::spawn(move || {
            // The test harness prints lines of its own, which are not objects.
            let lines = BufReader::new(stdout).lines().map_while(Result::ok);
            let lines = lines.filter_map(|line| serde_json::from_str(&line).ok());
            for line in lines.filter(Value::is_object) {
                let _ = sender.send(line);
            }
        });
        let nowhere = SocketAddr::from(([0, 0, 0, 0], 0));
        let mut service = Self {
            child,
            lines,
            grpc: nowhere,
            admin: nowhere,
            log: Vec::new(),
        };
        let listening = service.wait_for("listening");
        let address = |key: &str| {
            let text = listening["fields"][key].as_str()?;
            Some(text.parse().expect("an address"))
        };
        service.grpc = address("grpc").expect("an address");
        service.admin = address("admin").unwrap_or(nowhere);
        service
    }

    /// Reads the log up to the line with `message`.
    pub(crate) fn wait_for(&mut self, message: &str) -> Value {
        loop {
            let line = self.next_line();
            let line = line.unwrap_or_else(|| panic!("no {message:?} in {:#?}", self.log));
            if line["message"] == message {
                return line;
            }
        }
    }

    /// The next line; `None` at the end of the process.
    fn next_line(&mut self) -> Option<Value> {
        let line = self.lines.recv().ok()?;
        self.log.push(line.clone());
        Some(line)
    }

    pub(crate) fn signal(&self, name: &str) {
        let pid = self.child.id().to_string();
        let status = Command::new("kill").args(["-s", name, &pid]).status();
        assert!(status.expect("kill runs").success());
    }

    /// Waits for the end of the process; the rest of its log is in `log` then.
    pub(crate) fn wait(&mut self) -> ExitStatus {
        while self.next_line().is_some() {}
        self.child.wait().expect("it was started")
    }

    /// The messages of the log, calls apart.
    fn messages(&self) -> Vec<&str> {
        let lines = self.log.iter().filter(|line| line["target"] != "rpc");
        lines.filter_map(|line| line["message"].as_str()).collect()
    }

    /// The status and body of `GET path` from the admin server.
    pub(crate) fn get(&self, path: &str) -> (u16, String) {
        self.ask(&format!("GET {path}"), "")
    }

    /// The status and body of the admin server's answer.
    pub(crate) fn ask(&self, method_and_path: &str, body: &str) -> (u16, String) {
        let mut stream = TcpStream::connect(self.admin).expect("it listens");
        write!(
            stream,
            "{method_and_path} HTTP/1.1\r\nhost: x\r\nconnection: close\r\n\
             content-length: {}\r\n\r\n{body}",
            body.len()
        )
        .expect("open");
        let mut text = String::new();
        stream.read_to_string(&mut text).expect("an answer");
        let status = text.split(' ').nth(1).and_then(|it| it.parse().ok());
        let (_, body) = text.split_once("\r\n\r\n").expect("a body");
        (status.expect("a status"), body.to_owned())
    }

    pub(crate) async fn client(&self) -> ProbeClient<tonic::transport::Channel> {
        let endpoint = tonic::transport::Endpoint::from_shared(format!("http://{}", self.grpc));
        let channel = endpoint.expect("an address").connect().await;
        ProbeClient::new(channel.expect("it listens"))
    }
}

impl Drop for Service {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

fn command(variables: &[(&str, &str)]) -> Command {
    let binary = std::env::current_exe().expect("a path");
    let mut command = Command::new(binary);
    command
        .args(["--exact", "process::service", "--ignored", "--nocapture"])
        .env_remove("CARGO_MANIFEST_DIR")
        .env_remove("CONSUL_HTTP_ADDR")
        .env_remove("ETCDCTL_ENDPOINTS")
        .env_remove("ETCDCTL_USER")
        .env("APP_SERVER__HOST", "127.0.0.1")
        .env("APP_SERVER__PORT", "0")
        .env("APP_LOG__FORMAT", "json")
        .envs(variables.iter().copied())
        .stdin(Stdio::null())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped());
    command
}

#[test]
fn the_end_of_standard_input_asks_to_stop_where_that_is_configured() {
    let mut command = command(&[("APP_SERVER__STOP_ON_STDIN_CLOSE", "true")]);
    let mut service = Service::launch(command.stdin(Stdio::piped()));
    assert_eq!(service.get("/healthz").0, 200);
    drop(service.child.stdin.take());
    assert!(service.wait().success());
    let expected = [
        "listening",
        "stopping, a second signal ends at once",
        "finishing calls in flight",
        "stopped",
    ];
    assert_eq!(service.messages(), expected);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_service_starts_answers_and_ends_gently() {
    let mut service = Service::start(&[("PROBE_INSTANCE", "one")]);
    assert_eq!(
        service.get("/healthz"),
        (200, r#"{"status":"ok"}"#.to_owned())
    );
    let ready = r#"{"ready":true,"phase":"serving","dependencies":[]}"#;
    assert_eq!(service.get("/readyz"), (200, ready.to_owned()));

    let mut client = service.client().await;
    let reply = client
        .unary(ProbeRequest::default())
        .await
        .expect("a reply");
    assert_eq!(reply.get_ref().instance, "one");
    let (status, metrics) = service.get("/metrics");
    assert_eq!(status, 200);
    let labels = concat!(
        r#"grpc_type="unary",grpc_service="chassis.test.v1.Probe","#,
        r#"grpc_method="Unary",grpc_code="OK""#
    );
    assert!(
        metrics.contains(&format!("grpc_server_handled_total{{{labels}}} 1\n")),
        "{metrics}"
    );
    let info = r#"service_build_info{service="probe",version="1.2.3",environment="dev"} 1"#;
    assert!(metrics.contains(info), "{metrics}");
    assert!(
        metrics.contains("\nprocess_resident_memory_bytes "),
        "{metrics}"
    );

    drop(client);
    service.signal("TERM");
    assert!(service.wait().success());
    let expected = [
        "listening",
        "in the handler",
        "stopping, a second signal ends at once",
        "finishing calls in flight",
        "stopped",
    ];
    assert_eq!(service.messages(), expected);
    let call = service
        .log
        .iter()
        .find(|line| line["target"] == "rpc")
        .expect("a line");
    assert_eq!(call["message"], "chassis.test.v1.Probe/Unary");
    assert_eq!(call["fields"]["code"], "OK");
    let handler = service
        .log
        .iter()
        .find(|line| line["message"] == "in the handler");
    let trace_id = call["trace_id"].as_str().expect("a trace id");
    assert_eq!(trace_id.len(), 32);
    assert_eq!(handler.expect("a line")["trace_id"], trace_id);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_call_in_flight_is_finished_and_readiness_drops_before() {
    let mut service = Service::start(&[]);
    let mut client = service.client().await;
    let (requests, receiver) = tokio::sync::mpsc::channel(1);
    let replies = client.bidi(ReceiverStream::new(receiver)).await;
    let mut replies = replies.expect("replies").into_inner();
    service.signal("INT");
    service.wait_for("finishing calls in flight");
    let draining = r#"{"ready":false,"phase":"draining","dependencies":[]}"#;
    assert_eq!(service.get("/readyz"), (503, draining.to_owned()));
    assert_eq!(service.get("/healthz").0, 200);
    requests.send(ProbeRequest::default()).await.expect("open");
    assert!(replies.message().await.expect("no error").is_some());
    drop(requests);
    assert!(replies.message().await.expect("no error").is_none());
    drop((client, replies));
    assert!(service.wait().success());
}

#[tokio::test(flavor = "multi_thread")]
async fn a_drain_is_bounded() {
    let mut service = Service::start(&[("APP_SERVER__DRAIN_TIMEOUT", "50ms")]);
    let mut client = service.client().await;
    let (_requests, receiver) = tokio::sync::mpsc::channel::<ProbeRequest>(1);
    let _replies = client
        .bidi(ReceiverStream::new(receiver))
        .await
        .expect("replies");
    service.signal("TERM");
    assert!(service.wait().success());
    let cut = "calls still in flight are cut (server.drain_timeout)";
    assert!(
        service.messages().contains(&cut),
        "{:?}",
        service.messages()
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn a_second_signal_ends_at_once() {
    let mut service = Service::start(&[]);
    let mut client = service.client().await;
    let (_requests, receiver) = tokio::sync::mpsc::channel::<ProbeRequest>(1);
    let _replies = client
        .bidi(ReceiverStream::new(receiver))
        .await
        .expect("replies");
    service.signal("TERM");
    service.wait_for("finishing calls in flight");
    service.signal("TERM");
    assert!(!service.wait().success());
    let last = service.messages().pop();
    assert_eq!(last, Some("ending at once, calls in flight are cut"));
}

#[test]
fn a_taken_port_is_a_clear_error() {
    let taken = std::net::TcpListener::bind("127.0.0.1:0").expect("a port");
    let address = taken.local_addr().expect("an address");
    let port = address.port().to_string();
    for (variable, server, key) in [
        ("APP_SERVER__PORT", "gRPC server", "server.port"),
        ("APP_ADMIN__PORT", "admin server", "admin.port"),
    ] {
        let output = command(&[(variable, &port)])
            .output()
            .expect("this binary runs");
        assert!(!output.status.success());
        let stderr = String::from_utf8_lossy(&output.stderr);
        let expected = format!(
            "Error: the {server} cannot listen on {address}, choose another with `{key}`: \
             Address already in use (os error 98)"
        );
        assert!(stderr.contains(&expected), "{stderr}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_panic_is_logged_with_its_place_inside_its_trace() {
    let mut service = Service::start(&[]);
    let mut client = service.client().await;
    let panic = support::ask(Behaviour::Panic("on demand".to_owned()));
    client.unary(panic).await.expect_err("a panic");
    let line = service.wait_for("panic: on demand");
    let location = line["fields"]["location"].as_str().expect("a place");
    assert!(location.contains("support/mod.rs:"), "{location}");
    assert_eq!(line["level"], "ERROR");
    let call = service.wait_for("chassis.test.v1.Probe/Unary");
    assert_eq!(call["fields"]["code"], "INTERNAL");
    assert_eq!(line["trace_id"], call["trace_id"]);
}

#[tokio::test(flavor = "multi_thread")]
async fn the_log_level_is_changed_while_the_service_runs() {
    let mut service = Service::start(&[]);
    let (status, body) = service.ask("PUT /log/level?for=1h", "warn,rpc=debug");
    assert_eq!(status, 200, "{body}");
    let state: Value = serde_json::from_str(&body).expect("JSON");
    assert_eq!(state["configured"], "info");
    let mut client = service.client().await;
    client
        .unary(ProbeRequest::default())
        .await
        .expect("a reply");
    service.wait_for("chassis.test.v1.Probe/Unary");
    let handler = service
        .log
        .iter()
        .find(|it| it["message"] == "in the handler");
    assert_eq!(handler, None, "it is at `info`");

    let fixed = Service::start(&[("APP_LOG__ADJUSTABLE", "false")]);
    assert_eq!(fixed.ask("PUT /log/level", "debug").0, 404);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_log_that_nobody_reads_holds_nothing_up() {
    let mut child = command(&[("APP_SERVER__PORT", "0")])
        .spawn()
        .expect("this binary runs");
    let mut stdout = BufReader::new(child.stdout.take().expect("piped"));
    let address = loop {
        let mut text = String::new();
        stdout.read_line(&mut text).expect("readable");
        if let Ok(line) = serde_json::from_str::<Value>(&text)
            && line["message"] == "listening"
        {
            break line["fields"]["grpc"]
                .as_str()
                .expect("an address")
                .to_owned();
        }
    };
    let channel = tonic::transport::Endpoint::from_shared(format!("http://{address}"));
    let channel = channel.expect("an address").connect().await;
    let mut client = ProbeClient::new(channel.expect("it listens"));
    // Several times what a pipe holds.
    for _ in 0..1_000 {
        client
            .unary(ProbeRequest::default())
            .await
            .expect("a reply");
    }
    child.kill().expect("it runs");
    child.wait().expect("it was started");
}
