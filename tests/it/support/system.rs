//! A workspace of small services without dependencies, and `msvc run` in it.

use std::fs;
use std::io::{BufRead, BufReader};
use std::net::{SocketAddr, TcpListener};
use std::process::{Child, Command, Stdio};
use std::sync::mpsc::{self, Receiver};
use std::thread;
use std::time::Duration;

use rustix::process::{Pid, Signal, kill_process};

use super::Sandbox;
use super::ports::free_port;

/// Longer than anything here takes on a machine that is busy.
const PATIENCE: Duration = Duration::from_secs(120);

/// A service as `msvc run` expects it: ready at `/readyz`, gone when standard input ends. Whoever
/// connects to its gRPC port makes it crash.
pub const SERVICE: &str = r#"
use std::io::{Read, Write};
use std::net::TcpListener;

fn listen(variable: &str) -> TcpListener {
    let port = std::env::var(variable).expect("is set");
    TcpListener::bind(format!("127.0.0.1:{port}")).expect("is free")
}

fn main() {
    let (grpc, admin) = (listen("APP_SERVER__PORT"), listen("APP_ADMIN__PORT"));
    println!("hello from {}", env!("CARGO_PKG_NAME"));
    eprintln!("hello on stderr");
    std::thread::spawn(|| {
        let _ = std::io::stdin().read_to_end(&mut Vec::new());
        std::process::exit(0);
    });
    std::thread::spawn(move || {
        let _ = grpc.accept();
        std::process::exit(7);
    });
    for stream in admin.incoming() {
        let mut stream = stream.expect("a connection");
        let _ = stream.read(&mut [0; 1024]);
        let _ = stream.write_all(b"HTTP/1.1 200 OK\r\ncontent-length: 0\r\n\r\n");
    }
}
"#;

/// Writes a workspace with one service, `alpha`, made of this source; returns its gRPC and admin
/// ports.
pub fn workspace(sandbox: &Sandbox, source: &str) -> (u16, u16) {
    let [grpc, admin] = [(); 2].map(|()| free_port());
    let files = [
        (
            "msvc.toml",
            format!(
                "[workspace]\nname = \"shop\"\ntemplate-version = \"0.1.0\"\n\n\
                 [services.alpha]\nport = {grpc}\nadmin-port = {admin}\n"
            ),
        ),
        (
            "Cargo.toml",
            "[workspace]\nmembers = [\"services/*\"]\nresolver = \"3\"\n".to_owned(),
        ),
        (
            "services/alpha/Cargo.toml",
            "[package]\nname = \"alpha\"\nversion = \"0.1.0\"\nedition = \"2024\"\n".to_owned(),
        ),
        ("services/alpha/src/main.rs", source.to_owned()),
    ];
    fs::create_dir_all(sandbox.path().join("services/alpha/src")).expect("folders");
    for (path, text) in files {
        fs::write(sandbox.path().join(path), text).expect("a file");
    }
    (grpc, admin)
}

/// Whether nothing listens on a port any more, waiting for that if need be.
pub fn becomes_free(port: u16) -> bool {
    let address = SocketAddr::from(([127, 0, 0, 1], port));
    (0..600).any(|_| {
        thread::sleep(Duration::from_millis(100));
        TcpListener::bind(address).is_ok()
    })
}

/// An `msvc run` that goes on. It is asked to stop when this is dropped.
pub struct Running {
    child: Child,
    lines: Receiver<String>,
    /// Its lines so far, those of stdout and stderr as they came.
    pub seen: Vec<String>,
}

impl Running {
    /// Starts `msvc` with these arguments.
    pub fn start(sandbox: &Sandbox, args: &[&str]) -> Self {
        Self::of(sandbox.command(args))
    }

    /// Starts this command.
    pub fn of(mut command: Command) -> Self {
        // One pipe for both, so that lines come in the order in which they were written.
        let (reader, writer) = std::io::pipe().expect("a pipe");
        let child = command
            .stdin(Stdio::null())
            .stdout(writer.try_clone().expect("a pipe"))
            .stderr(writer)
            .spawn()
            .expect("msvc starts");
        // It holds the pipe open.
        drop(command);
        let (sender, lines) = mpsc::channel();
        thread::spawn(move || {
            for line in BufReader::new(reader).lines().map_while(Result::ok) {
                let _ = sender.send(line);
            }
        });
        Self {
            child,
            lines,
            seen: Vec::new(),
        }
    }

    /// Reads on until a line has this in it.
    pub fn wait_for(&mut self, text: &str) -> String {
        loop {
            let line = self.lines.recv_timeout(PATIENCE);
            let line = line.unwrap_or_else(|_| panic!("no {text:?} in {:#?}", self.seen));
            self.seen.push(line.clone());
            if line.contains(text) {
                return line;
            }
        }
    }

    /// The id of the process.
    pub fn pid(&self) -> u32 {
        self.child.id()
    }

    /// Sends it a signal.
    pub fn signal(&self, signal: Signal) {
        let pid = i32::try_from(self.child.id()).ok().and_then(Pid::from_raw);
        kill_process(pid.expect("a process"), signal).expect("it runs");
    }

    /// Waits for its end; its exit code, and all its lines are in `seen`.
    pub fn wait(&mut self) -> Option<i32> {
        while let Ok(line) = self.lines.recv_timeout(PATIENCE) {
            self.seen.push(line);
        }
        self.child.wait().expect("it was started").code()
    }
}

impl Drop for Running {
    fn drop(&mut self) {
        // Its services end with it: they notice that their standard input does.
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}
