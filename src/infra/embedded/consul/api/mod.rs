//! The HTTP face: finds out what is asked, waits where a client blocks, and answers.

mod agent;
mod agent_health;
mod catalog;
mod health;
mod kv;
mod query;
mod reply;
mod session;
mod status;

use std::sync::Arc;
use std::time::Instant;

use axum::Router;
use axum::body::to_bytes;
use axum::extract::{Request, State};
use axum::http::{HeaderValue, Method, StatusCode, Uri, header};
use axum::response::Response;

use super::state::Registry;
use super::{Shared, random};
use query::Query;
use reply::{Answer, Reply, Watched, allowed, respond};

/// Consul's limit of a value, here of any body, in bytes.
const MAX_BODY: usize = 512 * 1024;
/// Up to this part of a wait is added to it, so that clients do not come back all at once.
const JITTER_DIVISOR: u32 = 16;
const GET: &[Method] = &[Method::GET];
const PUT: &[Method] = &[Method::PUT];
/// What Consul 1.8 has, and the embedded registry has not.
const UNSUPPORTED: &[&str] = &[
    "acl",
    "agent/connect",
    "agent/force-leave",
    "agent/host",
    "agent/join",
    "agent/leave",
    "agent/metrics",
    "agent/monitor",
    "agent/reload",
    "agent/token",
    "catalog/connect",
    "catalog/deregister",
    "catalog/gateway-services",
    "catalog/register",
    "config",
    "connect",
    "coordinate",
    "discovery-chain",
    "event",
    "health/connect",
    "health/ingress",
    "internal",
    "operator",
    "query",
    "snapshot",
    "txn",
];

/// A request that is known and allowed.
struct Asked<'a> {
    /// The path after `/v1/`, decoded.
    path: &'a str,
    query: &'a Query,
    now: Instant,
}

pub(super) fn router(shared: Arc<Shared>) -> Router {
    Router::new().fallback(serve).with_state(shared)
}

async fn serve(State(shared): State<Arc<Shared>>, request: Request) -> Response {
    let (head, body) = request.into_parts();
    let raw = head.uri.path();
    if raw.contains("//") || raw == "/v1/kv" {
        return respond(Reply::Moved(cleaned(&head.uri)));
    }
    let Some(path) = percent_decoded(raw) else {
        return respond(Reply::bad("the path is not UTF-8"));
    };
    let Some(path) = path.strip_prefix("/v1/") else {
        return respond(Reply::NotFound);
    };
    let Some(methods) = methods(path) else {
        let is_at = |known: &&&str| {
            let rest = path.strip_prefix(**known);
            rest.is_some_and(|rest| rest.is_empty() || rest.starts_with('/'))
        };
        return respond(match UNSUPPORTED.iter().find(is_at) {
            Some(known) => Reply::unsupported(&format!("`/v1/{known}`")),
            None => Reply::NotFound,
        });
    };
    if !methods.contains(&head.method) {
        return allowed(methods, &head.method);
    }
    let query = match axum::extract::Query::<Vec<(String, String)>>::try_from_uri(&head.uri) {
        Ok(query) => Query(query.0),
        Err(why) => return respond(Reply::bad(&why.to_string())),
    };
    if query.get("filter").is_some_and(|filter| !filter.is_empty()) {
        return respond(Reply::unsupported("`filter`"));
    }
    if head.method == Method::GET {
        return read(&shared, path, &query).await;
    }
    let length = head.headers.get(header::CONTENT_LENGTH);
    let Ok(body) = to_bytes(body, MAX_BODY).await else {
        return too_large(length);
    };
    let reply = {
        let now = Instant::now();
        let query = &query;
        let asked = Asked { path, query, now };
        write(&mut shared.registry(), &asked, &head.method, &body)
    };
    shared.changed();
    respond(reply)
}

fn too_large(length: Option<&HeaderValue>) -> Response {
    let length = length.and_then(|length| length.to_str().ok());
    respond(Reply::Error(
        StatusCode::PAYLOAD_TOO_LARGE,
        format!(
            "Request body({} bytes) too large, max size: {MAX_BODY} bytes. \
             See https://www.consul.io/docs/agent/options.html#kv_max_value_size.",
            length.unwrap_or("unknown")
        ),
    ))
}

