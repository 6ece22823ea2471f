//! A real agent and the embedded registry, side by side.

use std::collections::BTreeMap;
use std::net::SocketAddr;
use std::path::PathBuf;
use std::process::{Child, Command, Stdio};
use std::time::Duration;

use bytes::Bytes;
use http_body_util::{BodyExt, Full};
use hyper_util::client::legacy::Client;
use hyper_util::client::legacy::connect::HttpConnector;
use hyper_util::rt::TokioExecutor;
use msvc::infra::embedded::consul::{self, EmbeddedConsul};
use serde_json::{Value, json};

use crate::support::differences::DEADLINE;
pub use crate::support::differences::{Differences, within_deadline};
use crate::support::ports::free_port;
use crate::support::skip;

/// How often a real agent is asked for what it does in the background.
const POLL: Duration = Duration::from_millis(20);
/// After so many looks nothing more comes.
const SETTLED_AFTER: usize = 100;
/// Fields that must differ between two agents.
const VOLATILE: &[&str] = &["ContentHash"];
/// Headers that are compared.
const HEADERS: &[&str] = &[
    "allow",
    "content-security-policy",
    "content-type",
    "location",
    "x-consul-effective-consistency",
    "x-consul-index",
    "x-consul-knownleader",
    "x-consul-lastcontact",
    "x-consul-reason",
    "x-content-type-options",
];

/// An agent that is asked.
pub struct Side {
    pub name: &'static str,
    pub address: SocketAddr,
    client: Client<HttpConnector, Full<Bytes>>,
}

/// What is left of an answer when it is compared.
#[derive(Clone, Debug, PartialEq)]
pub struct Answer {
    pub status: u16,
    pub headers: BTreeMap<String, String>,
    /// JSON, normalised, or text.
    pub body: Value,
}

/// Both agents.
pub struct Pair {
    pub real: Side,
    pub embedded: Side,
    _real: RealAgent,
    _embedded: EmbeddedConsul,
}

/// A real agent, ended with the test.
struct RealAgent(Child);

