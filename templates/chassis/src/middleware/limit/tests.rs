use std::convert::Infallible;
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use http::{Request, Response};
use tonic::transport::server::TcpConnectInfo;
use tonic::{Code, Status};
use tonic_types::StatusExt;
use tower::{Layer, Service, ServiceExt, service_fn};

use super::*;
use crate::config::{ClientKey, ClientRate, Limits, PerSecond, Rate};
use crate::middleware::testing::{CHECK, Ended, GET_USER, read, reply, request};
use crate::server::Methods;

type Body = tonic::body::Body;

fn config(max_in_flight: u32, rate: f64, client_rate: f64, key: ClientKey) -> Limits {
    let per_second = |rate| PerSecond::new(rate).expect("a rate");
    Limits {
        max_in_flight,
        rate: Rate {
            rate: per_second(rate),
            burst: 2,
        },
        client_rate: ClientRate {
            rate: per_second(client_rate),
            burst: 1,
            key,
            ..ClientRate::default()
        },
        ..Limits::default()
    }
}

fn limited_rate(
    config: Limits,
) -> impl Service<
    Request<Body>,
    Response = Response<impl http_body::Body<Data = bytes::Bytes, Error = Status>>,
    Error = Infallible,
> + Clone {
    let handler = service_fn(|_: Request<Body>| async { Ok::<_, Infallible>(reply(Code::Ok)) });
    RateLimitLayer::of_anybody(&config).layer(handler)
}

