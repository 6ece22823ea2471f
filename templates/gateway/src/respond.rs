//! What comes back of a call becomes a response over HTTP.

use bytes::Bytes;
use http::header::{CONTENT_ENCODING, CONTENT_TYPE, VARY};
use http::{HeaderValue, Response, StatusCode, response};
use http_body_util::{BodyExt, Empty, Full};
use tonic::body::Body;
use tonic::{Code, Status};

use crate::frame::Frames;
use crate::headers;
use crate::status::{Exactly, Failure};
use crate::stream::{Bodies, How, Responses, outcome};
use crate::{compress, transcode};

const JSON: HeaderValue = HeaderValue::from_static("application/json");

/// The failure that the head of a response is, if it is one.
pub(crate) fn failure_of(response: &Response<Body>) -> Option<Failure> {
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

/// The response to a request; one that may be packed when the client `packs`.
///
/// # Errors
/// That the call has failed before there was a response.
pub(crate) async fn to_http(
    response: Response<Body>,
    packs: bool,
    how: How,
) -> Result<Response<Body>, Failure> {
    // What is wrong with the requests of a stream says more than what came of it.
    let blame = how.blame.clone();
    let blamed = |failure: Failure| blame.take().unwrap_or(failure);
    if let Some(failure) = failure_of(&response) {
        return Err(blamed(failure));
    }
    let (parts, body) = response.into_parts();
    if parts.status != StatusCode::OK {
        let problem = format!("HTTP status {}", parts.status.as_u16());
        return Err(blamed(no_grpc(&problem)));
    }
    let bound = &how.bound;
    // A stream of nothing may end in its head, with what else stands behind the messages.
    let has_ended =
        bound.method.streams_responses && parts.headers.contains_key(Status::GRPC_STATUS);
    let body = match has_ended {
        true => {
            let trailers = std::future::ready(Some(Ok(parts.headers.clone())));
            Body::new(Empty::<Bytes>::new().with_trailers(trailers))
        }
        false => body,
    };
    let mut response = match (bound.method.streams_responses, bound.answers_raw) {
        (true, true) => {
            let bodies = Bodies::begin(body, how).await;
            let (content_type, bodies) = bodies.map_err(blamed)?;
            of_type(&content_type, Body::new(bodies))?
        }
        (false, true) => {
            let message = read_reply(&parts, body).await.map_err(blamed)?;
            let raw = how.raw(&message)?;
            of_type(&raw.content_type, Body::new(Full::from(raw.data)))?
        }
        (true, false) => {
            let content_type = how.format.content_type();
            let mut response = Response::new(Body::new(Responses::new(body, how)));
            let headers = response.headers_mut();
            headers.insert(CONTENT_TYPE, content_type);
            // Proxies on the way are not to wait for the end.
            headers.insert("x-accel-buffering", HeaderValue::from_static("no"));
            headers.insert("cache-control", HeaderValue::from_static("no-cache"));
            response
        }
        (false, false) => {
            let message = read_reply(&parts, body).await.map_err(blamed)?;
            json(&message, packs, &how)?
        }
    };
    headers::of_response(&parts.headers, response.headers_mut());
    Ok(response)
}

/// A body as the service has it; of no type it is bytes.
fn of_type(content_type: &str, body: Body) -> Result<Response<Body>, Failure> {
    let content_type = match content_type {
        "" => "application/octet-stream",
        content_type => content_type,
    };
    let value = HeaderValue::from_str(content_type);
    let value =
        value.map_err(|_| Failure::unwritable(format!("`{content_type}` is no type of a body")))?;
    let mut response = Response::new(body);
    response.headers_mut().insert(CONTENT_TYPE, value);
    Ok(response)
}

fn json(message: &[u8], packs: bool, how: &How) -> Result<Response<Body>, Failure> {
    let only = how.bound.binding.response_body.as_deref();
    let json = transcode::write(&how.bound.method.output, message, only, how.output);
    let json = json.map_err(Failure::unwritable)?;
    let packed = packs.then(|| compress::pack(&json)).flatten();
    let is_packed = packed.is_some();
    let mut response = Response::new(Body::new(Full::from(packed.unwrap_or(json))));
    let headers = response.headers_mut();
    headers.insert(CONTENT_TYPE, JSON);
    if is_packed {
        headers.insert(CONTENT_ENCODING, HeaderValue::from_static("gzip"));
        headers.insert(VARY, HeaderValue::from_static("accept-encoding"));
    }
    Ok(response)
}

fn no_grpc(problem: &str) -> Failure {
    let message = format!("the service did not answer as gRPC does: {problem}");
    Failure::new(StatusCode::BAD_GATEWAY, Code::Internal, message)
}

/// The one message of a response, whose size `client.max_response_size` limits.
///
/// # Errors
/// When the call failed, or what came is not gRPC; with a second message nothing more is read.
async fn read_reply(parts: &response::Parts, mut body: Body) -> Result<Bytes, Failure> {
    let mut frames = Frames::default();
    let mut reply = None;
    let mut trailers = None;
    while let Some(frame) = body.frame().await.transpose().map_err(Failure::from)? {
        match frame.into_data() {
            Ok(data) => frames.push(&data),
            Err(frame) => trailers = frame.into_trailers().ok(),
        }
        if reply.is_none() {
            reply = frames.next()?;
        }
        if reply.is_some() && !frames.is_empty() {
            return Err(no_grpc("more than one message"));
        }
    }
    outcome(trailers.as_ref().unwrap_or(&parts.headers))?;
    match frames.is_empty() {
        true => reply.ok_or_else(|| no_grpc("no message")),
        false => Err(no_grpc("no message")),
    }
}

#[cfg(test)]
mod tests {
    use http_body::Frame;
    use http_body_util::StreamBody;
    use tonic::body::Body;

    use super::*;

    #[tokio::test]
    async fn an_answer_without_end_is_none() {
        let message = || Ok::<_, Status>(Frame::data(Bytes::from_static(b"\0\0\0\0\x01a")));
        let messages = futures_util::stream::repeat_with(message);
        let (parts, ()) = Response::new(()).into_parts();
        let failure = read_reply(&parts, Body::new(StreamBody::new(messages))).await;
        let failure = failure.expect_err("more than one message");
        assert_eq!(
            failure.status.message(),
            "the service did not answer as gRPC does: more than one message"
        );
    }
}
