//! A real etcd and the embedded store, side by side.

use std::net::{Ipv4Addr, SocketAddr};
use std::path::PathBuf;
use std::process::{Child, Command, Stdio};
use std::time::Duration;

use msvc::infra::embedded::etcd::proto::etcdserverpb::kv_client::KvClient;
use msvc::infra::embedded::etcd::proto::etcdserverpb::lease_client::LeaseClient;
use msvc::infra::embedded::etcd::proto::etcdserverpb::maintenance_client::MaintenanceClient;
use msvc::infra::embedded::etcd::proto::etcdserverpb::watch_client::WatchClient;
use msvc::infra::embedded::etcd::proto::etcdserverpb::watch_request::RequestUnion;
use msvc::infra::embedded::etcd::proto::etcdserverpb::{
    CompactionRequest, DeleteRangeRequest, LeaseGrantRequest, LeaseKeepAliveRequest,
    LeaseLeasesRequest, LeaseRevokeRequest, LeaseTimeToLiveRequest, PutRequest, RangeRequest,
    ResponseHeader, StatusRequest, TxnRequest, WatchCreateRequest, WatchRequest, WatchResponse,
};
use msvc::infra::embedded::etcd::{self, EmbeddedEtcd};
use tempfile::TempDir;
use tokio::sync::mpsc::{UnboundedSender, unbounded_channel};
use tokio::task::JoinHandle;
use tokio_stream::StreamExt;
use tokio_stream::wrappers::UnboundedReceiverStream;
use tonic::transport::{Channel, Endpoint};
use tonic::{Status, Streaming};

use crate::support::differences::{DEADLINE, within_deadline};
use crate::support::ports::free_port;
use crate::support::skip;

/// How often a real etcd is asked whether it is ready.
const POLL: Duration = Duration::from_millis(20);
/// As large as anything that a store tells.
const LARGEST_RESPONSE: usize = 64 << 20;

/// Both stores.
pub struct Pair {
    pub real: Side,
    pub embedded: Side,
    _real: RealEtcd,
    _embedded: EmbeddedEtcd,
}

/// A store that is asked.
pub struct Side {
    pub name: &'static str,
    pub address: SocketAddr,
    channel: Channel,
}

/// A real store, ended with the test.
struct RealEtcd {
    process: Child,
    _folder: TempDir,
}

impl Drop for RealEtcd {
    fn drop(&mut self) {
        let _ = self.process.kill();
        let _ = self.process.wait();
    }
}

/// Where a program of etcd is: `etcd` or `etcdctl`.
pub fn binary(name: &str) -> Option<PathBuf> {
    let named = std::env::var_os("ETCD_BIN").map(PathBuf::from);
    let beside = named.map(|etcd| etcd.with_file_name(name));
    beside.or_else(|| which::which(name).ok())
}

fn free_address() -> SocketAddr {
    SocketAddr::from((Ipv4Addr::LOCALHOST, free_port()))
}

fn start_real(binary: PathBuf, address: SocketAddr) -> RealEtcd {
    let folder = tempfile::tempdir().expect("a folder");
    let url = format!("http://{address}");
    let peer = format!("http://{}", free_address());
    let process = Command::new(binary)
        .arg("--data-dir")
        .arg(folder.path())
        .args(["--unsafe-no-fsync", "--log-level=error"])
        .args(["--listen-client-urls", &url])
        .args(["--advertise-client-urls", &url])
        .args(["--listen-peer-urls", &peer])
        .args(["--initial-advertise-peer-urls", &peer])
        .args(["--initial-cluster", &format!("default={peer}")])
        .stdin(Stdio::null())
        .stdout(Stdio::null())
        .stderr(Stdio::null())
        .spawn()
        .expect("etcd starts");
    RealEtcd {
        process,
        _folder: folder,
    }
}

pub async fn start_embedded() -> (EmbeddedEtcd, Side) {
    let embedded = etcd::start(([127, 0, 0, 1], 0).into())
        .await
        .expect("the embedded store starts");
    let side = Side::new("embedded", embedded.address());
    (embedded, side)
}

