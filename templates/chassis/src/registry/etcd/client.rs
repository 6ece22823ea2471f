//! A client of etcd that asks one endpoint, the next when that fails, and brings a token where one
//! is wanted.
//!
//! Everything that is asked here may be asked twice with the same effect, so a request whose answer
//! was lost is simply sent to the next endpoint.

use std::fmt;
use std::future::Future;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Mutex, PoisonError};
use std::time::Duration;

use tonic::codegen::tokio_stream::{self, StreamExt};
use tonic::metadata::{Ascii, MetadataValue};
use tonic::transport::Channel;
use tonic::{Code, Request, Status, Streaming};

use super::error::Error;
use super::proto::etcdserverpb::auth_client::AuthClient;
use super::proto::etcdserverpb::compare::{CompareResult, CompareTarget, TargetUnion};
use super::proto::etcdserverpb::kv_client::KvClient;
use super::proto::etcdserverpb::lease_client::LeaseClient;
use super::proto::etcdserverpb::watch_client::WatchClient;
use super::proto::etcdserverpb::{
    AuthenticateRequest, Compare, LeaseGrantRequest, LeaseKeepAliveRequest, LeaseRevokeRequest,
    PutRequest, RangeRequest, RangeResponse, RequestOp, TxnRequest, WatchCreateRequest,
    WatchRequest, WatchResponse, request_op, watch_request,
};
use super::proto::mvccpb::KeyValue;
use crate::config::{Etcd, HttpUrl, Secret};

/// Where a cluster on this machine listens.
const DEFAULT_ENDPOINT: &str = "http://127.0.0.1:2379";

/// How often a connection with a request or watch on it is probed. etcd closes those that probe
/// more often than every 5 s (its `--grpc-keepalive-min-time`).
const KEEP_ALIVE_INTERVAL: Duration = Duration::from_secs(10);

/// The longest wait for the answer to a probe.
const KEEP_ALIVE_TIMEOUT: Duration = Duration::from_secs(5);

/// The largest answer that is read: 16 MiB is tens of thousands of instances.
const MAX_ANSWER: usize = 16 * 1024 * 1024;

/// The metadata key under which etcd looks for the token.
const TOKEN: &str = "token";

/// With this key, a member that has lost the rest of its cluster ends a watch instead of going
/// silent.
const HAS_LEADER: &str = "hasleader";

#[derive(Debug)]
pub(super) struct Client {
    endpoints: Vec<Endpoint>,
    /// The one that is asked, counted without end.
    current: AtomicUsize,
    credentials: Option<(String, Secret)>,
    token: Mutex<Token>,
    request_timeout: Duration,
}

#[derive(Debug)]
struct Endpoint {
    url: HttpUrl,
    channel: Channel,
}

#[derive(Debug, Clone)]
enum Token {
    /// It must be asked for, if there are credentials.
    Unknown,
    /// Requests go without.
    None,
    Some(MetadataValue<Ascii>),
}

/// A watch that etcd has confirmed.
#[derive(Debug)]
pub(super) struct Watch {
    /// The confirmation, or the reason why there is none.
    pub(super) first: WatchResponse,
    pub(super) responses: Streaming<WatchResponse>,
}

impl fmt::Display for Client {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("etcd at ")?;
        for (index, endpoint) in self.endpoints.iter().enumerate() {
            let separator = if index == 0 { "" } else { "," };
            write!(f, "{separator}{}", endpoint.url)?;
        }
        Ok(())
    }
}

/// A connection that is made when it is needed, and again when it broke. TLS and client
/// certificates belong here: this is the only place that connects.
fn dial(url: &HttpUrl, timeout: Duration) -> Channel {
    let endpoint = tonic::transport::Endpoint::from_shared(url.to_string())
        .expect("an HttpUrl is a valid URI")
        .connect_timeout(timeout)
        .http2_keep_alive_interval(KEEP_ALIVE_INTERVAL)
        .keep_alive_timeout(KEEP_ALIVE_TIMEOUT);
    endpoint.connect_lazy()
}

