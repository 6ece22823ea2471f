//! A process, and what it says.

use std::io::{BufRead, BufReader, Read, Write};
use std::net::{SocketAddr, TcpStream};
use std::process::{Child, Command, ExitStatus, Stdio};
use std::sync::mpsc::{self, Receiver};

use serde_json::Value;

use crate::support::ProbeClient;

/// A service in a process of its own. It is killed when this is dropped.
pub(crate) struct Service {
    pub(super) child: Child,
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
    pub(super) fn launch(command: &mut Command) -> Self {
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
        // The system stops a process some time after it was asked to.
        while name == "STOP" && !self.is_stopped() {
            std::thread::yield_now();
        }
    }

    /// Whether it stands still, where the system says that; else true.
    fn is_stopped(&self) -> bool {
        let status = std::fs::read_to_string(format!("/proc/{}/status", self.child.id()));
        status.map_or(true, |it| {
            it.lines().any(|line| line.starts_with("State:\tT"))
        })
    }

    /// Waits for the end of the process; the rest of its log is in `log` then.
    pub(crate) fn wait(&mut self) -> ExitStatus {
        while self.next_line().is_some() {}
        self.child.wait().expect("it was started")
    }

    /// The messages of the log, calls apart.
    pub(super) fn messages(&self) -> Vec<&str> {
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

/// What starts one with `variables`.
pub(super) fn command(variables: &[(&str, &str)]) -> Command {
    let binary = std::env::current_exe().expect("a path");
    let mut command = Command::new(binary);
    command
        .args([
            "--exact",
            "process::program::service",
            "--ignored",
            "--nocapture",
        ])
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
