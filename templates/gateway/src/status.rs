//! From the outcome of a call to that of a request: `google.rpc.Status` as HTTP and JSON.
//!
//! The statuses are those in the comments of `google/rpc/code.proto`, the JSON is that of AIP-193:
//!
//! ```json
//! {"error":{"code":404,"status":"NOT_FOUND","message":"user `17` not found","details":[]}}
//! ```

use std::time::Duration;

use http::header::{ALLOW, CONTENT_TYPE, RETRY_AFTER, WWW_AUTHENTICATE};
use http::{HeaderValue, Response, StatusCode};
use prost::Message;
use prost_reflect::{DescriptorPool, DynamicMessage};
use serde_json::{Value, json};
use tonic::body::Body;
use tonic::{Code, Status};
use tonic_types::StatusExt;

/// The type of error bodies.
const JSON: HeaderValue = HeaderValue::from_static("application/json");

/// What a client is told to wait when nobody knows how long.
const DEFAULT_RETRY: Duration = Duration::from_secs(1);

/// An outcome that is an error.
#[derive(Debug, Clone)]
pub(crate) struct Failure {
    /// What HTTP calls it; not always what the code of the status stands for.
    pub(crate) http: StatusCode,
    pub(crate) status: Status,
    /// The methods of HTTP that would do.
    pub(crate) allow: Option<String>,
}

/// In the extensions of a response: the HTTP status of an error that has no code of its own.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Exactly(pub(crate) StatusCode);

impl From<Status> for Failure {
    fn from(status: Status) -> Self {
        Self {
            http: http_status(status.code()),
            status,
            allow: None,
        }
    }
}

impl Failure {
    pub(crate) fn new(http: StatusCode, code: Code, message: impl Into<String>) -> Self {
        Self {
            http,
            status: Status::new(code, message),
            allow: None,
        }
    }

    /// A response that JSON has no way to write.
    pub(crate) fn unwritable(problem: String) -> Self {
        tracing::warn!(problem, "a response cannot be written as JSON");
        let message = "the response of the service cannot be written as JSON";
        Self::new(StatusCode::BAD_GATEWAY, Code::Internal, message)
    }

    /// As a response within the layers of the server, which look for the code in its head.
    pub(crate) fn into_grpc(self) -> Response<Body> {
        let mut response = self.status.into_http();
        response.extensions_mut().insert(Exactly(self.http));
        response
    }

    /// As the client gets it. `pool` has the types of the details.
    pub(crate) fn into_http(self, pool: &DescriptorPool) -> Response<Body> {
        let body = self.to_json(pool).to_string();
        let mut response = Response::new(Body::new(body));
        *response.status_mut() = self.http;
        let headers = response.headers_mut();
        headers.insert(CONTENT_TYPE, JSON);
        if let Some(wait) = self.retry_after() {
            // Rounded up: who comes a little early is refused again.
            let seconds = wait.as_millis().div_ceil(1000);
            headers.insert(RETRY_AFTER, header(seconds.to_string()));
        }
        if self.http == StatusCode::UNAUTHORIZED {
            headers.insert(WWW_AUTHENTICATE, HeaderValue::from_static("Bearer"));
        }
        if let Some(allow) = self.allow {
            headers.insert(ALLOW, header(allow));
        }
        response
    }

    /// The body of the response.
    pub(crate) fn to_json(&self, pool: &DescriptorPool) -> Value {
        let mut error = json!({
            "code": self.http.as_u16(),
            "status": name(self.status.code()),
            "message": self.status.message(),
        });
        let details = details(&self.status, pool);
        if !details.is_empty() {
            error["details"] = Value::Array(details);
        }
        json!({ "error": error })
    }

    /// How long the client should wait; `None` when waiting does not help.
    fn retry_after(&self) -> Option<Duration> {
        let told = self.status.get_details_retry_info();
        match (told.and_then(|it| it.retry_delay), self.http) {
            (Some(delay), _) => Some(delay),
            (None, StatusCode::TOO_MANY_REQUESTS) => Some(DEFAULT_RETRY),
            _ => None,
        }
    }
}

