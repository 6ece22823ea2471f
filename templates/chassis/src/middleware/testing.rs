//! For tests: services that layers are wrapped around, and what comes out of them.

use bytes::Bytes;
use http::{HeaderMap, Request, Response};
use http_body::{Body, Frame};
use http_body_util::{BodyExt, StreamBody};
use tonic::{Code, Status};

/// A method of the one service that every server has.
pub(crate) const CHECK: &str = "/grpc.health.v1.Health/Check";
/// A method that streams.
pub(crate) const WATCH: &str = "/grpc.health.v1.Health/Watch";
/// A method of a service that nobody has described.
pub(crate) const GET_USER: &str = "/user.v1.UserService/GetUser";

type TestBody = tonic::body::Body;

/// A call of `path`, with `headers`.
pub(crate) fn request(path: &str, headers: &[(&'static str, &'static str)]) -> Request<TestBody> {
    let mut request = Request::builder().uri(path);
    for (name, value) in headers {
        request = request.header(*name, *value);
    }
    request.body(TestBody::empty()).expect("a valid request")
}

pub(crate) fn message() -> Result<Frame<Bytes>, Status> {
    Ok(Frame::data(Bytes::from_static(b"\0\0\0\0\x01m")))
}

pub(crate) fn trailers(code: Code) -> Result<Frame<Bytes>, Status> {
    super::end_with(&Status::new(code, ""))
}

/// A response that streams `frames`.
pub(crate) fn respond(
    frames: impl tokio_stream::Stream<Item = Result<Frame<Bytes>, Status>> + Send + 'static,
) -> Response<TestBody> {
    Response::new(TestBody::new(StreamBody::new(frames)))
}

/// A response of a message and `code`.
pub(crate) fn reply(code: Code) -> Response<TestBody> {
    respond(tokio_stream::iter([message(), trailers(code)]))
}

/// How a call ended: how many messages came, the code and its text.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct Ended {
    pub(crate) messages: usize,
    pub(crate) code: Code,
    pub(crate) text: String,
}

/// Reads `response` to its end.
pub(crate) async fn read<B>(response: Response<B>) -> Ended
where
    B: Body<Data = Bytes, Error = Status>,
{
    let (head, body) = response.into_parts();
    let mut body = std::pin::pin!(body);
    let mut messages = 0;
    let mut end: Option<HeaderMap> = None;
    loop {
        match body.frame().await {
            Some(Ok(frame)) if frame.is_data() => messages += 1,
            Some(Ok(frame)) => end = frame.into_trailers().ok(),
            Some(Err(status)) => {
                return Ended {
                    messages,
                    code: status.code(),
                    text: status.message().to_owned(),
                };
            }
            None => break,
        }
    }
    let status = Status::from_header_map(end.as_ref().unwrap_or(&head.headers));
    let status = status.unwrap_or_else(|| Status::unknown("no status"));
    Ended {
        messages,
        code: status.code(),
        text: status.message().to_owned(),
    }
}
