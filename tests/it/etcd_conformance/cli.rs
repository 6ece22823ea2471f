//! etcd's own command line, a client that others wrote, against both.

use std::process::Stdio;

use tokio::process::Command;

use super::stores::{Pair, Side, binary};
use crate::support::differences::{Differences, within_deadline};
use crate::support::skip;

/// What is typed, one after the other, with what is written to it.
const COMMANDS: &[(&[&str], &str)] = &[
    (&["put", "app/one", "1"], ""),
    (&["put", "app/two", "2", "--prev-kv"], ""),
    (&["put", "app/one", "3", "--prev-kv"], ""),
    (&["get", "app/one"], ""),
    (&["get", "app/", "--prefix"], ""),
    (&["get", "app/", "--prefix", "--keys-only"], ""),
    (
        &[
            "get",
            "app/",
            "--prefix",
            "--count-only",
            "--write-out=fields",
        ],
        "",
    ),
    (&["get", "app/one", "--rev=2"], ""),
    (&["get", "app/one", "--rev=99"], ""),
    (
        &[
            "get",
            "",
            "--from-key",
            "--sort-by=MODIFY",
            "--order=DESCEND",
        ],
        "",
    ),
    (
        &["txn"],
        "value(\"app/one\") = \"3\"\n\nput app/three yes\nget app/three\n\nput app/three no\n\n",
    ),
    (&["del", "app/", "--prefix", "--prev-kv"], ""),
    (&["lease", "grant", "60", "--write-out=fields"], ""),
    (&["lease", "keep-alive", "--once", "32695410dcc0ca06"], ""),
    (&["lease", "timetolive", "32695410dcc0ca06"], ""),
    (&["compaction", "4"], ""),
    (&["compaction", "4"], ""),
    (&["get", "app/one", "--rev=2"], ""),
    (&["alarm", "list"], ""),
    (&["lock", "mutex", "echo", "held"], ""),
    (&["get", "mutex", "--prefix"], ""),
];

async fn run(side: &Side, command: &[&str], input: &str) -> (Option<i32>, String, String) {
    let binary = binary("etcdctl").expect("it was looked for");
    let mut control = Command::new(binary);
    control
        .env("ETCDCTL_API", "3")
        .env_remove("ETCDCTL_ENDPOINTS")
        .env_remove("ETCDCTL_USER")
        .arg(format!("--endpoints={}", side.address))
        .args(command)
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .kill_on_drop(true);
    let mut child = control.spawn().expect("it runs");
    let mut stdin = child.stdin.take().expect("a pipe");
    tokio::io::AsyncWriteExt::write_all(&mut stdin, input.as_bytes())
        .await
        .expect("it reads");
    drop(stdin);
    let output = within_deadline(&format!("{command:?}"), child.wait_with_output()).await;
    let output = output.expect("it ends");
    let text = |bytes: &[u8]| normalised(&String::from_utf8_lossy(bytes), side);
    (
        output.status.code(),
        text(&output.stdout),
        text(&output.stderr),
    )
}

/// Without what differs between members and between leases.
fn normalised(text: &str, side: &Side) -> String {
    let is_kept = |line: &&str| {
        let volatile = [
            "\"ClusterID\"",
            "\"MemberID\"",
            "\"ID\"",
            "\"RaftTerm\"",
            "{\"level\"",
        ];
        !volatile.iter().any(|start| line.starts_with(start))
    };
    let text = text.replace(&side.address.to_string(), "ADDRESS");
    let lines: Vec<&str> = text.lines().filter(is_kept).collect();
    lines.join("\n")
}

#[tokio::test]
async fn etcdctl_is_answered_alike() {
    if binary("etcdctl").is_none() {
        skip("no etcdctl");
        return;
    }
    let Some(pair) = Pair::start().await else {
        return;
    };
    let mut differences = Differences::default();
    for (command, input) in COMMANDS {
        let answers = tokio::join!(
            run(&pair.real, command, input),
            run(&pair.embedded, command, input)
        );
        if *command == ["lock", "mutex", "echo", "held"] {
            assert_eq!(answers.0.0, Some(0), "{answers:?}");
            assert_eq!(answers.1, answers.0);
        }
        differences.compare(&format!("{command:?}"), answers);
    }
}

#[tokio::test]
async fn etcdctl_finds_the_embedded_member_healthy() {
    if binary("etcdctl").is_none() {
        skip("no etcdctl");
        return;
    }
    let (_etcd, side) = super::stores::start_embedded().await;
    let (code, out, err) = run(&side, &["endpoint", "health"], "").await;
    assert_eq!(code, Some(0), "{err}");
    assert!((out + &err).contains("ADDRESS is healthy"));
    let (_, status, _) = run(&side, &["endpoint", "status", "--write-out=fields"], "").await;
    assert!(status.contains("\"Version\" : \"3.4.23\""), "{status}");
    assert!(
        status.contains("\"Leader\" : 7886777540029710338"),
        "{status}"
    );
    let (_, members, _) = run(&side, &["member", "list"], "").await;
    assert_eq!(
        members,
        "6d73766300000002, started, default, , http://ADDRESS, false"
    );
}