/// Numbers and names of methods have nothing that headers cannot hold.
fn header(text: String) -> HeaderValue {
    HeaderValue::try_from(text).unwrap_or_else(|_| HeaderValue::from_static(""))
}

/// `google.rpc.Status`, as far as it is needed.
#[derive(Clone, PartialEq, Message)]
struct WithDetails {
    #[prost(message, repeated, tag = "3")]
    details: Vec<Any>,
}

/// `google.protobuf.Any`.
#[derive(Clone, PartialEq, Message)]
struct Any {
    #[prost(string, tag = "1")]
    type_url: String,
    #[prost(bytes = "vec", tag = "2")]
    value: Vec<u8>,
}

/// Each detail as JSON has an `Any`; one of a type that is not known as its type alone.
fn details(status: &Status, pool: &DescriptorPool) -> Vec<Value> {
    let details = WithDetails::decode(status.details()).unwrap_or_default();
    let details = details.details.into_iter();
    details
        .map(|any| {
            let name = any.type_url.rsplit('/').next().unwrap_or_default();
            let known = pool.get_message_by_name(name);
            let message = known.and_then(|it| DynamicMessage::decode(it, &*any.value).ok());
            let fields = message.and_then(|it| serde_json::to_value(it).ok());
            let mut all = serde_json::Map::new();
            all.insert("@type".to_owned(), any.type_url.into());
            match fields {
                Some(Value::Object(fields)) => all.extend(fields),
                // What is one value in JSON stands in a field of this name.
                Some(value) => {
                    all.insert("value".to_owned(), value);
                }
                None => {}
            }
            Value::Object(all)
        })
        .collect()
}

/// The HTTP status of a code, as `google/rpc/code.proto` has it.
pub(crate) fn http_status(code: Code) -> StatusCode {
    match code {
        Code::Ok => StatusCode::OK,
        Code::Cancelled => client_closed_request(),
        Code::InvalidArgument | Code::FailedPrecondition | Code::OutOfRange => {
            StatusCode::BAD_REQUEST
        }
        Code::DeadlineExceeded => StatusCode::GATEWAY_TIMEOUT,
        Code::NotFound => StatusCode::NOT_FOUND,
        Code::AlreadyExists | Code::Aborted => StatusCode::CONFLICT,
        Code::PermissionDenied => StatusCode::FORBIDDEN,
        Code::ResourceExhausted => StatusCode::TOO_MANY_REQUESTS,
        Code::Unimplemented => StatusCode::NOT_IMPLEMENTED,
        Code::Unavailable => StatusCode::SERVICE_UNAVAILABLE,
        Code::Unauthenticated => StatusCode::UNAUTHORIZED,
        Code::Unknown | Code::Internal | Code::DataLoss => StatusCode::INTERNAL_SERVER_ERROR,
    }
}

/// 499, which has no name in the registry of HTTP.
fn client_closed_request() -> StatusCode {
    StatusCode::from_u16(499).unwrap_or(StatusCode::INTERNAL_SERVER_ERROR)
}

/// The name of a code, as `google/rpc/code.proto` has it.
pub(crate) fn name(code: Code) -> &'static str {
    match code {
        Code::Ok => "OK",
        Code::Cancelled => "CANCELLED",
        Code::Unknown => "UNKNOWN",
        Code::InvalidArgument => "INVALID_ARGUMENT",
        Code::DeadlineExceeded => "DEADLINE_EXCEEDED",
        Code::NotFound => "NOT_FOUND",
        Code::AlreadyExists => "ALREADY_EXISTS",
        Code::PermissionDenied => "PERMISSION_DENIED",
        Code::ResourceExhausted => "RESOURCE_EXHAUSTED",
        Code::FailedPrecondition => "FAILED_PRECONDITION",
        Code::Aborted => "ABORTED",
        Code::OutOfRange => "OUT_OF_RANGE",
        Code::Unimplemented => "UNIMPLEMENTED",
        Code::Internal => "INTERNAL",
        Code::Unavailable => "UNAVAILABLE",
        Code::DataLoss => "DATA_LOSS",
        Code::Unauthenticated => "UNAUTHENTICATED",
    }
}
