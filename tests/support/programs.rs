//! Programs that end with the tests that started them, each with a folder of its own.

use std::fs::{self, File};
use std::io::{BufRead, BufReader, Write};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

/// How long a program may take to start.
const START: Duration = Duration::from_secs(60);

/// Whether a test goes on without a program: not where everything must be there.
pub fn skip(program: &str) {
    let is_ci = std::env::var("CI").is_ok_and(|ci| ci == "true");
    assert!(!is_ci, "in CI there must be {program}");
    let text = format!("skipped: no {program} here\n");
    let _ = std::io::stderr().write_all(text.as_bytes());
}

/// A folder below the system's temporary ones; it goes when this is dropped.
pub struct Folder(tempfile::TempDir);

impl Folder {
    pub fn new() -> Self {
        Self(tempfile::tempdir().expect("a folder"))
    }

    pub fn path(&self) -> &Path {
        self.0.path()
    }

    pub fn sub(&self, name: &str) -> PathBuf {
        self.path().join(name)
    }

    pub fn write(&self, name: &str, text: &str) -> PathBuf {
        let path = self.sub(name);
        fs::write(&path, text).expect("a file");
        path
    }
}

/// A program that ends with this value, or with the test process, however that ends.
pub struct Process {
    pid: u32,
    shell: Child,
}

/// Starts its arguments, says their process id, and kills them when its input ends.
const LEASH: &str =
    r#""$@" </dev/null >"$LOG" 2>&1 & echo $!; cat >/dev/null; kill -9 $! 2>/dev/null; wait"#;

impl Process {
    pub fn start(command: &Command, log: &Path) -> Self {
        File::create(log).expect("a log");
        let mut shell = Command::new("sh");
        shell.arg("-c").arg(LEASH).arg("sh");
        shell.arg(command.get_program()).args(command.get_args());
        for (name, value) in command.get_envs() {
            shell.env(name, value.expect("a value"));
        }
        shell.env("LOG", log);
        shell.stdin(Stdio::piped()).stdout(Stdio::piped());
        let mut shell = shell.spawn().expect("a shell");
        let output = shell.stdout.take().expect("an output");
        let mut line = String::new();
        BufReader::new(output).read_line(&mut line).expect("a line");
        Self {
            pid: line.trim().parse().expect("a process id"),
            shell,
        }
    }

    /// Sends a signal, by its name.
    pub fn signal(&self, signal: &str) {
        let mut kill = Command::new("kill");
        kill.args([format!("-{signal}"), self.pid.to_string()]);
        assert!(kill.status().expect("kill").success(), "kill -{signal}");
    }
}

impl Drop for Process {
    fn drop(&mut self) {
        drop(self.shell.stdin.take());
        let _ = self.shell.wait();
    }
}

/// Waits until `is_ready`, or tells what it logged.
pub fn wait_until(log: &Path, is_ready: impl Fn() -> bool) {
    let begin = Instant::now();
    while !is_ready() {
        if begin.elapsed() > START {
            let log = fs::read_to_string(log).unwrap_or_default();
            panic!("it does not start:\n{log}");
        }
        std::thread::sleep(Duration::from_millis(25));
    }
}
