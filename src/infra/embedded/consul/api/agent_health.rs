//! `/v1/agent/health/service`: whether the agent's own services are well, summed up in the status
//! of the answer, for load balancers.

use axum::http::StatusCode;
use serde_json::{Value, json};

use super::super::state::{Check, Registry, Service, Status};
use super::query::Query;
use super::reply::Reply;

/// The health of an instance; what is worse is greater.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
enum Health {
    Checked(Status),
    Maintenance,
}

impl Health {
    fn as_str(self) -> &'static str {
        match self {
            Self::Checked(status) => status.as_str(),
            Self::Maintenance => "maintenance",
        }
    }

    fn status(self) -> StatusCode {
        match self {
            Self::Checked(Status::Passing) => StatusCode::OK,
            Self::Checked(Status::Warning) => StatusCode::TOO_MANY_REQUESTS,
            _ => StatusCode::SERVICE_UNAVAILABLE,
        }
    }
}

/// Answers for `id/{id}` and `name/{name}`.
pub(super) fn read(registry: &Registry, path: &str, query: &Query) -> Reply {
    let is_text = query.get("format") == Some("text");
    let (kind, name) = path.split_once('/').unwrap_or_default();
    let told = |status: StatusCode, reason: String, value: Value| {
        let value = (!is_text).then_some(value);
        Reply::Summed(status, reason, value)
    };
    let not_found = |reason, value| told(StatusCode::NOT_FOUND, reason, value);
    let sum = |health: Health, value| told(health.status(), health.as_str().to_owned(), value);
    if kind == "id" {
        if name.is_empty() {
            return Reply::failed("Bad request: Missing serviceID");
        }
        return match registry.service(name) {
            Some(service) => {
                let (health, value) = of_service(registry, service);
                sum(health, value)
            }
            None => not_found(
                format!("ServiceId {name} not found"),
                json!({"AggregatedStatus": "critical", "Service": null, "Checks": null}),
            ),
        };
    }
    if name.is_empty() {
        return Reply::failed("Bad request: Missing service Name");
    }
    let named = registry.services().filter(|service| service.name == name);
    let all: Vec<_> = named.map(|service| of_service(registry, service)).collect();
    match all.iter().map(|(health, _)| *health).max() {
        Some(worst) => sum(worst, all.into_iter().map(|(_, value)| value).collect()),
        None => not_found(format!("ServiceName {name} Not Found"), json!([])),
    }
}

fn of_service(registry: &Registry, service: &Service) -> (Health, Value) {
    let concerns = |check: &&Check| check.service_id.is_empty() || check.service_id == service.id;
    let checks: Vec<_> = registry.checks().filter(concerns).collect();
    let health = checks.iter().map(|check| match check.kind {
        "maintenance" => Health::Maintenance,
        _ => Health::Checked(check.status),
    });
    let health = health.max().unwrap_or(Health::Checked(Status::Passing));
    let value = json!({
        "AggregatedStatus": health.as_str(),
        "Service": service.agent_json(),
        "Checks": checks.iter().map(|check| check_json(registry, check)).collect::<Vec<_>>(),
    });
    (health, value)
}

/// A check as this endpoint alone shows it: with an empty definition spelled out, without type.
fn check_json(registry: &Registry, check: &Check) -> Value {
    let mut value = registry.check_json(check);
    value["Type"] = "".into();
    value["Definition"] = json!({
        "Interval": "0s", "Timeout": "0s", "DeregisterCriticalServiceAfter": "0s", "HTTP": "",
        "Header": null, "Method": "", "Body": "", "TLSSkipVerify": false, "TCP": "",
    });
    if check.service_tags.is_empty() {
        value["ServiceTags"] = Value::Null;
    }
    value
}
