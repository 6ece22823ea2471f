//! The HTTP face: statuses, headers and bodies as Consul's.

use std::collections::{BTreeMap, HashMap};
use std::sync::Arc;
use std::time::{Duration, Instant};

use axum::Router;
use axum::body::{Body, to_bytes};
use axum::extract::{Query, Request, State};
use axum::http::{Method, StatusCode, header};
use axum::response::Response;
use serde_json::{Map, Value, json};

use super::json::Fields;
use super::state::{NODE, Registry, Status, node_check};
use super::{Shared, duration};

/// Consul's limit of a value.
const MAX_BODY: usize = 512 * 1024;
const DEFAULT_WAIT: Duration = Duration::from_secs(5 * 60);
const LONGEST_WAIT: Duration = Duration::from_secs(10 * 60);
/// Up to this part of a wait is added to it, so that clients do not come back all at once.
const JITTER_DIVISOR: u32 = 16;

type Parameters = HashMap<String, String>;
/// What a read answers: the answer, and the index to wait on.
type Read = (Reply, u64);

enum Reply {
    Json(Value),
    Raw(Vec<u8>),
    Empty,
    Error(StatusCode, String),
}

pub(super) fn router(shared: Arc<Shared>) -> Router {
    Router::new().fallback(serve).with_state(shared)
}

async fn serve(
    State(shared): State<Arc<Shared>>,
    Query(parameters): Query<Parameters>,
    request: Request,
) -> Response {
    let (head, body) = request.into_parts();
    let Some(path) = percent_decoded(head.uri.path()) else {
        return error(StatusCode::BAD_REQUEST, "the path is not UTF-8");
    };
    let Some(path) = path.strip_prefix("/v1/") else {
        return answer(StatusCode::NOT_FOUND, Body::empty(), None);
    };
    let Some(allowed) = methods(path) else {
        let text = "not supported by the embedded registry, which is for development";
        return error(StatusCode::NOT_IMPLEMENTED, text);
    };
    if !allowed.contains(&head.method) {
        let names: Vec<_> = allowed.iter().map(Method::as_str).collect();
        let mut refusal = error(
            StatusCode::METHOD_NOT_ALLOWED,
            &format!("method {} not allowed", head.method),
        );
        if let Ok(allow) = format!("OPTIONS,{}", names.join(",")).parse() {
            refusal.headers_mut().insert(header::ALLOW, allow);
        }
        return refusal;
    }
    if parameters
        .get("filter")
        .is_some_and(|filter| !filter.is_empty())
    {
        return error(
            StatusCode::NOT_IMPLEMENTED,
            "`filter` is not supported by the embedded registry",
        );
    }
    if head.method == Method::GET {
        return read(&shared, path, &parameters).await;
    }
    let Ok(body) = to_bytes(body, MAX_BODY).await else {
        let text = format!("Request body too large, max size: {MAX_BODY} bytes");
        return error(StatusCode::PAYLOAD_TOO_LARGE, &text);
    };
    let delete = head.method == Method::DELETE;
    let reply = write(&mut shared.registry(), path, &parameters, &body, delete);
    shared.changed();
    respond(reply, None)
}

fn methods(path: &str) -> Option<&'static [Method]> {
    const GET: &[Method] = &[Method::GET];
    const PUT: &[Method] = &[Method::PUT];
    Some(match path {
        "agent/service/register" | "agent/check/register" => PUT,
        "agent/self" | "agent/services" | "agent/checks" | "status/leader" | "status/peers"
        | "catalog/services" | "catalog/nodes" => GET,
        _ if path.starts_with("kv/") => &[Method::GET, Method::PUT, Method::DELETE],
        _ if path.starts_with("agent/service/deregister/") => PUT,
        _ if ["pass", "warn", "fail", "update", "deregister"]
            .iter()
            .any(|verb| path.starts_with(&format!("agent/check/{verb}/"))) =>
        {
            PUT
        }
        _ if path.starts_with("agent/service/maintenance/") => return None,
        _ if [
            "agent/service/",
            "catalog/service/",
            "health/service/",
            "health/checks/",
            "health/state/",
        ]
        .iter()
        .any(|start| path.starts_with(start)) =>
        {
            GET
        }
        _ => return None,
    })
}

