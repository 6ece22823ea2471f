//! `/v1/status`: who leads, which is this one.

use serde_json::json;

use super::super::state::Registry;
use super::reply::{Answer, Reply};

/// Where a server answers the other servers; nobody does here.
const SERVER_PORT: u16 = 8300;

pub(super) fn is_known(path: &str) -> bool {
    ["leader", "peers"].contains(&path)
}

pub(super) fn read(registry: &Registry, path: &str) -> Answer {
    let ip = registry.catalog.node_json()["Address"].as_str();
    let peer = format!("{}:{SERVER_PORT}", ip.unwrap_or_default());
    Answer::now(Reply::Json(match path {
        "leader" => json!(peer),
        _ => json!([peer]),
    }))
}
