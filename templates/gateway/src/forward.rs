//! Calls go to the services behind the gateway.

use std::sync::{Arc, Mutex, PoisonError};

use bytes::Bytes;
use chassis::client::{self, Channel};
use chassis::config::Config;
use http::header::{CONTENT_LENGTH, CONTENT_TYPE, TE};
use http::{HeaderValue, Method, Request, Response, StatusCode, request, response};
use http_body::Body as _;
use http_body_util::{BodyExt, Full, LengthLimitError, Limited};
use tonic::body::Body;
use tonic::{Code, Status};
use tower::Service;

use crate::Error;
use crate::frame::{self, Frames};
use crate::front::Rules;
use crate::matcher::Segments;
use crate::settings::Settings;
use crate::status::Failure;
use crate::table::{Bound, Table};
use crate::transcode::{self, Inputs};

const GRPC: HeaderValue = HeaderValue::from_static("application/grpc");
const TRAILERS: HeaderValue = HeaderValue::from_static("trailers");

/// The services behind the gateway.
#[derive(Debug)]
pub(crate) struct Upstreams(Vec<Channel>);

/// In the extensions of a call: the request that it is made of. Its body is read once the call has
/// passed all layers, so that nothing is read for those who may not call.
#[derive(Debug, Clone)]
pub(crate) struct Inbound(Arc<Mutex<Option<Arrived>>>);

#[derive(Debug)]
struct Arrived {
    parts: request::Parts,
    body: Body,
    bound: Arc<Bound>,
    segments: Segments,
}

impl Inbound {
    pub(crate) fn new(
        parts: request::Parts,
        body: Body,
        bound: Arc<Bound>,
        segments: Segments,
    ) -> Self {
        Self(Arc::new(Mutex::new(Some(Arrived {
            parts,
            body,
            bound,
            segments,
        }))))
    }

    fn take(&self) -> Option<Arrived> {
        let mut inbound = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        inbound.take()
    }
}

impl Upstreams {
    /// # Errors
    /// When a target or the configuration of clients is not valid.
    pub(crate) async fn connect<A>(
        config: &Config<A>,
        settings: &Settings,
        descriptor_set: &[u8],
    ) -> Result<Self, Error> {
        let mut channels = Vec::new();
        for upstream in &settings.services {
            let target = &upstream.target;
            channels.push(client::connect_described(target, config, descriptor_set).await?);
        }
        Ok(Self(channels))
    }

    /// Makes the call that `request` is or stands for.
    ///
    /// # Errors
    /// Why it cannot be made; that it fails is a response.
    pub(crate) async fn forward(
        &self,
        table: &Table,
        rules: &Rules,
        request: Request<Body>,
    ) -> Result<Response<Body>, Failure> {
        let path = request.uri().path();
        let Some(method) = table.method(path) else {
            let message = format!("there is no method `{path}`");
            return Err(Status::unimplemented(message).into());
        };
        let request = match request
            .extensions()
            .get::<Inbound>()
            .and_then(Inbound::take)
        {
            Some(arrived) => transcoded(arrived, rules).await?,
            None => request,
        };
        let mut channel = self.0[method.upstream].clone();
        let response = channel.call(request).await;
        response.map_err(Failure::from)
    }
}