/// Answers at once or, with an index, when it has passed or the wait is over.
async fn read(shared: &Shared, path: &str, parameters: &Parameters) -> Response {
    let index = match parameters.get("index").map(|index| index.parse::<u64>()) {
        Some(Err(_)) => return error(StatusCode::BAD_REQUEST, "Invalid index"),
        Some(Ok(index)) => index,
        None => 0,
    };
    let wait = match parameters.get("wait").map(|wait| duration::parse(wait)) {
        Some(None) => return error(StatusCode::BAD_REQUEST, "Invalid wait time"),
        Some(Some(wait)) if !wait.is_zero() => wait.min(LONGEST_WAIT),
        _ => DEFAULT_WAIT,
    };
    let mut changes = shared.changes.subscribe();
    let mut stopping = shared.stopping.subscribe();
    let over = tokio::time::sleep(wait + jitter(wait / JITTER_DIVISOR));
    tokio::pin!(over);
    loop {
        changes.mark_unchanged();
        let (reply, current) = look_up(&shared.registry(), path, parameters);
        let current = current.max(u64::from(is_blocking(path)));
        if index == 0 || current == 0 || current != index {
            return respond(reply, (current > 0).then_some(current));
        }
        tokio::select! {
            () = &mut over => return respond(reply, Some(current)),
            _ = stopping.wait_for(|stop| *stop) => return respond(reply, Some(current)),
            _ = changes.changed() => {}
        }
    }
}

fn is_blocking(path: &str) -> bool {
    ["catalog/", "health/", "kv/"]
        .iter()
        .any(|start| path.starts_with(start))
}

/// Between zero and `most`; a hasher's random keys are random enough for it.
fn jitter(most: Duration) -> Duration {
    use std::hash::{BuildHasher, RandomState};
    let random = RandomState::new().hash_one(()) % 1024;
    most.mul_f64(random as f64 / 1024.0)
}

fn look_up(registry: &Registry, path: &str, parameters: &Parameters) -> Read {
    let catalog = registry.catalog_index;
    let peer = registry.address.to_string();
    let bad = |text: &str| (Reply::Error(StatusCode::BAD_REQUEST, text.to_owned()), 0);
    if let Some(key) = path.strip_prefix("kv/") {
        return look_up_kv(registry, key, parameters);
    }
    match path.rsplit_once('/').unwrap_or_default() {
        ("status", "leader") => (Reply::Json(json!(peer)), 0),
        ("status", "peers") => (Reply::Json(json!([peer])), 0),
        ("agent", "self") => {
            let config =
                json!({"Datacenter": "dc1", "NodeName": NODE, "Server": true, "Version": "1.8.7"});
            (
                Reply::Json(
                    json!({"Config": config, "Member": {"Name": NODE, "Addr": registry.address.ip().to_string()}}),
                ),
                0,
            )
        }
        ("agent", "services") => {
            let all = registry
                .services()
                .map(|service| (service.id().to_owned(), service.agent_json()));
            (Reply::Json(Value::Object(all.collect())), 0)
        }
        ("agent", "checks") => {
            let all = registry.checks().map(|check| {
                let check = registry.check_json(check);
                (
                    check["CheckID"].as_str().unwrap_or_default().to_owned(),
                    check,
                )
            });
            (Reply::Json(Value::Object(all.collect())), 0)
        }
        ("agent/service", id) => match registry.service(id) {
            Some(service) => (Reply::Json(service.agent_json()), 0),
            None => (
                Reply::Error(StatusCode::NOT_FOUND, format!("unknown service ID: {id}")),
                0,
            ),
        },
        ("catalog", "services") => {
            let mut names: BTreeMap<&str, Vec<&str>> = BTreeMap::from([("consul", vec![])]);
            for service in registry.services() {
                let tags = names.entry(&service.name).or_default();
                tags.extend(service.tags.iter().map(String::as_str));
                tags.sort_unstable();
                tags.dedup();
            }
            (Reply::Json(json!(names)), catalog)
        }
        ("catalog", _) => (Reply::Json(json!([registry.node_json()])), 1),
        ("catalog/service" | "health/service" | "health/checks", "") => bad("Missing service name"),
        ("catalog/service", name) => {
            let node = registry.node_json();
            let all = named(registry, name, parameters).map(|service| service.catalog_json(&node));
            (Reply::Json(all.collect()), registry.service_index(name))
        }
        ("health/service", name) => {
            let passing = match parameters.get("passing").map(String::as_str) {
                None | Some("0" | "f" | "false") => false,
                Some("" | "1" | "t" | "true") => true,
                Some(_) => return bad("Invalid value for ?passing"),
            };
            let all = named(registry, name, parameters)
                .filter(|service| !passing || registry.checks_of(service.id()).all(|check| check.status == Status::Passing))
                .map(|service| {
                    let mut checks = vec![node_check()];
                    checks.extend(registry.checks_of(service.id()).map(|check| registry.check_json(check)));
                    json!({"Node": registry.node_json(), "Service": service.health_json(), "Checks": checks})
                });
            (Reply::Json(all.collect()), registry.service_index(name))
        }
        ("health/checks", name) => {
            let mine = registry.checks().filter(|check| {
                registry
                    .service_of(check)
                    .is_some_and(|service| service.name == name)
            });
            (
                Reply::Json(mine.map(|check| registry.check_json(check)).collect()),
                registry.service_index(name),
            )
        }
        ("health/state", "") => bad("Missing check state"),
        ("health/state", state) => {
            let mut all: Vec<_> = ["any", "passing"]
                .contains(&state)
                .then(node_check)
                .into_iter()
                .collect();
            let wanted = registry
                .checks()
                .filter(|check| state == "any" || check.status.as_str() == state);
            all.extend(wanted.map(|check| registry.check_json(check)));
            (Reply::Json(Value::Array(all)), catalog)
        }
        _ => (
            Reply::Error(
                StatusCode::NOT_IMPLEMENTED,
                "not supported by the embedded registry".to_owned(),
            ),
            0,
        ),
    }
}