/// The embedded store where `MSVC_TEST_ETCD` says, an address: for tests that start an etcd by its
/// program, such as those of the chassis with a script as `ETCD_BIN` that runs this. They pass, but
/// for what needs users, TLS or data that survives.
#[tokio::test]
#[ignore = "a server"]
async fn serve_until_killed() {
    let address = std::env::var("MSVC_TEST_ETCD").expect("set MSVC_TEST_ETCD to an address");
    let address: SocketAddr = address.parse().expect("an address");
    let store = etcd::start(address).await.expect("it starts");
    assert_eq!(store.address(), address, "the address is taken");
    std::future::pending::<()>().await;
}

impl Pair {
    /// Starts both; None, and said, when there is no real one.
    pub async fn start() -> Option<Self> {
        let Some(binary) = binary("etcd") else {
            skip("no real etcd (set ETCD_BIN, or put `etcd` on PATH)");
            return None;
        };
        let address = free_address();
        let real = start_real(binary, address);
        let (embedded, embedded_side) = start_embedded().await;
        let pair = Self {
            real: Side::new("real", address),
            embedded: embedded_side,
            _real: real,
            _embedded: embedded,
        };
        let ready = async {
            while pair
                .real
                .maintenance()
                .status(StatusRequest {})
                .await
                .is_err()
                || pair.real.ask(&Ask::get("k")).await.is_err()
            {
                tokio::time::sleep(POLL).await;
            }
        };
        within_deadline("a real etcd", ready).await;
        Some(pair)
    }

    /// Asks both the same.
    pub async fn ask(&self, ask: &Ask) -> (Answer, Answer) {
        tokio::join!(self.real.ask(ask), self.embedded.ask(ask))
    }

    /// Does the same with both at the same time.
    pub async fn both<T>(&self, act: impl AsyncFn(&Side) -> T) -> (T, T) {
        tokio::join!(act(&self.real), act(&self.embedded))
    }
}

/// A request of any kind.
#[derive(Clone, Debug)]
pub enum Ask {
    Range(RangeRequest),
    Put(PutRequest),
    Delete(DeleteRangeRequest),
    Txn(TxnRequest),
    Compact(i64),
    Grant { id: i64, ttl: i64 },
    Revoke(i64),
    KeepAlive(i64),
    TimeToLive(i64),
    Leases,
}

impl Ask {
    pub fn get(key: &str) -> Self {
        Self::Range(RangeRequest {
            key: key.into(),
            ..RangeRequest::default()
        })
    }

    pub fn put(key: &str, value: &str) -> Self {
        Self::Put(PutRequest {
            key: key.into(),
            value: value.into(),
            ..PutRequest::default()
        })
    }

    /// Puts a key that a lease holds.
    pub fn hold(key: &str, lease: i64) -> Self {
        Self::Put(PutRequest {
            key: key.into(),
            lease,
            ..PutRequest::default()
        })
    }

    pub fn delete(key: &str, range_end: &str) -> Self {
        Self::Delete(DeleteRangeRequest {
            key: key.into(),
            range_end: range_end.into(),
            prev_kv: true,
        })
    }
}

/// A response or an error as text, without what differs between members.
pub type Answer = Result<String, String>;

/// A response without who sent it.
macro_rules! shown {
    ($response:expr) => {{
        let mut response = $response;
        if let Some(header) = &mut response.header {
            *header = ResponseHeader {
                revision: header.revision,
                ..ResponseHeader::default()
            };
        }
        format!("{response:?}")
    }};
}

fn error(status: &Status) -> String {
    format!("{:?}: {}", status.code(), status.message())
}

impl Side {
    pub fn new(name: &'static str, address: SocketAddr) -> Self {
        let endpoint = Endpoint::from_shared(format!("http://{address}")).expect("a URL");
        Self {
            name,
            address,
            channel: endpoint.connect_timeout(DEADLINE).connect_lazy(),
        }
    }

    pub fn kv(&self) -> KvClient<Channel> {
        KvClient::new(self.channel.clone()).max_decoding_message_size(LARGEST_RESPONSE)
    }

    pub fn lease(&self) -> LeaseClient<Channel> {
        LeaseClient::new(self.channel.clone())
    }

    pub fn maintenance(&self) -> MaintenanceClient<Channel> {
        MaintenanceClient::new(self.channel.clone())
    }

