//! How the agent knows whether an instance works.

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