fn named<'a>(
    registry: &'a Registry,
    name: &'a str,
    parameters: &'a Parameters,
) -> impl Iterator<Item = &'a super::state::Service> {
    let tag = parameters.get("tag").filter(|tag| !tag.is_empty());
    registry.services().filter(move |service| {
        service.name == name
            && tag.is_none_or(|tag| service.tags.iter().any(|own| own.eq_ignore_ascii_case(tag)))
    })
}

fn look_up_kv(registry: &Registry, key: &str, parameters: &Parameters) -> Read {
    let kv = &registry.kv;
    if parameters.contains_key("keys") {
        let separator = parameters.get("separator").map_or("", String::as_str);
        let (keys, index) = kv.keys(key, separator);
        return (
            if keys.is_empty() {
                Reply::Empty
            } else {
                Reply::Json(json!(keys))
            },
            index.max(1),
        );
    }
    if parameters.contains_key("recurse") {
        let (entries, index) = kv.list(key);
        return (
            if entries.is_empty() {
                Reply::Empty
            } else {
                Reply::Json(Value::Array(entries))
            },
            index.max(1),
        );
    }
    if key.is_empty() {
        return (
            Reply::Error(StatusCode::BAD_REQUEST, "Missing key name".to_owned()),
            0,
        );
    }
    let (entry, index) = kv.get(key);
    let reply = match entry {
        None => Reply::Empty,
        Some(entry) if parameters.contains_key("raw") => Reply::Raw(entry.value.clone()),
        Some(entry) => Reply::Json(json!([entry.to_json(key)])),
    };
    (reply, index.max(1))
}

fn write(
    registry: &mut Registry,
    path: &str,
    parameters: &Parameters,
    body: &[u8],
    delete: bool,
) -> Reply {
    if let Some(key) = path.strip_prefix("kv/") {
        return write_kv(registry, key, parameters, body, delete);
    }
    let now = Instant::now();
    let object = || match serde_json::from_slice::<Map<String, Value>>(body) {
        Ok(object) => Ok(object),
        Err(why) => Err(Reply::Error(
            StatusCode::BAD_REQUEST,
            format!("Request decode failed: {why}"),
        )),
    };
    let done = |outcome: Result<(), String>, status| match outcome {
        Ok(()) => Reply::Raw(Vec::new()),
        Err(why) => Reply::Error(status, why),
    };
    let outcome = match path {
        "agent/service/register" | "agent/check/register" => {
            let object = match object() {
                Ok(object) => object,
                Err(refusal) => return refusal,
            };
            let replace = parameters
                .get("replace-existing-checks")
                .is_some_and(|value| value != "false");
            match path {
                "agent/service/register" => registry.register(&Fields(&object), replace, now),
                _ => registry.register_check(&Fields(&object), now),
            }
        }
        _ => {
            let (verb, id) = path
                .trim_start_matches("agent/")
                .split_once('/')
                .and_then(|(kind, rest)| {
                    let (verb, id) = rest.split_once('/')?;
                    Some(((kind, verb), id))
                })
                .unwrap_or_default();
            let note = parameters.get("note").cloned().unwrap_or_default();
            let (status, output) = match verb {
                ("service", _) => {
                    let text = format!(
                        "Unknown service ID \"{id}\". Ensure that the service ID is passed, not the service name."
                    );
                    return done(
                        registry.deregister(id).then_some(()).ok_or(text),
                        StatusCode::NOT_FOUND,
                    );
                }
                (_, "deregister") => {
                    let text = format!(
                        "Unknown check ID \"{id}\". Ensure that the check ID is passed, not the check name."
                    );
                    return done(
                        registry.deregister_check(id).then_some(()).ok_or(text),
                        StatusCode::NOT_FOUND,
                    );
                }
                (_, "pass") => (Status::Passing, note),
                (_, "warn") => (Status::Warning, note),
                (_, "fail") => (Status::Critical, note),
                _ => {
                    let object = match object() {
                        Ok(object) => object,
                        Err(refusal) => return refusal,
                    };
                    let fields = Fields(&object);
                    let name = fields.text("status");
                    match Status::parse(&name) {
                        Some(status) => (status, fields.text("output")),
                        None => {
                            return Reply::Error(
                                StatusCode::BAD_REQUEST,
                                format!("Invalid check status: '{name}'"),
                            );
                        }
                    }
                }
            };
            return done(
                registry.update_ttl(id, status, output, now),
                StatusCode::INTERNAL_SERVER_ERROR,
            );
        }
    };
    done(outcome, StatusCode::BAD_REQUEST)
}