impl Client {
    /// A client of the cluster that `config` names. It must be made inside of a runtime.
    pub(super) fn new(config: &Etcd) -> Self {
        let mut urls = config.endpoints.clone();
        if urls.is_empty() {
            let default = DEFAULT_ENDPOINT.parse();
            urls.push(default.expect("the default endpoint is valid"));
        }
        let endpoints = urls.into_iter().map(|url| Endpoint {
            channel: dial(&url, config.dial_timeout.get()),
            url,
        });
        let password = config.password.clone();
        Self {
            endpoints: endpoints.collect(),
            current: AtomicUsize::new(0),
            credentials: config
                .username
                .clone()
                .map(|name| (name, password.unwrap_or_else(|| Secret::new("")))),
            token: Mutex::new(Token::Unknown),
            request_timeout: config.request_timeout.get(),
        }
    }

    /// The keys from `key` up to `range_end`; `key` alone when that is empty.
    pub(super) async fn range(&self, key: &[u8], range_end: &[u8]) -> Result<RangeResponse, Error> {
        let message = RangeRequest {
            key: key.to_vec(),
            range_end: range_end.to_vec(),
        };
        let answer = self.call(message, |channel, request| async move {
            let client = KvClient::new(channel);
            let mut client = client.max_decoding_message_size(MAX_ANSWER);
            client.range(request).await.map(tonic::Response::into_inner)
        });
        answer.await
    }

    /// The key, if it is there.
    pub(super) async fn get(&self, key: &[u8]) -> Result<Option<KeyValue>, Error> {
        let mut answer = self.range(key, &[]).await?;
        Ok(answer.kvs.pop())
    }

    /// Writes the key with a lease, if it was last written at `seen` (0 when it is not there).
    ///
    /// # Returns
    /// The revision of the write; `None` when another wrote in between.
    pub(super) async fn put_if_seen(
        &self,
        seen: i64,
        put: PutRequest,
    ) -> Result<Option<i64>, Error> {
        let message = TxnRequest {
            compare: vec![Compare {
                result: CompareResult::Equal.into(),
                target: CompareTarget::Mod.into(),
                key: put.key.clone(),
                target_union: Some(TargetUnion::ModRevision(seen)),
            }],
            success: vec![RequestOp {
                request: Some(request_op::Request::RequestPut(put)),
            }],
            failure: Vec::new(),
        };
        let answer = self.call(message, |channel, request| async move {
            KvClient::new(channel).txn(request).await
        });
        let answer = answer.await?.into_inner();
        let revision = answer.header.unwrap_or_default().revision;
        Ok(answer.succeeded.then_some(revision))
    }

    /// Makes the lease `id`.
    pub(super) async fn grant(&self, id: i64, seconds: i64) -> Result<(), Error> {
        let message = LeaseGrantRequest { ttl: seconds, id };
        let answer = self.call(message, |channel, request| async move {
            LeaseClient::new(channel).lease_grant(request).await
        });
        answer.await.map(|_| ())
    }

    /// Whether there is such a lease, which then lives for another TTL.
    pub(super) async fn keep_alive(&self, id: i64) -> Result<bool, Error> {
        let message = LeaseKeepAliveRequest { id };
        // A stream for one request, as `etcdctl lease keep-alive --once` has it: one that is kept
        // would have to be watched over, and there is one request every few seconds.
        let answer = self.call(message, |channel, request| async move {
            let mut client = LeaseClient::new(channel);
            let answers = client.lease_keep_alive(request.map(tokio_stream::once));
            first(&mut answers.await?.into_inner()).await
        });
        Ok(answer.await?.ttl > 0)
    }

    /// Ends the lease, and with it the keys that it holds. That it is not there is as good.
    pub(super) async fn revoke(&self, id: i64) -> Result<(), Error> {
        let message = LeaseRevokeRequest { id };
        let answer = self.call(message, |channel, request| async move {
            LeaseClient::new(channel).lease_revoke(request).await
        });
        match answer.await {
            Err(error) if !error.is_not_found() => Err(error),
            Ok(_) | Err(_) => Ok(()),
        }
    }

    /// Watches the keys from `key` up to `range_end` from a revision on.
    pub(super) async fn watch(
        &self,
        key: &[u8],
        range_end: &[u8],
        start_revision: i64,
    ) -> Result<Watch, Error> {
        let create = WatchCreateRequest {
            key: key.to_vec(),
            range_end: range_end.to_vec(),
            start_revision,
            progress_notify: true,
        };
        let message = WatchRequest {
            request_union: Some(watch_request::RequestUnion::CreateRequest(create)),
        };
        let watch = self.call(message, |channel, request| async move {
            let client = WatchClient::new(channel);
            let mut client = client.max_decoding_message_size(MAX_ANSWER);
            // The end of the requests would be the end of the watch.
            let mut request =
                request.map(|create| tokio_stream::once(create).chain(tokio_stream::pending()));
            let yes = MetadataValue::from_static("true");
            request.metadata_mut().insert(HAS_LEADER, yes);
            let mut responses = client.watch(request).await?.into_inner();
            let first = first(&mut responses).await?;
            Ok(Watch { first, responses })
        });
        watch.await
    }