    pub async fn ask(&self, ask: &Ask) -> Answer {
        macro_rules! done {
            ($call:expr) => {
                $call.await.map(|response| shown!(response.into_inner()))
            };
        }
        let (mut kv, mut lease) = (self.kv(), self.lease());
        let answer = match ask.clone() {
            Ask::Range(it) => done!(kv.range(it)),
            Ask::Put(it) => done!(kv.put(it)),
            Ask::Delete(it) => done!(kv.delete_range(it)),
            Ask::Txn(it) => done!(kv.txn(it)),
            Ask::Compact(revision) => done!(kv.compact(CompactionRequest {
                revision,
                physical: true
            })),
            Ask::Grant { id, ttl } => done!(lease.lease_grant(LeaseGrantRequest { id, ttl })),
            Ask::Revoke(id) => done!(lease.lease_revoke(LeaseRevokeRequest { id })),
            Ask::TimeToLive(id) => {
                let request = LeaseTimeToLiveRequest { id, keys: true };
                lease.lease_time_to_live(request).await.map(|response| {
                    let mut response = response.into_inner();
                    // Real ones tell them in no order.
                    response.keys.sort();
                    shown!(response)
                })
            }
            Ask::Leases => done!(lease.lease_leases(LeaseLeasesRequest {})),
            Ask::KeepAlive(id) => self.keep_alive(id).await,
        };
        answer.map_err(|status| error(&status))
    }

    async fn keep_alive(&self, id: i64) -> Result<String, Status> {
        let requests = tokio_stream::once(LeaseKeepAliveRequest { id });
        let answer = self.lease().lease_keep_alive(requests).await?;
        let response = answer.into_inner().message().await?;
        Ok(shown!(response.expect("a response")))
    }

    /// The value of a key, if it is there.
    pub async fn value(&self, key: &str) -> Option<Vec<u8>> {
        let Ask::Range(request) = Ask::get(key) else {
            unreachable!("it is one");
        };
        let response = self.kv().range(request).await.expect("an answer");
        response.into_inner().kvs.pop().map(|kv| kv.value)
    }

    /// Opens a stream of watches.
    pub fn watch(&self) -> Watching {
        let (requests, receiver) = unbounded_channel();
        let mut client = WatchClient::new(self.channel.clone());
        client = client.max_decoding_message_size(LARGEST_RESPONSE);
        // A real one says nothing until it is asked for something.
        let opening = tokio::spawn(async move {
            let opened = client.watch(UnboundedReceiverStream::new(receiver)).await;
            opened.expect("a stream").into_inner()
        });
        Watching {
            name: self.name,
            requests,
            opening: Some(opening),
            responses: None,
        }
    }
}

/// A stream of watches.
pub struct Watching {
    name: &'static str,
    requests: UnboundedSender<WatchRequest>,
    opening: Option<JoinHandle<Streaming<WatchResponse>>>,
    responses: Option<Streaming<WatchResponse>>,
}

impl Watching {
    pub fn ask(&self, request: RequestUnion) {
        let request = WatchRequest {
            request_union: Some(request),
        };
        self.requests.send(request).expect("the stream is open");
    }

    /// Begins a watch and returns the response to that.
    pub async fn create(&mut self, request: WatchCreateRequest) -> WatchResponse {
        self.ask(RequestUnion::CreateRequest(request));
        self.next().await
    }

    /// The next response, without who sent it.
    pub async fn next(&mut self) -> WatchResponse {
        let what = format!("{}: a response", self.name);
        if let Some(opening) = self.opening.take() {
            let opened = within_deadline(&what, opening).await;
            self.responses = Some(opened.expect("it opens"));
        }
        let responses = self.responses.as_mut().expect("it is open");
        let response = within_deadline(&what, responses.next()).await;
        let mut response = response.expect("the stream is open").expect("a response");
        if let Some(header) = &mut response.header {
            header.cluster_id = 0;
            header.member_id = 0;
            header.raft_term = 0;
        }
        response
    }

    /// The events of a watch up to one that is about `last`, each as text.
    pub async fn events_until(&mut self, last: &str) -> Vec<String> {
        let mut seen = Vec::new();
        loop {
            let response = self.next().await;
            assert!(!response.canceled, "{response:?}");
            let is_last = response.events.iter().any(|event| {
                let kv = event.kv.as_ref().expect("a key");
                kv.key == last.as_bytes()
            });
            let events = response.events.iter();
            seen.extend(events.map(|event| format!("{} {event:?}", response.watch_id)));
            if is_last {
                return seen;
            }
        }
    }
}
