//! `/v1/agent`: registration of services and checks, and what the agent says of itself.

use std::hash::{DefaultHasher, Hash, Hasher};
use std::time::Instant;

use axum::http::Method;
use serde_json::{Map, Value, json};

use super::super::decode::{self, Object};
use super::super::state::{Definition, NODE, NODE_ID, Registry, Service, Status, VERSION};
use super::query::Query;
use super::reply::{Answer, Reply};
use super::{GET, PUT, agent_health};

pub(super) fn methods(path: &str) -> Option<&'static [Method]> {
    match path {
        "self" | "services" | "checks" | "members" => Some(GET),
        "maintenance" | "service/register" | "check/register" => Some(PUT),
        _ if path.starts_with("service/deregister/") => Some(PUT),
        _ if path.starts_with("service/maintenance/") => Some(PUT),
        _ if path.starts_with("health/service/id/") => Some(GET),
        _ if path.starts_with("health/service/name/") => Some(GET),
        _ if path.starts_with("service/") => Some(GET),
        _ => {
            let (verb, _) = path.strip_prefix("check/")?.split_once('/')?;
            let verbs = ["pass", "warn", "fail", "update", "deregister"];
            verbs.contains(&verb).then_some(PUT)
        }
    }
}

pub(super) fn read(registry: &Registry, path: &str, query: &Query) -> Answer {
    let listed = |all: Map<String, Value>| Answer::now(Reply::Json(all.into()));
    match path {
        "self" => Answer::now(Reply::Json(own(registry))),
        "members" => Answer::now(Reply::Json(json!([member(registry)]))),
        "services" => {
            let all = registry.services();
            listed(all.map(|it| (it.id.clone(), it.agent_json())).collect())
        }
        "checks" => {
            let all = registry.checks();
            let all = all.map(|check| (check.id.clone(), registry.check_json(check)));
            listed(all.collect())
        }
        _ => match path.strip_prefix("health/service/") {
            Some(rest) => Answer::now(agent_health::read(registry, rest, query)),
            None => service(registry, path.trim_start_matches("service/")),
        },
    }
}

fn service(registry: &Registry, id: &str) -> Answer {
    let Some(service) = registry.service(id) else {
        let text = format!("unknown service ID: {id}");
        return Answer::now(Reply::Error(axum::http::StatusCode::NOT_FOUND, text));
    };
    let mut value = service.agent_json();
    let mut hasher = DefaultHasher::new();
    value.to_string().hash(&mut hasher);
    let hash = format!("{:016x}", hasher.finish());
    value["ContentHash"] = hash.as_str().into();
    Answer::hashed(hash, Reply::Json(value))
}

fn own(registry: &Registry) -> Value {
    json!({
        "Config": {
            "Datacenter": "dc1", "NodeName": NODE, "NodeID": NODE_ID, "Revision": "",
            "Server": true, "Version": VERSION,
        },
        "Member": member(registry),
        "Meta": {"consul-network-segment": ""},
    })
}

fn member(registry: &Registry) -> Value {
    json!({
        "Name": NODE, "Addr": registry.catalog.node_json()["Address"], "Port": 8301,
        "Tags": {
            "acls": "0", "build": format!("{VERSION}:"), "dc": "dc1", "ft_fs": "1",
            "id": NODE_ID, "port": "8300", "raft_vsn": "3", "role": "consul", "segment": "",
            "vsn": "2", "vsn_max": "3", "vsn_min": "2",
        },
        "Status": 1, "ProtocolMin": 1, "ProtocolMax": 5, "ProtocolCur": 2,
        "DelegateMin": 2, "DelegateMax": 5, "DelegateCur": 4,
    })
}

pub(super) fn write(
    registry: &mut Registry,
    path: &str,
    (query, body): (&Query, &[u8]),
    now: Instant,
) -> Reply {
    let id = path.splitn(3, '/').nth(2).unwrap_or_default();
    match path {
        "maintenance" => maintenance(query, |on, reason| {
            registry.maintain_node(on, reason, now);
            Reply::Done
        }),
        "service/register" => register(registry, (query, body), now),
        "check/register" => match decode::body(body) {
            Ok(body) => Definition::read(&body)
                .and_then(|check| registry.register_check(check, now))
                .into(),
            Err(why) => Reply::bad(&why),
        },
        _ if path.starts_with("service/maintenance/") => match id {
            "" => Reply::bad("Missing service ID"),
            id => maintenance(query, |on, reason| {
                registry.maintain_service(id, on, reason, now).into()
            }),
        },
        _ if path.starts_with("service/") => match id {
            "" => Reply::failed("ServiceID missing"),
            id => {
                registry.deregister(id, now);
                Reply::Done
            }
        },
        _ => check(registry, path, (query, body), now),
    }
}

fn register(registry: &mut Registry, (query, body): (&Query, &[u8]), now: Instant) -> Reply {
    let body = match decode::body(body) {
        Ok(body) => body,
        Err(why) => return Reply::bad(&why),
    };
    let replace = match query.switch("replace-existing-checks") {
        Some(switch) => switch.unwrap_or(false),
        None if query.get("replace-existing-checks") == Some("") => true,
        None => return Reply::bad("Invalid value for \"replace-existing-checks\""),
    };
    Service::read(&body)
        .and_then(|(service, checks)| registry.register(service, checks, replace, now))
        .into()
}

fn maintenance(query: &Query, set: impl FnOnce(bool, &str) -> Reply) -> Reply {
    let reason = query.get("reason").unwrap_or_default();
    match query.switch("enable") {
        Some(Some(on)) => set(on, reason),
        Some(None) => Reply::bad("Missing value for enable"),
        None => {
            let given = query.get("enable").unwrap_or_default();
            Reply::bad(&format!("Invalid value for enable: {given:?}"))
        }
    }
}

fn check(
    registry: &mut Registry,
    path: &str,
    (query, body): (&Query, &[u8]),
    now: Instant,
) -> Reply {
    let verb_and_id = path.strip_prefix("check/");
    let (verb, id) = verb_and_id
        .and_then(|rest| rest.split_once('/'))
        .unwrap_or_default();
    let note = query.get("note").unwrap_or_default();
    let (status, output) = match verb {
        "pass" => (Status::Passing, note.to_owned()),
        "warn" => (Status::Warning, note.to_owned()),
        "fail" => (Status::Critical, note.to_owned()),
        "update" => match update(body) {
            Ok(update) => update,
            Err(why) => return Reply::bad(&why),
        },
        _ if id.is_empty() => return Reply::failed("CheckID missing"),
        _ => {
            registry.deregister_check(id, now);
            return Reply::Done;
        }
    };
    registry.update_ttl(id, status, &output, now).into()
}

fn update(body: &[u8]) -> Result<(Status, String), String> {
    let body = decode::body(body)?;
    let fields = Object::new(&body, "checkUpdate");
    fields.only(&["Status", "Output"])?;
    let (status, output) = (fields.text("Status")?, fields.text("Output")?);
    let status = Status::parse(&status);
    match status {
        Some(status) => Ok((status, output)),
        None => Err(format!(
            "Invalid check status: '{}'",
            fields.text("Status")?
        )),
    }
}
