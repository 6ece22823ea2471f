//! Watches.

use msvc::infra::embedded::etcd::proto::etcdserverpb::watch_create_request::FilterType;
use msvc::infra::embedded::etcd::proto::etcdserverpb::watch_request::RequestUnion;
use msvc::infra::embedded::etcd::proto::etcdserverpb::{
    WatchCancelRequest, WatchCreateRequest, WatchProgressRequest, WatchResponse,
};

use super::stores::{Ask, Pair, Side};
use crate::support::differences::Differences;

fn on(key: &str, range_end: &str) -> WatchCreateRequest {
    WatchCreateRequest {
        key: key.into(),
        range_end: range_end.into(),
        ..WatchCreateRequest::default()
    }
}

/// Revisions 2 to 9.
async fn fill(side: &Side) {
    let txn = msvc::infra::embedded::etcd::proto::etcdserverpb::TxnRequest {
        success: ["b", "d"]
            .map(|key| operation(Ask::put(key, "at once")))
            .into(),
        ..Default::default()
    };
    for ask in [
        Ask::put("a", "1"),
        Ask::put("b", "1"),
        Ask::put("a", "2"),
        Ask::delete("a", ""),
        Ask::Txn(txn),
        Ask::put("c", "1"),
        Ask::delete("b", "d"),
        Ask::put("last", ""),
    ] {
        side.ask(&ask).await.expect("an answer");
    }
}

fn operation(ask: Ask) -> msvc::infra::embedded::etcd::proto::etcdserverpb::RequestOp {
    use msvc::infra::embedded::etcd::proto::etcdserverpb::RequestOp;
    use msvc::infra::embedded::etcd::proto::etcdserverpb::request_op::Request;
    let request = match ask {
        Ask::Put(it) => Request::RequestPut(it),
        Ask::Range(it) => Request::RequestRange(it),
        Ask::Delete(it) => Request::RequestDeleteRange(it),
        other => panic!("{other:?} is not an operation"),
    };
    RequestOp {
        request: Some(request),
    }
}

/// All watches that tell of `last`, with what they tell.
fn kinds() -> Vec<WatchCreateRequest> {
    let all = || on("\0", "\0");
    let mut kinds = vec![
        on("", "\0"),
        on("last", ""),
        on("b", "m"),
        WatchCreateRequest {
            prev_kv: true,
            ..all()
        },
        WatchCreateRequest {
            watch_id: 42,
            fragment: true,
            progress_notify: true,
            ..all()
        },
    ];
    for filter in [FilterType::Nodelete, FilterType::Noput] {
        kinds.push(WatchCreateRequest {
            filters: vec![filter.into()],
            ..all()
        });
    }
    // A watch without puts never tells of the last one, which is put.
    kinds.pop();
    kinds[2].range_end = b"z".to_vec();
    kinds
}

#[tokio::test]
async fn changes_are_told_alike_as_they_happen_and_afterwards() {
    let Some(pair) = Pair::start().await else {
        return;
    };
    let mut differences = Differences::default();
    let live = async |side: &Side| {
        let mut streams = Vec::new();
        for kind in kinds() {
            let mut watching = side.watch();
            let created = watching.create(kind).await;
            streams.push((created, watching));
        }
        fill(side).await;
        let mut told = Vec::new();
        for (created, watching) in &mut streams {
            told.push((created.clone(), watching.events_until("last").await));
        }
        told
    };
    let (real, embedded) = pair.both(live).await;
    for (number, both) in real.into_iter().zip(embedded).enumerate() {
        differences.compare(&format!("{:?}", kinds()[number]), both);
    }
    for start_revision in [1, 2, 4, 5, 8, 9] {
        let later = async |side: &Side| {
            let mut told = Vec::new();
            for kind in kinds() {
                let mut watching = side.watch();
                let kind = WatchCreateRequest {
                    start_revision,
                    ..kind
                };
                let created = watching.create(kind).await;
                told.push((created, watching.events_until("last").await));
            }
            told
        };
        let what = format!("from revision {start_revision}");
        differences.compare(&what, pair.both(later).await);
    }
}

