//! Instances that can be made slow or sick, a registry that says what it is told, and a client of
//! both.

use std::collections::BTreeMap;
use std::convert::Infallible;
use std::net::SocketAddr;
use std::pin::Pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::time::{Duration, Instant};

use bytes::Bytes;
use chassis::Services;
use chassis::client::{self, Channel};
use chassis::config::{Config, NoSettings};
use chassis::testing::{self, TestServer};
use http::{Request, Response};
use http_body_util::Full;
use hyper::body::Incoming;
use hyper::server::conn::http1;
use hyper::service::service_fn;
use hyper_util::rt::TokioIo;
use serde_json::{Value, json};
use tokio::net::TcpListener;
use tokio::sync::watch;
use tokio_stream::Stream;
use tonic::{Status, Streaming};

use crate::support::{
    DESCRIPTOR_SET, Probe, ProbeApi, ProbeClient, ProbeReply, ProbeRequest, ProbeServer,
};

/// What takes longer will not come.
const PATIENCE: Duration = Duration::from_secs(60);

/// An instance that does as the test says, whatever it is asked for.
#[derive(Debug, Default)]
pub(super) struct Orders {
    /// Unary calls are `UNAVAILABLE`.
    pub(super) sick: AtomicBool,
    /// Unary calls take as many milliseconds.
    pub(super) delay: AtomicU64,
    /// The unary calls so far.
    pub(super) calls: AtomicU64,
}

#[derive(Debug)]
struct Ordered {
    api: ProbeApi,
    orders: Arc<Orders>,
}

type Replies = Pin<Box<dyn Stream<Item = Result<ProbeReply, Status>> + Send>>;

#[tonic::async_trait]
impl Probe for Ordered {
    async fn unary(
        &self,
        request: tonic::Request<ProbeRequest>,
    ) -> Result<tonic::Response<ProbeReply>, Status> {
        self.orders.calls.fetch_add(1, Ordering::Relaxed);
        let delay = self.orders.delay.load(Ordering::Relaxed);
        if delay > 0 {
            tokio::time::sleep(Duration::from_millis(delay)).await;
        }
        match self.orders.sick.load(Ordering::Relaxed) {
            true => Err(Status::unavailable("sick")),
            false => self.api.unary(request).await,
        }
    }

    type ServerStreamStream = Replies;

    async fn server_stream(
        &self,
        request: tonic::Request<ProbeRequest>,
    ) -> Result<tonic::Response<Replies>, Status> {
        self.api.server_stream(request).await
    }

    async fn client_stream(
        &self,
        request: tonic::Request<Streaming<ProbeRequest>>,
    ) -> Result<tonic::Response<ProbeReply>, Status> {
        self.api.client_stream(request).await
    }

    type BidiStream = Replies;

    async fn bidi(
        &self,
        request: tonic::Request<Streaming<ProbeRequest>>,
    ) -> Result<tonic::Response<Replies>, Status> {
        self.api.bidi(request).await
    }
}

/// A running instance.
pub(super) struct Instance {
    pub(super) server: TestServer,
    pub(super) orders: Arc<Orders>,
}

impl Instance {
    pub(super) async fn start(name: &str) -> Self {
        let orders = Arc::new(Orders::default());
        let service = Ordered {
            api: ProbeApi {
                instance: name.to_owned(),
                ..ProbeApi::default()
            },
            orders: Arc::clone(&orders),
        };
        let services = Services::new(DESCRIPTOR_SET).add(ProbeServer::new(service));
        Self {
            server: testing::serve(services).await,
            orders,
        }
    }

    pub(super) fn calls(&self) -> u64 {
        self.orders.calls.load(Ordering::Relaxed)
    }
}

/// Instances that are called a, b, c and so on.
pub(super) async fn start<const N: usize>() -> [Instance; N] {
    let mut instances = Vec::new();
    for name in ('a'..).take(N) {
        instances.push(Instance::start(&name.to_string()).await);
    }
    instances.try_into().ok().expect("as many as were started")
}

/// A Consul agent for one service, as far as a client can tell, which says what it is told.
pub(super) struct Registry {
    address: SocketAddr,
    entries: watch::Sender<(u64, Value)>,
}

