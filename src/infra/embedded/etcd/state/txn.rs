//! Transactions: what they may ask for, which of their branches is taken, and its effect.

use std::cmp::Ordering;
use std::collections::BTreeSet;

use super::super::proto::etcdserverpb::compare::{CompareResult, CompareTarget, TargetUnion};
use super::super::proto::etcdserverpb::request_op::Request;
use super::super::proto::etcdserverpb::response_op::Response;
use super::super::proto::etcdserverpb::{
    Compare, DeleteRangeRequest, PutRequest, RangeRequest, RequestOp, ResponseOp, TxnRequest,
    TxnResponse,
};
use super::super::proto::mvccpb::KeyValue;
use super::history::History;
use super::interval::Interval;
use super::refusal::Refusal;
use super::{Store, check_delete, check_put, range, revision_of};

/// The most operations in a transaction: etcd's default.
pub(super) const MOST_OPERATIONS: usize = 128;

/// A transaction of which it is decided what it does.
pub(super) struct Decided {
    succeeded: bool,
    steps: Vec<Step>,
}

enum Step {
    Range(RangeRequest),
    Put(PutRequest),
    Delete(DeleteRangeRequest),
    Txn(Decided),
}

/// # Errors
/// When something is missing or too much, or it writes a key twice.
pub(super) fn check(request: &TxnRequest) -> Result<(), Refusal> {
    check_operations(request, MOST_OPERATIONS)?;
    check_keys(&request.success)?;
    check_keys(&request.failure)?;
    Ok(())
}

fn check_operations(request: &TxnRequest, most: usize) -> Result<(), Refusal> {
    let longest = request.compare.len();
    let longest = longest.max(request.success.len());
    let longest = longest.max(request.failure.len());
    if longest > most {
        return Err(Refusal::TooManyOperations);
    }
    if request.compare.iter().any(|it| it.key.is_empty()) {
        return Err(Refusal::EmptyKey);
    }
    let all = request.success.iter().chain(&request.failure);
    for operation in all {
        match &operation.request {
            Some(Request::RequestRange(it)) => range::check(it)?,
            Some(Request::RequestPut(it)) => check_put(it)?,
            Some(Request::RequestDeleteRange(it)) => check_delete(it)?,
            Some(Request::RequestTxn(it)) => check_operations(it, most - longest)?,
            None => return Err(Refusal::KeyNotFound),
        }
    }
    Ok(())
}

/// What operations write: the keys that they put, and what they delete.
type Written<'a> = (BTreeSet<&'a [u8]>, Vec<Interval>);

fn check_keys(operations: &[RequestOp]) -> Result<Written<'_>, Refusal> {
    let mut deleted = Vec::new();
    for operation in operations {
        if let Some(Request::RequestDeleteRange(it)) = &operation.request {
            deleted.push(Interval::new(&it.key, &it.range_end));
        }
    }
    // As in etcd, a range without an end is not compared with what is put.
    deleted.retain(Interval::is_bounded);
    let mut put: BTreeSet<&[u8]> = BTreeSet::new();
    let is_free = |key: &[u8], put: &BTreeSet<&[u8]>, deleted: &[Interval]| {
        let is_deleted = deleted.iter().any(|interval| interval.contains(key));
        match is_deleted || put.contains(key) {
            true => Err(Refusal::DuplicateKey),
            false => Ok(()),
        }
    };
    for operation in operations {
        let Some(Request::RequestTxn(nested)) = &operation.request else {
            continue;
        };
        let (put_then, deleted_then) = check_keys(&nested.success)?;
        let (put_else, deleted_else) = check_keys(&nested.failure)?;
        // Only one of the two is done: they may write the same.
        for key in put_then.union(&put_else) {
            is_free(key, &put, &deleted)?;
        }
        put.extend(put_then);
        put.extend(put_else);
        deleted.extend(deleted_then);
        deleted.extend(deleted_else);
    }
    for operation in operations {
        if let Some(Request::RequestPut(it)) = &operation.request {
            is_free(&it.key, &put, &deleted)?;
            put.insert(&it.key);
        }
    }
    Ok((put, deleted))
}

