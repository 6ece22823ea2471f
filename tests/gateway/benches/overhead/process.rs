//! The processes that are measured, as their parent sees them.

use std::io::{BufRead, BufReader, Read, Write};
use std::process::{Child, ChildStderr, ChildStdin, Command, Stdio};
use std::sync::Mutex;
use std::time::Duration;

/// A process, which ends when this is dropped.
pub(crate) struct Process {
    child: Child,
    /// Commands go in, and what came of them out: the standard output is for the log.
    commands: Mutex<(ChildStdin, BufReader<ChildStderr>)>,
    address: String,
}

impl Process {
    pub(crate) fn start(arguments: &[&str]) -> Self {
        let program = std::env::current_exe().expect("a path");
        let mut child = Command::new(program)
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
        }
    }

    /// Where it listens, if it is a server.
    pub(crate) fn address(&self) -> &str {
        &self.address
    }

    /// Has a client make calls.
    pub(crate) fn make_calls(&self, command: &str) {
        let mut commands = self.commands.lock().expect("no panic");
        let (commands, answers) = &mut *commands;
        writeln!(commands, "{command}").expect("a process that reads");
        let answer = line(answers);
        if answer != "done" {
            let mut rest = String::new();
            let _ = answers.read_to_string(&mut rest);
            panic!("{command}: {answer}{rest}");
        }
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
    }
}
