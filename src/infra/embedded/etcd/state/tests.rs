//! The store against a model that keeps a copy of everything at every revision.

use std::collections::BTreeMap;
use std::time::{Duration, Instant};

use super::super::proto::etcdserverpb::request_op::Request;
use super::super::proto::etcdserverpb::{
    CompactionRequest, DeleteRangeRequest, LeaseGrantRequest, LeaseTimeToLiveRequest, PutRequest,
    RangeRequest, RequestOp, TxnRequest, WatchCreateRequest,
};
use super::super::proto::mvccpb::KeyValue;
use super::{Limits, Refusal, Store, Watches};

const ROOMY: Limits = Limits {
    revisions: 10_000,
    superseded_bytes: 1 << 30,
    live_bytes: 1 << 30,
};

/// A xorshift generator: the same numbers each time.
struct Numbers(u64);

impl Numbers {
    fn below(&mut self, bound: u64) -> u64 {
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 7;
        self.0 ^= self.0 << 17;
        (self.0 >> 33) % bound
    }

    fn key(&mut self) -> Vec<u8> {
        vec![b'a' + u8::try_from(self.below(5)).expect("small")]
    }
}

/// All keys at a revision, by a copy.
type Snapshot = BTreeMap<Vec<u8>, KeyValue>;

/// A key with what it is afterwards.
type Changed = (Vec<u8>, Option<KeyValue>);

/// What a store has to be: a copy a revision.
struct Model {
    snapshots: Vec<Snapshot>,
    compacted: i64,
}

impl Model {
    fn new() -> Self {
        Self {
            // There is no revision 0, and nothing at revision 1.
            snapshots: vec![Snapshot::new(), Snapshot::new()],
            compacted: -1,
        }
    }

    fn revision(&self) -> i64 {
        i64::try_from(self.snapshots.len()).expect("few") - 1
    }

    fn last(&self) -> &Snapshot {
        self.snapshots.last().expect("the first")
    }

    fn write(&mut self, act: impl FnOnce(&mut Snapshot, i64) -> bool) {
        let mut next = self.last().clone();
        if act(&mut next, self.revision() + 1) {
            self.snapshots.push(next);
        }
    }

    fn put(snapshot: &mut Snapshot, revision: i64, key: &[u8], value: &[u8]) {
        let before = snapshot.get(key);
        let kv = KeyValue {
            key: key.to_vec(),
            value: value.to_vec(),
            create_revision: before.map_or(revision, |it| it.create_revision),
            mod_revision: revision,
            version: before.map_or(1, |it| it.version + 1),
            lease: 0,
        };
        snapshot.insert(key.to_vec(), kv);
    }

    fn range(&self, revision: i64) -> Result<Vec<KeyValue>, Refusal> {
        if revision > self.revision() {
            return Err(Refusal::FutureRevision);
        }
        if revision < self.compacted {
            return Err(Refusal::Compacted);
        }
        let snapshot = &self.snapshots[usize::try_from(revision).expect("positive")];
        Ok(snapshot.values().cloned().collect())
    }

    /// What is different at a revision: keys with what they are.
    fn changes(&self, revision: i64) -> Vec<Changed> {
        let at = usize::try_from(revision).expect("positive");
        let (before, after) = (&self.snapshots[at - 1], &self.snapshots[at]);
        let gone = before.keys().filter(|key| !after.contains_key(*key));
        let gone = gone.map(|key| (key.clone(), None));
        let new = after.values().filter(|kv| kv.mod_revision == revision);
        let mut all: Vec<_> = gone
            .chain(new.map(|kv| (kv.key.clone(), Some(kv.clone()))))
            .collect();
        all.sort_by(|a, b| a.0.cmp(&b.0));
        all
    }
}

fn put(key: &[u8], value: &[u8]) -> PutRequest {
    PutRequest {
        key: key.to_vec(),
        value: value.to_vec(),
        ..PutRequest::default()
    }
}

fn everything(revision: i64) -> RangeRequest {
    RangeRequest {
        key: vec![0],
        range_end: vec![0],
        revision,
        ..RangeRequest::default()
    }
}

fn step(numbers: &mut Numbers, store: &mut Store, model: &mut Model) {
    let (key, value) = (numbers.key(), numbers.key());
    match numbers.below(10) {
        0..=4 => {
            store.put(put(&key, &value)).expect("room");
            model.write(|next, revision| {
                Model::put(next, revision, &key, &value);
                true
            });
        }
        5 | 6 => {
            let range_end = if numbers.below(2) == 0 {
                numbers.key()
            } else {
                Vec::new()
            };
            let request = DeleteRangeRequest {
                key: key.clone(),
                range_end: range_end.clone(),
                prev_kv: false,
            };
            let response = store.delete_range(&request).expect("a key");
            let mut deleted = 0;
            model.write(|next, _| {
                let before = next.len();
                next.retain(|it, _| match range_end.is_empty() {
                    true => *it != key,
                    false => !(key <= *it && *it < range_end),
                });
                deleted = before - next.len();
                deleted > 0
            });
            assert_eq!(response.deleted, i64::try_from(deleted).expect("few"));
        }
        7 | 8 => {
            let keys = [b"a".as_slice(), &key]
                .into_iter()
                .filter(|it| it != b"a" || key != b"a");
            let keys: Vec<&[u8]> = keys.collect();
            let operation = |it: &&[u8]| RequestOp {
                request: Some(Request::RequestPut(put(it, &value))),
            };
            let request = TxnRequest {
                success: keys.iter().map(operation).collect(),
                ..TxnRequest::default()
            };
            store.txn(request).expect("keys that differ");
            model.write(|next, revision| {
                keys.iter()
                    .for_each(|it| Model::put(next, revision, it, &value));
                !keys.is_empty()
            });
        }
        _ => {
            let revision = model.revision() - i64::try_from(numbers.below(20)).expect("few");
            let physical = false;
            let done = store.compact(&CompactionRequest { revision, physical });
            match revision <= model.compacted {
                true => assert_eq!(done, Err(Refusal::Compacted)),
                false => model.compacted = revision,
            }
        }
    }
}

