use std::future::{pending, ready};
use std::sync::{Arc, Mutex};

use bytes::Bytes;
use http::Response;
use http_body::Frame;
use http_body_util::{BodyExt, StreamBody};

use super::*;

#[derive(Clone, Default)]
struct Seen(Arc<Mutex<Vec<Code>>>);

impl Seen {
    fn codes(&self) -> Vec<Code> {
        self.0.lock().expect("no panic").clone()
    }
}

impl Observer for Seen {
    fn finish(self, code: Code) {
        self.0.lock().expect("no panic").push(code);
    }
}

type Frames = Vec<Result<Frame<Bytes>, Status>>;

fn trailers(code: Code) -> Frame<Bytes> {
    let mut map = HeaderMap::new();
    map.insert(&STATUS, (code as i32).into());
    Frame::trailers(map)
}

fn message() -> Frame<Bytes> {
    Frame::data(Bytes::from_static(b"message"))
}

/// What the observer heard when a response with `frames` was read to its end.
async fn heard(frames: Frames) -> Vec<Code> {
    let seen = Seen::default();
    let stream = tokio_stream::iter(frames);
    let head = ready(Ok::<_, Status>(Response::new(StreamBody::new(stream))));
    let response = Observed::new(head, Some(seen.clone())).await;
    assert_eq!(seen.codes(), [], "the head is not the outcome");
    let _ = response.expect("a response").into_body().collect().await;
    seen.codes()
}

#[tokio::test]
async fn the_outcome_is_in_the_trailers() {
    let frames = vec![Ok(message()), Ok(trailers(Code::NotFound))];
    assert_eq!(heard(frames).await, [Code::NotFound]);
}

#[tokio::test]
async fn an_error_of_the_body_is_the_outcome() {
    let frames = vec![Ok(message()), Err(Status::data_loss("cut"))];
    assert_eq!(heard(frames).await, [Code::DataLoss]);
}

#[tokio::test]
async fn the_end_without_a_status_is_unknown() {
    assert_eq!(heard(vec![Ok(message())]).await, [Code::Unknown]);
}

#[tokio::test]
async fn a_status_in_the_head_is_the_outcome() {
    let seen = Seen::default();
    let head = Status::not_found("no").into_http::<tonic::body::Body>();
    let future = ready(Ok::<_, Status>(head));
    let response = Observed::new(future, Some(seen.clone())).await;
    assert_eq!(seen.codes(), [Code::NotFound]);
    drop(response);
    assert_eq!(seen.codes(), [Code::NotFound], "told once");
}

#[tokio::test]
async fn an_http_error_is_mapped() {
    let seen = Seen::default();
    let mut head = Response::new(tonic::body::Body::empty());
    *head.status_mut() = http::StatusCode::SERVICE_UNAVAILABLE;
    let future = ready(Ok::<_, Status>(head));
    let _ = Observed::new(future, Some(seen.clone())).await;
    assert_eq!(seen.codes(), [Code::Unavailable]);
}

#[tokio::test]
async fn an_error_instead_of_a_response_is_the_outcome() {
    let seen = Seen::default();
    let future = ready(Err::<Response<tonic::body::Body>, _>(Status::aborted("no")));
    let _ = Observed::new(future, Some(seen.clone())).await;
    assert_eq!(seen.codes(), [Code::Aborted]);
}

#[tokio::test]
async fn dropping_the_future_or_the_body_is_cancelled() {
    let seen = Seen::default();
    type Head = Result<Response<tonic::body::Body>, Status>;
    drop(Observed::new(pending::<Head>(), Some(seen.clone())));
    assert_eq!(seen.codes(), [Code::Cancelled]);

    let seen = Seen::default();
    let stream = tokio_stream::iter(vec![Ok::<_, Status>(message())]);
    let head = ready(Ok::<_, Status>(Response::new(StreamBody::new(stream))));
    drop(Observed::new(head, Some(seen.clone())).await);
    assert_eq!(seen.codes(), [Code::Cancelled]);
}

#[tokio::test]
async fn a_call_that_is_dropped_for_a_reason_ends_with_it() {
    let seen = Seen::default();
    type Head = Result<Response<tonic::body::Body>, Status>;
    let call = Observed::new(pending::<Head>(), Some(seen.clone()));
    dropping_as(Code::DeadlineExceeded, || drop(call));
    assert_eq!(seen.codes(), [Code::DeadlineExceeded]);
    drop(Observed::new(pending::<Head>(), Some(seen.clone())));
    assert_eq!(seen.codes(), [Code::DeadlineExceeded, Code::Cancelled]);
}
