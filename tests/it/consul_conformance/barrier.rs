//! A real agent hands its services and checks to its catalog in the background; what was told to it
//! before a barrier is in the catalog after it.

use super::agents::{Answer, Side};

const REGISTER: &str = "agent/service/register";

/// A write to a service or a check of its own, after which all before it is in the catalog.
#[derive(Clone, Copy, Debug)]
pub enum Barrier {
    /// It raises the index of the services' table, so that this cannot be compared.
    Service,
    /// The same for the checks' table.
    Check,
}

impl Barrier {
    /// Passes it; `step` counts from zero.
    pub async fn pass(self, side: &Side, step: usize) {
        let own_service =
            |port: usize| format!(r#"{{"Name":"barrier","Port":{port},"Check":{{"TTL":"10m"}}}}"#);
        let (path, marker) = match self {
            Self::Service => {
                side.ask(
                    "PUT",
                    REGISTER,
                    &format!(r#"{{"Name":"barrier","Port":{step}}}"#),
                )
                .await;
                (
                    "catalog/service/barrier",
                    format!("\"ServicePort\":{step},"),
                )
            }
            Self::Check => {
                if step == 0 {
                    side.ask("PUT", REGISTER, &own_service(0)).await;
                }
                let verb = if step.is_multiple_of(2) {
                    "pass"
                } else {
                    "warn"
                };
                let path = format!("agent/check/{verb}/service:barrier?note=step{step}.");
                side.ask("PUT", &path, "").await;
                ("health/checks/barrier", format!("step{step}."))
            }
        };
        let is_there = |answer: &Answer| answer.body.to_string().contains(&marker);
        side.until("the barrier is passed", path, is_there).await;
        // A real agent holds a lock while it hands over, which this waits for.
        side.ask("GET", "agent/checks", "").await;
    }
}
