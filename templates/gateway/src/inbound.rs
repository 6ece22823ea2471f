//! A request becomes the call that it stands for.
//!
//! That happens once the call has passed all layers of the server, so that nothing is read for those
//! who may not call.

use std::borrow::Cow;
use std::sync::{Arc, Mutex, PoisonError};

use bytes::Bytes;
use http::header::{CONTENT_ENCODING, CONTENT_LENGTH, CONTENT_TYPE, TE};
use http::{HeaderMap, HeaderValue, Method, Request, StatusCode, Uri};
use http_body::Body as _;
use http_body_util::{BodyExt, Full, LengthLimitError, Limited};
use prost_reflect::DynamicMessage;
use tokio::sync::oneshot;
use tonic::body::Body;
use tonic::{Code, Status};

use crate::compress::{self, Packed};
use crate::edge::Cors;
use crate::frame;
use crate::front::Rules;
use crate::matcher::Segments;
use crate::status::Failure;
use crate::stream::{Blame, Pieces, Requests, reading};
use crate::table::Bound;
use crate::transcode::{self, Inputs};

const GRPC: HeaderValue = HeaderValue::from_static("application/grpc");
const TRAILERS: HeaderValue = HeaderValue::from_static("trailers");

/// In the extensions of a call, which has its headers: the request that it is made of.
#[derive(Debug, Clone)]
pub(crate) struct Inbound(Arc<Mutex<Option<Arrived>>>);

/// What there is of a request beside its headers, and what it leads to.
#[derive(Debug)]
pub(crate) struct Arrived {
    pub(crate) uri: Uri,
    pub(crate) body: Body,
    pub(crate) bound: Arc<Bound>,
    pub(crate) segments: Segments,
    pub(crate) blame: Blame,
    /// Who wants to know that the call has passed all layers.
    pub(crate) admitted: Option<oneshot::Sender<()>>,
}

impl Inbound {
    pub(crate) fn new(arrived: Arrived) -> Self {
        Self(Arc::new(Mutex::new(Some(arrived))))
    }

    /// The request, for who takes it first.
    pub(crate) fn take(&self) -> Option<Arrived> {
        let mut inbound = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        inbound.take()
    }
}

impl Arrived {
    /// The call that the request with these `headers` stands for.
    ///
    /// # Errors
    /// What is wrong with the request.
    pub(crate) async fn into_call(
        self,
        headers: &HeaderMap,
        rules: &Rules,
    ) -> Result<Request<Body>, Failure> {
        let Self {
            uri: asked,
            body,
            bound,
            segments,
            blame,
            admitted,
        } = self;
        // Over a WebSocket all messages are JSON.
        let is_raw = bound.takes_raw && admitted.is_none();
        if let Some(admitted) = admitted {
            // Who does not wait any more does not want to know.
            let _ = admitted.send(());
        }
        match is_raw {
            true => check_origin(headers, &bound, &rules.cors)?,
            false => check_type(headers, &bound, &rules.cors)?,
        }
        let content_type = is_raw.then(|| content_type(headers).to_owned());
        let packed = is_packed(headers)?;
        let metadata = rules.forward_headers.metadata(headers);
        let uri = bound.method.uri.clone();
        let body = match bound.method.streams_requests {
            true if packed => return Err(unsupported("a stream must come without encoding")),
            true => {
                let read = reading(move |body: &[u8]| {
                    let content_type = content_type.as_deref();
                    message(&asked, &segments, &bound, (body, content_type))
                });
                match is_raw {
                    true => Body::new(Pieces::new(body, read, blame)),
                    false => Body::new(Requests::new(body, rules.max_body, read, blame)),
                }
            }
            false => {
                let mut bytes = read_body(headers, body, rules).await?;
                if packed {
                    bytes = unpack(&bytes, rules)?;
                }
                let body = (&*bytes, content_type.as_deref());
                let message = message(&asked, &segments, &bound, body)?;
                Body::new(Full::from(frame::of(&message)))
            }
        };
        let mut call = Request::new(body);
        *call.method_mut() = Method::POST;
        *call.uri_mut() = uri;
        *call.headers_mut() = metadata;
        call.headers_mut().insert(CONTENT_TYPE, GRPC);
        call.headers_mut().insert(TE, TRAILERS);
        Ok(call)
    }
}

