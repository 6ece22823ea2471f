//! A collector that is sent spans and asked for them.

use std::io::Write as _;
use std::net::{Ipv4Addr, SocketAddr};
use std::path::PathBuf;
use std::process::{Child, Command, Stdio};
use std::time::Duration;

use bytes::Bytes;
use http_body_util::{BodyExt, Full};
use hyper_util::client::legacy::Client;
use hyper_util::rt::TokioExecutor;
use msvc::infra::embedded::collector::{self, Addresses, EmbeddedCollector};
use serde_json::Value;

use crate::support::differences::within_deadline;
use crate::support::ports::free_port;

/// Spans of three traces, as JSON of OTLP.
pub const SAMPLE: &str = include_str!("sample.json");

/// How often a real one is asked whether it is ready.
const POLL: Duration = Duration::from_millis(50);

/// A collector.
pub struct Server {
    pub addresses: Addresses,
    _embedded: Option<EmbeddedCollector>,
    _real: Option<RealJaeger>,
}

struct RealJaeger(Child);

impl Drop for RealJaeger {
    fn drop(&mut self) {
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

/// Asks over HTTP; the status and the body.
pub async fn ask(request: http::Request<Full<Bytes>>) -> Option<(u16, Bytes)> {
    let client = Client::builder(TokioExecutor::new()).build_http();
    let response = client.request(request).await.ok()?;
    let status = response.status().as_u16();
    let body = response.into_body().collect().await.ok()?;
    Some((status, body.to_bytes()))
}

fn free_address() -> SocketAddr {
    SocketAddr::from((Ipv4Addr::LOCALHOST, free_port()))
}

impl Server {
    pub async fn embedded() -> Self {
        Self::embedded_at(SocketAddr::from(([127, 0, 0, 1], 0))).await
    }

    /// One that answers queries here.
    pub async fn embedded_at(query: SocketAddr) -> Self {
        let local = SocketAddr::from(([127, 0, 0, 1], 0));
        let preferred = Addresses {
            grpc: local,
            http: local,
            query,
        };
        let embedded = collector::start(&preferred).await.expect("it starts");
        Self {
            addresses: embedded.addresses(),
            _embedded: Some(embedded),
            _real: None,
        }
    }

    /// A real Jaeger, where one is named.
    pub async fn real() -> Option<Self> {
        let Some(binary) = std::env::var_os("JAEGER_BIN").map(PathBuf::from) else {
            let text = "skipped: no real Jaeger (JAEGER_BIN), its answers are recorded\n";
            let _ = std::io::stderr().write_all(text.as_bytes());
            return None;
        };
        let addresses = Addresses {
            grpc: free_address(),
            http: free_address(),
            query: free_address(),
        };
        let mut command = Command::new(binary);
        command
            .arg(format!("--query.http-server.host-port={}", addresses.query))
            .arg(format!(
                "--collector.otlp.grpc.host-port={}",
                addresses.grpc
            ))
            .arg(format!(
                "--collector.otlp.http.host-port={}",
                addresses.http
            ));
        for other in [
            "query.grpc-server",
            "collector.http-server",
            "collector.grpc-server",
            "admin.http",
            "http-server",
        ] {
            command.arg(format!("--{other}.host-port={}", free_address()));
        }
        for processor in ["jaeger-binary", "jaeger-compact", "zipkin-compact"] {
            let address = free_address();
            command.arg(format!(
                "--processor.{processor}.server-host-port={address}"
            ));
        }
        let child = command.stdout(Stdio::null()).stderr(Stdio::null()).spawn();
        let server = Self {
            addresses,
            _embedded: None,
            _real: Some(RealJaeger(child.expect("Jaeger starts"))),
        };
        let ready = async {
            let empty = || server.post("application/json", "{}".into());
            while ask(empty()).await.is_none() || server.try_get("/api/services").await.is_none() {
                tokio::time::sleep(POLL).await;
            }
        };
        within_deadline("a real Jaeger", ready).await;
        Some(server)
    }

    /// A request that sends spans.
    pub fn post(&self, content_type: &str, body: Bytes) -> http::Request<Full<Bytes>> {
        http::Request::post(format!("http://{}/v1/traces", self.addresses.http))
            .header("content-type", content_type)
            .body(Full::new(body))
            .expect("a request")
    }

    async fn try_get(&self, path: &str) -> Option<(u16, Bytes)> {
        let url = format!("http://{}{path}", self.addresses.query);
        ask(http::Request::get(url).body(Full::default()).ok()?).await
    }

    /// The answer to a query.
    pub async fn get(&self, path: &str) -> (u16, Value) {
        let (status, body) = self.try_get(path).await.expect("an answer");
        let json = serde_json::from_slice(&body);
        let text = String::from_utf8_lossy(&body).into_owned();
        (status, json.unwrap_or(Value::String(text)))
    }

    /// Sends the sample, and waits until all of it can be asked for.
    pub async fn send_sample(&self) {
        let (status, body) = ask(self.post("application/json", SAMPLE.into()))
            .await
            .expect("an answer");
        assert_eq!((status, &*body), (200, &br#"{"partialSuccess":{}}"#[..]));
        let arrived = async {
            loop {
                let (_, trace) = self
                    .get("/api/traces/5b8efff798038103d269b633813fc60c")
                    .await;
                let (_, other) = self
                    .get("/api/traces/a0000000000000000000000000000003")
                    .await;
                let count = |it: &Value| it["data"][0]["spans"].as_array().map_or(0, Vec::len);
                if (count(&trace), count(&other)) == (4, 3) {
                    return;
                }
                tokio::time::sleep(POLL).await;
            }
        };
        within_deadline("the sample", arrived).await;
    }
}