impl Registry {
    pub(super) async fn start() -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.expect("a port");
        let address = listener.local_addr().expect("an address");
        let (entries, current) = watch::channel((1, json!([])));
        tokio::spawn(async move {
            while let Ok((stream, _)) = listener.accept().await {
                let current = current.clone();
                let service = service_fn(move |request| answer(current.clone(), request));
                let connection = http1::Builder::new();
                tokio::spawn(connection.serve_connection(TokioIo::new(stream), service));
            }
        });
        Self { address, entries }
    }

    /// From now on, these are the instances, with their metadata.
    pub(super) fn set(&self, instances: &[(&Instance, &[(&str, &str)])]) {
        let entry = |(instance, meta): &(&Instance, &[(&str, &str)])| {
            let address = instance.server.address();
            let meta: BTreeMap<_, _> = meta.iter().copied().collect();
            json!({
                "Node": { "Address": "127.0.0.1" },
                "Service": { "Address": "127.0.0.1", "Port": address.port(), "Meta": meta },
            })
        };
        let entries: Vec<Value> = instances.iter().map(entry).collect();
        self.entries.send_modify(|(index, current)| {
            *index += 1;
            *current = json!(entries);
        });
    }

    /// A client of `service`, which must be a name of its own where metrics are looked at.
    pub(super) async fn client(&self, service: &str, mut config: Config) -> ProbeClient<Channel> {
        let url = format!("http://{}", self.address);
        config.registry.consul.address = Some(url.parse().expect("an address"));
        let channel = client::connect(&format!("consul:///{service}"), &config).await;
        ProbeClient::new(channel.expect("a valid target"))
    }
}

/// Blocks while the index is the one that is asked with.
async fn answer(
    mut current: watch::Receiver<(u64, Value)>,
    request: Request<Incoming>,
) -> Result<Response<Full<Bytes>>, Infallible> {
    let query = request.uri().query().unwrap_or_default();
    let known = query.split('&').find_map(|it| it.strip_prefix("index="));
    let known: u64 = known.and_then(|it| it.parse().ok()).unwrap_or_default();
    let changed = current.wait_for(|(index, _)| *index != known).await;
    let (index, entries) = changed.expect("the registry is there").clone();
    let response = Response::builder().header("X-Consul-Index", index);
    let body = Full::new(entries.to_string().into());
    Ok(response.body(body).expect("a response"))
}

pub(super) fn config() -> Config {
    let mut config = Config::<NoSettings>::default();
    // Where calls go is counted: an instance that is silent for a moment, because the machine is
    // busy, must not be spared.
    config.client.keep_alive_interval = chassis::config::Duration::default();
    config
}

/// Who answers a call.
pub(super) async fn call(client: &mut ProbeClient<Channel>) -> String {
    let reply = client.unary(ProbeRequest::default()).await;
    reply.expect("a reply").into_inner().instance
}

/// How many of `calls` each instance answered.
pub(super) async fn spread(
    client: &mut ProbeClient<Channel>,
    calls: usize,
) -> BTreeMap<String, usize> {
    let mut spread = BTreeMap::new();
    for _ in 0..calls {
        *spread.entry(call(client).await).or_default() += 1;
    }
    spread
}

pub(super) fn counts(expected: &[(&str, usize)]) -> BTreeMap<String, usize> {
    let expected = expected
        .iter()
        .map(|(name, count)| (name.to_string(), *count));
    expected.collect()
}

/// The value of a metric, as in `client_picks_total{target="…"}`.
pub(super) fn metric(row: &str) -> Option<i64> {
    let metrics = chassis::metrics::render();
    let mut lines = metrics.lines();
    let value = lines.find_map(|line| line.strip_prefix(row)?.strip_prefix(' '));
    value.map(|it| it.parse().expect("a number"))
}

/// Waits until that many endpoints of `service` are connected.
pub(super) async fn wait_for_connections(service: &str, count: i64) {
    let row = format!(r#"client_endpoints{{target="consul:///{service}",state="connected"}}"#);
    wait_until(|| metric(&row) == Some(count)).await;
}

pub(super) async fn wait_until(mut condition: impl FnMut() -> bool) {
    let begin = Instant::now();
    while !condition() {
        assert!(begin.elapsed() < PATIENCE, "it did not come");
        tokio::time::sleep(Duration::from_millis(5)).await;
    }
}
