//! Requests that nobody thought of: the same random ones to both.

use msvc::infra::embedded::etcd::proto::etcdserverpb::compare::{
    CompareResult, CompareTarget, TargetUnion,
};
use msvc::infra::embedded::etcd::proto::etcdserverpb::request_op::Request;
use msvc::infra::embedded::etcd::proto::etcdserverpb::{
    Compare, DeleteRangeRequest, PutRequest, RangeRequest, RequestOp, TxnRequest,
    WatchCreateRequest,
};

use super::stores::{Ask, Pair, Side};
use crate::support::differences::Differences;

const KEYS: [&str; 6] = ["a", "b", "c", "d", "e", "f"];
const SEEDS: [u64; 4] = [1, 2, 3, 4];
const REQUESTS: usize = 400;

/// A xorshift generator: the same numbers each time.
struct Numbers(u64);

impl Numbers {
    fn below(&mut self, bound: usize) -> usize {
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 7;
        self.0 ^= self.0 << 17;
        usize::try_from(self.0 >> 33).expect("31 bits") % bound
    }

    fn coin(&mut self) -> bool {
        self.below(2) == 0
    }

    fn key(&mut self) -> Vec<u8> {
        KEYS[self.below(KEYS.len())].into()
    }

    fn range_end(&mut self) -> Vec<u8> {
        match self.below(4) {
            0 | 1 => Vec::new(),
            2 => self.key(),
            _ => vec![0],
        }
    }

    fn value(&mut self) -> Vec<u8> {
        vec![b'0' + u8::try_from(self.below(4)).expect("small")]
    }

    fn small(&mut self, bound: usize) -> i64 {
        i64::try_from(self.below(bound)).expect("small")
    }

    fn range(&mut self, revision: i64) -> RangeRequest {
        let past = |numbers: &mut Self| match numbers.below(4) {
            0 => revision - numbers.small(12),
            _ => 0,
        };
        RangeRequest {
            key: self.key(),
            range_end: self.range_end(),
            limit: self.small(4),
            revision: past(self),
            min_mod_revision: past(self),
            max_create_revision: past(self),
            count_only: self.below(8) == 0,
            keys_only: self.below(4) == 0,
            ..RangeRequest::default()
        }
    }

    fn put(&mut self) -> PutRequest {
        let (ignore_value, ignore_lease) = (self.below(8) == 0, self.below(8) == 0);
        PutRequest {
            key: self.key(),
            value: match ignore_value {
                true => Vec::new(),
                false => self.value(),
            },
            lease: match ignore_lease {
                true => 0,
                false => self.small(4),
            },
            prev_kv: self.coin(),
            ignore_value,
            ignore_lease,
        }
    }

    fn delete(&mut self) -> DeleteRangeRequest {
        DeleteRangeRequest {
            key: self.key(),
            range_end: match self.coin() {
                true => Vec::new(),
                false => self.range_end(),
            },
            prev_kv: self.coin(),
        }
    }

    fn compare(&mut self, revision: i64) -> Compare {
        let number = match self.coin() {
            true => self.small(4),
            false => revision - self.small(8),
        };
        let (target, union) = match self.below(5) {
            0 => (CompareTarget::Version, TargetUnion::Version(number)),
            1 => (CompareTarget::Create, TargetUnion::CreateRevision(number)),
            2 => (CompareTarget::Mod, TargetUnion::ModRevision(number)),
            3 => (CompareTarget::Lease, TargetUnion::Lease(number)),
            _ => (CompareTarget::Value, TargetUnion::Value(self.value())),
        };
        let results = [
            CompareResult::Equal,
            CompareResult::NotEqual,
            CompareResult::Greater,
            CompareResult::Less,
        ];
        Compare {
            key: self.key(),
            range_end: match self.below(4) {
                0 => self.range_end(),
                _ => Vec::new(),
            },
            result: results[self.below(4)].into(),
            target: target.into(),
            target_union: Some(union),
        }
    }

    fn txn(&mut self, revision: i64, depth: usize) -> TxnRequest {
        let compare = (0..self.below(3)).map(|_| self.compare(revision)).collect();
        let mut branch = || -> Vec<RequestOp> {
            let count = self.below(4);
            let operation = |_| {
                let request = match self.below(if depth == 0 { 6 } else { 7 }) {
                    0 | 1 => Request::RequestRange(self.range(revision)),
                    2..=4 => Request::RequestPut(self.put()),
                    5 => Request::RequestDeleteRange(self.delete()),
                    _ => Request::RequestTxn(self.txn(revision, depth - 1)),
                };
                RequestOp {
                    request: Some(request),
                }
            };
            (0..count).map(operation).collect()
        };
        let (success, failure) = (branch(), branch());
        TxnRequest {
            compare,
            success,
            failure,
        }
    }

    fn ask(&mut self, revision: i64) -> Ask {
        match self.below(20) {
            0..=4 => Ask::Range(self.range(revision)),
            5..=9 => Ask::Put(self.put()),
            10..=11 => Ask::Delete(self.delete()),
            12..=16 => Ask::Txn(self.txn(revision, 2)),
            17 => Ask::Compact(revision - self.small(30)),
            18 => Ask::Grant {
                id: 1 + self.small(4),
                ttl: 600,
            },
            _ => Ask::Revoke(1 + self.small(4)),
        }
    }
}

async fn revision(side: &Side) -> i64 {
    let Ask::Range(request) = Ask::get("a") else {
        unreachable!("it is one");
    };
    let response = side.kv().range(request).await.expect("an answer");
    response.into_inner().header.expect("a header").revision
}

#[tokio::test]
async fn random_requests_are_answered_alike_and_their_events_told_alike() {
    for seed in SEEDS {
        let Some(pair) = Pair::start().await else {
            return;
        };
        let mut numbers = Numbers(seed.wrapping_mul(0x9e37_79b9_7f4a_7c15));
        let create = WatchCreateRequest {
            key: vec![0],
            range_end: vec![0],
            prev_kv: true,
            ..WatchCreateRequest::default()
        };
        let (mut real, mut embedded) = (pair.real.watch(), pair.embedded.watch());
        assert_eq!(
            real.create(create.clone()).await,
            embedded.create(create).await
        );
        let mut differences = Differences::default();
        for number in 0..REQUESTS {
            let ask = numbers.ask(revision(&pair.embedded).await);
            let what = format!("seed {seed}, request {number}: {ask:?}");
            differences.compare(&what, pair.ask(&ask).await);
        }
        differences.compare("the end", pair.ask(&Ask::put("last", "")).await);
        let events = tokio::join!(real.events_until("last"), embedded.events_until("last"));
        differences.compare(&format!("seed {seed}: events"), events);
    }
}
