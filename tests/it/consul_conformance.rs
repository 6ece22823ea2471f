//! The same requests to the embedded registry and to a real agent must be answered alike.

use std::net::{SocketAddr, TcpListener};
use std::path::PathBuf;
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use bytes::Bytes;
use http_body_util::{BodyExt, Full};
use hyper_util::client::legacy::Client;
use hyper_util::rt::TokioExecutor;
use serde_json::Value;

use crate::support::skip;

/// What must differ between two agents.
const VOLATILE: &[&str] = &[
    "CreateIndex",
    "ModifyIndex",
    "ContentHash",
    "Node",
    "ID",
    "TaggedAddresses",
];

/// Requests (method, path, body) whose answers are compared.
const CASES: &[(&str, &str, &str)] = &[
    (
        "PUT",
        "agent/service/register",
        r#"{"Name":"web","ID":"w1","Port":80,"Tags":["a"],"Check":{"TTL":"1m"}}"#,
    ),
    ("GET", "agent/service/w1", ""),
    ("GET", "agent/services", ""),
    ("GET", "agent/checks", ""),
    ("GET", "agent/service/none", ""),
    ("GET", "health/service/web", ""),
    ("GET", "health/service/web?passing=true", ""),
    ("PUT", "agent/check/pass/service:w1", ""),
    ("GET", "health/service/web?passing=true", ""),
    ("GET", "health/service/web?tag=b", ""),
    ("GET", "health/service/nobody", ""),
    ("GET", "health/checks/web", ""),
    ("GET", "health/state/passing", ""),
    ("GET", "catalog/services", ""),
    ("GET", "catalog/service/web", ""),
    ("PUT", "agent/check/pass/none", ""),
    (
        "PUT",
        "agent/check/update/service:w1",
        r#"{"Status":"bad"}"#,
    ),
    ("PUT", "agent/service/register", "{}"),
    (
        "PUT",
        "agent/service/register",
        r#"{"Name":"x","Check":{"Name":"a"}}"#,
    ),
    ("GET", "agent/service/register", ""),
    ("GET", "health/service/web?index=abc", ""),
    ("GET", "health/service/web?wait=abc", ""),
    ("GET", "health/service/", ""),
    ("GET", "kv/none", ""),
    ("PUT", "kv/a/b?flags=3", "hi"),
    ("GET", "kv/a/b", ""),
    ("GET", "kv/a/b?raw", ""),
    ("GET", "kv/a?recurse", ""),
    ("GET", "kv/?keys&separator=/", ""),
    ("PUT", "kv/a/b?cas=0", "x"),
    ("PUT", "kv/a/b?cas=x", "x"),
    ("DELETE", "kv/a/b?cas=1", ""),
    ("DELETE", "kv/a?recurse", ""),
    ("GET", "kv/a/b", ""),
    ("POST", "kv/a", ""),
    ("PUT", "kv/", ""),
    ("PUT", "agent/service/deregister/w1", ""),
    ("GET", "health/service/web", ""),
];

/// A real agent, ended with the test.
struct Agent(Child);

impl Drop for Agent {
    fn drop(&mut self) {
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

fn binary() -> Option<PathBuf> {
    let named = std::env::var_os("CONSUL_BIN").map(PathBuf::from);
    named.or_else(|| which::which("consul").ok())
}

fn free_port() -> u16 {
    let listener = TcpListener::bind("127.0.0.1:0").expect("a free port");
    listener.local_addr().expect("its address").port()
}

async fn request(to: SocketAddr, (method, path, body): (&str, &str, &str)) -> (u16, bool, String) {
    let client = Client::builder(TokioExecutor::new()).build_http();
    let request = http::Request::builder()
        .method(method)
        .uri(format!("http://{to}/v1/{path}"))
        .body(Full::new(Bytes::from(body.to_owned())))
        .expect("a request");
    let Ok(response) = client.request(request).await else {
        return (0, false, String::new());
    };
    let status = response.status().as_u16();
    let has_index = response.headers().contains_key("X-Consul-Index");
    let body = response.into_body().collect().await.expect("a body");
    let text = String::from_utf8_lossy(&body.to_bytes()).into_owned();
    let text = match serde_json::from_str::<Value>(&text) {
        Ok(mut value) => {
            normalise(&mut value);
            value.to_string()
        }
        Err(_) => text,
    };
    (status, has_index, text)
}

fn normalise(value: &mut Value) {
    value.sort_all_objects();
    match value {
        Value::Object(fields) => {
            fields.retain(|name, value| {
                !VOLATILE.contains(&name.as_str()) || name == "Node" && value.is_object()
            });
            fields.values_mut().for_each(normalise);
        }
        Value::Array(items) => items.iter_mut().for_each(normalise),
        _ => {}
    }
}

#[tokio::test]
async fn the_embedded_registry_answers_as_a_real_agent_does() {
    let Some(binary) = binary() else {
        skip("no real Consul (set CONSUL_BIN, or put `consul` on PATH)");
        return;
    };
    let port = free_port();
    let agent = Command::new(binary)
        .args([
            "agent",
            "-dev",
            "-dns-port=-1",
            "-serf-wan-port=-1",
            "-grpc-port=-1",
        ])
        .args(["-bind=127.0.0.1", "-node=real"])
        .arg(format!("-http-port={port}"))
        .arg(format!("-serf-lan-port={}", free_port()))
        .arg(format!("-server-port={}", free_port()))
        .stdout(Stdio::null())
        .spawn()
        .map(Agent)
        .expect("the agent starts");
    let real = SocketAddr::from(([127, 0, 0, 1], port));
    let deadline = Instant::now() + Duration::from_secs(20);
    while !request(real, ("GET", "health/state/passing", ""))
        .await
        .2
        .contains("serf")
    {
        assert!(Instant::now() < deadline, "the agent did not elect itself");
        tokio::time::sleep(Duration::from_millis(50)).await;
    }
    let embedded = msvc::infra::embedded::consul::start(([127, 0, 0, 1], 0).into())
        .await
        .expect("the embedded registry starts");
    let mut differences = Vec::new();
    for case in CASES {
        let (expected, actual) = (
            request(real, *case).await,
            request(embedded.address(), *case).await,
        );
        if expected != actual {
            differences.push(format!(
                "{case:?}\n  real     {expected:?}\n  embedded {actual:?}"
            ));
        }
        // The agent hands its own state to its catalog in the background.
        if case.0 == "PUT" && case.1.starts_with("agent/") {
            tokio::time::sleep(Duration::from_millis(100)).await;
        }
    }
    drop(agent);
    assert!(differences.is_empty(), "{}", differences.join("\n"));
}
