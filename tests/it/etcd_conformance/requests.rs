//! Single requests, one after the other.

use msvc::infra::embedded::etcd::proto::etcdserverpb::range_request::{SortOrder, SortTarget};
use msvc::infra::embedded::etcd::proto::etcdserverpb::{
    DeleteRangeRequest, PutRequest, RangeRequest,
};

use super::stores::{Ask, Pair};
use crate::support::differences::Differences;

fn range(key: &str, range_end: &str) -> RangeRequest {
    RangeRequest {
        key: key.into(),
        range_end: range_end.into(),
        ..RangeRequest::default()
    }
}

/// Four keys, of which one was written twice and one was deleted: revisions 2 to 7.
fn filled() -> Vec<Ask> {
    vec![
        Ask::put("b", "2"),
        Ask::put("a", "4"),
        Ask::put("c", "1"),
        Ask::put("a", "3"),
        Ask::put("d", "0"),
        Ask::delete("d", ""),
    ]
}

async fn compare(asks: Vec<Ask>) {
    let Some(pair) = Pair::start().await else {
        return;
    };
    let mut differences = Differences::default();
    for ask in filled().into_iter().chain(asks) {
        differences.compare(&format!("{ask:?}"), pair.ask(&ask).await);
    }
}

#[tokio::test]
async fn ranges_are_read_alike() {
    let all = || range("\0", "\0");
    let mut requests = vec![
        range("", ""),
        range("a", ""),
        range("none", ""),
        range("a", "b"),
        range("a", "c"),
        range("a", "\0"),
        range("b", "\0"),
        range("b", "a"),
        range("b", "b"),
        range("z", "\0"),
        all(),
    ];
    for revision in -1..=9 {
        requests.push(RangeRequest { revision, ..all() });
    }
    for limit in -1..=4 {
        requests.push(RangeRequest { limit, ..all() });
        let limited = RangeRequest { limit, ..all() };
        let count_only = true;
        requests.push(RangeRequest {
            count_only,
            ..limited
        });
    }
    for target in [
        SortTarget::Key,
        SortTarget::Create,
        SortTarget::Mod,
        SortTarget::Value,
    ] {
        for order in [SortOrder::None, SortOrder::Ascend, SortOrder::Descend] {
            for limit in [0, 1, 2] {
                requests.push(RangeRequest {
                    sort_target: target.into(),
                    sort_order: order.into(),
                    limit,
                    ..all()
                });
            }
        }
    }
    for revision in 2..=6 {
        let bounds = [
            RangeRequest {
                min_mod_revision: revision,
                ..all()
            },
            RangeRequest {
                max_mod_revision: revision,
                ..all()
            },
            RangeRequest {
                min_create_revision: revision,
                limit: 1,
                ..all()
            },
            RangeRequest {
                max_create_revision: revision,
                count_only: true,
                ..all()
            },
        ];
        requests.extend(bounds);
    }
    requests.push(RangeRequest {
        keys_only: true,
        serializable: true,
        ..all()
    });
    compare(requests.into_iter().map(Ask::Range).collect()).await;
}

#[tokio::test]
async fn keys_are_written_and_deleted_alike() {
    let put = |key: &str| PutRequest {
        key: key.into(),
        ..PutRequest::default()
    };
    let previous = |request: PutRequest| PutRequest {
        prev_kv: true,
        ..request
    };
    let delete = |key: &str, range_end: &str| {
        Ask::Delete(DeleteRangeRequest {
            key: key.into(),
            range_end: range_end.into(),
            prev_kv: false,
        })
    };
    let ignore_value = true;
    let ignore_lease = true;
    let puts = [
        put(""),
        previous(put("new")),
        previous(put("a")),
        PutRequest {
            ignore_value,
            ..previous(put("b"))
        },
        PutRequest {
            ignore_value,
            value: b"1".to_vec(),
            ..put("b")
        },
        PutRequest {
            ignore_value,
            ..put("none")
        },
        PutRequest {
            ignore_lease,
            value: b"kept".to_vec(),
            ..put("b")
        },
        PutRequest {
            ignore_lease,
            lease: 5,
            ..put("b")
        },
        PutRequest {
            ignore_lease,
            ..put("none")
        },
        PutRequest {
            lease: 5,
            ..put("b")
        },
    ];
    let mut asks: Vec<Ask> = puts.into_iter().map(Ask::Put).collect();
    asks.push(Ask::Range(range("\0", "\0")));
    asks.extend([
        delete("", ""),
        delete("none", ""),
        delete("b", "a"),
        Ask::delete("b", ""),
        Ask::delete("b", ""),
        Ask::put("b", "again"),
        Ask::delete("a", "c"),
        Ask::delete("a", "\0"),
        Ask::delete("\0", "\0"),
        Ask::Range(range("\0", "\0")),
    ]);
    compare(asks).await;
}

#[tokio::test]
async fn compaction_forgets_alike() {
    let at = |key: &str, revision| {
        Ask::Range(RangeRequest {
            revision,
            ..range(key, "\0")
        })
    };
    let mut asks = vec![Ask::Compact(8), Ask::Compact(4)];
    asks.extend((1..=7).map(|revision| at("\0", revision)));
    asks.extend([Ask::Compact(4), Ask::Compact(3), Ask::Compact(-1)]);
    asks.extend([Ask::put("a", "after"), Ask::Compact(8)]);
    asks.extend((6..=9).map(|revision| at("\0", revision)));
    compare(asks).await;
}

#[tokio::test]
async fn large_requests_are_refused_alike() {
    let sized = |bytes: usize| Ask::put("k", &"v".repeat(bytes));
    let asks = vec![
        sized(1 << 20),
        sized((1536 << 10) - 100),
        sized(1536 << 10),
        sized((2 << 20) + 1),
        sized(3 << 20),
        Ask::Range(RangeRequest {
            keys_only: true,
            ..range("k", "")
        }),
    ];
    let Some(pair) = Pair::start().await else {
        return;
    };
    let mut differences = Differences::default();
    for ask in asks {
        let Ask::Put(request) = &ask else {
            differences.compare("the key", pair.ask(&ask).await);
            continue;
        };
        let what = format!("a value of {} bytes", request.value.len());
        differences.compare(&what, pair.ask(&ask).await);
    }
}