impl Decided {
    /// Compares, for nested transactions as well, before anything is written.
    pub(super) fn new(history: &History, request: TxnRequest) -> Self {
        let succeeded = request.compare.iter().all(|it| holds(history, it));
        let chosen = match succeeded {
            true => request.success,
            false => request.failure,
        };
        let steps = chosen.into_iter().filter_map(|it| it.request);
        let steps = steps.map(|request| match request {
            Request::RequestRange(it) => Step::Range(it),
            Request::RequestPut(it) => Step::Put(it),
            Request::RequestDeleteRange(it) => Step::Delete(it),
            Request::RequestTxn(it) => Step::Txn(Self::new(history, it)),
        });
        Self {
            succeeded,
            steps: steps.collect(),
        }
    }

    fn all_steps(&self) -> Vec<&Step> {
        let nested = self.steps.iter().flat_map(|step| match step {
            Step::Txn(nested) => nested.all_steps(),
            other => vec![other],
        });
        nested.collect()
    }

    /// # Errors
    /// When a step could not be done: nothing has been written yet.
    pub(super) fn check(&self, store: &Store) -> Result<(), Refusal> {
        let steps = self.all_steps();
        let mut bytes = 0;
        for step in &steps {
            if let Step::Put(put) = step {
                // The other way round than where it is done by itself: as in etcd.
                store.check_kept(put)?;
                store.check_lease(put)?;
                bytes += put.key.len() + put.value.len();
            }
        }
        if bytes > 0 && !store.history.has_room(bytes) {
            return Err(Refusal::NoSpace);
        }
        for step in &steps {
            if let Step::Range(range) = step {
                store.history.check(range.revision)?;
            }
        }
        Ok(())
    }

    /// Does it. Its header has no revision yet, as those of nested transactions never have.
    pub(super) fn perform(self, store: &mut Store) -> Result<TxnResponse, Refusal> {
        let mut responses = Vec::with_capacity(self.steps.len());
        for step in self.steps {
            let response = match step {
                Step::Range(it) => Response::ResponseRange(range::range(&store.history, &it)?),
                Step::Put(it) => Response::ResponsePut(store.apply_put(it)?),
                Step::Delete(it) => Response::ResponseDeleteRange(store.apply_delete(&it)),
                Step::Txn(it) => Response::ResponseTxn(it.perform(store)?),
            };
            responses.push(ResponseOp {
                response: Some(response),
            });
        }
        Ok(TxnResponse {
            header: revision_of(0),
            succeeded: self.succeeded,
            responses,
        })
    }
}

/// Whether a comparison holds for all its keys.
fn holds(history: &History, compare: &Compare) -> bool {
    let interval = Interval::new(&compare.key, &compare.range_end);
    let mut found = history
        .range(&interval, history.revision())
        .map(|kv| &**kv)
        .peekable();
    if found.peek().is_none() {
        // There is no value that an absent key could have.
        return compare.target() != CompareTarget::Value
            && holds_for(&KeyValue::default(), compare);
    }
    found.all(|kv| holds_for(kv, compare))
}

fn holds_for(kv: &KeyValue, compare: &Compare) -> bool {
    let number = match &compare.target_union {
        Some(
            TargetUnion::Version(it)
            | TargetUnion::CreateRevision(it)
            | TargetUnion::ModRevision(it)
            | TargetUnion::Lease(it),
        ) => *it,
        Some(TargetUnion::Value(_)) | None => 0,
    };
    let ordering = match compare.target() {
        CompareTarget::Version => kv.version.cmp(&number),
        CompareTarget::Create => kv.create_revision.cmp(&number),
        CompareTarget::Mod => kv.mod_revision.cmp(&number),
        CompareTarget::Lease => kv.lease.cmp(&number),
        CompareTarget::Value => match &compare.target_union {
            Some(TargetUnion::Value(value)) => kv.value.cmp(value),
            _ => kv.value.as_slice().cmp(&[]),
        },
    };
    match compare.result() {
        CompareResult::Equal => ordering == Ordering::Equal,
        CompareResult::NotEqual => ordering != Ordering::Equal,
        CompareResult::Greater => ordering == Ordering::Greater,
        CompareResult::Less => ordering == Ordering::Less,
    }
}