    /// What `status`, the end of a watch, means; the next endpoint is asked from now on.
    pub(super) fn ended(&self, status: Status) -> Error {
        // Which endpoint it was is not known for sure, but it was most likely the current one.
        let (number, endpoint) = self.endpoint();
        let error = Error::Status {
            endpoint: endpoint.url.clone(),
            status,
        };
        if error.is_of_endpoint() {
            self.leave(number);
        }
        // The reason may well be the token, which costs nothing to get anew.
        self.forget_token();
        error
    }

    /// Makes a call to the current endpoint, and to each of the others while it is the endpoint
    /// that fails.
    async fn call<T, R, F>(
        &self,
        message: T,
        send: impl Fn(Channel, Request<T>) -> F,
    ) -> Result<R, Error>
    where
        T: Clone,
        F: Future<Output = Result<R, Status>>,
    {
        let mut left = self.endpoints.len();
        let mut has_new_token = false;
        loop {
            let (number, endpoint) = self.endpoint();
            let attempt = async {
                let mut request = Request::new(message.clone());
                if let Some(token) = self.token(endpoint).await? {
                    request.metadata_mut().insert(TOKEN, token);
                }
                send(endpoint.channel.clone(), request).await
            };
            let url = || endpoint.url.clone();
            let error = match tokio::time::timeout(self.request_timeout, attempt).await {
                Ok(Ok(answer)) => return Ok(answer),
                Ok(Err(status)) => Error::Status {
                    endpoint: url(),
                    status,
                },
                Err(_) => Error::Timeout {
                    endpoint: url(),
                    limit: self.request_timeout,
                },
            };
            if error.is_of_token() && self.credentials.is_some() && !has_new_token {
                has_new_token = true;
                self.forget_token();
                continue;
            }
            if !error.is_of_endpoint() {
                return Err(error);
            }
            self.leave(number);
            left -= 1;
            if left == 0 {
                return Err(error);
            }
            tracing::debug!(%error, "asking the next endpoint");
        }
    }

    fn endpoint(&self) -> (usize, &Endpoint) {
        let number = self.current.load(Ordering::Relaxed);
        (number, &self.endpoints[number % self.endpoints.len()])
    }

    /// Goes on to the next endpoint, unless another call has done so already.
    fn leave(&self, number: usize) {
        let next = number.wrapping_add(1);
        let _ = self
            .current
            .compare_exchange(number, next, Ordering::Relaxed, Ordering::Relaxed);
    }

    /// The token for requests; `None` when none is wanted.
    async fn token(&self, endpoint: &Endpoint) -> Result<Option<MetadataValue<Ascii>>, Status> {
        let Some((name, password)) = &self.credentials else {
            return Ok(None);
        };
        let known = self.lock_token().clone();
        match known {
            Token::Some(token) => return Ok(Some(token)),
            Token::None => return Ok(None),
            Token::Unknown => {}
        }
        let request = AuthenticateRequest {
            name: name.clone(),
            password: password.expose().to_owned(),
        };
        let mut client = AuthClient::new(endpoint.channel.clone());
        let token = match client.authenticate(request).await {
            Ok(answer) => {
                let token = answer.into_inner().token;
                let token = MetadataValue::try_from(token);
                Some(token.map_err(|_| Status::internal("a token that is not text"))?)
            }
            // Authentication is not enabled.
            Err(status) if status.code() == Code::FailedPrecondition => None,
            Err(status) => return Err(status),
        };
        *self.lock_token() = match &token {
            Some(token) => Token::Some(token.clone()),
            None => Token::None,
        };
        Ok(token)
    }

    fn forget_token(&self) {
        *self.lock_token() = Token::Unknown;
    }

    fn lock_token(&self) -> std::sync::MutexGuard<'_, Token> {
        self.token.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// The first answer of a stream.
async fn first<T>(answers: &mut Streaming<T>) -> Result<T, Status> {
    let answer = answers.message().await?;
    answer.ok_or_else(|| Status::unavailable("the answer ended before it began"))
}
