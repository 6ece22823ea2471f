//! The requests that are made of etcd.
//!
//! Each may be made twice with the same effect, which is what [`Client::call`] does when an answer
//! is lost.

use tonic::codegen::tokio_stream::{self, StreamExt};
use tonic::metadata::MetadataValue;
use tonic::{Status, Streaming};

use super::client::Client;
use super::error::Error;
use super::proto::etcdserverpb::compare::{CompareResult, CompareTarget, TargetUnion};
use super::proto::etcdserverpb::kv_client::KvClient;
use super::proto::etcdserverpb::lease_client::LeaseClient;
use super::proto::etcdserverpb::watch_client::WatchClient;
use super::proto::etcdserverpb::{
    Compare, LeaseGrantRequest, LeaseKeepAliveRequest, LeaseRevokeRequest, PutRequest,
    RangeRequest, RangeResponse, RequestOp, TxnRequest, WatchCreateRequest, WatchRequest,
    WatchResponse, request_op, watch_request,
};
use super::proto::mvccpb::KeyValue;

/// The largest answer that is read: 16 MiB is tens of thousands of instances.
const MAX_ANSWER: usize = 16 * 1024 * 1024;

/// With this key, a member that has lost the rest of its cluster ends a watch instead of going
/// silent.
const HAS_LEADER: &str = "hasleader";

/// A watch that etcd has confirmed.
#[derive(Debug)]
pub(super) struct Watch {
    /// The confirmation, or the reason why there is none.
    pub(super) first: WatchResponse,
    pub(super) responses: Streaming<WatchResponse>,
}

impl Client {
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
}

/// The first answer of a stream.
async fn first<T>(answers: &mut Streaming<T>) -> Result<T, Status> {
    let answer = answers.message().await?;
    answer.ok_or_else(|| Status::unavailable("the answer ended before it began"))
}
