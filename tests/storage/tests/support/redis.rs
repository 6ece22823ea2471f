//! A real Redis: `REDIS_BIN`, or `redis-server` of Debian's package. Without it these tests are
//! skipped, except where `CI` is `true`: there they fail.

use std::io::{Read, Write};
use std::net::{Ipv4Addr, TcpStream};
use std::path::PathBuf;
use std::process::{Child, Command, Stdio};
use std::time::Duration;

use super::free_port;

/// A server whose data is in memory.
#[derive(Debug)]
pub(crate) struct Redis {
    program: PathBuf,
    port: u16,
    /// What it is told beside its port.
    arguments: Vec<String>,
    child: Option<Child>,
}

impl Redis {
    /// A new server that listens; `None` when there is no Redis here.
    pub(crate) fn start() -> Option<Self> {
        Self::start_with(|_| Vec::new())
    }

    /// One that is told more: `arguments` are made for another port.
    pub(crate) fn start_with(arguments: impl FnOnce(u16) -> Vec<String>) -> Option<Self> {
        let Some(program) = program() else {
            let is_ci = std::env::var("CI").is_ok_and(|ci| ci == "true");
            assert!(!is_ci, "in CI there must be a Redis: set REDIS_BIN");
            let text = "skipped: no Redis here (REDIS_BIN, or Debian's redis-server)\n";
            std::io::stderr().write_all(text.as_bytes()).expect("open");
            return None;
        };
        let port = free_port();
        let mut server = Self {
            program,
            port,
            arguments: arguments(free_port()),
            child: None,
        };
        server.run();
        Some(server)
    }

    pub(crate) fn url(&self) -> String {
        format!("redis://127.0.0.1:{}/0", self.port)
    }

    /// Runs it, without data, and waits until it answers.
    pub(crate) fn run(&mut self) {
        // It ends with these tests, however they end.
        let child = Command::new("setpriv")
            .args(["--pdeathsig=KILL", "--"])
            .arg(&self.program)
            .args(["--port", &self.port.to_string(), "--bind", "127.0.0.1"])
            .args(["--save", "", "--appendonly", "no"])
            .args(&self.arguments)
            .stdout(Stdio::null())
            .spawn();
        self.child = Some(child.expect("redis-server runs"));
        while !self.answers() {
            std::thread::sleep(Duration::from_millis(10));
        }
    }

    fn answers(&self) -> bool {
        let Ok(mut stream) = TcpStream::connect((Ipv4Addr::LOCALHOST, self.port)) else {
            return false;
        };
        let mut answer = [0; 7];
        let asked = stream.write_all(b"PING\r\n");
        asked.and_then(|()| stream.read_exact(&mut answer)).is_ok() && answer == *b"+PONG\r\n"
    }

    /// Ends it as a power failure would.
    pub(crate) fn kill(&mut self) {
        let mut child = self.child.take().expect("it runs");
        child.kill().expect("it runs");
        child.wait().expect("it was started");
    }

    /// `STOP`, so that what it has accepted stays open and nothing is answered, or `CONT`.
    pub(crate) fn signal(&self, name: &str) {
        let pid = self.child.as_ref().expect("it runs").id().to_string();
        let sent = Command::new("kill").args(["-s", name, &pid]).status();
        assert!(sent.expect("kill runs").success());
    }
}

impl Drop for Redis {
    fn drop(&mut self) {
        if self.child.is_some() {
            self.kill();
        }
    }
}

fn program() -> Option<PathBuf> {
    if let Some(path) = std::env::var_os("REDIS_BIN") {
        return Some(path.into());
    }
    let path = PathBuf::from("/usr/bin/redis-server");
    path.is_file().then_some(path)
}