/// The code of a call of `path` from `peer` with `x-tenant: {tenant}`.
async fn code<S, B>(service: &S, path: &str, peer: &str, tenant: Option<&'static str>) -> Code
where
    S: Service<Request<Body>, Response = Response<B>, Error = Infallible> + Clone,
    B: http_body::Body<Data = bytes::Bytes, Error = Status>,
{
    let headers = tenant.map(|tenant| ("x-tenant", tenant));
    let mut request = request(path, headers.as_slice());
    let peer: SocketAddr = peer.parse().expect("an address");
    request.extensions_mut().insert(TcpConnectInfo {
        local_addr: None,
        remote_addr: Some(peer),
    });
    let response = service.clone().oneshot(request).await.expect("infallible");
    read(response).await.code
}

const A: &str = "192.0.2.1:1000";
const B: &str = "192.0.2.2:1000";

#[tokio::test(start_paused = true)]
async fn calls_above_the_rate_are_told_when_to_come_back() {
    let service = limited_rate(config(0, 0.5, 0.0, ClientKey::Peer));
    for _ in 0..2 {
        assert_eq!(code(&service, GET_USER, A, None).await, Code::Ok);
    }
    tokio::time::advance(Duration::from_micros(500_500)).await;
    let response = service.clone().oneshot(request(GET_USER, &[])).await;
    let response = response.expect("infallible");
    assert_eq!(response.headers()["grpc-retry-pushback-ms"], "1500");
    let status = Status::from_header_map(response.headers()).expect("a status");
    assert_eq!(status.code(), Code::ResourceExhausted);
    assert_eq!(status.message(), "the server is above its rate of calls");
    let details = status.get_error_details();
    let wait = details.retry_info().and_then(|info| info.retry_delay);
    assert_eq!(wait, Some(Duration::from_micros(1_499_500)));
    let quota = details.quota_failure().expect("a QuotaFailure");
    assert_eq!(quota.violations[0].subject, "the server");

    tokio::time::advance(Duration::from_micros(1_499_500)).await;
    assert_eq!(code(&service, GET_USER, A, None).await, Code::Ok);
    assert_eq!(
        code(&service, GET_USER, A, None).await,
        Code::ResourceExhausted
    );
}

#[tokio::test(start_paused = true)]
async fn a_client_above_its_rate_leaves_the_others_alone() {
    let service = limited_rate(config(0, 0.0, 1.0, ClientKey::Peer));
    assert_eq!(code(&service, GET_USER, A, None).await, Code::Ok);
    assert_eq!(
        code(&service, GET_USER, "192.0.2.1:2000", None).await,
        Code::ResourceExhausted,
        "another port is the same client"
    );
    assert_eq!(code(&service, GET_USER, B, None).await, Code::Ok);
    tokio::time::advance(Duration::from_secs(1)).await;
    assert_eq!(code(&service, GET_USER, A, None).await, Code::Ok);
}

#[tokio::test(start_paused = true)]
async fn clients_are_known_by_metadata_where_they_send_it() {
    let key = "metadata:X-Tenant".parse().expect("a key");
    let service = limited_rate(config(0, 0.0, 1.0, key));
    for (peer, tenant, expected) in [
        (A, Some("acme"), Code::Ok),
        (B, Some("acme"), Code::ResourceExhausted),
        (A, Some("other"), Code::Ok),
        (A, None, Code::Ok),
        (A, None, Code::ResourceExhausted),
        (B, None, Code::Ok),
    ] {
        let code = code(&service, GET_USER, peer, tenant).await;
        assert_eq!(code, expected, "{peer} {tenant:?}");
    }
}

#[tokio::test(start_paused = true)]
async fn a_client_above_its_rate_takes_nothing_from_the_rate_of_all() {
    // Two at once for all, one at once for each.
    let service = limited_rate(config(0, 1.0, 1.0, ClientKey::Peer));
    assert_eq!(code(&service, GET_USER, A, None).await, Code::Ok);
    for _ in 0..10 {
        let code = code(&service, GET_USER, A, None).await;
        assert_eq!(code, Code::ResourceExhausted);
    }
    assert_eq!(code(&service, GET_USER, B, None).await, Code::Ok);
}

#[tokio::test(start_paused = true)]
async fn health_checks_are_never_refused() {
    let service = limited_rate(config(0, 0.5, 0.5, ClientKey::Peer));
    for _ in 0..10 {
        assert_eq!(code(&service, CHECK, A, None).await, Code::Ok);
    }
    let service = limited_in_flight(1);
    let first = service.clone().oneshot(request(GET_USER, &[])).await;
    assert_eq!(code(&service, CHECK, A, None).await, Code::Ok);
    drop(first);
}

fn limited_in_flight(
    max: u32,
) -> impl Service<
    Request<Body>,
    Response = Response<impl http_body::Body<Data = bytes::Bytes, Error = Status>>,
    Error = Infallible,
> + Clone {
    let handler = service_fn(|_: Request<Body>| async { Ok::<_, Infallible>(reply(Code::Ok)) });
    let config = config(max, 0.0, 0.0, ClientKey::Peer);
    InFlightLimitLayer::new(&config, Arc::new(Methods::default())).layer(handler)
}

#[tokio::test]
async fn a_call_is_in_flight_until_its_response_has_ended() {
    let service = limited_in_flight(2);
    let call = || service.clone().oneshot(request(GET_USER, &[]));
    let first = call().await.expect("infallible");
    let second = call().await.expect("infallible");
    let refused = Ended {
        messages: 0,
        code: Code::ResourceExhausted,
        text: "the server has as many calls in flight as it takes".to_owned(),
    };
    for _ in 0..3 {
        assert_eq!(read(call().await.expect("infallible")).await, refused);
    }
    // Read to its end, and dropped before.
    assert_eq!(read(first).await.code, Code::Ok);
    let third = call().await.expect("infallible");
    assert_eq!(read(call().await.expect("infallible")).await, refused);
    drop(second);
    assert_eq!(read(call().await.expect("infallible")).await.code, Code::Ok);
    drop(third);
}

#[tokio::test]
async fn a_call_that_is_given_up_gives_its_place_back() {
    let handler =
        service_fn(|_: Request<Body>| std::future::pending::<Result<Response<Body>, Infallible>>());
    let config = config(1, 0.0, 0.0, ClientKey::Peer);
    let layer = InFlightLimitLayer::new(&config, Arc::new(Methods::default()));
    let mut service = layer.layer(handler);
    for _ in 0..3 {
        let call = service.call(request(GET_USER, &[]));
        let refused = service.call(request(GET_USER, &[])).await;
        let ended = read(refused.expect("infallible")).await;
        assert_eq!(ended.code, Code::ResourceExhausted);
        drop(call);
    }
}

#[tokio::test]
async fn refusals_are_counted_by_their_reason() {
    let service = limited_in_flight(1);
    let call = || service.clone().oneshot(request(GET_USER, &[]));
    let first = call().await;
    let count = || {
        let text = crate::metrics::render();
        let name = "grpc_server_refused_total{reason=\"in_flight\"} ";
        let line = text.lines().find_map(|line| line.strip_prefix(name));
        line.map_or(0, |count| count.parse::<u64>().expect("a number"))
    };
    let before = count();
    drop(call().await);
    // Other tests count too.
    assert!(count() > before);
    drop(first);
}
