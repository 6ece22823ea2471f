//! How the agent knows whether an instance works.

use std::fs;

use serde_json::Value;

use super::Agent;
use crate::discovery::wait_until;

#[tokio::test(flavor = "multi_thread")]
async fn the_agents_check_asks_the_health_service() {
    let Some(agent) = Agent::start() else { return };
    let service = agent.service("one");
    wait_until(|| agent.check_output().contains("success"));
    service.signal("KILL");
    wait_until(|| agent.passing().is_empty());
}

/// What the agent says about an instance that tells it how it is.
fn told(agent: &Agent) -> (Value, String) {
    let checks = agent.get("/v1/agent/checks");
    let check = checks.as_object().and_then(|it| it.values().next());
    let check = check.expect("a check");
    (check["Status"].clone(), agent.check_output())
}

#[tokio::test(flavor = "multi_thread")]
async fn an_instance_tells_the_agent_whether_it_is_ready() {
    let Some(agent) = Agent::start() else { return };
    let name = format!("chassis-database-{}", std::process::id());
    let database = std::env::temp_dir().join(name);
    fs::write(&database, "").expect("a temporary file");
    let mut service = agent.service_with(&[
        ("PROBE_DATABASE", database.to_str().expect("UTF-8")),
        ("APP_REGISTRY__CONSUL__ADDRESS", &agent.url()),
        ("APP_REGISTRY__CONSUL__CHECK", "ttl"),
        ("APP_REGISTRY__CONSUL__CHECK_TTL", "2s"),
    ]);
    wait_until(|| told(&agent) == ("passing".into(), "ready".to_owned()));

    fs::remove_file(&database).expect("it is there");
    wait_until(|| agent.passing().is_empty());
    let missing = "database: No such file or directory (os error 2)";
    assert_eq!(told(&agent), ("critical".into(), missing.to_owned()));
    fs::write(&database, "").expect("a temporary file");
    wait_until(|| agent.passing().len() == 1);

    let id = format!("probe-127.0.0.1-{}", service.grpc.port());
    let path = format!("/v1/agent/service/deregister/{id}");
    assert!(agent.request("PUT", &path).is_some());
    service.wait_for("the registry had lost this instance, registered again");

    // From now on it says nothing.
    service.signal("KILL");
    wait_until(|| agent.passing().is_empty());
    assert_eq!(told(&agent).0, "critical");
    fs::remove_file(&database).expect("it is there");
}
