//! OTLP, OpenTelemetry's own protocol: <https://opentelemetry.io/docs/specs/otlp/>.

use std::time::Duration;

use bytes::{BufMut, Bytes};
use http::HeaderMap;
use http::uri::PathAndQuery;
use opentelemetry_proto::tonic::collector::trace::v1::ExportTraceServiceResponse;
use prost::Message;
use tonic::Status;
use tonic::codec::{BufferSettings, Codec, EncodeBuf, Encoder};
use tonic::metadata::MetadataMap;
use tonic::transport::{Channel, Endpoint};
use tonic_prost::ProstDecoder;

use super::transport::Failure;
use crate::config::HttpEndpoint;

/// The content type of messages.
pub(super) const CONTENT_TYPE: &str = "application/x-protobuf";

/// The method that takes spans.
const EXPORT: PathAndQuery =
    PathAndQuery::from_static("/opentelemetry.proto.collector.trace.v1.TraceService/Export");

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
    channel: Channel,
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
            channel,
            metadata: MetadataMap::from_headers(headers),
        })
    }

    /// Sends a message, and returns how many of its spans the collector did not want.
    pub(super) async fn send(&self, message: Bytes) -> Result<u64, Failure> {
        let mut request = tonic::Request::new(message);
        *request.metadata_mut() = self.metadata.clone();
        let failed = |status| Failure::Grpc(Box::new(status));
        let mut client = tonic::client::Grpc::new(self.channel.clone());
        let ready = client.ready().await;
        ready.map_err(|error| failed(Status::unavailable(error.to_string())))?;
        match client.unary(request, EXPORT, Encoded).await {
            Ok(answer) => Ok(count(answer.get_ref())),
            Err(status) => Err(failed(status)),
        }
    }
}

/// Sends messages that are encoded already: once, and not for each attempt.
struct Encoded;

impl Codec for Encoded {
    type Encode = Bytes;
    type Decode = ExportTraceServiceResponse;
    type Encoder = Self;
    type Decoder = ProstDecoder<ExportTraceServiceResponse>;

    fn encoder(&mut self) -> Self {
        Self
    }

    fn decoder(&mut self) -> Self::Decoder {
        ProstDecoder::new(BufferSettings::default())
    }
}

impl Encoder for Encoded {
    type Item = Bytes;
    type Error = Status;

    fn encode(&mut self, message: Bytes, buffer: &mut EncodeBuf<'_>) -> Result<(), Status> {
        buffer.put(message);
        Ok(())
    }
}
