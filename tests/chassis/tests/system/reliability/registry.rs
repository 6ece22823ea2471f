//! The registry is away: calls go on with the instances that are known.

use std::time::Duration;

use super::load::Load;
use super::{CALLERS, show};
use crate::consul::Agent;
use crate::discovery::wait_until;
use crate::process::Service;

const NAMES: [&str; 3] = ["a", "b", "c"];

const AWAY: &str = "the registry cannot be reached, trying again";

async fn start(agent: &Agent) -> (Vec<Service>, Load) {
    let instances = NAMES.iter().map(|name| agent.service(name)).collect();
    let client = agent.client().await;
    let mut load = Load::start(&client, CALLERS);
    load.reach(&NAMES).await;
    (instances, load)
}

#[tokio::test(flavor = "multi_thread")]
async fn no_call_fails_while_the_registry_hangs() {
    let Some(agent) = Agent::start() else { return };
    let (mut instances, mut load) = start(&agent).await;
    agent.signal("STOP");
    for instance in &mut instances {
        instance.wait_for(AWAY);
    }
    load.calls(1_000).await;
    agent.signal("CONT");
    wait_until(|| agent.passing().len() == 3);
    load.calls(300).await;
    let report = load.end().await;
    show("the registry hangs", &report);
    assert_eq!((&report.failures[..], report.cut), (&[][..], 0));
}

/// As long as an agent leaves instances alone that are critical.
const HALF_A_MINUTE: Duration = Duration::from_secs(30);

#[tokio::test(flavor = "multi_thread")]
async fn no_call_fails_while_the_registry_hangs_for_half_a_minute() {
    let Some(agent) = Agent::start() else { return };
    let _instances = NAMES.map(|name| agent.service(name));
    let client = agent.client().await;
    let mut load = Load::steady(&client);
    load.reach(&NAMES).await;
    agent.signal("STOP");
    tokio::time::sleep(HALF_A_MINUTE).await;
    agent.signal("CONT");
    wait_until(|| agent.passing().len() == 3);
    let _new = agent.service("new");
    load.reach(&["new"]).await;
    wait_until(|| agent.passing().len() == 4);
    let report = load.end().await;
    show("the registry hangs for 30 s", &report);
    assert_eq!((&report.failures[..], report.cut), (&[][..], 0));
}

#[tokio::test(flavor = "multi_thread")]
async fn no_call_fails_when_the_registry_is_killed_and_comes_back_without_its_data() {
    let Some(mut agent) = Agent::start() else {
        return;
    };
    let (mut instances, mut load) = start(&agent).await;
    agent.kill();
    for instance in &mut instances {
        instance.wait_for(AWAY);
    }
    load.calls(1_000).await;
    let agent = agent.replace();
    wait_until(|| agent.passing().len() == 3);
    load.calls(300).await;
    // It is followed as before: a new instance is found.
    let _new = agent.service("new");
    load.reach(&["new"]).await;
    let report = load.end().await;
    show("the registry is killed and wiped", &report);
    assert_eq!((&report.failures[..], report.cut), (&[][..], 0));
}
