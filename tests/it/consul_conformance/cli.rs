//! Consul's own command line, a client that others wrote, against both.

use std::process::Stdio;

use tokio::process::Command;

use super::agents::{Differences, Pair, Side, binary, within_deadline};

/// What is typed, one after the other.
const COMMANDS: &[&[&str]] = &[
    &[
        "services",
        "register",
        "-name=web",
        "-id=w1",
        "-port=80",
        "-tag=a",
    ],
    &["catalog", "services", "-tags"],
    &["catalog", "nodes", "-service=web"],
    &["catalog", "nodes", "-detailed"],
    &["catalog", "datacenters"],
    &["maint", "-enable", "-service=w1", "-reason=broken"],
    &["maint"],
    &["maint", "-disable", "-service=w1"],
    &["maint", "-enable"],
    &["maint"],
    &["maint", "-disable"],
    &["services", "deregister", "-id=w1"],
    &["catalog", "services"],
    &["kv", "put", "-flags=7", "app/one", "1"],
    &["kv", "put", "app/two", "2"],
    &["kv", "put", "-cas", "-modify-index=1", "app/two", "3"],
    &["kv", "get", "app/one"],
    &["kv", "get", "-recurse", "app/"],
    &["kv", "get", "-keys", "-separator=/", ""],
    &["kv", "get", "none"],
    &["kv", "export", "app/"],
    &["lock", "-child-exit-code", "app/lock", "exit 0"],
    &["lock", "-name=mine", "app/lock", "exit 3"],
    &["kv", "get", "-recurse", "app/"],
    &["kv", "delete", "-recurse", "app/"],
    &["kv", "get", "-keys", ""],
    &["watch", "-type=services"],
    &["watch", "-type=nodes"],
    &["watch", "-type=checks", "-state=critical"],
    &["watch", "-type=service", "-service=none"],
];

async fn run(side: &Side, command: &[&str]) -> (Option<i32>, String, String) {
    let binary = binary().expect("Consul");
    let mut consul = Command::new(binary);
    consul
        .args(command)
        .env("CONSUL_HTTP_ADDR", side.address.to_string())
        .env_remove("CONSUL_HTTP_TOKEN")
        .stdin(Stdio::null())
        .kill_on_drop(true);
    let output = within_deadline(&format!("{command:?}"), consul.output()).await;
    let output = output.expect("it runs");
    let text = |bytes: &[u8]| {
        let text = String::from_utf8_lossy(bytes);
        // Indexes and the address differ.
        let lines = text.lines().filter(|line| !line.contains("Index\":"));
        let lines = lines.map(|line| line.replace(&side.address.to_string(), "{address}"));
        lines.collect::<Vec<_>>().join("\n")
    };
    (
        output.status.code(),
        text(&output.stdout),
        text(&output.stderr),
    )
}

#[tokio::test]
async fn consuls_own_command_line_cannot_tell_them_apart() {
    let Some(pair) = Pair::start().await else {
        return;
    };
    let mut differences = Differences::default();
    for command in COMMANDS {
        let outcomes = pair
            .both(async |side: &Side| run(side, command).await)
            .await;
        differences.compare(&format!("{command:?}"), outcomes);
        // What the agent was told is in its catalog before the next command asks for it.
        let settled = pair.settled("GET", "health/state/any", "").await;
        differences.compare(&format!("checks after {command:?}"), settled);
        let settled = pair.settled("GET", "catalog/node/msvc", "").await;
        differences.compare(&format!("services after {command:?}"), settled);
    }
}
