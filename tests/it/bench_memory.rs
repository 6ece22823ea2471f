//! What a bench keeps in memory.

#![cfg(target_os = "linux")]

use std::process::Stdio;
use std::time::Duration;

use crate::bench::HELLO;
use crate::support::Sandbox;
use crate::support::chat::ChatServer;

/// The most memory of its own, in kB, that a process with these arguments has had while it ran.
fn most_memory(sandbox: &Sandbox, args: &[&str]) -> u64 {
    let mut child = sandbox
        .command(args)
        .stdout(Stdio::null())
        .stderr(Stdio::null())
        .spawn()
        .expect("msvc starts");
    let status = format!("/proc/{}/status", child.id());
    let mut most = 0;
    while child.try_wait().expect("it is ours").is_none() {
        let text = std::fs::read_to_string(&status).unwrap_or_default();
        let line = text.lines().find_map(|line| line.strip_prefix("RssAnon:"));
        let figure = line.and_then(|line| line.split_whitespace().next()?.parse().ok());
        most = most.max(figure.unwrap_or(0));
        std::thread::sleep(Duration::from_millis(5));
    }
    assert!(child.wait().expect("it ended").success());
    most
}

#[test]
fn memory_does_not_grow_with_the_calls() {
    const LIMIT: u64 = 30 << 10;
    let (sandbox, server) = (Sandbox::new(), ChatServer::start());
    let address = server.address();
    let bench = |calls| {
        let args = [
            "bench",
            &address,
            "SendMessage",
            "-d",
            HELLO,
            "-c",
            "100",
            "-n",
            calls,
        ];
        most_memory(&sandbox, &args)
    };
    let (few, many) = (bench("5000"), bench("100000"));
    assert!(many < LIMIT, "{many} kB");
    // Twenty times as many calls: what is kept of each would be seen.
    assert!(many < few + 2_048, "{few} kB, {many} kB");
}
