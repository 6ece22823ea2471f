//! Clients that do not read, and clients that are gone.

use std::time::Duration;

use bytes::Bytes;
use http_body_util::{BodyExt, Empty};
use hyper_util::client::legacy::Client;
use hyper_util::rt::TokioExecutor;
use msvc::infra::embedded::etcd::proto::etcdserverpb::WatchCreateRequest;

use super::stores::{Ask, Side, start_embedded};
use crate::support::differences::within_deadline;

/// One of the store's metrics.
async fn metric(side: &Side, name: &str) -> u64 {
    let client = Client::builder(TokioExecutor::new()).build_http::<Empty<Bytes>>();
    let url = format!("http://{}/metrics", side.address);
    let answer = client.get(url.parse().expect("a URL")).await;
    let body = answer.expect("an answer").into_body().collect().await;
    let text = String::from_utf8(body.expect("a body").to_bytes().to_vec()).expect("text");
    let mut lines = text.lines();
    let value = lines.find_map(|line| line.strip_prefix(&format!("{name} ")));
    value.expect("it is there").parse().expect("a number")
}

async fn until_streams(side: &Side, count: u64) {
    let reached = async {
        while metric(side, "etcd_debugging_mvcc_watch_stream_total").await != count {
            tokio::time::sleep(Duration::from_millis(10)).await;
        }
    };
    within_deadline(&format!("{count} streams"), reached).await;
}

fn all() -> WatchCreateRequest {
    WatchCreateRequest {
        key: vec![0],
        range_end: vec![0],
        ..WatchCreateRequest::default()
    }
}

#[tokio::test]
async fn watches_of_a_client_that_is_gone_are_freed() {
    let (_etcd, side) = start_embedded().await;
    let other = Side::new("another client", side.address);
    let mut streams = Vec::new();
    for _ in 0..50 {
        let mut watching = other.watch();
        watching.create(all()).await;
        streams.push(watching);
    }
    until_streams(&side, 50).await;
    streams.truncate(20);
    until_streams(&side, 20).await;
    // The whole connection goes.
    drop((streams, other));
    until_streams(&side, 0).await;
}

#[tokio::test]
async fn a_reader_that_is_slower_than_the_history_is_told_so_and_holds_nothing() {
    let (_etcd, side) = start_embedded().await;
    let mut watching = side.watch();
    watching.create(all()).await;
    // Five times as much as the store keeps of what is no longer current.
    let value = "v".repeat(1 << 20);
    for _ in 0..5 * 64 {
        let written = side.ask(&Ask::put("k", &value)).await;
        written.expect("there is room for it");
    }
    let kept = metric(&side, "etcd_mvcc_db_total_size_in_bytes").await;
    assert!(kept <= 70 << 20, "{kept} bytes");
    let last = loop {
        let response = watching.next().await;
        if response.canceled {
            break response;
        }
    };
    assert!(last.compact_revision > 64, "{last:?}");
}

#[tokio::test]
async fn what_is_current_has_a_limit_and_deleting_makes_room() {
    let (_etcd, side) = start_embedded().await;
    let value = "v".repeat(1 << 20);
    let mut written = 0;
    let refused = loop {
        match side.ask(&Ask::put(&format!("k{written}"), &value)).await {
            Ok(_) => written += 1,
            Err(refused) => break refused,
        }
    };
    assert_eq!(
        refused,
        "ResourceExhausted: etcdserver: mvcc: database space exceeded"
    );
    assert_eq!(written, 255);
    side.ask(&Ask::delete("k0", "")).await.expect("deleted");
    side.ask(&Ask::put("k", &value))
        .await
        .expect("there is room");
}
