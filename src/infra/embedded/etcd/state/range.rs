//! Reading keys.

use std::sync::Arc;

use super::super::proto::etcdserverpb::range_request::{SortOrder, SortTarget};
use super::super::proto::etcdserverpb::{RangeRequest, RangeResponse};
use super::super::proto::mvccpb::KeyValue;
use super::history::History;
use super::interval::Interval;
use super::refusal::Refusal;
use super::revision_of;

/// # Errors
/// When there is no key.
pub(super) fn check(request: &RangeRequest) -> Result<(), Refusal> {
    match request.key.is_empty() {
        true => Err(Refusal::EmptyKey),
        false => Ok(()),
    }
}

/// # Errors
/// When the revision is in the future or forgotten.
pub(super) fn range(history: &History, request: &RangeRequest) -> Result<RangeResponse, Refusal> {
    let revision = history.resolve(request.revision)?;
    let interval = Interval::new(&request.key, &request.range_end);
    let found = history.range(&interval, revision);
    let mut response = RangeResponse {
        header: revision_of(history.revision()),
        ..RangeResponse::default()
    };
    if request.count_only {
        response.count = length(found.count());
        return Ok(response);
    }
    let mut found: Vec<&Arc<KeyValue>> = found.collect();
    response.count = length(found.len());
    let limit = usize::try_from(request.limit).unwrap_or(0);
    if limit > 0 && !is_filtered(request) && request.sort_order() == SortOrder::None {
        // etcd reads no more than it has to, and that before it sorts.
        found.truncate(limit + 1);
    }
    found.retain(|kv| is_wanted(request, kv));
    sort(request, &mut found);
    if limit > 0 && found.len() > limit {
        found.truncate(limit);
        response.more = true;
    }
    let copies = found.into_iter().map(|kv| KeyValue {
        value: match request.keys_only {
            true => Vec::new(),
            false => kv.value.clone(),
        },
        key: kv.key.clone(),
        ..**kv
    });
    response.kvs = copies.collect();
    Ok(response)
}

fn length(count: usize) -> i64 {
    i64::try_from(count).unwrap_or(i64::MAX)
}

fn is_filtered(request: &RangeRequest) -> bool {
    let bounds = [
        request.min_mod_revision,
        request.max_mod_revision,
        request.min_create_revision,
        request.max_create_revision,
    ];
    bounds.iter().any(|bound| *bound != 0)
}

fn is_wanted(request: &RangeRequest, kv: &KeyValue) -> bool {
    let is_within =
        |value: i64, min: i64, max: i64| (min == 0 || value >= min) && (max == 0 || value <= max);
    let (min, max) = (request.min_mod_revision, request.max_mod_revision);
    let (min_create, max_create) = (request.min_create_revision, request.max_create_revision);
    is_within(kv.mod_revision, min, max) && is_within(kv.create_revision, min_create, max_create)
}

/// They are in the order of keys.
fn sort(request: &RangeRequest, found: &mut [&Arc<KeyValue>]) {
    match request.sort_target() {
        SortTarget::Key => {}
        SortTarget::Version => found.sort_by_key(|kv| kv.version),
        SortTarget::Create => found.sort_by_key(|kv| kv.create_revision),
        SortTarget::Mod => found.sort_by_key(|kv| kv.mod_revision),
        SortTarget::Value => found.sort_by(|a, b| a.value.cmp(&b.value)),
    }
    if request.sort_order() == SortOrder::Descend {
        found.reverse();
    }
}
