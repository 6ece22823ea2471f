//! OTLP, OpenTelemetry's own protocol: <https://opentelemetry.io/docs/specs/otlp/>.

use std::time::Duration;

use bytes::Bytes;
use http::HeaderMap;
pub(super) use opentelemetry_proto::tonic::collector::trace::v1::ExportTraceServiceRequest as Request;
use opentelemetry_proto::tonic::collector::trace::v1::ExportTraceServiceResponse;
use opentelemetry_proto::tonic::collector::trace::v1::trace_service_client::TraceServiceClient;
use opentelemetry_proto::transform::common::tonic::ResourceAttributesWithSchema;
use opentelemetry_proto::transform::trace::tonic::group_spans_by_resource_and_scope;
use opentelemetry_sdk::Resource;
use opentelemetry_sdk::trace::SpanData;
use prost::Message;
use tonic::metadata::MetadataMap;
use tonic::transport::{Channel, Endpoint};

use super::transport::Failure;
use crate::config::HttpEndpoint;

/// The content type of what [`encode`] returns.
pub(super) const CONTENT_TYPE: &str = "application/x-protobuf";

/// `batch` as a message.
pub(super) fn request(batch: Vec<SpanData>, resource: &Resource) -> Request {
    let resource = ResourceAttributesWithSchema::from(resource);
    Request {
        resource_spans: group_spans_by_resource_and_scope(batch, &resource),
    }
}

/// `batch` as the body of a request.
pub(super) fn encode(batch: Vec<SpanData>, resource: &Resource) -> Bytes {
    request(batch, resource).encode_to_vec().into()
}

/// How many spans the collector did not want, by the body of its answer. What is not understood is
/// no reason to think that there were any.
pub(super) fn rejected(answer: Bytes) -> u64 {
    ExportTraceServiceResponse::decode(answer).map_or(0, |answer| count(&answer))
}

fn count(answer: &ExportTraceServiceResponse) -> u64 {
    let partial = answer.partial_success.as_ref();
    partial.map_or(0, |it| it.rejected_spans.try_into().unwrap_or(0))
}

/// A collector that speaks gRPC.
#[derive(Debug)]
pub(super) struct Grpc {
    client: TraceServiceClient<Channel>,
    metadata: MetadataMap,
}

impl Grpc {
    /// It connects when it is first used, and again when it has to.
    pub(super) fn new(
        endpoint: &HttpEndpoint,
        headers: HeaderMap,
        connect_timeout: Duration,
    ) -> Result<Self, tonic::transport::Error> {
        let channel = Endpoint::from_shared(endpoint.to_string())?
            .connect_timeout(connect_timeout)
            .connect_lazy();
        Ok(Self {
            client: TraceServiceClient::new(channel),
            metadata: MetadataMap::from_headers(headers),
        })
    }

    /// Sends `request`, and returns how many of its spans the collector did not want.
    pub(super) async fn send(&self, request: Request) -> Result<u64, Failure> {
        let mut request = tonic::Request::new(request);
        *request.metadata_mut() = self.metadata.clone();
        match self.client.clone().export(request).await {
            Ok(answer) => Ok(count(answer.get_ref())),
            Err(status) => Err(Failure::Grpc(Box::new(status))),
        }
    }
}
