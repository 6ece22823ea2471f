//! The part of Jaeger's JSON API that reads.

use std::sync::Arc;
use std::time::{SystemTime, UNIX_EPOCH};

use axum::Router;
use axum::extract::{Path, RawQuery, State};
use axum::http::{StatusCode, header};
use axum::response::{IntoResponse, Response};
use axum::routing::get;
use serde_json::{Value, json};

use super::super::{Shared, jaeger};
use super::search::{self, Parameters, Search};

const NOT_FOUND: &str = "trace not found";

type Collector = State<Arc<Shared>>;

pub(in super::super) fn router(shared: &Arc<Shared>) -> Router {
    Router::new()
        .route("/api/services", get(services))
        .route("/api/services/{service}/operations", get(operation_names))
        .route("/api/operations", get(operations))
        .route("/api/traces", get(traces))
        .route("/api/traces/{id}", get(trace))
        .route("/api/dependencies", get(dependencies))
        .route("/metrics", get(metrics))
        .fallback(nothing)
        .with_state(shared.clone())
}

async fn nothing() -> Response {
    let text = "there is no user interface here: `msvc trace list` shows traces, \
                and /api/services, /api/traces tell them\n";
    (StatusCode::NOT_FOUND, text).into_response()
}

fn answer(data: &Value, total: usize) -> Response {
    document(data, total, Vec::new())
}

fn document(data: &Value, total: usize, errors: Vec<Value>) -> Response {
    let errors = Some(errors).filter(|errors| !errors.is_empty());
    let body = json!({
        "data": data, "total": total, "limit": 0, "offset": 0, "errors": errors,
    });
    (
        [(header::CONTENT_TYPE, "application/json")],
        body.to_string(),
    )
        .into_response()
}

fn refuse(status: StatusCode, message: &str) -> Response {
    let error = json!({ "code": status.as_u16(), "msg": message });
    let body = json!({
        "data": null, "total": 0, "limit": 0, "offset": 0, "errors": [error],
    });
    // Jaeger says that it is text.
    (status, format!("{body}\n\n")).into_response()
}

fn not_found() -> Response {
    refuse(StatusCode::NOT_FOUND, NOT_FOUND)
}

fn now() -> u64 {
    let since = SystemTime::now().duration_since(UNIX_EPOCH);
    since.map_or(0, |it| u64::try_from(it.as_nanos()).unwrap_or(u64::MAX))
}

/// Jaeger's error when it is asked in a way that it does not understand.
struct Bad(String);

impl IntoResponse for Bad {
    fn into_response(self) -> Response {
        refuse(StatusCode::BAD_REQUEST, &self.0)
    }
}

impl From<String> for Bad {
    fn from(text: String) -> Self {
        Self(text)
    }
}

fn parameters(query: Option<String>) -> Parameters {
    Parameters::new(query.as_deref().unwrap_or_default())
}

async fn services(State(shared): Collector) -> Response {
    let services: Vec<String> = shared.store().services().map(str::to_owned).collect();
    answer(&json!(services), services.len())
}

async fn operation_names(State(shared): Collector, Path(service): Path<String>) -> Response {
    let mut names: Vec<String> = {
        let store = shared.store();
        let operations = store.operations(&service);
        operations.map(|(name, _)| name.to_owned()).collect()
    };
    names.dedup();
    // Jaeger has a list of them for services that it knows alone.
    let known = Some(&names).filter(|names| !names.is_empty());
    answer(&json!(known), names.len())
}

async fn operations(State(shared): Collector, RawQuery(query): RawQuery) -> Result<Response, Bad> {
    let parameters = parameters(query);
    let service = parameters.required("service")?;
    let kind = parameters.get("spanKind");
    let operations: Vec<Value> = {
        let store = shared.store();
        let operations = store.operations(service);
        let operations = operations.map(|(name, number)| (name, jaeger::kind(number)));
        let wanted = operations.filter(|(_, it)| kind.is_none_or(|kind| kind == *it));
        wanted
            .map(|(name, kind)| json!({ "name": name, "spanKind": kind }))
            .collect()
    };
    Ok(answer(&json!(operations), operations.len()))
}

async fn traces(State(shared): Collector, RawQuery(query): RawQuery) -> Result<Response, Bad> {
    let mut missing = Vec::new();
    let found = match search::parse(&parameters(query), now())? {
        Search::Ids(ids) => {
            let store = shared.store();
            let mut found = Vec::new();
            for id in ids {
                match store.trace(id) {
                    Some(spans) => found.push((id, spans)),
                    None => missing.push(id),
                }
            }
            found
        }
        Search::Query(query) => shared.store().find(&query),
    };
    let traces = found.iter().map(|(id, spans)| jaeger::trace(*id, spans));
    let missing = missing
        .into_iter()
        .map(|id| json!({ "msg": NOT_FOUND, "traceID": jaeger::trace_id(id) }));
    Ok(document(&traces.collect(), 0, missing.collect()))
}

async fn trace(State(shared): Collector, Path(id): Path<String>) -> Result<Response, Bad> {
    let id = search::trace_id(&id)?;
    let found = shared.store().trace(id);
    Ok(match found {
        Some(spans) => answer(&json!([jaeger::trace(id, &spans)]), 0),
        None => not_found(),
    })
}

async fn dependencies(
    State(shared): Collector,
    RawQuery(query): RawQuery,
) -> Result<Response, Bad> {
    let range = search::dependencies(&parameters(query), now())?;
    let calls = shared.store().dependencies(&range);
    let calls = calls.into_iter().map(
        |((parent, child), count)| json!({ "parent": parent, "child": child, "callCount": count }),
    );
    Ok(answer(&calls.collect(), 0))
}

/// How much is kept.
async fn metrics(State(shared): Collector) -> String {
    let store = shared.store();
    format!(
        "# TYPE msvc_collector_traces gauge\nmsvc_collector_traces {}\n\
         # TYPE msvc_collector_bytes gauge\nmsvc_collector_bytes {}\n",
        store.len(),
        store.bytes()
    )
}
