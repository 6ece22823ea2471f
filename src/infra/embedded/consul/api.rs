//! The HTTP face of the registry: paths, parameters, blocking queries, Consul's bodies and headers.

use std::collections::HashMap;
use std::time::{Duration, Instant};

use axum::Router;
use axum::body::Bytes;
use axum::extract::{DefaultBodyLimit, Path, Query, State as Shared};
use axum::http::{HeaderValue, StatusCode, header};
use axum::response::{IntoResponse, Response};
use axum::routing::{get, put};
use serde::de::DeserializeOwned;
use serde_json::{Value, json};

use super::types::{Registration, Status};
use super::{Registry, duration};

/// How long a blocking query waits unless told.
const DEFAULT_WAIT: Duration = Duration::from_secs(5 * 60);
/// The longest wait of a blocking query.
const LONGEST_WAIT: Duration = Duration::from_secs(10 * 60);
/// Consul adds up to a sixteenth of the wait, so that waiters do not come back together.
const JITTER_DIVISOR: u32 = 16;
/// The largest value of a key, as Consul has it.
const LARGEST_VALUE: usize = 512 * 1024;

type Parameters = Query<HashMap<String, String>>;

/// The routes.
pub(super) fn router(registry: Registry) -> Router {
    Router::new()
        .route("/v1/status/leader", get(leader))
        .route("/v1/status/peers", get(peers))
        .route("/v1/agent/self", get(agent_self))
        .route("/v1/agent/services", get(agent_services))
        .route("/v1/agent/service/{id}", get(agent_service))
        .route("/v1/agent/checks", get(agent_checks))
        .route("/v1/agent/service/register", put(register))
        .route("/v1/agent/service/deregister/{id}", put(deregister))
        .route("/v1/agent/check/{verb}/{id}", put(check_verb))
        .route("/v1/catalog/services", get(catalog_services))
        .route("/v1/catalog/service/{name}", get(catalog_service))
        .route("/v1/catalog/nodes", get(catalog_nodes))
        .route("/v1/health/service/{name}", get(health_service))
        .route("/v1/health/checks/{name}", get(health_checks))
        .route("/v1/health/state/{status}", get(health_state))
        .route("/v1/kv/{*key}", get(kv_get).put(kv_put).delete(kv_delete))
        .fallback(unknown)
        .layer(DefaultBodyLimit::max(2 * LARGEST_VALUE))
        .with_state(registry)
}

async fn unknown() -> Response {
    let text =
        "not part of this registry for development; run a Consul agent and set CONSUL_HTTP_ADDR";
    (StatusCode::NOT_IMPLEMENTED, text).into_response()
}

async fn leader(Shared(registry): Shared<Registry>) -> Response {
    pretty(
        &json!(registry.read().address().to_string()),
        &HashMap::new(),
    )
}

async fn peers(Shared(registry): Shared<Registry>) -> Response {
    pretty(
        &json!([registry.read().address().to_string()]),
        &HashMap::new(),
    )
}

async fn agent_self(Shared(registry): Shared<Registry>, Query(query): Parameters) -> Response {
    let node = registry.read().node();
    let version = concat!("msvc ", env!("CARGO_PKG_VERSION"));
    let config = json!({
        "Datacenter": node["Datacenter"], "NodeName": node["Node"], "Server": true, "Version": version,
    });
    pretty(&json!({ "Config": config, "Meta": {} }), &query)
}

async fn agent_services(Shared(registry): Shared<Registry>, Query(query): Parameters) -> Response {
    pretty(&registry.read().agent_services(), &query)
}

async fn agent_service(
    Shared(registry): Shared<Registry>,
    Path(id): Path<String>,
    Query(query): Parameters,
) -> Response {
    match registry.read().agent_service(&id) {
        Some(service) => pretty(&service, &query),
        None => (StatusCode::NOT_FOUND, format!("unknown service ID: {id}")).into_response(),
    }
}

async fn agent_checks(Shared(registry): Shared<Registry>, Query(query): Parameters) -> Response {
    pretty(&registry.read().agent_checks(), &query)
}

async fn register(Shared(registry): Shared<Registry>, body: Bytes) -> Response {
    let registration: Registration = match decode(&body) {
        Ok(registration) => registration,
        Err(response) => return response,
    };
    match registry.change(|state| state.register(registration, Instant::now())) {
        Ok(()) => StatusCode::OK.into_response(),
        Err(problem) => (StatusCode::BAD_REQUEST, problem).into_response(),
    }
}

