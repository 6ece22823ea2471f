//! Instances and registries that fail under load, as processes: no call may be lost.
//!
//! `docs/reliability.md` has what these tests measure.

mod crash;
mod load;
mod registry;
mod restart;
mod sick;

use std::io::Write;
use std::time::Instant;

use chassis::client::{self, Channel};
use chassis::config::{Config, NoSettings, Ratio};

use crate::process::Service;
use crate::support::ProbeClient;

/// How many calls are in flight at a time.
const CALLERS: usize = 8;

/// Three instances, of which `sick` is started with `variables` too.
fn instances(variables: &[(&str, &str)]) -> [Service; 3] {
    [("a", &[][..]), ("b", &[]), ("sick", variables)].map(|(name, variables)| {
        let own = [("PROBE_INSTANCE", name), ("APP_LOG__LEVEL", "info")];
        Service::start(&[&own[..], variables].concat())
    })
}

fn config() -> Config {
    Config::<NoSettings>::default()
}

/// Opens its breaker at the first failure, so that a sick instance is left alone from then on.
fn wary() -> Config {
    let mut config = config();
    config.client.breaker.min_requests = 1;
    config.client.breaker.failure_ratio = Ratio::new(0.001).expect("a ratio");
    config
}

async fn connect(instances: &[Service], config: &Config) -> ProbeClient<Channel> {
    let addresses: Vec<String> = instances.iter().map(|it| it.grpc.to_string()).collect();
    let target = format!("static:///{}", addresses.join(","));
    let channel = client::connect(&target, config).await;
    ProbeClient::new(channel.expect("a valid target"))
}

/// Shows a measured figure, with `--nocapture`.
fn show(what: &str, report: &load::Report) {
    let load::Report {
        calls,
        failures,
        cut,
        retried,
        ..
    } = report;
    let text = format!("{what}: {calls} calls, {retried} made again, {cut} cut, {failures:?}\n");
    std::io::stderr().write_all(text.as_bytes()).expect("open");
}

/// Shows how long it took from a fault until no call went to what was hit by it.
fn show_reaction(what: &str, report: &load::Report, fault: Instant) {
    let reaction = report.reaction(fault);
    let text = format!("{what}: no call went there after {reaction:?}\n");
    std::io::stderr().write_all(text.as_bytes()).expect("open");
}