fn write_kv(
    registry: &mut Registry,
    key: &str,
    parameters: &Parameters,
    body: &[u8],
    delete: bool,
) -> Reply {
    let recurse = delete && parameters.contains_key("recurse");
    if key.is_empty() && !recurse {
        return Reply::Error(StatusCode::BAD_REQUEST, "Missing key name".to_owned());
    }
    if parameters.contains_key("acquire") || parameters.contains_key("release") {
        return Reply::Error(
            StatusCode::NOT_IMPLEMENTED,
            "sessions are not supported by the embedded registry".to_owned(),
        );
    }
    let number = |name| match parameters.get(name) {
        None => Ok(None),
        Some(text) => text.parse::<u64>().map(Some).map_err(|_| {
            let why = format!("strconv.ParseUint: parsing \"{text}\": invalid syntax");
            Reply::Error(StatusCode::INTERNAL_SERVER_ERROR, why)
        }),
    };
    let (cas, flags) = match (number("cas"), number("flags")) {
        (Ok(cas), Ok(flags)) => (cas, flags),
        (Err(refusal), _) | (_, Err(refusal)) => return refusal,
    };
    let index = registry.next_index();
    Reply::Json(json!(match delete {
        true => registry.kv.delete(key, recurse, cas, index),
        false => registry
            .kv
            .put(key, body.to_vec(), flags.unwrap_or(0), cas, index),
    }))
}

fn respond(reply: Reply, index: Option<u64>) -> Response {
    match reply {
        Reply::Json(value) => {
            let mut text = String::new();
            for line in format!("{value:#}").lines() {
                let indent = line.len() - line.trim_start().len();
                text.push_str(&line[..indent].repeat(2));
                text.push_str(line.trim_start());
                text.push('\n');
            }
            let mut response = answer(StatusCode::OK, text.into(), index);
            let json = header::HeaderValue::from_static("application/json");
            response.headers_mut().insert(header::CONTENT_TYPE, json);
            response
        }
        Reply::Raw(bytes) => {
            let is_value = index.is_some();
            let mut response = answer(StatusCode::OK, bytes.into(), index);
            if is_value {
                let plain = header::HeaderValue::from_static("text/plain");
                response.headers_mut().insert(header::CONTENT_TYPE, plain);
            }
            response
        }
        Reply::Empty => answer(StatusCode::NOT_FOUND, Body::empty(), index),
        Reply::Error(status, text) => error(status, &text),
    }
}

fn error(status: StatusCode, text: &str) -> Response {
    let mut response = answer(status, text.to_owned().into(), None);
    let plain = header::HeaderValue::from_static("text/plain; charset=utf-8");
    response.headers_mut().insert(header::CONTENT_TYPE, plain);
    response
}

fn answer(status: StatusCode, body: Body, index: Option<u64>) -> Response {
    let mut response = Response::new(body);
    *response.status_mut() = status;
    if let Some(index) = index {
        let headers = response.headers_mut();
        headers.insert("X-Consul-Index", index.into());
        headers.insert(
            "X-Consul-KnownLeader",
            header::HeaderValue::from_static("true"),
        );
        headers.insert("X-Consul-LastContact", 0.into());
    }
    response
}

fn percent_decoded(path: &str) -> Option<String> {
    let mut bytes = path.bytes();
    let mut decoded = Vec::with_capacity(path.len());
    while let Some(byte) = bytes.next() {
        decoded.push(match byte {
            b'%' => {
                let digit = |byte: u8| char::from(byte).to_digit(16);
                let value = digit(bytes.next()?)? * 16 + digit(bytes.next()?)?;
                u8::try_from(value).ok()?
            }
            _ => byte,
        });
    }
    String::from_utf8(decoded).ok()
}