/// An unknown id is fine, as it was with Consul up to 1.8: gone is gone.
async fn deregister(Shared(registry): Shared<Registry>, Path(id): Path<String>) -> Response {
    registry.change(|state| state.deregister(&id));
    StatusCode::OK.into_response()
}

async fn check_verb(
    Shared(registry): Shared<Registry>,
    Path((verb, id)): Path<(String, String)>,
    Query(query): Parameters,
    body: Bytes,
) -> Response {
    let note = query.get("note").cloned().unwrap_or_default();
    let (status, output) = match verb.as_str() {
        "pass" => (Status::Passing, note),
        "warn" => (Status::Warning, note),
        "fail" => (Status::Critical, note),
        "update" => {
            let update: CheckUpdate = match decode(&body) {
                Ok(update) => update,
                Err(response) => return response,
            };
            (update.status, update.output)
        }
        _ => return unknown().await,
    };
    if registry.change(|state| state.update_check(&id, status, output, Instant::now())) {
        StatusCode::OK.into_response()
    } else {
        let text = format!("CheckID {id:?} does not have associated TTL");
        (StatusCode::INTERNAL_SERVER_ERROR, text).into_response()
    }
}

#[derive(serde::Deserialize)]
#[serde(rename_all = "PascalCase")]
struct CheckUpdate {
    status: Status,
    #[serde(default)]
    output: String,
}

async fn catalog_services(
    Shared(registry): Shared<Registry>,
    Query(query): Parameters,
) -> Response {
    blocking(&registry, &query, |state| state.catalog_services()).await
}

async fn catalog_nodes(Shared(registry): Shared<Registry>, Query(query): Parameters) -> Response {
    blocking(&registry, &query, |state| json!([state.node()])).await
}

async fn catalog_service(
    Shared(registry): Shared<Registry>,
    Path(name): Path<String>,
    Query(query): Parameters,
) -> Response {
    let tag = query.get("tag").map(String::as_str);
    blocking(&registry, &query, |state| state.catalog_service(&name, tag)).await
}

async fn health_service(
    Shared(registry): Shared<Registry>,
    Path(name): Path<String>,
    Query(query): Parameters,
) -> Response {
    let passing = match query.get("passing").map(String::as_str) {
        None | Some("false" | "0") => false,
        Some("" | "true" | "1") => true,
        Some(_) => {
            let text = "Invalid value for ?passing";
            return (StatusCode::BAD_REQUEST, text).into_response();
        }
    };
    let tag = query.get("tag").map(String::as_str);
    blocking(&registry, &query, |state| {
        state.health_service(&name, tag, passing)
    })
    .await
}

async fn health_checks(
    Shared(registry): Shared<Registry>,
    Path(name): Path<String>,
    Query(query): Parameters,
) -> Response {
    blocking(&registry, &query, |state| {
        state.health_checks(Some(&name), None)
    })
    .await
}

async fn health_state(
    Shared(registry): Shared<Registry>,
    Path(status): Path<String>,
    Query(query): Parameters,
) -> Response {
    blocking(&registry, &query, |state| {
        state.health_checks(None, Some(&status))
    })
    .await
}

async fn kv_get(
    Shared(registry): Shared<Registry>,
    Path(key): Path<String>,
    Query(query): Parameters,
) -> Response {
    if let Err(response) = wait_for_change(&registry, &query).await {
        return response;
    }
    let state = registry.read();
    let index = state.index();
    let found = if query.contains_key("keys") {
        let separator = query.get("separator").filter(|it| !it.is_empty());
        let mut names: Vec<String> = state
            .keys_below(&key)
            .map(
                |(name, _)| match separator.and_then(|it| name[key.len()..].find(it.as_str())) {
                    Some(at) => name[..key.len() + at + 1].to_owned(),
                    None => name.clone(),
                },
            )
            .collect();
        names.dedup();
        (!names.is_empty()).then(|| json!(names))
    } else if query.contains_key("recurse") {
        let entries: Vec<Value> = state
            .keys_below(&key)
            .map(|(name, entry)| entry.json(name))
            .collect();
        (!entries.is_empty()).then_some(Value::Array(entries))
    } else if query.contains_key("raw") {
        if let Some(entry) = state.key(&key) {
            let response = Response::new(entry.value.clone().into());
            return with_index(response, index);
        }
        None
    } else {
        state.key(&key).map(|entry| json!([entry.json(&key)]))
    };
    drop(state);
    match found {
        Some(value) => with_index(pretty(&value, &query), index),
        None => with_index(StatusCode::NOT_FOUND.into_response(), index),
    }
}

