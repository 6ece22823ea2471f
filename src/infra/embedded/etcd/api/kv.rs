//! Keys.

use tonic::{Request, Response, Status};

use super::super::proto::etcdserverpb::kv_server::Kv;
use super::super::proto::etcdserverpb::{
    CompactionRequest, CompactionResponse, DeleteRangeRequest, DeleteRangeResponse, PutRequest,
    PutResponse, RangeRequest, RangeResponse, TxnRequest, TxnResponse,
};
use super::{Api, check_size};

#[tonic::async_trait]
impl Kv for Api {
    async fn range(
        &self,
        request: Request<RangeRequest>,
    ) -> Result<Response<RangeResponse>, Status> {
        let mut response = self.shared.store().range(request.get_ref())?;
        response.header = self.header(response.header);
        Ok(Response::new(response))
    }

    async fn put(&self, request: Request<PutRequest>) -> Result<Response<PutResponse>, Status> {
        let request = request.into_inner();
        check_size(&request)?;
        let mut response = self.shared.change(|store, _| store.put(request))?;
        response.header = self.header(response.header);
        Ok(Response::new(response))
    }

    async fn delete_range(
        &self,
        request: Request<DeleteRangeRequest>,
    ) -> Result<Response<DeleteRangeResponse>, Status> {
        let request = request.into_inner();
        check_size(&request)?;
        let mut response = self
            .shared
            .change(|store, _| store.delete_range(&request))?;
        response.header = self.header(response.header);
        Ok(Response::new(response))
    }

    async fn txn(&self, request: Request<TxnRequest>) -> Result<Response<TxnResponse>, Status> {
        let request = request.into_inner();
        check_size(&request)?;
        let mut response = self.shared.change(|store, _| store.txn(request))?;
        response.header = self.header(response.header);
        Ok(Response::new(response))
    }

    async fn compact(
        &self,
        request: Request<CompactionRequest>,
    ) -> Result<Response<CompactionResponse>, Status> {
        let request = request.into_inner();
        let mut response = self.shared.change(|store, _| store.compact(&request))?;
        response.header = self.header(response.header);
        Ok(Response::new(response))
    }
}
