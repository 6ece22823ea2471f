//! What tools ask about a member, and that there is no authentication.

use tonic::{Request, Response, Status};

use super::super::proto::etcdserverpb::auth_server::Auth;
use super::super::proto::etcdserverpb::cluster_server::Cluster;
use super::super::proto::etcdserverpb::maintenance_server::Maintenance;
use super::super::proto::etcdserverpb::{
    AlarmRequest, AlarmResponse, AuthenticateRequest, AuthenticateResponse, DefragmentRequest,
    DefragmentResponse, Member, MemberListRequest, MemberListResponse, StatusRequest,
    StatusResponse,
};
use super::{Api, MEMBER_ID, TERM, VERSION};

#[tonic::async_trait]
impl Maintenance for Api {
    /// There are none: a store that is full refuses to grow, and takes what makes it smaller.
    async fn alarm(&self, _: Request<AlarmRequest>) -> Result<Response<AlarmResponse>, Status> {
        Ok(Response::new(AlarmResponse {
            header: self.header(None),
            alarms: Vec::new(),
        }))
    }

    async fn status(&self, _: Request<StatusRequest>) -> Result<Response<StatusResponse>, Status> {
        let (revision, (total, live)) = {
            let store = self.shared.store();
            (store.revision(), store.bytes())
        };
        let index = revision.unsigned_abs();
        let bytes = |count: usize| i64::try_from(count).unwrap_or(i64::MAX);
        Ok(Response::new(StatusResponse {
            header: self.header(None),
            version: VERSION.to_owned(),
            db_size: bytes(total),
            leader: MEMBER_ID,
            raft_index: index,
            raft_term: TERM,
            raft_applied_index: index,
            errors: Vec::new(),
            db_size_in_use: bytes(live),
            is_learner: false,
        }))
    }

    async fn defragment(
        &self,
        _: Request<DefragmentRequest>,
    ) -> Result<Response<DefragmentResponse>, Status> {
        // It says nothing about the store: etcd's own header is empty.
        Ok(Response::new(DefragmentResponse::default()))
    }
}

#[tonic::async_trait]
impl Cluster for Api {
    async fn member_list(
        &self,
        _: Request<MemberListRequest>,
    ) -> Result<Response<MemberListResponse>, Status> {
        let member = Member {
            id: MEMBER_ID,
            name: "default".to_owned(),
            peer_ur_ls: Vec::new(),
            client_ur_ls: vec![format!("http://{}", self.shared.address)],
            is_learner: false,
        };
        Ok(Response::new(MemberListResponse {
            header: self.header(None),
            members: vec![member],
        }))
    }
}

#[tonic::async_trait]
impl Auth for Api {
    async fn authenticate(
        &self,
        _: Request<AuthenticateRequest>,
    ) -> Result<Response<AuthenticateResponse>, Status> {
        let text = "etcdserver: authentication is not enabled";
        Err(Status::failed_precondition(text))
    }
}