async fn kv_put(
    Shared(registry): Shared<Registry>,
    Path(key): Path<String>,
    Query(query): Parameters,
    body: Bytes,
) -> Response {
    if body.len() > LARGEST_VALUE {
        let text = format!(
            "Request body({} bytes) too large, max size: {LARGEST_VALUE} bytes. See \
            https://www.consul.io/docs/agent/options.html#kv_max_value_size.\n",
            body.len()
        );
        return (StatusCode::PAYLOAD_TOO_LARGE, text).into_response();
    }
    let (flags, expected) = match (number(&query, "flags"), number(&query, "cas")) {
        (Ok(flags), Ok(expected)) => (flags.unwrap_or(0), expected),
        (Err(response), _) | (_, Err(response)) => return response,
    };
    let stored = registry.change(|state| state.put(&key, body.to_vec(), flags, expected));
    boolean(stored)
}

async fn kv_delete(
    Shared(registry): Shared<Registry>,
    Path(key): Path<String>,
    Query(query): Parameters,
) -> Response {
    let expected = match number(&query, "cas") {
        Ok(expected) => expected,
        Err(response) => return response,
    };
    let recurse = query.contains_key("recurse");
    boolean(registry.change(|state| state.delete(&key, recurse, expected)))
}

/// Answers a read, after a change where the query waits for one.
async fn blocking(
    registry: &Registry,
    query: &HashMap<String, String>,
    read: impl Fn(&super::State) -> Value,
) -> Response {
    if query.contains_key("filter") {
        let text = "`filter` is not supported by this registry for development";
        return (StatusCode::BAD_REQUEST, text).into_response();
    }
    if let Err(response) = wait_for_change(registry, query).await {
        return response;
    }
    let state = registry.read();
    with_index(pretty(&read(&state), query), state.index())
}

/// Waits until the index is above the query's, or its time is up.
async fn wait_for_change(
    registry: &Registry,
    query: &HashMap<String, String>,
) -> Result<(), Response> {
    let Some(known) = number(query, "index")?.filter(|index| *index > 0) else {
        return Ok(());
    };
    let wait = match query.get("wait").map(String::as_str) {
        None | Some("") => DEFAULT_WAIT,
        Some(text) => duration::parse(text)
            .ok_or_else(|| (StatusCode::BAD_REQUEST, "Invalid wait time").into_response())?,
    };
    let wait = wait.min(LONGEST_WAIT);
    let jitter = wait / JITTER_DIVISOR * (known % 16) as u32 / 16;
    let mut index = registry.index.subscribe();
    // Time running out is an answer too, and the sender outlives every request.
    let _ = tokio::time::timeout(wait + jitter, index.wait_for(|index| *index > known)).await;
    Ok(())
}

fn number(query: &HashMap<String, String>, name: &str) -> Result<Option<u64>, Response> {
    match query.get(name) {
        None => Ok(None),
        Some(text) => match text.parse() {
            Ok(number) => Ok(Some(number)),
            Err(_) => Err((StatusCode::BAD_REQUEST, format!("Invalid {name}")).into_response()),
        },
    }
}

fn decode<T: DeserializeOwned>(body: &[u8]) -> Result<T, Response> {
    serde_json::from_slice(body).map_err(|error| {
        (
            StatusCode::BAD_REQUEST,
            format!("Request decode failed: {error}"),
        )
            .into_response()
    })
}

/// Consul's answer to a write of a key.
fn boolean(value: bool) -> Response {
    json_response(format!("{value}\n"))
}

fn pretty(value: &Value, query: &HashMap<String, String>) -> Response {
    json_response(if query.contains_key("pretty") {
        format!("{value:#}\n")
    } else {
        value.to_string()
    })
}

fn json_response(text: String) -> Response {
    ([(header::CONTENT_TYPE, "application/json")], text).into_response()
}

/// The headers of a read that can block.
fn with_index(mut response: Response, index: u64) -> Response {
    let headers = response.headers_mut();
    headers.insert("x-consul-index", HeaderValue::from(index));
    headers.insert("x-consul-knownleader", HeaderValue::from_static("true"));
    headers.insert("x-consul-lastcontact", HeaderValue::from_static("0"));
    response
}
