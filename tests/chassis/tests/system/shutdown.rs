//! The end of a server, gentle and not.

use std::time::Duration;

use chassis::testing;
use tokio::sync::mpsc;
use tokio_stream::wrappers::ReceiverStream;
use tonic::Code;

use crate::support::{ProbeClient, ProbeRequest, instance};

#[tokio::test]
async fn a_stream_in_flight_is_finished_and_new_connections_are_refused() {
    let server = testing::serve(instance("one")).await;
    let address = server.address();
    let mut client = ProbeClient::new(server.channel());
    let (requests, receiver) = mpsc::channel(1);
    let replies = client.bidi(ReceiverStream::new(receiver)).await;
    let mut replies = replies.expect("replies").into_inner();
    requests.send(ProbeRequest::default()).await.expect("open");
    assert!(replies.message().await.expect("no error").is_some());

    let shutdown = tokio::spawn(server.shutdown());
    while tokio::net::TcpStream::connect(address).await.is_ok() {
        tokio::time::sleep(Duration::from_millis(5)).await;
    }

    for _ in 0..3 {
        requests.send(ProbeRequest::default()).await.expect("open");
        assert!(replies.message().await.expect("no error").is_some());
    }
    assert!(!shutdown.is_finished());
    drop(requests);
    assert!(replies.message().await.expect("no error").is_none());
    shutdown.await.expect("the server has ended");
}

#[tokio::test]
async fn a_server_that_is_dropped_cuts_what_is_in_flight() {
    let server = testing::serve(instance("one")).await;
    let mut client = ProbeClient::new(server.channel());
    let (_requests, receiver) = mpsc::channel::<ProbeRequest>(1);
    let replies = client.bidi(ReceiverStream::new(receiver)).await;
    let mut replies = replies.expect("replies").into_inner();
    drop(server);
    let status = replies.message().await.expect_err("cut");
    assert_ne!(status.code(), Code::Ok);
}
