//! `/v1/session`: sessions, which hold locks of keys.

use std::time::Instant;

use axum::http::{Method, StatusCode};
use serde_json::{Value, json};

use super::super::state::{NODE, Registry, Session, check_id};
use super::super::{decode, random};
use super::reply::{Answer, Reply};
use super::{GET, PUT};

const MISSING: &str = "Missing session";

pub(super) fn methods(path: &str) -> Option<&'static [Method]> {
    match path.split_once('/').unwrap_or((path, "")) {
        ("create", _) if path == "create" => Some(PUT),
        ("list", _) if path == "list" => Some(GET),
        ("destroy" | "renew", _) if path.contains('/') => Some(PUT),
        ("info" | "node", _) if path.contains('/') => Some(GET),
        _ => None,
    }
}

pub(super) fn read(registry: &Registry, path: &str) -> Answer {
    let sessions = &registry.sessions;
    let all = |value: Value| Answer::at(sessions.index(), Reply::Json(value));
    match path.split_once('/').unwrap_or((path, "")) {
        ("info", "") => Answer::now(Reply::bad(MISSING)),
        ("info", id) => match check_id(id) {
            Ok(()) => all(sessions.to_json(Some(id), NODE)).watching_reply(),
            Err(refusal) => Answer::now(refusal.into()),
        },
        ("node", "") => Answer::now(Reply::bad("Missing node name")),
        ("node", node) if node != NODE => all(json!([])),
        _ => all(sessions.to_json(None, NODE)),
    }
}

pub(super) fn write(registry: &mut Registry, path: &str, body: &[u8], now: Instant) -> Reply {
    let (verb, id) = path.split_once('/').unwrap_or((path, ""));
    if verb == "create" {
        return create(registry, body, now);
    }
    if id.is_empty() {
        return Reply::bad(MISSING);
    }
    if let Err(refusal) = check_id(id) {
        return refusal.into();
    }
    if verb == "destroy" {
        registry.destroy_session(id, now);
        return Reply::Json(true.into());
    }
    if !registry.sessions.renew(id, now) {
        let text = format!("Session id '{id}' not found");
        return Reply::Error(StatusCode::NOT_FOUND, text);
    }
    Reply::Json(registry.sessions.to_json(Some(id), NODE))
}

fn create(registry: &mut Registry, body: &[u8], now: Instant) -> Reply {
    let fields = match body {
        [] => Ok(serde_json::Map::new()),
        body => decode::body(body),
    };
    let session = match fields {
        Ok(fields) => Session::read(&fields, NODE),
        Err(why) => return Reply::bad(&why),
    };
    let id = random::uuid();
    let outcome = session.and_then(|session| registry.create_session(id.clone(), session, now));
    match outcome {
        Ok(()) => Reply::Json(json!({"ID": id})),
        Err(refusal) => refusal.into(),
    }
}
