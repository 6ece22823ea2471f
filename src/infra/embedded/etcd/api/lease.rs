//! Leases.

use std::pin::Pin;
use std::time::Instant;

use tokio_stream::{Stream, StreamExt};
use tonic::{Request, Response, Status, Streaming};

use super::super::super::random;
use super::super::proto::etcdserverpb::lease_server::Lease;
use super::super::proto::etcdserverpb::{
    LeaseGrantRequest, LeaseGrantResponse, LeaseKeepAliveRequest, LeaseKeepAliveResponse,
    LeaseLeasesRequest, LeaseLeasesResponse, LeaseRevokeRequest, LeaseRevokeResponse,
    LeaseTimeToLiveRequest, LeaseTimeToLiveResponse,
};
use super::Api;

/// A positive id that nobody is likely to have.
fn unused_id() -> i64 {
    i64::try_from(random::number() >> 1).map_or(1, |id| id.max(1))
}

#[tonic::async_trait]
impl Lease for Api {
    async fn lease_grant(
        &self,
        request: Request<LeaseGrantRequest>,
    ) -> Result<Response<LeaseGrantResponse>, Status> {
        let request = request.into_inner();
        let unused = unused_id();
        let granted = self
            .shared
            .change(|store, now| store.grant(&request, unused, now));
        let mut response = granted?;
        response.header = self.header(response.header);
        Ok(Response::new(response))
    }

    async fn lease_revoke(
        &self,
        request: Request<LeaseRevokeRequest>,
    ) -> Result<Response<LeaseRevokeResponse>, Status> {
        let id = request.into_inner().id;
        let mut response = self.shared.change(|store, _| store.revoke(id))?;
        response.header = self.header(response.header);
        Ok(Response::new(response))
    }

    type LeaseKeepAliveStream =
        Pin<Box<dyn Stream<Item = Result<LeaseKeepAliveResponse, Status>> + Send>>;

    async fn lease_keep_alive(
        &self,
        requests: Request<Streaming<LeaseKeepAliveRequest>>,
    ) -> Result<Response<Self::LeaseKeepAliveStream>, Status> {
        let api = self.clone();
        let responses = requests.into_inner().map(move |request| {
            let id = request?.id;
            let mut response = api.shared.change(|store, now| store.keep_alive(id, now));
            response.header = api.header(response.header);
            Ok(response)
        });
        Ok(Response::new(Box::pin(responses)))
    }

    async fn lease_time_to_live(
        &self,
        request: Request<LeaseTimeToLiveRequest>,
    ) -> Result<Response<LeaseTimeToLiveResponse>, Status> {
        let now = Instant::now();
        let mut response = self.shared.store().time_to_live(request.get_ref(), now);
        response.header = self.header(response.header);
        Ok(Response::new(response))
    }

    async fn lease_leases(
        &self,
        _: Request<LeaseLeasesRequest>,
    ) -> Result<Response<LeaseLeasesResponse>, Status> {
        let mut response = self.shared.store().leases();
        response.header = self.header(response.header);
        Ok(Response::new(response))
    }
}