/// The message that the path, the query and `body` are; a body with its type is taken as it is.
fn message(
    asked: &Uri,
    segments: &Segments,
    bound: &Bound,
    (body, raw): (&[u8], Option<&str>),
) -> Result<DynamicMessage, Failure> {
    let path = asked.path();
    let mut variables: Vec<(&[String], Cow<'_, str>)> = Vec::new();
    for variable in &bound.binding.template.variables {
        let text = segments.text(path, &variable.segments, variable.is_path);
        let text = text.map_err(|_| {
            Status::invalid_argument(format!("`{path}` cannot be decoded as UTF-8"))
        })?;
        variables.push((&variable.field, text));
    }
    let inputs = Inputs {
        variables,
        query: asked.query(),
        body,
        raw,
    };
    let message = transcode::read(&bound.method.input, &bound.binding.body, &inputs);
    message.map_err(|error| Failure::from(invalid(error)))
}

/// With the field, for clients that show it beside the input.
fn invalid(error: transcode::RequestError) -> Status {
    use tonic_types::{ErrorDetails, StatusExt};

    let message = error.to_string();
    match error.field {
        None => Status::invalid_argument(message),
        Some(field) => {
            let details = ErrorDetails::with_bad_request_violation(field, error.problem);
            Status::with_error_details(Code::InvalidArgument, message, details)
        }
    }
}

fn unsupported(message: impl Into<String>) -> Failure {
    let http = StatusCode::UNSUPPORTED_MEDIA_TYPE;
    Failure::new(http, Code::InvalidArgument, message)
}

/// What lines of JSON are called; no name is registered.
const LINES: [&str; 4] = [
    "application/x-ndjson",
    "application/ndjson",
    "application/jsonl",
    "application/x-jsonlines",
];

/// JSON; and what says nothing of what it is, or what `curl` says unasked, unless it comes of a page
/// that is not admitted: a browser lets any page send such bodies anywhere, and asks first for JSON
/// (WHATWG Fetch, "CORS-safelisted request-header").
fn check_type(headers: &HeaderMap, bound: &Bound, cors: &Cors) -> Result<(), Failure> {
    let value = headers.get(CONTENT_TYPE);
    let text = value.map_or("", |value| value.to_str().unwrap_or("?"));
    let essence = text.split(';').next().unwrap_or_default().trim();
    let essence = essence.to_ascii_lowercase();
    if essence == "application/json"
        || essence.ends_with("+json")
        || bound.method.streams_requests && LINES.contains(&&*essence)
    {
        return Ok(());
    }
    if value.is_some() && essence != "application/x-www-form-urlencoded" {
        return Err(unsupported(format!(
            "the body must be `application/json`, not `{essence}`"
        )));
    }
    match bound.binding.verb == "GET" || cors.admits(headers) {
        true => Ok(()),
        false => Err(unsupported(
            "pages of this origin are not admitted (`cors.origins`) unless they say that the body is \
             `application/json`",
        )),
    }
}

/// What a request says of its body; nothing when that is no text.
fn content_type(headers: &HeaderMap) -> &str {
    let value = headers.get(CONTENT_TYPE);
    value.and_then(|it| it.to_str().ok()).unwrap_or_default()
}

/// The same for bodies that may be of any type: of those, a browser lets pages send these unasked.
fn check_origin(headers: &HeaderMap, bound: &Bound, cors: &Cors) -> Result<(), Failure> {
    const UNASKED: [&str; 4] = [
        "",
        "text/plain",
        "multipart/form-data",
        "application/x-www-form-urlencoded",
    ];
    let essence = content_type(headers).split(';').next();
    let essence = essence.unwrap_or_default().trim().to_ascii_lowercase();
    let is_asked = !UNASKED.contains(&&*essence);
    match is_asked || bound.binding.verb == "GET" || cors.admits(headers) {
        true => Ok(()),
        false => Err(unsupported(format!(
            "pages of this origin are not admitted (`cors.origins`) with a body that is `{essence}`"
        ))),
    }
}

/// Whether the body is packed. Names of codings have no case (RFC 9110, section 8.4.1).
fn is_packed(headers: &HeaderMap) -> Result<bool, Failure> {
    let coding = headers.get(CONTENT_ENCODING).map(HeaderValue::as_bytes);
    match coding.map(<[u8]>::to_ascii_lowercase).as_deref() {
        None | Some(b"identity") => Ok(false),
        Some(b"gzip" | b"x-gzip") => Ok(true),
        Some(_) => Err(unsupported("the body must come as it is or as `gzip`")),
    }
}

fn unpack(body: &[u8], rules: &Rules) -> Result<Bytes, Failure> {
    match compress::unpack(body, rules.max_body) {
        Ok(unpacked) => Ok(unpacked.into()),
        Err(Packed::TooLarge) => Err(too_large(rules)),
        Err(Packed::Malformed) => Err(Status::invalid_argument("the body is not gzip").into()),
    }
}

fn too_large(rules: &Rules) -> Failure {
    let message = format!("the body is larger than {} bytes", rules.max_body);
    Failure::new(
        StatusCode::PAYLOAD_TOO_LARGE,
        Code::ResourceExhausted,
        message,
    )
}

async fn read_body(headers: &HeaderMap, body: Body, rules: &Rules) -> Result<Bytes, Failure> {
    if body.is_end_stream() {
        return Ok(Bytes::new());
    }
    let length = headers.get(CONTENT_LENGTH);
    let length = length.and_then(|it| it.to_str().ok()?.parse::<u64>().ok());
    if length.is_some_and(|it| it > rules.max_body as u64) {
        return Err(too_large(rules));
    }
    let read = Limited::new(body, rules.max_body).collect();
    let read = match rules.body_timeout {
        None => read.await,
        Some(timeout) => tokio::time::timeout(timeout, read).await.map_err(|_| {
            let message = "the body did not come in time";
            Failure::new(StatusCode::REQUEST_TIMEOUT, Code::DeadlineExceeded, message)
        })?,
    };
    match read {
        Ok(body) => Ok(body.to_bytes()),
        Err(error) if error.is::<LengthLimitError>() => Err(too_large(rules)),
        Err(_) => {
            let message = "the body ended early";
            Err(Failure::new(
                StatusCode::BAD_REQUEST,
                Code::Cancelled,
                message,
            ))
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn codings_have_no_case() {
        let packed = |coding: &'static str| {
            let mut headers = HeaderMap::new();
            headers.insert(CONTENT_ENCODING, HeaderValue::from_static(coding));
            is_packed(&headers).ok()
        };
        assert_eq!(packed("GZIP"), Some(true));
        assert_eq!(packed("x-gzip"), Some(true));
        assert_eq!(packed("Identity"), Some(false));
        assert_eq!(packed("br"), None);
    }
}
