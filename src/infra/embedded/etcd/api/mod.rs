//! The gRPC face, and what etcd serves over HTTP beside it.

mod kv;
mod lease;
mod maintenance;
mod watch;

use std::sync::Arc;

use axum::Router;
use axum::extract::{Request, State};
use axum::http::{StatusCode, header};
use axum::response::{IntoResponse, Response};
use axum::routing::get;
use prost::Message;
use tonic::server::NamedService;
use tonic::{Code, Status};

use super::Shared;
use super::proto::etcdserverpb::ResponseHeader;
use super::proto::etcdserverpb::auth_server::AuthServer;
use super::proto::etcdserverpb::cluster_server::ClusterServer;
use super::proto::etcdserverpb::kv_server::KvServer;
use super::proto::etcdserverpb::lease_server::LeaseServer;
use super::proto::etcdserverpb::maintenance_server::MaintenanceServer;
use super::proto::etcdserverpb::watch_server::WatchServer;
use super::state::Refusal;

/// The version of etcd that the conformance suite compares with.
const VERSION: &str = "3.4.23";
const CLUSTER_ID: u64 = 0x6d73_7663_0000_0001;
const MEMBER_ID: u64 = 0x6d73_7663_0000_0002;
/// There was one election.
const TERM: u64 = 2;
/// The largest request that is done, in bytes: etcd's default.
const LARGEST_REQUEST: usize = 1536 << 10;
/// The largest request that is read, in bytes: what etcd allows its own on top.
const LARGEST_MESSAGE: usize = LARGEST_REQUEST + (512 << 10);
/// The largest request that is read to be refused in etcd's words, in bytes.
const LARGEST_REFUSED: usize = 16 << 20;

/// All services; clones share the store.
#[derive(Clone, Debug)]
struct Api {
    shared: Arc<Shared>,
}

impl Api {
    /// Completes the header of a response.
    fn header(&self, header: Option<ResponseHeader>) -> Option<ResponseHeader> {
        let revision = header.map_or_else(|| self.shared.store().revision(), |it| it.revision);
        Some(ResponseHeader {
            cluster_id: CLUSTER_ID,
            member_id: MEMBER_ID,
            revision,
            raft_term: TERM,
        })
    }
}

pub(super) fn router(shared: &Arc<Shared>) -> Router {
    fn path<S: NamedService>(_: &S) -> String {
        format!("/{}/{{method}}", S::NAME)
    }
    let api = Api {
        shared: shared.clone(),
    };
    let kv = KvServer::new(api.clone()).max_decoding_message_size(LARGEST_REFUSED);
    let watch = WatchServer::new(api.clone());
    let lease = LeaseServer::new(api.clone());
    let cluster = ClusterServer::new(api.clone());
    let maintenance = MaintenanceServer::new(api.clone());
    let auth = AuthServer::new(api.clone());
    Router::new()
        .route_service(&path(&kv), kv)
        .route_service(&path(&watch), watch)
        .route_service(&path(&lease), lease)
        .route_service(&path(&cluster), cluster)
        .route_service(&path(&maintenance), maintenance)
        .route_service(&path(&auth), auth)
        .route("/health", get(health))
        .route("/version", get(version))
        .route("/metrics", get(metrics))
        .fallback(unknown)
        .with_state(api)
}

async fn health() -> Response {
    let json = [(header::CONTENT_TYPE, "application/json")];
    (json, r#"{"health":"true"}"#).into_response()
}

async fn version() -> Response {
    let json = [(header::CONTENT_TYPE, "application/json")];
    let text = format!(r#"{{"etcdserver":"{VERSION}","etcdcluster":"3.4.0"}}"#);
    (json, text).into_response()
}

/// A few of etcd's metrics, by which one sees whether clients leave something behind.
async fn metrics(State(api): State<Api>) -> String {
    let (total, live) = api.shared.store().bytes();
    // One that waits for changes is not a watch.
    let streams = api.shared.changes.receiver_count().saturating_sub(1);
    format!(
        "# TYPE etcd_debugging_mvcc_watch_stream_total gauge\n\
         etcd_debugging_mvcc_watch_stream_total {streams}\n\
         # TYPE etcd_mvcc_db_total_size_in_bytes gauge\n\
         etcd_mvcc_db_total_size_in_bytes {total}\n\
         # TYPE etcd_mvcc_db_total_size_in_use_in_bytes gauge\n\
         etcd_mvcc_db_total_size_in_use_in_bytes {live}\n"
    )
}

async fn unknown(request: Request) -> Response {
    let kind = request.headers().get(header::CONTENT_TYPE);
    let is_grpc = kind.is_some_and(|kind| kind.as_bytes().starts_with(b"application/grpc"));
    if !is_grpc {
        return (StatusCode::NOT_FOUND, "404 page not found\n").into_response();
    }
    let service = request.uri().path().trim_start_matches('/');
    let service = service.split('/').next().unwrap_or_default();
    let status = Status::unimplemented(format!("unknown service {service}"));
    status.into_http::<axum::body::Body>()
}

impl From<Refusal> for Status {
    fn from(refusal: Refusal) -> Self {
        let code = match refusal {
            Refusal::EmptyKey
            | Refusal::KeyNotFound
            | Refusal::ValueProvided
            | Refusal::LeaseProvided
            | Refusal::TooManyOperations
            | Refusal::DuplicateKey
            | Refusal::TooLarge => Code::InvalidArgument,
            Refusal::Compacted | Refusal::FutureRevision | Refusal::TtlTooLarge => Code::OutOfRange,
            Refusal::NoSpace => Code::ResourceExhausted,
            Refusal::LeaseNotFound => Code::NotFound,
            Refusal::LeaseExists => Code::FailedPrecondition,
        };
        Self::new(code, refusal.to_string())
    }
}

/// Refuses requests that are as large as etcd would not take them, in its words.
fn check_size(request: &impl Message) -> Result<(), Status> {
    let length = request.encoded_len();
    if length > LARGEST_MESSAGE {
        return Err(Status::resource_exhausted(format!(
            "grpc: received message larger than max ({length} vs. {LARGEST_MESSAGE})"
        )));
    }
    match length > LARGEST_REQUEST {
        true => Err(Refusal::TooLarge.into()),
        false => Ok(()),
    }
}
