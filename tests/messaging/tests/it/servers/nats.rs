//! NATS, from Debian's package `nats-server`.

use std::io::{BufRead, BufReader};
use std::net::{Ipv4Addr, TcpStream};
use std::path::Path;
use std::process::{Command, Stdio};
use std::sync::OnceLock;

use messaging::Settings;

use super::{Folder, Process, Server, free_port, skip, wait_until};

const PROGRAM: &str = "nats-server";

/// One that all tests share which do not hurt it.
pub async fn shared() -> Option<Settings> {
    static SERVER: OnceLock<Option<Nats>> = OnceLock::new();
    let server = SERVER.get_or_init(Nats::start);
    server.as_ref().map(Server::settings)
}

pub struct Nats {
    folder: Folder,
    port: u16,
    arguments: Vec<String>,
    process: Option<Process>,
}

impl Nats {
    pub fn start() -> Option<Self> {
        Self::start_with(|_| Vec::new())
    }

    /// One that is told more, which is made for a folder.
    pub fn start_with(arguments: impl FnOnce(&Path) -> Vec<String>) -> Option<Self> {
        let mut version = Command::new(PROGRAM);
        let version = version.arg("--version").stdout(Stdio::null()).status();
        if version.is_err() {
            skip(PROGRAM);
            return None;
        }
        let folder = Folder::new();
        let mut server = Self {
            arguments: arguments(folder.path()),
            folder,
            port: free_port(),
            process: None,
        };
        server.boot();
        Some(server)
    }

    pub fn port(&self) -> u16 {
        self.port
    }

    fn boot(&mut self) {
        let mut command = Command::new(PROGRAM);
        let port = self.port.to_string();
        command.args(["--addr", "127.0.0.1", "--port", &port, "--jetstream"]);
        command.args(&self.arguments);
        command.arg("--store_dir").arg(self.folder.sub("data"));
        let log = self.folder.sub("nats.log");
        self.process = Some(Process::start(&command, &log));
        wait_until(&log, || answers(self.port));
    }
}

impl Server for Nats {
    fn settings(&self) -> Settings {
        Settings {
            url: chassis::config::Secret::new(format!("nats://127.0.0.1:{}", self.port)),
            ..Settings::default()
        }
    }

    fn signal(&self, signal: &str) {
        let process = self.process.as_ref().expect("a process");
        process.signal(signal);
    }

    fn kill_and_boot(&mut self) {
        self.signal("KILL");
        self.process = None;
        self.boot();
    }
}

/// Whether it greets.
fn answers(port: u16) -> bool {
    let stream = TcpStream::connect((Ipv4Addr::LOCALHOST, port));
    let Ok(stream) = stream else { return false };
    let mut line = String::new();
    BufReader::new(stream).read_line(&mut line).is_ok() && line.starts_with("INFO ")
}
