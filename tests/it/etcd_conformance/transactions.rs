//! Transactions.

use msvc::infra::embedded::etcd::proto::etcdserverpb::compare::{
    CompareResult, CompareTarget, TargetUnion,
};
use msvc::infra::embedded::etcd::proto::etcdserverpb::request_op::Request;
use msvc::infra::embedded::etcd::proto::etcdserverpb::{
    Compare, DeleteRangeRequest, PutRequest, RangeRequest, RequestOp, TxnRequest,
};

use super::stores::{Ask, Pair};
use crate::support::differences::Differences;

fn op(request: Request) -> RequestOp {
    RequestOp {
        request: Some(request),
    }
}

fn put(key: &str, value: &str) -> RequestOp {
    op(Request::RequestPut(PutRequest {
        key: key.into(),
        value: value.into(),
        prev_kv: true,
        ..PutRequest::default()
    }))
}

fn get(key: &str, range_end: &str, revision: i64) -> RequestOp {
    op(Request::RequestRange(RangeRequest {
        key: key.into(),
        range_end: range_end.into(),
        revision,
        ..RangeRequest::default()
    }))
}

fn delete(key: &str, range_end: &str) -> RequestOp {
    op(Request::RequestDeleteRange(DeleteRangeRequest {
        key: key.into(),
        range_end: range_end.into(),
        prev_kv: true,
    }))
}

fn nested(txn: TxnRequest) -> RequestOp {
    op(Request::RequestTxn(txn))
}

fn of(success: Vec<RequestOp>) -> TxnRequest {
    TxnRequest {
        success,
        ..TxnRequest::default()
    }
}

fn compare(key: &str, result: CompareResult, union: TargetUnion) -> Compare {
    let target = match union {
        TargetUnion::Version(_) => CompareTarget::Version,
        TargetUnion::CreateRevision(_) => CompareTarget::Create,
        TargetUnion::ModRevision(_) => CompareTarget::Mod,
        TargetUnion::Value(_) => CompareTarget::Value,
        TargetUnion::Lease(_) => CompareTarget::Lease,
    };
    Compare {
        key: key.into(),
        result: result.into(),
        target: target.into(),
        target_union: Some(union),
        range_end: Vec::new(),
    }
}

async fn run(txns: Vec<TxnRequest>) {
    let Some(pair) = Pair::start().await else {
        return;
    };
    let mut differences = Differences::default();
    let before = [
        Ask::Grant { id: 7, ttl: 600 },
        Ask::put("a", "1"),
        Ask::put("b", "2"),
        Ask::put("a", "3"),
        Ask::hold("held", 7),
        Ask::Compact(3),
    ];
    for ask in before.into_iter().chain(txns.into_iter().map(Ask::Txn)) {
        let text = format!("{ask:?}");
        let what = text.chars().take(400).collect::<String>();
        differences.compare(&what, pair.ask(&ask).await);
    }
    let all = Ask::Range(RangeRequest {
        key: vec![0],
        range_end: vec![0],
        ..RangeRequest::default()
    });
    differences.compare("all keys afterwards", pair.ask(&all).await);
}

#[tokio::test]
async fn keys_are_compared_alike() {
    let results = [
        CompareResult::Equal,
        CompareResult::NotEqual,
        CompareResult::Greater,
        CompareResult::Less,
    ];
    let unions = [
        TargetUnion::Version(2),
        TargetUnion::CreateRevision(2),
        TargetUnion::ModRevision(4),
        TargetUnion::Value(b"3".to_vec()),
        TargetUnion::Lease(7),
        TargetUnion::Version(0),
        TargetUnion::Value(Vec::new()),
    ];
    let mut txns = Vec::new();
    for key in ["a", "b", "held", "none"] {
        for result in results {
            for union in &unions {
                txns.push(TxnRequest {
                    compare: vec![compare(key, result, union.clone())],
                    ..of(vec![get(key, "", 0)])
                });
            }
        }
    }
    let ranged = |result, union, key: &str, end: &str| TxnRequest {
        compare: vec![Compare {
            range_end: end.into(),
            ..compare(key, result, union)
        }],
        ..TxnRequest::default()
    };
    for end in ["b", "c", "z", "\0"] {
        let union = TargetUnion::CreateRevision(3);
        txns.push(ranged(CompareResult::Less, union.clone(), "a", end));
        txns.push(ranged(CompareResult::Greater, union, "x", end));
    }
    run(txns).await;
}

