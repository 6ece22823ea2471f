//! OpenTelemetry's protocol (<https://opentelemetry.io/docs/specs/otlp/>), over gRPC and HTTP.

use std::io::Read;
use std::sync::{Arc, LazyLock};

use axum::Router;
use axum::body::{Bytes, to_bytes};
use axum::extract::{Request, State};
use axum::http::{HeaderMap, StatusCode, header};
use axum::response::{IntoResponse, Response};
use axum::routing::post;
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use flate2::read::GzDecoder;
use prost::Message;
use prost_reflect::{DescriptorPool, DeserializeOptions, DynamicMessage, MessageDescriptor};
use serde_json::{Value, json};
use tonic::codec::CompressionEncoding;
use tonic::server::NamedService;
use tonic::{Code, Status};

use super::super::Shared;
use super::super::proto::DESCRIPTORS;
use super::super::proto::opentelemetry::proto::collector::trace::v1::trace_service_server::{
    TraceService, TraceServiceServer,
};
use super::super::proto::opentelemetry::proto::collector::trace::v1::{
    ExportTraceServiceRequest, ExportTraceServiceResponse,
};

/// The largest batch of spans that is read, in bytes, unpacked.
const LARGEST_BATCH: usize = 32 << 20;
const REQUEST: &str = "opentelemetry.proto.collector.trace.v1.ExportTraceServiceRequest";
const JSON: &str = "application/json";
const PROTOBUF: &str = "application/x-protobuf";

/// The descriptor of the request, for its JSON.
static DESCRIPTOR: LazyLock<Option<MessageDescriptor>> = LazyLock::new(|| {
    let pool = DescriptorPool::decode(DESCRIPTORS).ok()?;
    pool.get_message_by_name(REQUEST)
});

#[derive(Clone, Debug)]
struct Collector(Arc<Shared>);

impl Collector {
    fn take(&self, request: ExportTraceServiceRequest) -> ExportTraceServiceResponse {
        ExportTraceServiceResponse {
            partial_success: self.0.take(request),
        }
    }
}

#[tonic::async_trait]
impl TraceService for Collector {
    async fn export(
        &self,
        request: tonic::Request<ExportTraceServiceRequest>,
    ) -> Result<tonic::Response<ExportTraceServiceResponse>, Status> {
        Ok(tonic::Response::new(self.take(request.into_inner())))
    }
}

pub(in super::super) fn router(shared: &Arc<Shared>) -> Router {
    fn path<S: NamedService>(_: &S) -> String {
        format!("/{}/{{method}}", S::NAME)
    }
    let collector = Collector(shared.clone());
    let service = TraceServiceServer::new(collector.clone())
        .accept_compressed(CompressionEncoding::Gzip)
        .max_decoding_message_size(LARGEST_BATCH);
    Router::new()
        .route_service(&path(&service), service)
        .route("/v1/traces", post(export))
        .fallback(unknown)
        .with_state(collector)
}

/// Metrics, logs and all else.
async fn unknown(request: Request) -> Response {
    let kind = request.headers().get(header::CONTENT_TYPE);
    let is_grpc = kind.is_some_and(|kind| kind.as_bytes().starts_with(b"application/grpc"));
    let text = "the built-in collector takes traces alone";
    match is_grpc {
        true => Status::unimplemented(text).into_http::<axum::body::Body>(),
        false => (StatusCode::NOT_FOUND, format!("{text}\n")).into_response(),
    }
}

/// How a request over HTTP is written, and its answer.
#[derive(Clone, Copy, Debug)]
enum Encoding {
    Protobuf,
    Json,
}

impl Encoding {
    fn of(headers: &HeaderMap) -> Option<Self> {
        let kind = headers.get(header::CONTENT_TYPE)?.to_str().ok()?;
        match kind.split(';').next().unwrap_or_default().trim() {
            PROTOBUF => Some(Self::Protobuf),
            JSON => Some(Self::Json),
            _ => None,
        }
    }

    fn read(self, body: &[u8]) -> Result<ExportTraceServiceRequest, String> {
        match self {
            Self::Protobuf => {
                ExportTraceServiceRequest::decode(body).map_err(|error| error.to_string())
            }
            Self::Json => from_json(body),
        }
    }

    fn accept(self, response: &ExportTraceServiceResponse) -> Response {
        match self {
            Self::Protobuf => {
                let body = response.encode_to_vec();
                ([(header::CONTENT_TYPE, PROTOBUF)], body).into_response()
            }
            Self::Json => {
                let partial = response.partial_success.as_ref().map_or_else(
                    || json!({}),
                    |it| {
                        // As all numbers of 64 bits in the JSON of protobuf.
                        let count = it.rejected_spans.to_string();
                        json!({ "rejectedSpans": count, "errorMessage": it.error_message })
                    },
                );
                let body = json!({ "partialSuccess": partial }).to_string();
                ([(header::CONTENT_TYPE, JSON)], body).into_response()
            }
        }
    }