fn methods(path: &str) -> Option<&'static [Method]> {
    let (area, rest) = path.split_once('/')?;
    match area {
        "agent" => agent::methods(rest),
        "catalog" => catalog::is_known(rest).then_some(GET),
        "health" => health::is_known(rest).then_some(GET),
        "kv" => Some(&[Method::GET, Method::PUT, Method::DELETE]),
        "session" => session::methods(rest),
        "status" => status::is_known(rest).then_some(GET),
        _ => None,
    }
}

fn look_up(registry: &Registry, asked: &Asked<'_>) -> Answer {
    let (area, rest) = asked.path.split_once('/').unwrap_or_default();
    let query = asked.query;
    match area {
        "agent" => agent::read(registry, rest, query),
        "catalog" => catalog::read(registry, rest, query),
        "health" => health::read(registry, rest, query),
        "kv" => kv::read(registry, rest, query),
        "session" => session::read(registry, rest),
        _ => status::read(registry, rest),
    }
}

fn write(registry: &mut Registry, asked: &Asked<'_>, method: &Method, body: &[u8]) -> Reply {
    let (area, rest) = asked.path.split_once('/').unwrap_or_default();
    let (query, now) = (asked.query, asked.now);
    match area {
        "agent" => agent::write(registry, rest, (query, body), now),
        "kv" if method == Method::DELETE => kv::delete(registry, rest, query),
        "kv" => kv::write(registry, rest, (query, body), now),
        _ => session::write(registry, rest, body, now),
    }
}

/// Answers at once or, with an index, when it has passed or the wait is over.
async fn read(shared: &Shared, path: &str, query: &Query) -> Response {
    let (index, wait, consistency) = match (query.index(), query.wait(), query.consistency()) {
        (Ok(index), Ok(wait), Ok(consistency)) => (index, wait, consistency),
        (Err(why), ..) | (_, Err(why), _) | (.., Err(why)) => return respond(Reply::bad(why)),
    };
    let mut changes = shared.changes.subscribe();
    let mut stopping = shared.stopping.subscribe();
    let jitter = (wait / JITTER_DIVISOR).mul_f64(random::fraction());
    let over = tokio::time::sleep(wait + jitter);
    tokio::pin!(over);
    let mut seen: Option<Answer> = None;
    loop {
        changes.mark_unchanged();
        let now = Instant::now();
        let answer = look_up(&shared.registry(), &Asked { path, query, now });
        let is_news = match (&seen, answer.watched) {
            (Some(seen), Watched::Reply) => seen.reply != answer.reply,
            _ => true,
        };
        if is_news {
            let blocks = match (&answer.hash, query.get("hash")) {
                (Some(current), Some(known)) => current == known,
                _ => index > 0 && answer.index.is_some_and(|current| current <= index),
            };
            if !blocks {
                return say(answer, consistency);
            }
            seen = Some(answer);
        }
        tokio::select! {
            () = &mut over => break,
            _ = stopping.wait_for(|stop| *stop) => break,
            _ = changes.changed() => {}
        }
    }
    seen.map_or_else(|| respond(Reply::Done), |seen| say(seen, consistency))
}

fn say(answer: Answer, consistency: &'static str) -> Response {
    let is_refusal = matches!(answer.reply, Reply::Error(..));
    let mut response = respond(answer.reply);
    if let Some(Ok(hash)) = answer.hash.map(|hash| hash.parse()) {
        response.headers_mut().insert("X-Consul-ContentHash", hash);
    }
    let Some(index) = answer.index.filter(|_| !is_refusal) else {
        return response;
    };
    let headers = response.headers_mut();
    headers.insert("X-Consul-Index", index.into());
    let known = HeaderValue::from_static("true");
    headers.insert("X-Consul-KnownLeader", known);
    headers.insert("X-Consul-LastContact", 0.into());
    if answer.is_catalog {
        let consistency = HeaderValue::from_static(consistency);
        headers.insert("X-Consul-Effective-Consistency", consistency);
    }
    response
}

/// The URI with its path as Consul's router wants it: without empty segments.
fn cleaned(uri: &Uri) -> String {
    let mut path = uri.path().to_owned();
    while path.contains("//") {
        path = path.replace("//", "/");
    }
    if path == "/v1/kv" {
        path.push('/');
    }
    match uri.query() {
        Some(query) => format!("{path}?{query}"),
        None => path,
    }
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