#[tokio::test]
async fn branches_write_and_read_their_own_writes_alike() {
    let taken = compare("a", CompareResult::Equal, TargetUnion::Version(2));
    let not_taken = compare("a", CompareResult::Equal, TargetUnion::Version(9));
    let txns = vec![
        TxnRequest::default(),
        TxnRequest {
            compare: vec![taken.clone()],
            success: vec![
                get("a", "", 0),
                put("a", "written"),
                get("a", "", 0),
                delete("b", ""),
                get("\0", "\0", 0),
                get("\0", "\0", 5),
            ],
            failure: vec![put("z", "not this")],
        },
        TxnRequest {
            compare: vec![not_taken.clone(), taken.clone()],
            success: vec![put("z", "not this")],
            failure: vec![delete("none", ""), get("a", "", 0)],
        },
        of(vec![
            nested(TxnRequest {
                compare: vec![not_taken],
                success: vec![put("x", "1")],
                failure: vec![put("x", "2"), get("x", "", 0)],
            }),
            nested(of(vec![nested(of(vec![delete("x", "")]))])),
            get("x", "", 0),
        ]),
        of(vec![delete("a", "b"), delete("a", "b")]),
        of(vec![put("a", "new"), put("b", "new")]),
    ];
    run(txns).await;
}

#[tokio::test]
async fn what_cannot_be_done_is_refused_alike_and_changes_nothing() {
    let many = |count: usize| {
        (0..count)
            .map(|number| put(&format!("k{number}"), ""))
            .collect()
    };
    let gets = |count| vec![get("a", "", 0); count];
    let invalid = [
        PutRequest {
            key: b"none".to_vec(),
            ignore_value: true,
            ..PutRequest::default()
        },
        PutRequest {
            key: b"a".to_vec(),
            lease: 99,
            ..PutRequest::default()
        },
        PutRequest {
            key: b"a".to_vec(),
            ignore_lease: true,
            lease: 7,
            ..PutRequest::default()
        },
    ];
    let mut txns = vec![
        of(vec![put("d", "1"), put("d", "2")]),
        of(vec![put("d", "1"), delete("d", "")]),
        of(vec![delete("c", "e"), put("d", "1")]),
        of(vec![delete("c", "\0"), put("d", "1")]),
        of(vec![put("d", "1"), nested(of(vec![put("d", "2")]))]),
        of(vec![
            nested(of(vec![put("d", "1")])),
            nested(of(vec![delete("d", "")])),
        ]),
        of(vec![
            nested(of(vec![delete("d", "")])),
            nested(of(vec![put("d", "1")])),
        ]),
        of(vec![nested(TxnRequest {
            success: vec![put("d", "1")],
            failure: vec![put("d", "2")],
            ..TxnRequest::default()
        })]),
        TxnRequest {
            failure: vec![put("d", "1"), put("d", "1")],
            ..TxnRequest::default()
        },
        of(many(128)),
        of(many(129)),
        of(gets(129)),
        of(vec![nested(of(gets(127)))]),
        of(vec![nested(of(gets(128)))]),
        of(vec![RequestOp { request: None }]),
        of(vec![put("", "1")]),
        of(vec![get("", "", 0)]),
        of(vec![delete("", "")]),
        TxnRequest {
            compare: vec![compare("", CompareResult::Equal, TargetUnion::Version(1))],
            ..TxnRequest::default()
        },
        of(vec![put("d", "1"), get("a", "", 1)]),
        of(vec![put("d", "1"), get("a", "", 999)]),
        of(vec![get("a", "", 1)]),
        TxnRequest {
            failure: vec![get("a", "", 1)],
            ..TxnRequest::default()
        },
    ];
    for request in invalid {
        txns.push(of(vec![put("d", "1"), op(Request::RequestPut(request))]));
    }
    run(txns).await;
}