    /// An error as the protocol wants it: a `google.rpc.Status`.
    fn refuse(self, status: StatusCode, code: Code, message: String) -> Response {
        match self {
            Self::Protobuf => {
                let body = RpcStatus {
                    code: code.into(),
                    message,
                };
                let kind = [(header::CONTENT_TYPE, PROTOBUF)];
                (status, kind, body.encode_to_vec()).into_response()
            }
            Self::Json => {
                let body = json!({ "code": i32::from(code), "message": message }).to_string();
                (status, [(header::CONTENT_TYPE, JSON)], body).into_response()
            }
        }
    }
}

/// `google.rpc.Status`, without details.
#[derive(Clone, PartialEq, Message)]
struct RpcStatus {
    #[prost(int32, tag = "1")]
    code: i32,
    #[prost(string, tag = "2")]
    message: String,
}

async fn export(State(collector): State<Collector>, request: Request) -> Response {
    let (head, body) = request.into_parts();
    let Some(encoding) = Encoding::of(&head.headers) else {
        let text = format!("the content type must be {PROTOBUF} or {JSON}\n");
        return (StatusCode::UNSUPPORTED_MEDIA_TYPE, text).into_response();
    };
    let too_large = || {
        let text = format!("a batch may have {LARGEST_BATCH} bytes");
        encoding.refuse(StatusCode::PAYLOAD_TOO_LARGE, Code::ResourceExhausted, text)
    };
    let Ok(body) = to_bytes(body, LARGEST_BATCH).await else {
        return too_large();
    };
    let packing = head.headers.get(header::CONTENT_ENCODING);
    let body = match packing.map(|it| it.as_bytes()) {
        None | Some(b"identity") => body,
        Some(b"gzip") => match unpack(&body) {
            Ok(Some(body)) => body,
            Ok(None) => return too_large(),
            Err(error) => {
                let text = format!("the body is not gzip: {error}");
                return encoding.refuse(StatusCode::BAD_REQUEST, Code::InvalidArgument, text);
            }
        },
        Some(_) => {
            let text = "the content encoding must be gzip or none\n";
            return (StatusCode::UNSUPPORTED_MEDIA_TYPE, text).into_response();
        }
    };
    match encoding.read(&body) {
        Ok(request) => encoding.accept(&collector.take(request)),
        Err(text) => encoding.refuse(StatusCode::BAD_REQUEST, Code::InvalidArgument, text),
    }
}

/// None when it is too large.
fn unpack(packed: &[u8]) -> std::io::Result<Option<Bytes>> {
    let mut unpacked = Vec::new();
    let limit = u64::try_from(LARGEST_BATCH).unwrap_or(u64::MAX);
    GzDecoder::new(packed)
        .take(limit + 1)
        .read_to_end(&mut unpacked)?;
    Ok((unpacked.len() <= LARGEST_BATCH).then(|| unpacked.into()))
}

/// Reads the JSON of a request: that of protobuf, but for ids, which are hexadecimal.
fn from_json(body: &[u8]) -> Result<ExportTraceServiceRequest, String> {
    let mut value: Value = serde_json::from_slice(body).map_err(|error| error.to_string())?;
    ids_to_base64(&mut value)?;
    let descriptor = DESCRIPTOR.clone().ok_or("the descriptor is broken")?;
    let options = DeserializeOptions::new().deny_unknown_fields(false);
    let message = DynamicMessage::deserialize_with_options(descriptor, value, &options);
    let message = message.map_err(|error| error.to_string())?;
    message.transcode_to().map_err(|error| error.to_string())
}

fn ids_to_base64(value: &mut Value) -> Result<(), String> {
    const IDS: &[&str] = &[
        "traceId",
        "spanId",
        "parentSpanId",
        "trace_id",
        "span_id",
        "parent_span_id",
    ];
    match value {
        Value::Array(items) => items.iter_mut().try_for_each(ids_to_base64),
        Value::Object(fields) => fields.iter_mut().try_for_each(|(name, value)| {
            let Value::String(text) = value else {
                return ids_to_base64(value);
            };
            if IDS.contains(&name.as_str()) {
                let bytes = from_hex(text);
                let bytes = bytes.ok_or_else(|| format!("`{name}` is not hexadecimal"))?;
                *text = STANDARD.encode(bytes);
            }
            Ok(())
        }),
        _ => Ok(()),
    }
}

fn from_hex(text: &str) -> Option<Vec<u8>> {
    let digit = |byte: u8| char::from(byte).to_digit(16);
    let pairs = text.as_bytes().chunks(2);
    let bytes = pairs.map(|pair| match pair {
        [high, low] => u8::try_from(digit(*high)? * 16 + digit(*low)?).ok(),
        _ => None,
    });
    bytes.collect()
}
