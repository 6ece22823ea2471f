//! Queries.

use std::path::Path;

use serde_json::{Map, Value, json};

use super::servers::Server;
use crate::support::differences::Differences;

/// What is asked, of the sample.
const QUERIES: &[&str] = &[
    "/api/services",
    "/api/services/gateway/operations",
    "/api/services/none/operations",
    "/api/operations",
    "/api/operations?service=gateway",
    "/api/operations?service=gateway&spanKind=client",
    "/api/operations?service=OTLPResourceNoServiceName",
    "/api/traces/5b8efff798038103d269b633813fc60c",
    "/api/traces/00000000000000007fffffffffffffff",
    "/api/traces/7fffffffffffffff",
    "/api/traces/a0000000000000000000000000000003",
    "/api/traces/bad",
    "/api/traces/xyz",
    "/api/traces/5b8efff798038103d269b633813fc60c0",
    "/api/traces",
    "/api/traces?service=none",
    "/api/traces?service=gateway",
    "/api/traces?service=gateway&start=1600000000000000&end=1900000000000000",
    "/api/traces?service=gateway&start=1600000000000000&end=1900000000000000&limit=1",
    "/api/traces?service=gateway&start=1700000000500000&end=1900000000000000",
    "/api/traces?service=gateway&start=1600000000000000&end=1700000000500000",
    "/api/traces?service=gateway&start=1600000000000000&end=1900000000000000&minDuration=100ms",
    "/api/traces?service=gateway&start=1600000000000000&end=1900000000000000&maxDuration=3ms",
    "/api/traces?service=gateway&start=1600000000000000&end=1900000000000000&operation=GET%20/health",
    "/api/traces?service=gateway&start=1600000000000000&end=1900000000000000&operation=none",
    "/api/traces?service=orders&start=1600000000000000&end=1900000000000000&tags=%7B%22error%22%3A%22true%22%7D",
    "/api/traces?service=orders&start=1600000000000000&end=1900000000000000&tag=event:exception",
    "/api/traces?service=gateway&start=1600000000000000&end=1900000000000000&tag=process.pid:42",
    "/api/traces?service=gateway&start=1600000000000000&end=1900000000000000&tag=process.pid:43",
    "/api/traces?service=gateway&start=1600000000000000&end=1900000000000000&tag=http.response.status_code:200&tag=span.kind:server",
    "/api/traces?service=gateway&start=1600000000000000&end=1900000000000000&tag=retry:false",
    "/api/traces?traceID=7fffffffffffffff&traceID=bad",
    "/api/traces?service=gateway&minDuration=x",
    "/api/traces?service=gateway&tag=x",
    "/api/traces?service=gateway&start=x",
    "/api/dependencies?endTs=1700000100000&lookback=1000000",
    "/api/dependencies?endTs=1600000000000&lookback=1000",
    "/api/dependencies",
];

/// An answer without what has no order: that of traces, spans and processes.
fn normalised(mut answer: Value) -> Value {
    if let Value::Array(data) = &mut answer["data"] {
        for item in &mut *data {
            let Some(processes) = item.get("processes").cloned() else {
                continue;
            };
            if let Value::Array(spans) = &mut item["spans"] {
                for span in &mut *spans {
                    let id = span["processID"].as_str().expect("an id").to_owned();
                    span["processID"] = processes[id].clone();
                }
                spans.sort_by_key(|span| span["spanID"].to_string());
            }
            item["processes"] = json!(processes.as_object().map_or(0, Map::len));
        }
        data.sort_by_key(ToString::to_string);
    }
    answer.sort_all_objects();
    answer
}

async fn answers(server: &Server) -> Map<String, Value> {
    server.send_sample().await;
    let mut answers = Map::new();
    for query in QUERIES {
        let (status, answer) = server.get(query).await;
        let answer = json!({ "status": status, "answer": normalised(answer) });
        answers.insert((*query).to_owned(), answer);
    }
    answers
}

fn recorded() -> Map<String, Value> {
    let text = std::fs::read_to_string(path()).expect("readable");
    serde_json::from_str(&text).expect("JSON")
}

fn path() -> std::path::PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/it/collector_conformance/jaeger.json")
}

fn compare(recorded: &Map<String, Value>, answers: &Map<String, Value>) {
    let mut differences = Differences::default();
    for query in QUERIES {
        differences.compare(query, (recorded.get(*query), answers.get(*query)));
    }
}

#[tokio::test]
async fn queries_are_answered_as_jaeger_answers_them() {
    let server = Server::embedded().await;
    compare(&recorded(), &answers(&server).await);
}

#[tokio::test]
async fn what_is_recorded_is_what_a_real_jaeger_answers() {
    let Some(server) = Server::real().await else {
        // The other test compares with its answers, as they were recorded.
        return;
    };
    let answers = answers(&server).await;
    if std::env::var_os("BLESS").is_some() {
        let text = serde_json::to_string_pretty(&answers).expect("JSON");
        std::fs::write(path(), text + "\n").expect("writable");
    }
    compare(&recorded(), &answers);
}
