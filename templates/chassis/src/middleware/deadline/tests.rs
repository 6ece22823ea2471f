use std::convert::Infallible;
use std::future::{Future, pending};
use std::sync::Arc;

use http::{Request, Response};
use tokio::time::sleep;
use tokio_stream::StreamExt;
use tonic::Code;
use tower::{Layer, ServiceExt, service_fn};

use super::*;
use crate::config::{self, Follow};
use crate::middleware::testing::{
    CHECK, Ended, WATCH, message, read, reply, request, respond, trailers,
};
use crate::server::Methods;

type Body = tonic::body::Body;

const MILLI: Duration = Duration::from_millis(1);

fn exceeded_after(messages: usize) -> Ended {
    Ended {
        messages,
        code: Code::DeadlineExceeded,
        text: "the deadline of the call has passed".to_owned(),
    }
}

/// Calls `handler` under limits of 60 s for calls and none for streams.
async fn serve<F>(
    path: &str,
    headers: &[(&'static str, &'static str)],
    handler: impl FnMut(Request<Body>) -> F,
) -> Ended
where
    F: Future<Output = Result<Response<Body>, Infallible>>,
{
    let sets = [tonic_health::pb::FILE_DESCRIPTOR_SET];
    let methods = Methods::new(&["grpc.health.v1.Health"], &sets).expect("a valid set");
    let limits = config::Deadline::default();
    let layer = ServerDeadlineLayer::new(true, &limits, Arc::new(methods));
    let service = layer.layer(service_fn(handler));
    let response = service.oneshot(request(path, headers)).await;
    read(response.expect("a response")).await
}

#[tokio::test(start_paused = true)]
async fn a_call_in_time_is_as_it_was() {
    let ended = serve(CHECK, &[("grpc-timeout", "10m")], |_| async {
        sleep(9 * MILLI).await;
        Ok(reply(Code::NotFound))
    });
    let ended = ended.await;
    assert_eq!((ended.messages, ended.code), (1, Code::NotFound));
}

#[tokio::test(start_paused = true)]
async fn a_handler_that_does_not_answer_is_stopped() {
    let stopped = Arc::new(());
    let held = Arc::downgrade(&stopped);
    let ended = serve(CHECK, &[("grpc-timeout", "10m")], |_| {
        let stopped = Arc::clone(&stopped);
        async move {
            let _stopped = stopped;
            pending().await
        }
    });
    let begin = Instant::now();
    assert_eq!(ended.await, exceeded_after(0));
    assert_eq!(begin.elapsed(), 10 * MILLI);
    drop(stopped);
    assert!(held.upgrade().is_none(), "the handler's future is dropped");
}

#[tokio::test(start_paused = true)]
async fn the_deadline_holds_in_the_middle_of_a_stream() {
    let ended = serve(WATCH, &[("grpc-timeout", "35m")], |_| async {
        let frames = tokio_stream::iter(0..).then(|_| async {
            sleep(10 * MILLI).await;
            message()
        });
        Ok(respond(frames))
    });
    assert_eq!(ended.await, exceeded_after(3));
}

/// In real time: a stream that never pauses leaves nobody to advance a paused clock.
#[tokio::test]
async fn a_stream_that_never_pauses_is_ended_too() {
    let ended = serve(WATCH, &[("grpc-timeout", "10m")], |_| async {
        Ok(respond(tokio_stream::iter(0..).map(|_| message())))
    });
    assert_eq!(ended.await.code, Code::DeadlineExceeded);
}

#[tokio::test(start_paused = true)]
async fn calls_are_limited_without_being_asked_and_streams_are_not() {
    let begin = Instant::now();
    let hang = |_| pending::<Result<Response<Body>, Infallible>>();
    assert_eq!(serve(CHECK, &[], hang).await, exceeded_after(0));
    assert_eq!(begin.elapsed(), Duration::from_secs(60));

    let ended = serve(WATCH, &[], |_| async {
        let frames = tokio_stream::once(()).then(|()| async {
            sleep(Duration::from_secs(3600)).await;
            trailers(Code::Ok)
        });
        Ok(respond(frames))
    });
    assert_eq!(ended.await.code, Code::Ok);
}

#[tokio::test(start_paused = true)]
async fn nobody_gets_more_time_than_the_limit() {
    let begin = Instant::now();
    let hang = |_| pending::<Result<Response<Body>, Infallible>>();
    serve(CHECK, &[("grpc-timeout", "99999999H")], hang).await;
    assert_eq!(begin.elapsed(), Duration::from_secs(60));
}

#[tokio::test(start_paused = true)]
async fn a_malformed_timeout_is_an_invalid_argument() {
    for value in ["", "10", "10s", "-1S", "123456789S"] {
        let headers = [("grpc-timeout", value)];
        let handler = |_| async { panic!("the handler is not called") };
        let ended = serve(CHECK, &headers, handler).await;
        assert_eq!(ended.code, Code::InvalidArgument, "{value}");
        assert_eq!(
            ended.text,
            "malformed grpc-timeout: expected 1 to 8 digits and one of H, M, S, m, u, n"
        );
    }
}

