//! The processes that are measured, as their parent sees them.

use std::io::{BufRead, BufReader, Read, Write};
use std::path::PathBuf;
use std::process::{Child, ChildStderr, ChildStdin, Command, Stdio};
use std::sync::Mutex;
use std::time::Duration;

use super::cases::Case;

/// A process, which ends when this is dropped.
pub(crate) struct Process {
    child: Child,
    /// Commands go in, and what came of them out: the standard output is for the log.
    commands: Mutex<(ChildStdin, BufReader<ChildStderr>)>,
    address: String,
    /// Where Callgrind writes.
    counts: PathBuf,
}

/// What a process runs under.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Under {
    Nothing,
    /// Valgrind's tool that counts instructions.
    Callgrind,
}

impl Process {
    pub(crate) fn server(case: &Case, collector: &str, under: Under) -> Self {
        let role = ["--role", "server", "--case", case.name];
        Self::start(&[&role[..], &["--collector", collector]].concat(), under)
    }

    pub(crate) fn client(case: &Case, collector: &str, server: &str, under: Under) -> Self {
        let role = ["--role", "client", "--case", case.name];
        let others = ["--collector", collector, "--server", server];
        Self::start(&[&role[..], &others[..]].concat(), under)
    }

    fn start(arguments: &[&str], under: Under) -> Self {
        let program = std::env::current_exe().expect("a path");
        let counts = std::env::temp_dir().join(format!("overhead-{}", std::process::id()));
        let mut command = match under {
            Under::Nothing => Command::new(program),
            Under::Callgrind => {
                let mut command = Command::new("valgrind");
                command.args(["--tool=callgrind", "--instr-atstart=no", "--quiet"]);
                command.arg(format!("--callgrind-out-file={}", counts.display()));
                command.arg(program);
                command
            }
        };
        let mut child = command
            .args(arguments)
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .spawn()
            .expect("a process");
        let mut log = child.stdout.take().expect("it is piped");
        std::thread::spawn(move || {
            let mut buffer = vec![0; 1 << 16];
            while log.read(&mut buffer).is_ok_and(|length| length > 0) {}
        });
        let commands = child.stdin.take().expect("it is piped");
        let mut answers = BufReader::new(child.stderr.take().expect("it is piped"));
        let address = line(&mut answers);
        Self {
            child,
            commands: Mutex::new((commands, answers)),
            address,
            counts,
        }
    }

    /// Where it listens, if it is a server.
    pub(crate) fn address(&self) -> &str {
        &self.address
    }

    /// Has a client make calls.
    pub(crate) fn make_calls(&self, calls: usize, concurrency: usize) {
        let mut commands = self.commands.lock().expect("no panic");
        let (commands, answers) = &mut *commands;
        writeln!(commands, "{calls} {concurrency}").expect("a process that reads");
        assert_eq!(line(answers), "done");
    }

    /// Counts instructions from now on.
    pub(crate) fn start_counting(&self) {
        self.control("--instr=on");
    }

    /// The instructions since counting began, which ends.
    pub(crate) fn counted(&self) -> u64 {
        self.control("--instr=off");
        self.control("--dump");
        // The first that is written has the number one.
        let path = self.counts.with_extension("1");
        let counts = std::fs::read_to_string(&path).expect("what was counted");
        let _ = std::fs::remove_file(path);
        let total = counts
            .lines()
            .find_map(|line| line.strip_prefix("totals: "));
        let total = total.and_then(|total| total.trim().parse().ok());
        total.expect("a total")
    }

    fn control(&self, option: &str) {
        let mut command = Command::new("callgrind_control");
        let control = command.arg(option).arg(self.child.id().to_string());
        let output = control.output().expect("it comes with valgrind");
        assert!(output.status.success(), "{output:?}");
    }

    /// The processor time of all its threads so far.
    pub(crate) fn cpu(&self) -> Duration {
        let tasks = format!("/proc/{}/task", self.child.id());
        let tasks = std::fs::read_dir(tasks).expect("a process that runs");
        let nanos = tasks.filter_map(|task| {
            let path = task.ok()?.path().join("schedstat");
            let text = std::fs::read_to_string(path).ok()?;
            text.split_whitespace().next()?.parse::<u64>().ok()
        });
        Duration::from_nanos(nanos.sum())
    }
}

fn line(answers: &mut impl BufRead) -> String {
    let mut line = String::new();
    answers.read_line(&mut line).expect("an answer");
    line.trim_end().to_owned()
}

impl Drop for Process {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
        let _ = std::fs::remove_file(&self.counts);
    }
}
