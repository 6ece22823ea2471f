use std::future::Future;

use http::Request;
use tokio_stream::StreamExt;
use tonic::Code;
use tower::{ServiceExt, service_fn};

use super::*;
use crate::middleware::testing::{Ended, GET_USER, message, read, reply, request, respond};

type Body = tonic::body::Body;

fn internal(messages: usize) -> Ended {
    Ended {
        messages,
        code: Code::Internal,
        text: "the handler panicked".to_owned(),
    }
}

async fn call<F>(handler: impl FnMut(Request<Body>) -> F) -> Ended
where
    F: Future<Output = Result<Response<Body>, Infallible>>,
{
    let service = CatchPanicLayer { enabled: true }.layer(service_fn(handler));
    let response = service.oneshot(request(GET_USER, &[])).await;
    read(response.expect("a response")).await
}

#[tokio::test]
async fn a_call_without_a_panic_is_as_it_was() {
    let ended = call(|_| async { Ok(reply(Code::NotFound)) }).await;
    assert_eq!((ended.messages, ended.code), (1, Code::NotFound));
}

#[tokio::test]
async fn a_panic_before_the_first_await_is_internal() {
    let ended = call(|_| -> std::future::Ready<_> { panic!("at once") }).await;
    assert_eq!(ended, internal(0));
}

#[tokio::test]
async fn a_panic_in_the_handler_is_internal() {
    let ended = call(|_| async {
        tokio::task::yield_now().await;
        panic!("later")
    });
    assert_eq!(ended.await, internal(0));
}

#[tokio::test]
async fn a_panic_in_a_stream_ends_it_with_internal() {
    let ended = call(|_| async {
        let frames = tokio_stream::iter(0..).map(|index| match index {
            0 | 1 => message(),
            _ => panic!("in the stream"),
        });
        Ok(respond(frames))
    });
    assert_eq!(ended.await, internal(2));
}