#[tokio::test(start_paused = true)]
async fn handlers_and_their_streams_know_the_time_that_is_left() {
    assert_eq!(remaining(), None);
    let ended = serve(WATCH, &[("grpc-timeout", "100m")], |_| async {
        sleep(10 * MILLI).await;
        assert_eq!(remaining(), Some(90 * MILLI));
        let frames = tokio_stream::once(()).then(|()| async {
            sleep(20 * MILLI).await;
            assert_eq!(remaining(), Some(70 * MILLI));
            trailers(Code::Ok)
        });
        Ok(respond(frames))
    });
    assert_eq!(ended.await.code, Code::Ok);
}

/// Calls `server` through the client's layer, with a response timeout of 10 s.
async fn connect<F>(
    headers: &[(&'static str, &'static str)],
    server: impl FnMut(Request<SentBody<Body>>) -> F,
) -> Ended
where
    F: Future<Output = Result<Response<Body>, Status>>,
{
    let layer = ClientDeadlineLayer {
        enabled: true,
        response_timeout: Follow::fixed(Some(Duration::from_secs(10))),
    };
    let client = layer.layer(service_fn(server));
    match client.oneshot(request(CHECK, headers)).await {
        Ok(response) => read(response).await,
        Err(status) => Ended {
            messages: 0,
            code: status.code(),
            text: status.message().to_owned(),
        },
    }
}

fn timeout_of<Q>(request: &Request<Q>) -> Option<String> {
    let value = request.headers().get(&GRPC_TIMEOUT)?;
    Some(value.to_str().expect("ASCII").to_owned())
}

#[tokio::test(start_paused = true)]
async fn a_client_passes_on_what_is_left_of_the_call_being_served() {
    let deadline = Instant::now() + 100 * MILLI;
    sleep(25 * MILLI).await;
    let call = connect(&[], |request| async move {
        assert_eq!(timeout_of(&request).as_deref(), Some("75000000n"));
        Ok(reply(Code::Ok))
    });
    assert_eq!(scope(Some(deadline), call).await.code, Code::Ok);
}

#[tokio::test(start_paused = true)]
async fn the_earlier_of_both_deadlines_counts() {
    let check = |expected: &'static str| {
        move |request: Request<SentBody<Body>>| async move {
            assert_eq!(timeout_of(&request).as_deref(), Some(expected));
            Ok(reply(Code::Ok))
        }
    };
    let own = &[("grpc-timeout", "50m")];
    let outer = Some(Instant::now() + 70 * MILLI);
    assert_eq!(
        scope(outer, connect(own, check("50000000n"))).await.code,
        Code::Ok
    );
    let outer = Some(Instant::now() + 30 * MILLI);
    assert_eq!(
        scope(outer, connect(own, check("30000000n"))).await.code,
        Code::Ok
    );
}

#[tokio::test(start_paused = true)]
async fn a_call_that_is_out_of_time_is_not_made() {
    let call = connect(&[], |_| async { panic!("the server is not called") });
    let ended = scope(Some(Instant::now()), call).await;
    assert_eq!(ended, exceeded_after(0));
}

#[tokio::test(start_paused = true)]
async fn a_client_does_not_wait_for_longer_than_its_deadline() {
    let begin = Instant::now();
    let own = &[("grpc-timeout", "50m")];
    assert_eq!(connect(own, |_| pending()).await, exceeded_after(0));
    assert_eq!(begin.elapsed(), 50 * MILLI);

    let ended = connect(own, |_| async {
        let frames = tokio_stream::iter(0..).then(|_| async {
            sleep(20 * MILLI).await;
            message()
        });
        Ok(respond(frames))
    });
    assert_eq!(ended.await, exceeded_after(2));
}

#[tokio::test(start_paused = true)]
async fn without_a_deadline_the_head_is_waited_for_once_the_request_is_sent() {
    let begin = Instant::now();
    let ended = connect(&[], |request| async move {
        assert_eq!(timeout_of(&request), None);
        sleep(Duration::from_secs(25)).await;
        drop(request);
        pending().await
    });
    let ended = ended.await;
    assert_eq!(ended.code, Code::DeadlineExceeded);
    assert_eq!(ended.text, "no response within 10s");
    assert_eq!(begin.elapsed(), Duration::from_secs(35));

    let ended = connect(&[], |_| async {
        let frames = tokio_stream::once(()).then(|()| async {
            sleep(Duration::from_secs(3600)).await;
            trailers(Code::Ok)
        });
        Ok(respond(frames))
    });
    assert_eq!(ended.await.code, Code::Ok, "the body has all the time");
}
