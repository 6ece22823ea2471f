//! The ways to a collector.

use std::fmt;
use std::time::Duration;

use ::http::{HeaderMap, HeaderName, HeaderValue, StatusCode};
use bytes::Bytes;
use opentelemetry_sdk::Resource;
use opentelemetry_sdk::trace::SpanData;
use tonic::Code;

use super::http::Client;
use super::otlp::{self, Grpc};
use super::wire;
use super::zipkin;
use crate::Error;
use crate::config::{HttpEndpoint, OTLP_PATH, OtlpProtocol, TraceExporter, Tracing};

/// The ports that collectors listen on unless told otherwise, and Zipkin's path.
const GRPC: &str = "http://127.0.0.1:4317";
const HTTP: &str = "http://127.0.0.1:4318";
const ZIPKIN: &str = "http://127.0.0.1:9411";
const ZIPKIN_PATH: &str = "/api/v2/spans";

/// A way to a collector.
#[derive(Debug)]
pub(super) struct Transport {
    endpoint: String,
    resource: Resource,
    way: Way,
}

#[derive(Debug)]
enum Way {
    Grpc(Grpc),
    Http(Client),
    Zipkin(Client),
}

/// Why a batch was not taken.
#[derive(Debug)]
pub(super) enum Failure {
    /// No connection, or one that broke.
    Connection(Box<dyn std::error::Error + Send + Sync>),
    /// An answer that is not one of success.
    Http {
        status: StatusCode,
        retry_after: Option<Duration>,
    },
    /// The same, by gRPC.
    Grpc(Box<tonic::Status>),
    /// No answer in time.
    Timeout(Duration),
    /// The process ends.
    Ended,
}

impl Failure {
    /// Whether another attempt may succeed (OTLP's specification, "Failures").
    pub(super) fn is_temporary(&self) -> bool {
        match self {
            Self::Connection(_) => true,
            Self::Http { status, .. } => matches!(status.as_u16(), 429 | 502 | 503 | 504),
            Self::Grpc(status) => matches!(
                status.code(),
                Code::Cancelled
                    | Code::DeadlineExceeded
                    | Code::Aborted
                    | Code::OutOfRange
                    | Code::Unavailable
                    | Code::DataLoss
            ),
            Self::Timeout(_) | Self::Ended => false,
        }
    }

    /// How long the collector wants to be left alone.
    pub(super) fn retry_after(&self) -> Option<Duration> {
        match self {
            Self::Http { retry_after, .. } => *retry_after,
            _ => None,
        }
    }
}

impl fmt::Display for Failure {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Connection(error) => write!(f, "no connection: {error}"),
            Self::Http { status, .. } => write!(f, "the answer is {status}"),
            Self::Grpc(status) => write!(f, "{}: {}", status.code(), status.message()),
            Self::Timeout(limit) => write!(f, "no answer within {limit:?}"),
            Self::Ended => f.write_str("the process ends"),
        }
    }
}

impl Transport {
    /// The way that `config` describes, if it describes one.
    ///
    /// # Errors
    /// [`Error::Exporter`]
    pub(super) fn new(config: &Tracing, resource: &Resource) -> Result<Option<Self>, Error> {
        let kind = match (config.exporter, &config.endpoint) {
            (Some(TraceExporter::None), _) | (None, None) => return Ok(None),
            (kind, _) => kind.unwrap_or(TraceExporter::Otlp),
        };
        let protocol = config.protocol.unwrap_or(OtlpProtocol::Grpc);
        let (usual, path) = match (kind, protocol) {
            (TraceExporter::Zipkin, _) => (ZIPKIN, ZIPKIN_PATH),
            (_, OtlpProtocol::Http) => (HTTP, OTLP_PATH),
            (_, OtlpProtocol::Grpc) => (GRPC, ""),
        };
        let usual = || usual.parse().expect("a constant that is an address");
        let endpoint: HttpEndpoint = config.endpoint.clone().unwrap_or_else(usual);
        let failed = |source| Error::Exporter {
            endpoint: endpoint.to_string(),
            source,
        };
        let headers = headers(config).map_err(failed)?;
        let path = endpoint.path().unwrap_or(path).to_owned();
        let way = match (kind, protocol) {
            (TraceExporter::Zipkin, _) => {
                Way::Zipkin(Client::new(&endpoint, path, "application/json", headers))
            }
            (_, OtlpProtocol::Http) => {
                Way::Http(Client::new(&endpoint, path, otlp::CONTENT_TYPE, headers))
            }
            (_, OtlpProtocol::Grpc) => {
                let grpc = Grpc::new(&endpoint, headers, config.export_timeout.get());
                Way::Grpc(grpc.map_err(|error| failed(error.into()))?)
            }
        };
        Ok(Some(Self {
            endpoint: endpoint.to_string(),
            resource: resource.clone(),
            way,
        }))
    }

    pub(super) fn endpoint(&self) -> &str {
        &self.endpoint
    }

    /// `batch` as it is sent.
    pub(super) fn encode(&self, batch: &[SpanData]) -> Bytes {
        match &self.way {
            Way::Grpc(_) | Way::Http(_) => wire::request(batch, &self.resource).into(),
            Way::Zipkin(_) => zipkin::encode(batch, &self.resource),
        }
    }

    /// Sends what [`Self::encode`] made, and returns how many of its spans the collector did not
    /// want.
    pub(super) async fn send(&self, batch: Bytes) -> Result<u64, Failure> {
        match &self.way {
            Way::Grpc(client) => client.send(batch).await,
            Way::Http(client) => Ok(otlp::rejected(client.post(batch).await?)),
            Way::Zipkin(client) => {
                client.post(batch).await?;
                Ok(0)
            }
        }
    }
}

/// What is sent besides.
fn headers(config: &Tracing) -> Result<HeaderMap, Box<dyn std::error::Error + Send + Sync>> {
    let mut headers = HeaderMap::new();
    for (name, value) in &config.headers {
        let header: HeaderName = name
            .parse()
            .map_err(|error| format!("the header `{name}` of `tracing.headers`: {error}"))?;
        let mut value = HeaderValue::try_from(value.expose())
            .map_err(|error| format!("the value of `tracing.headers.{name}`: {error}"))?;
        value.set_sensitive(true);
        headers.insert(header, value);
    }
    Ok(headers)
}
