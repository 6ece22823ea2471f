//! Calls that are too many.

use chassis::config::{Config, NoSettings, PerSecond};
use chassis::testing;
use tokio::sync::mpsc;
use tokio_stream::wrappers::ReceiverStream;
use tonic::Code;
use tonic_health::pb::HealthCheckRequest;
use tonic_health::pb::health_client::HealthClient;
use tonic_types::StatusExt;

use crate::support::{ProbeClient, ProbeRequest, instance};

#[tokio::test]
async fn a_stream_holds_its_place_until_it_has_ended() {
    let mut config = Config::<NoSettings>::default();
    config.server.limits.max_in_flight = 1;
    let server = testing::serve_with(config, instance("one")).await;
    let mut client = ProbeClient::new(server.channel());

    let (requests, receiver) = mpsc::channel(1);
    let replies = client.bidi(ReceiverStream::new(receiver)).await;
    let mut replies = replies.expect("replies").into_inner();
    requests.send(ProbeRequest::default()).await.expect("open");
    assert!(replies.message().await.expect("no error").is_some());

    let status = client.unary(ProbeRequest::default()).await;
    let status = status.expect_err("the stream has the only place");
    assert_eq!(status.code(), Code::ResourceExhausted);
    let violations = status.get_details_quota_failure().expect("a QuotaFailure");
    assert_eq!(violations.violations[0].subject, "the server");
    let mut health = HealthClient::new(server.channel());
    let check = health.check(HealthCheckRequest::default()).await;
    assert!(check.is_ok(), "health is exempt");

    drop(requests);
    assert!(replies.message().await.expect("no error").is_none());
    assert!(client.unary(ProbeRequest::default()).await.is_ok());
}

#[tokio::test]
async fn a_client_above_its_rate_is_told_when_to_come_back() {
    let mut config = Config::<NoSettings>::default();
    config.server.limits.client_rate.rate = PerSecond::new(0.001).expect("a rate");
    let server = testing::serve_with(config, instance("one")).await;
    let mut client = ProbeClient::new(server.channel());
    assert!(client.unary(ProbeRequest::default()).await.is_ok());
    let status = client.unary(ProbeRequest::default()).await;
    let status = status.expect_err("one in a thousand seconds");
    assert_eq!(status.code(), Code::ResourceExhausted);
    let pushback = status.metadata().get("grpc-retry-pushback-ms");
    let pushback = pushback.and_then(|value| value.to_str().ok()?.parse::<u64>().ok());
    let pushback = pushback.expect("a number of milliseconds");
    assert!((900_000..=1_000_000).contains(&pushback), "{pushback}");
    let details = status.get_details_retry_info().expect("a RetryInfo");
    let delay = details.retry_delay.expect("a delay").as_millis() as u64;
    assert!((pushback - 1..=pushback).contains(&delay), "{delay}");
}
