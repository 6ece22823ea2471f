//! Requests come, and are sorted.

use std::sync::Arc;
use std::time::Duration;

use arc_swap::ArcSwap;
use chassis::front::{Answer, Calls, Front};
use http::header::CONTENT_TYPE;
use http::{HeaderMap, HeaderValue, Method, Request, Response, StatusCode};
use tonic::body::Body;
use tonic::{Code, Status};

use crate::Error;
use crate::forward::{Inbound, Upstreams, read_reply};
use crate::headers::{self, Names};
use crate::matcher::Found;
use crate::settings::Settings;
use crate::status::{Exactly, Failure};
use crate::table::{Bound, Table};
use crate::transcode::{self, Output};

const JSON: HeaderValue = HeaderValue::from_static("application/json");

/// What stands in front of the services.
#[derive(Debug)]
pub(crate) struct Gateway {
    table: ArcSwap<Table>,
    upstreams: Upstreams,
    pub(crate) rules: Rules,
}

/// The settings, as they are needed for each request.
#[derive(Debug)]
pub(crate) struct Rules {
    pub(crate) output: Output,
    pub(crate) max_body: usize,
    pub(crate) body_timeout: Option<Duration>,
    pub(crate) forward_headers: Names,
}

impl Gateway {
    /// # Errors
    /// When a setting is wrong.
    pub(crate) fn new(
        settings: Settings,
        table: Table,
        upstreams: Upstreams,
    ) -> Result<Self, Error> {
        let forward_headers = Names::new(&settings.forward_headers).map_err(|name| {
            Error::Settings(format!(
                "`forward_headers` has `{name}`, which is no header"
            ))
        })?;
        Ok(Self {
            table: ArcSwap::from_pointee(table),
            upstreams,
            rules: Rules {
                output: Output {
                    emit_defaults: settings.emit_defaults,
                },
                max_body: settings.max_body.bytes(),
                body_timeout: settings.body_timeout.non_zero(),
                forward_headers,
            },
        })
    }
}

impl Front for Gateway {
    fn answer(self: Arc<Self>, request: Request<Body>, calls: Calls) -> Answer {
        let table = self.table.load_full();
        if is_grpc(&request) {
            return calls.call(request);
        }
        let path = request.uri().path();
        let (bound, segments) = match table.matcher.find(Some(request.method().as_str()), path) {
            (Found::One(bound), segments) => (bound, segments),
            (Found::OtherMethods(methods), _) => {
                let mut failure = Failure::new(
                    StatusCode::METHOD_NOT_ALLOWED,
                    Code::Unimplemented,
                    format!("`{}` is not a method of `{path}`", request.method()),
                );
                failure.allow = Some(methods.join(", "));
                return now(failure.into_http(&table.pool));
            }
            (Found::Nothing, _) => {
                let message = format!("there is nothing at `{path}`");
                let failure = Failure::new(StatusCode::NOT_FOUND, Code::NotFound, message);
                return now(failure.into_http(&table.pool));
            }
        };
        let method = &bound.method;
        if method.streams_requests || method.streams_responses {
            let status = Status::unimplemented("streams are not served over HTTP");
            return now(Failure::from(status).into_http(&table.pool));
        }
        let (parts, body) = request.into_parts();
        let mut call = Request::new(Body::empty());
        *call.method_mut() = Method::POST;
        *call.uri_mut() = method.uri.clone();
        call.extensions_mut().clone_from(&parts.extensions);
        *call.headers_mut() = parts.headers.clone();
        let inbound = Inbound::new(parts, body, Arc::clone(&bound), segments);
        call.extensions_mut().insert(inbound);
        let answer = calls.call(call);
        Box::pin(async move {
            let response = answer.await;
            match to_json(response, &bound, self.rules.output).await {
                Ok(response) => response,
                Err(failure) => failure.into_http(&table.pool),
            }
        })
    }

    fn forward(self: Arc<Self>, request: Request<Body>) -> Answer {
        Box::pin(async move {
            let table = self.table.load_full();
            let answer = self.upstreams.forward(&table, &self.rules, request).await;
            answer.unwrap_or_else(Failure::into_grpc)
        })
    }

    fn streams_responses(&self, path: &str) -> bool {
        let table = self.table.load();
        table.method(path).is_none_or(|it| it.streams_responses)
    }

    fn has_method(&self, fits: &dyn Fn(&str) -> bool) -> bool {
        self.table.load().paths().any(fits)
    }
}

fn now(response: Response<Body>) -> Answer {
    Box::pin(std::future::ready(response))
}

/// Whether a request is a call already.
fn is_grpc<B>(request: &Request<B>) -> bool {
    let content_type = request.headers().get(CONTENT_TYPE);
    let content_type = content_type.map_or(&b""[..], HeaderValue::as_bytes);
    match content_type.strip_prefix(b"application/grpc") {
        Some(rest) => rest.is_empty() || rest.starts_with(b"+") || rest.starts_with(b";"),
        None => false,
    }
}

/// The failure that the head of a response is, if it is one.
fn failure_of(response: &Response<Body>) -> Option<Failure> {
    let exactly = response.extensions().get::<Exactly>().copied();
    let status = Status::from_header_map(response.headers())?;
    (status.code() != Code::Ok).then(|| {
        let mut failure = Failure::from(status);
        if let Some(Exactly(http)) = exactly {
            failure.http = http;
        }
        failure
    })
}

/// The response to a call with one message as JSON.
async fn to_json(
    response: Response<Body>,
    bound: &Bound,
    output: Output,
) -> Result<Response<Body>, Failure> {
    if let Some(failure) = failure_of(&response) {
        return Err(failure);
    }
    let (parts, body) = response.into_parts();
    let message = read_reply(&parts, body).await?;
    let only = bound.binding.response_body.as_deref();
    let json = transcode::write(&bound.method.output, &message, only, output);
    let json = json.map_err(|problem| {
        tracing::warn!(problem, "a response cannot be written as JSON");
        Failure::new(
            StatusCode::BAD_GATEWAY,
            Code::Internal,
            "the response of the service cannot be written as JSON",
        )
    })?;
    let mut response = Response::new(Body::new(http_body_util::Full::from(json)));
    let headers: &mut HeaderMap = response.headers_mut();
    headers::of_response(&parts.headers, headers);
    headers.insert(CONTENT_TYPE, JSON);
    Ok(response)
}