#[test]
fn every_revision_that_is_not_forgotten_is_as_it_was() {
    for seed in 1..=20 {
        let mut numbers = Numbers(seed * 0x9e37_79b9);
        let (mut store, mut model) = (Store::new(ROOMY), Model::new());
        for _ in 0..200 {
            step(&mut numbers, &mut store, &mut model);
            assert_eq!(store.revision(), model.revision());
            for back in [0, 1, 5, 40] {
                let revision = (model.revision() - back).max(1);
                let found = store.range(&everything(revision)).map(|it| it.kvs);
                assert_eq!(
                    found,
                    model.range(revision),
                    "seed {seed}, revision {revision}"
                );
            }
        }
        let (total, live) = store.bytes();
        let revision = model.revision();
        model.compacted = revision;
        let _ = store.compact(&CompactionRequest {
            revision,
            physical: true,
        });
        let (after, live_after) = store.bytes();
        assert_eq!(live_after, live);
        assert_eq!(
            (after, after <= total),
            (live, true),
            "what is left is what is current"
        );
    }
}

#[test]
fn a_watch_tells_every_change_once_and_in_order_whenever_it_is_asked() {
    for seed in 1..=20 {
        let mut numbers = Numbers(seed * 0x51ed_270b);
        let (mut store, mut model) = (Store::new(ROOMY), Model::new());
        let mut watches = Watches::default();
        let create = WatchCreateRequest {
            key: vec![0],
            range_end: vec![0],
            prev_kv: true,
            ..WatchCreateRequest::default()
        };
        watches.create(create, &store);
        assert!(watches.next(&store).is_some_and(|it| it.created));
        let mut told: BTreeMap<i64, Vec<Changed>> = BTreeMap::new();
        let mut canceled = None;
        for _ in 0..200 {
            step(&mut numbers, &mut store, &mut model);
            // Now and then nobody reads for a while.
            while numbers.below(3) == 0 {
                let Some(response) = watches.next(&store) else {
                    break;
                };
                if response.canceled {
                    canceled = Some(response.compact_revision);
                }
                for event in response.events {
                    let kv = event.kv.expect("a key");
                    let is_put = event.r#type == 0;
                    let change = (kv.key.clone(), is_put.then(|| kv.clone()));
                    told.entry(kv.mod_revision).or_default().push(change);
                }
            }
            if canceled.is_some() {
                break;
            }
        }
        let mut expected = 2;
        for (revision, mut changes) in told {
            changes.sort_by(|a, b| a.0.cmp(&b.0));
            assert_eq!(revision, expected, "seed {seed}: none is left out");
            assert_eq!(changes, model.changes(revision), "seed {seed}");
            expected += 1;
        }
        if let Some(compacted) = canceled {
            assert!(expected < compacted, "only what is forgotten is not told");
        }
    }
}

#[test]
fn history_is_compacted_before_it_is_too_much() {
    let mut store = Store::new(Limits {
        revisions: 100,
        ..ROOMY
    });
    for number in 0..1000 {
        let value = format!("{number}");
        store.put(put(b"k", value.as_bytes())).expect("room");
    }
    assert_eq!(store.range(&everything(1001)).map(|it| it.count), Ok(1));
    assert_eq!(store.range(&everything(960)).map(|it| it.count), Ok(1));
    assert_eq!(store.range(&everything(900)), Err(Refusal::Compacted));
    let mut store = Store::new(Limits {
        superseded_bytes: 10_000,
        ..ROOMY
    });
    for _ in 0..100 {
        store.put(put(b"k", &[0; 1000])).expect("room");
        let (total, live) = store.bytes();
        assert!(total - live <= 10_000, "{total} of which {live}");
    }
}

#[test]
fn a_lease_ends_when_its_time_is_over_and_not_before() {
    let start = Instant::now();
    let at = |seconds: u64| start + Duration::from_secs(seconds);
    let mut store = Store::new(ROOMY);
    let request = LeaseGrantRequest { ttl: 10, id: 0 };
    let granted = store.grant(&request, 77, start).expect("a lease");
    assert_eq!((granted.id, granted.ttl), (77, 10));
    let held = PutRequest {
        lease: 77,
        ..put(b"k", b"v")
    };
    store.put(held).expect("a lease");
    assert_eq!(store.next_expiry(), Some(at(10)));
    assert!(!store.elapse(at(10) - Duration::from_nanos(1)));
    assert_eq!(store.keep_alive(77, at(9)).ttl, 10);
    let left = LeaseTimeToLiveRequest { id: 77, keys: true };
    let left = store.time_to_live(&left, at(12));
    assert_eq!((left.ttl, left.granted_ttl), (7, 10));
    assert_eq!(left.keys, [b"k".to_vec()]);
    assert!(!store.elapse(at(18)));
    let revision = store.revision();
    assert!(store.elapse(at(19)));
    assert_eq!(store.revision(), revision + 1);
    assert_eq!(store.keep_alive(77, at(19)).ttl, 0);
    assert_eq!(store.next_expiry(), None);
}