impl Drop for RealAgent {
    fn drop(&mut self) {
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

/// Where the real Consul is.
pub fn binary() -> Option<PathBuf> {
    let named = std::env::var_os("CONSUL_BIN").map(PathBuf::from);
    named.or_else(|| which::which("consul").ok())
}

impl Pair {
    /// Starts both; None, and said, when there is no real one.
    pub async fn start() -> Option<Self> {
        let Some(binary) = binary() else {
            skip("no real Consul (set CONSUL_BIN, or put `consul` on PATH)");
            return None;
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
            .args(["-bind=127.0.0.1", "-node=msvc"])
            .arg("-node-id=00000000-0000-4000-8000-000000000001")
            .arg(format!("-http-port={port}"))
            .arg(format!("-serf-lan-port={}", free_port()))
            .arg(format!("-server-port={}", free_port()))
            .stdout(Stdio::null())
            .spawn()
            .map(RealAgent)
            .expect("the agent starts");
        let embedded = consul::start(([127, 0, 0, 1], 0).into())
            .await
            .expect("the embedded registry starts");
        let pair = Self {
            real: Side::new("real", SocketAddr::from(([127, 0, 0, 1], port))),
            embedded: Side::new("embedded", embedded.address()),
            _real: agent,
            _embedded: embedded,
        };
        pair.real
            .until("it elected itself", "health/state/passing", |answer| {
                answer.body.to_string().contains("serfHealth")
            })
            .await;
        // The node's own writes are over when its agent has handed itself over.
        pair.real
            .until("its node is complete", "catalog/nodes", |answer| {
                answer.body.to_string().contains("consul-network-segment")
            })
            .await;
        Some(pair)
    }

    /// Asks both at the same time.
    pub async fn ask(&self, method: &str, path: &str, body: &str) -> (Answer, Answer) {
        tokio::join!(
            self.real.ask(method, path, body),
            self.embedded.ask(method, path, body)
        )
    }

    /// Asks both. A real agent hands its state to its catalog in the background: a read is
    /// repeated until it says what the embedded registry says, or for long enough.
    pub async fn settled(&self, method: &str, path: &str, body: &str) -> (Answer, Answer) {
        let (mut real, embedded) = self.ask(method, path, body).await;
        for _ in 0..SETTLED_AFTER {
            if method != "GET" || real == embedded {
                break;
            }
            tokio::time::sleep(POLL).await;
            real = self.real.ask(method, path, body).await;
        }
        (real, embedded)
    }

    /// Does the same with both at the same time.
    pub async fn both<T>(&self, act: impl AsyncFn(&Side) -> T) -> (T, T) {
        tokio::join!(act(&self.real), act(&self.embedded))
    }
}

impl Side {
    pub fn new(name: &'static str, address: SocketAddr) -> Self {
        Self {
            name,
            address,
            client: Client::builder(TokioExecutor::new()).build_http(),
        }
    }

    /// Asks, and normalises the answer.
    pub async fn ask(&self, method: &str, path: &str, body: &str) -> Answer {
        let (mut answer, _) = self.ask_raw(method, path, body).await;
        answer.body = normalised(answer.body);
        answer
    }

    /// Asks; the answer as it is, and its index, zero for none.
    pub async fn ask_raw(&self, method: &str, path: &str, body: &str) -> (Answer, u64) {
        let request = http::Request::builder()
            .method(method)
            .uri(format!("http://{}/v1/{path}", self.address))
            .body(Full::new(Bytes::from(body.to_owned())))
            .expect("a request");
        let Ok(response) = self.client.request(request).await else {
            let (headers, body) = (BTreeMap::new(), Value::Null);
            return (
                Answer {
                    status: 0,
                    headers,
                    body,
                },
                0,
            );
        };
        let status = response.status().as_u16();
        let text = |name: &str| {
            let value = response.headers().get(name)?;
            Some(value.to_str().expect("text").to_owned())
        };
        let index = text("x-consul-index").map_or(0, |index| index.parse().expect("a number"));
        let told = HEADERS
            .iter()
            .filter_map(|name| Some(((*name).to_owned(), text(name)?)));
        let mut headers: BTreeMap<_, _> = told.collect();
        if let Some(told) = headers.get_mut("x-consul-index") {
            // Only that there is one.
            "at least 1".clone_into(told);
            assert!(index >= 1, "{path}: {index}");
        }
        let body = response.into_body().collect().await.expect("a body");
        let bytes = body.to_bytes();
        let body = serde_json::from_slice(&bytes)
            .unwrap_or_else(|_| json!(String::from_utf8_lossy(&bytes)));
        (
            Answer {
                status,
                headers,
                body,
            },
            index,
        )
    }

    /// Asks again until the answer is as it must become, and returns it.
    pub async fn until(&self, what: &str, path: &str, done: impl Fn(&Answer) -> bool) -> Answer {
        let mut last = None;
        let attempt = async {
            loop {
                let answer = self.ask("GET", path, "").await;
                if done(&answer) {
                    return answer;
                }
                last = Some(answer);
                tokio::time::sleep(POLL).await;
            }
        };
        let outcome = tokio::time::timeout(DEADLINE, attempt).await;
        outcome.unwrap_or_else(|_| panic!("{}: not so that {what}: {last:?}", self.name))
    }

    /// The index of a path.
    pub async fn index(&self, path: &str) -> u64 {
        self.ask_raw("GET", path, "").await.1
    }
}

/// Drops what must differ, and says of indexes how they stand to each other.
fn normalised(mut value: Value) -> Value {
    value.sort_all_objects();
    match value {
        Value::Object(mut fields) => {
            fields.retain(|name, _| !VOLATILE.contains(&name.as_str()));
            let index = |name: &str| fields.get(name).and_then(Value::as_u64);
            if let (Some(created), Some(modified)) = (index("CreateIndex"), index("ModifyIndex")) {
                fields.remove("ModifyIndex");
                let stand = match () {
                    () if modified == 0 => "not known",
                    () if modified == created => "as created",
                    () => "changed later",
                };
                fields.insert("CreateIndex".to_owned(), json!(stand));
            }
            // The node is written twice when a real agent starts.
            if fields.contains_key("Datacenter") && fields.get("Node").is_some_and(Value::is_string)
            {
                fields.remove("CreateIndex");
            }
            // Consul's own service tells its port, which the test chose.
            if fields.get("Service").is_some_and(|name| name == "consul") {
                fields.remove("Port");
            }
            let fields = fields.into_iter();
            Value::Object(
                fields
                    .map(|(name, value)| (name, normalised(value)))
                    .collect(),
            )
        }
        Value::Array(items) => items.into_iter().map(normalised).collect(),
        other => other,
    }
}
