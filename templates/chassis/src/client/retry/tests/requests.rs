//! What is kept of requests, and sent again.

use bytes::Bytes;
use tokio::sync::mpsc;
use tokio_stream::StreamExt;
use tokio_stream::wrappers::ReceiverStream;
use tonic::Code;

use super::support::{Act, Balancer, config, end, fail, streaming, unary};
use crate::client::retry::Retry;
use crate::config;
use crate::config::Size;

fn early(pieces: usize, act: Act) -> Act {
    Act::Early(pieces, Box::new(act))
}

fn used(retry: &Retry<Balancer>) -> usize {
    super::super::budget(&retry.shared).used()
}

/// Pieces that are there at once.
fn pieces(pieces: &[&'static str]) -> impl tokio_stream::Stream<Item = Bytes> + Send + 'static {
    let pieces: Vec<_> = pieces
        .iter()
        .map(|it| Bytes::from_static(it.as_bytes()))
        .collect();
    tokio_stream::iter(pieces)
}

#[tokio::test(start_paused = true)]
async fn a_stream_is_sent_as_it_comes_and_again_from_its_beginning() {
    let script = [
        early(2, fail(Code::Unavailable)),
        early(1, Act::Break),
        Act::Reply(Code::Ok),
    ];
    let balancer = Balancer::new(script);
    let retry = balancer.under(&config());
    let (sender, receiver) = mpsc::channel(8);
    let call = tokio::spawn({
        let retry = retry.clone();
        async move { end(&retry, streaming(ReceiverStream::new(receiver))).await }
    });
    // The attempt ends at the second piece, so both are sent before the third is there.
    for piece in ["one", "two"] {
        sender
            .send(Bytes::from_static(piece.as_bytes()))
            .await
            .expect("open");
    }
    while balancer.count() < 3 {
        tokio::task::yield_now().await;
        tokio::time::sleep(super::support::MILLI).await;
    }
    assert_eq!(used(&retry), 6);
    sender
        .send(Bytes::from_static(b"three"))
        .await
        .expect("open");
    drop(sender);
    assert_eq!(call.await.expect("no panic").code, Code::Ok);
    let requests: Vec<_> = balancer
        .attempts()
        .into_iter()
        .map(|it| it.request)
        .collect();
    let expected = [vec!["one", "two"], vec!["one"], vec!["one", "two", "three"]];
    assert_eq!(requests, expected);
    assert_eq!(used(&retry), 0);
}

/// As requests that came over HTTP/2 may end.
#[tokio::test(start_paused = true)]
async fn pieces_that_are_empty_are_not_sent() {
    for (came, sent) in [
        (&["one", ""][..], &["one"][..]),
        (&["", "one"], &["one"]),
        (&["one", "", "two", ""], &["one", "two"]),
        (&[""], &[]),
    ] {
        let balancer = Balancer::new([fail(Code::Unavailable), Act::Reply(Code::Ok)]);
        let retry = balancer.under(&config());
        let code = end(&retry, streaming(pieces(came))).await.code;
        assert_eq!(code, Code::Ok);
        for attempt in balancer.attempts() {
            assert_eq!(attempt.request, sent, "of {came:?}");
        }
    }
}

#[tokio::test(start_paused = true)]
async fn a_request_above_the_limit_is_sent_once() {
    let limited = config::Retry {
        buffer: Size::from_bytes(7),
        ..config()
    };
    let balancer = Balancer::new([fail(Code::Unavailable)]);
    let ended = end(&balancer.under(&limited), unary(b"8 bytes.")).await;
    assert_eq!(ended.code, Code::Unavailable);
    assert_eq!(balancer.attempts()[0].request, ["8 bytes."]);

    let balancer = Balancer::new([fail(Code::Unavailable), Act::Reply(Code::Ok)]);
    let ended = end(&balancer.under(&limited), unary(b"7 bytes")).await;
    assert_eq!(ended.code, Code::Ok);

    // A stream is over the limit at its third piece. It goes on, and is not made again.
    let balancer = Balancer::new([fail(Code::Unavailable)]);
    let request = streaming(pieces(&["one", "two", "three", "four"]));
    let retry = balancer.under(&limited);
    assert_eq!(end(&retry, request).await.code, Code::Unavailable);
    assert_eq!(
        balancer.attempts()[0].request,
        ["one", "two", "three", "four"]
    );
    assert_eq!(used(&retry), 0);

    // Ended before that, it is.
    let balancer = Balancer::new([early(2, fail(Code::Unavailable)), Act::Reply(Code::Ok)]);
    let request = streaming(pieces(&["one", "two", "three", "four"]));
    assert_eq!(end(&balancer.under(&limited), request).await.code, Code::Ok);
    assert_eq!(
        balancer.attempts()[1].request,
        ["one", "two", "three", "four"]
    );
}

#[tokio::test(start_paused = true)]
async fn the_requests_of_a_channel_have_a_limit_together() {
    let limited = config::Retry {
        channel_buffer: Size::from_bytes(10),
        ..config()
    };
    let balancer = Balancer::new([Act::Hang, fail(Code::Unavailable), Act::Reply(Code::Ok)]);
    let retry = balancer.under(&limited);
    let first = tokio::spawn({
        let retry = retry.clone();
        async move { end(&retry, unary(b"7 bytes")).await }
    });
    while balancer.count() < 1 {
        tokio::task::yield_now().await;
    }
    assert_eq!(used(&retry), 7);
    assert_eq!(end(&retry, unary(b"four")).await.code, Code::Unavailable);
    first.abort();
    assert!(first.await.is_err());
    assert_eq!(used(&retry), 0);
    assert_eq!(end(&retry, unary(b"four")).await.code, Code::Ok);
}

#[tokio::test(start_paused = true)]
async fn a_response_that_begins_early_frees_what_was_sent_and_the_stream_goes_on() {
    use http_body_util::BodyExt;
    use tower::{Service, ServiceExt, service_fn};

    // Answers at once, and hands the request out.
    let (bodies, mut body) = mpsc::unbounded_channel();
    let server = service_fn(move |request: http::Request<_>| {
        let bodies = bodies.clone();
        async move {
            bodies.send(request.into_body()).expect("open");
            Ok::<_, tonic::Status>(crate::middleware::testing::reply(Code::Ok))
        }
    });
    let layer = super::super::RetryLayer::new(&config());
    let budget = super::super::budget(&layer.shared);
    let mut retry = tower::Layer::layer(&layer, server);
    let (sender, receiver) = mpsc::channel(8);
    sender.send(Bytes::from_static(b"one")).await.expect("open");
    let request = streaming(ReceiverStream::new(receiver));
    let response = retry.ready().await.expect("ready").call(request).await;
    assert!(response.is_ok());

    let mut body: crate::client::retry::AttemptBody = body.recv().await.expect("a body");
    let mut next = async || {
        let frame = body.frame().await?.expect("no error");
        frame.into_data().ok()
    };
    assert_eq!(next().await.as_deref(), Some(&b"one"[..]));
    sender.send(Bytes::from_static(b"two")).await.expect("open");
    assert_eq!(next().await.as_deref(), Some(&b"two"[..]));
    assert_eq!(budget.used(), 0);
    drop(sender);
    assert_eq!(next().await, None);
}

#[tokio::test(start_paused = true)]
async fn what_the_caller_cannot_say_is_not_said_again() {
    let frames = pieces(&["one"]).map(|piece| Ok(http_body::Frame::data(piece)));
    let frames = frames.chain(tokio_stream::once(Err(tonic::Status::unavailable(
        "no more",
    ))));
    let body = tonic::body::Body::new(http_body_util::StreamBody::new(frames));
    let request = unary(b"").map(|_| crate::client::retry::RequestBody::unwatched(body));
    let balancer = Balancer::new([Act::Reply(Code::Ok)]);
    let ended = end(&balancer.under(&config()), request).await;
    assert_eq!(
        (ended.code, ended.text.as_str()),
        (Code::Unavailable, "no more")
    );
    assert_eq!(balancer.count(), 1);
}

#[tokio::test(start_paused = true)]
async fn what_is_left_of_an_attempt_stops_when_another_is_made() {
    use http_body_util::BodyExt;
    use tower::{Service, ServiceExt, service_fn};

    let (bodies, mut attempts) = mpsc::unbounded_channel();
    let server = service_fn(move |request: http::Request<_>| {
        bodies.send(request.into_body()).expect("open");
        async { Err::<http::Response<()>, _>(tonic::Status::unavailable("broken")) }
    });
    let layer = super::super::RetryLayer::new(&config());
    let mut retry = tower::Layer::layer(&layer, server);
    let request = streaming(tokio_stream::pending());
    let call = retry.ready().await.expect("ready").call(request);
    let mut first: crate::client::retry::AttemptBody = attempts.recv().await.expect("a body");
    // As a connection that goes on sending, it waits for the next piece.
    let waits = tokio::spawn(async move { first.frame().await.map(|it| it.map(|_| ())) });
    tokio::task::yield_now().await;
    assert!(call.await.is_err());
    let status = waits
        .await
        .expect("no panic")
        .expect("an end")
        .expect_err("stopped");
    assert_eq!(status.message(), "another attempt is being made");
}