/// The call that a request over HTTP stands for.
async fn transcoded(arrived: Arrived, rules: &Rules) -> Result<Request<Body>, Failure> {
    let Arrived {
        parts,
        body,
        bound,
        segments,
    } = arrived;
    check_type(&parts)?;
    let body = read_body(&parts, body, rules).await?;
    let path = parts.uri.path();
    let mut variables = Vec::new();
    for variable in &bound.binding.template.variables {
        let text = segments.text(path, &variable.segments, variable.is_path);
        let text = text.map_err(|_| {
            Status::invalid_argument(format!("`{path}` cannot be decoded as UTF-8"))
        })?;
        variables.push((&*variable.field, text));
    }
    let inputs = Inputs {
        variables,
        query: parts.uri.query(),
        body: &body,
    };
    let message = transcode::read(&bound.method.input, &bound.binding.body, &inputs);
    let message = message.map_err(invalid)?;
    let mut call = Request::new(Body::new(Full::from(frame::of(&message))));
    *call.method_mut() = Method::POST;
    *call.uri_mut() = bound.method.uri.clone();
    let headers = call.headers_mut();
    *headers = rules.forward_headers.metadata(&parts.headers);
    headers.insert(CONTENT_TYPE, GRPC);
    headers.insert(TE, TRAILERS);
    Ok(call)
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

/// JSON, what says nothing of what it is, and what command lines send unasked.
fn check_type(parts: &request::Parts) -> Result<(), Failure> {
    let Some(value) = parts.headers.get(CONTENT_TYPE) else {
        return Ok(());
    };
    let text = value.to_str().unwrap_or_default();
    let essence = text.split(';').next().unwrap_or_default().trim();
    let essence = essence.to_ascii_lowercase();
    let accepted = essence == "application/json"
        || essence.ends_with("+json")
        || essence == "application/x-www-form-urlencoded"
        || essence == "text/plain";
    match accepted {
        true => Ok(()),
        false => Err(Failure::new(
            StatusCode::UNSUPPORTED_MEDIA_TYPE,
            Code::InvalidArgument,
            format!("the body must be `application/json`, not `{essence}`"),
        )),
    }
}

async fn read_body(parts: &request::Parts, body: Body, rules: &Rules) -> Result<Bytes, Failure> {
    if body.is_end_stream() {
        return Ok(Bytes::new());
    }
    let too_large = || {
        Failure::new(
            StatusCode::PAYLOAD_TOO_LARGE,
            Code::ResourceExhausted,
            format!("the body is larger than {} bytes", rules.max_body),
        )
    };
    let length = parts.headers.get(CONTENT_LENGTH);
    let length = length.and_then(|it| it.to_str().ok()?.parse::<u64>().ok());
    if length.is_some_and(|it| it > rules.max_body as u64) {
        return Err(too_large());
    }
    let read = Limited::new(body, rules.max_body).collect();
    let read = match rules.body_timeout {
        None => read.await,
        Some(timeout) => tokio::time::timeout(timeout, read).await.map_err(|_| {
            Failure::new(
                StatusCode::REQUEST_TIMEOUT,
                Code::DeadlineExceeded,
                "the body did not come in time",
            )
        })?,
    };
    match read {
        Ok(body) => Ok(body.to_bytes()),
        Err(error) if error.is::<LengthLimitError>() => Err(too_large()),
        Err(_) => Err(Failure::new(
            StatusCode::BAD_REQUEST,
            Code::Cancelled,
            "the body ended early",
        )),
    }
}

/// The one message of a response.
///
/// # Errors
/// When the call failed, or what came is not gRPC.
pub(crate) async fn read_reply(parts: &response::Parts, body: Body) -> Result<Bytes, Failure> {
    let bad = |problem: &str| {
        Failure::new(
            StatusCode::BAD_GATEWAY,
            Code::Internal,
            format!("the service did not answer as gRPC does: {problem}"),
        )
    };
    if parts.status != StatusCode::OK {
        return Err(bad(&format!("HTTP status {}", parts.status.as_u16())));
    }
    let collected = body.collect().await.map_err(Failure::from)?;
    let status = collected.trailers().and_then(Status::from_header_map);
    match status {
        Some(status) if status.code() == Code::Ok => {}
        Some(status) => return Err(status.into()),
        None => return Err(bad("no status")),
    }
    let mut frames = Frames::default();
    frames.push(&collected.to_bytes());
    match frames.next()? {
        Some(message) if frames.is_empty() => Ok(message),
        Some(_) => Err(bad("more than one message")),
        None => Err(bad("no message")),
    }
}