#[tokio::test]
async fn a_watch_of_the_future_begins_there() {
    let Some(pair) = Pair::start().await else {
        return;
    };
    let future = async |side: &Side| {
        let mut watching = side.watch();
        let create = WatchCreateRequest {
            start_revision: 7,
            ..on("\0", "\0")
        };
        let created = watching.create(create).await;
        fill(side).await;
        (created, watching.events_until("last").await)
    };
    let (real, embedded) = pair.both(future).await;
    assert_eq!(real, embedded);
    assert_eq!(embedded.1.len(), 4, "{embedded:?}");
}

#[tokio::test]
async fn watches_are_refused_canceled_and_numbered_alike() {
    let Some(pair) = Pair::start().await else {
        return;
    };
    let script = async |side: &Side| {
        let mut watching = side.watch();
        let mut told: Vec<WatchResponse> = Vec::new();
        let number = |watch_id| WatchCreateRequest {
            watch_id,
            ..on("k", "")
        };
        for create in [
            on("k", ""),
            on("k", ""),
            number(5),
            number(5),
            number(3),
            on("k", ""),
            on("k", ""),
            on("k", "a"),
            on("k", "k"),
            number(-7),
        ] {
            told.push(watching.create(create).await);
        }
        let cancel = |watch_id| RequestUnion::CancelRequest(WatchCancelRequest { watch_id });
        // Nobody has the first: it is not answered.
        watching.ask(cancel(77));
        watching.ask(cancel(5));
        told.push(watching.next().await);
        told.push(watching.create(number(5)).await);
        watching.ask(RequestUnion::ProgressRequest(WatchProgressRequest {}));
        told.push(watching.next().await);
        told
    };
    let (real, embedded) = pair.both(script).await;
    let mut differences = Differences::default();
    for (number, both) in real.into_iter().zip(embedded).enumerate() {
        differences.compare(&format!("response {number}"), both);
    }
}

#[tokio::test]
async fn watches_of_what_is_forgotten_are_canceled_alike() {
    let Some(pair) = Pair::start().await else {
        return;
    };
    let mut differences = Differences::default();
    let compacted = async |side: &Side| {
        fill(side).await;
        side.ask(&Ask::Compact(6)).await.expect("compacted");
        let mut told = Vec::new();
        for start_revision in [1, 5] {
            let mut watching = side.watch();
            let create = WatchCreateRequest {
                start_revision,
                ..on("\0", "\0")
            };
            told.push(watching.create(create).await);
            told.push(watching.next().await);
        }
        told
    };
    differences.compare("before compaction", pair.both(compacted).await);
    for start_revision in [6, 7, 8] {
        let known = async |side: &Side| {
            let mut watching = side.watch();
            let create = WatchCreateRequest {
                start_revision,
                prev_kv: true,
                ..on("\0", "\0")
            };
            watching.create(create).await;
            watching.events_until("last").await
        };
        let what = format!("from revision {start_revision}");
        differences.compare(&what, pair.both(known).await);
    }
}

#[tokio::test]
async fn many_events_at_one_revision_come_in_fragments_where_that_is_asked_for() {
    let Some(pair) = Pair::start().await else {
        return;
    };
    let value = "v".repeat(300 << 10);
    let fragmented = async |side: &Side| {
        for number in 0..12 {
            let put = Ask::put(&format!("k{number:02}"), &value);
            side.ask(&put).await.expect("a key");
        }
        let mut watching = side.watch();
        let create = WatchCreateRequest {
            prev_kv: true,
            fragment: true,
            ..on("k", "l")
        };
        watching.create(create).await;
        side.ask(&Ask::delete("k", "l")).await.expect("deleted");
        let mut parts = Vec::new();
        loop {
            let response = watching.next().await;
            let keys = response.events.iter().map(|event| {
                let previous = event.prev_kv.as_ref().expect("what it was");
                (previous.key.clone(), previous.value.len())
            });
            parts.push((keys.collect::<Vec<_>>(), response.header, response.fragment));
            if !response.fragment {
                return parts;
            }
        }
    };
    let (real, embedded) = pair.both(fragmented).await;
    assert_eq!(real, embedded);
    assert_eq!(embedded.len(), 2, "two parts");
}
