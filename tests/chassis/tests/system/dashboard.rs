//! The dashboard of generated workspaces shows metrics that there are.

use std::collections::BTreeSet;
use std::net::TcpListener;

use serde_json::Value;

use crate::process::Service;
use crate::support::{Behaviour, ask};

const DASHBOARD: &str =
    include_str!("../../../../templates/workspace/deploy/grafana/dashboard.json");

/// The metrics of an expression: what stands before `{`.
fn names(expression: &str) -> impl Iterator<Item = String> {
    let is_name = |c: char| c.is_ascii_alphanumeric() || c == '_';
    let before_braces = expression
        .match_indices('{')
        .map(|(at, _)| &expression[..at]);
    let names = before_braces.map(move |before| {
        let name = before.trim_end_matches(is_name);
        before[name.len()..].to_owned()
    });
    names.filter(|name| !name.is_empty())
}

#[tokio::test(flavor = "multi_thread")]
async fn every_metric_of_the_dashboard_is_in_what_a_service_exposes() {
    let dashboard: Value = serde_json::from_str(DASHBOARD).expect("JSON");
    let panels = dashboard["panels"].as_array().expect("panels");
    let targets = panels
        .iter()
        .filter_map(|panel| panel["targets"].as_array());
    let expressions = targets.flatten().map(|target| target["expr"].as_str());
    let shown: BTreeSet<String> = expressions
        .flat_map(|expression| names(expression.expect("an expression")))
        .collect();
    assert!(shown.len() > 20, "{shown:?}");

    // A service that calls one that does not work, and exports its traces to nowhere.
    let hung = TcpListener::bind("127.0.0.1:0").expect("a free port");
    let collector = format!("http://{}", hung.local_addr().expect("an address"));
    let sick = Service::start(&[("PROBE_ALWAYS", "unavailable")]);
    let service = Service::start(&[
        ("PROBE_DOWNSTREAM", &format!("static:///{}", sick.grpc)),
        ("APP_TRACING__ENDPOINT", &collector),
    ]);
    let mut client = service.client().await;
    for _ in 0..20 {
        let relay = client.unary(ask(Behaviour::Relay(true))).await;
        relay.expect_err("it does not work");
    }
    let (_, text) = service.get("/metrics");
    let samples = text.lines().filter(|line| !line.starts_with('#'));
    let exposed: BTreeSet<String> = samples
        .filter_map(|line| line.split(['{', ' ']).next())
        .map(str::to_owned)
        .collect();
    let missing: Vec<&String> = shown.difference(&exposed).collect();
    assert!(missing.is_empty(), "{missing:?} not in {exposed:?}");
}
