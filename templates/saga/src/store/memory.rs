//! Sagas in memory.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use super::{Claim, Claimed, Filter, Key, New, Seen};
use crate::Status;
use crate::machine::Journal;

#[derive(Debug, Default)]
pub(super) struct Memory(Mutex<BTreeMap<Key, Row>>);

#[derive(Debug)]
struct Row {
    input: Arc<str>,
    trace: String,
    journal: Journal,
    owner: String,
    fence: i64,
    due_at: i64,
    created_at: i64,
    updated_at: i64,
}

impl Memory {
    fn rows(&self) -> MutexGuard<'_, BTreeMap<Key, Row>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    pub(super) fn insert(&self, new: New, now: i64) -> bool {
        let mut rows = self.rows();
        let is_new = !rows.contains_key(&new.key);
        if is_new {
            let row = Row {
                input: new.input.into(),
                trace: new.trace,
                journal: Journal::default(),
                owner: String::new(),
                fence: 0,
                due_at: now,
                created_at: now,
                updated_at: now,
            };
            rows.insert(new.key, row);
        }
        is_new
    }

    pub(super) fn claim(&self, saga: &str, claim: Claim<'_>, limit: u32) -> Vec<Claimed> {
        let mut rows = self.rows();
        let is_due = |key: &Key, row: &Row| {
            key.saga == saga && !row.journal.status.has_ended() && row.due_at <= claim.now
        };
        let due = rows.iter_mut().filter(|(key, row)| is_due(key, row));
        let mut due: Vec<(&Key, &mut Row)> = due.collect();
        due.sort_by_key(|(_, row)| row.due_at);
        let claimed = due.into_iter().take(limit as usize).map(|(key, row)| {
            row.owner = claim.owner.to_owned();
            row.fence += 1;
            row.due_at = claim.lease_until;
            Claimed {
                key: key.clone(),
                input: Arc::clone(&row.input),
                trace: row.trace.clone(),
                journal: row.journal.clone(),
                fence: row.fence,
            }
        });
        claimed.collect()
    }

    pub(super) fn save(&self, claimed: &Claimed, due_at: i64, now: i64) -> bool {
        self.change(claimed, |row| {
            row.journal = claimed.journal.clone();
            row.trace.clone_from(&claimed.trace);
            row.due_at = due_at;
            row.updated_at = now;
        })
    }

    pub(super) fn renew(&self, claimed: &Claimed, due_at: i64) -> bool {
        self.change(claimed, |row| row.due_at = due_at)
    }

    fn change(&self, claimed: &Claimed, change: impl FnOnce(&mut Row)) -> bool {
        let mut rows = self.rows();
        let row = rows.get_mut(&claimed.key);
        let Some(row) = row.filter(|row| row.fence == claimed.fence) else {
            return false;
        };
        change(row);
        true
    }

    pub(super) fn resume(&self, key: &Key, now: i64) -> bool {
        let mut rows = self.rows();
        let row = rows.get_mut(key);
        let Some(row) = row.filter(|row| row.journal.status == Status::Stuck) else {
            return false;
        };
        row.journal.retry_stuck();
        row.fence += 1;
        row.due_at = now;
        true
    }

    pub(super) fn list(&self, filter: &Filter) -> Vec<Seen> {
        let rows = self.rows();
        let is_wanted = |key: &Key, row: &Row| {
            let status = row.journal.status;
            filter.saga.as_ref().is_none_or(|it| *it == key.saga)
                && filter.id.as_ref().is_none_or(|it| **it == *key.id)
                && match filter.status {
                    Some(wanted) => status == wanted,
                    None => !status.has_ended() || status == Status::Stuck || filter.id.is_some(),
                }
        };
        let wanted = rows.iter().filter(|(key, row)| is_wanted(key, row));
        let mut seen: Vec<Seen> = wanted
            .map(|(key, row)| Seen {
                key: key.clone(),
                journal: row.journal.clone(),
                owner: row.owner.clone(),
                created_at: row.created_at,
                updated_at: row.updated_at,
            })
            .collect();
        seen.sort_by_key(|it| std::cmp::Reverse(it.created_at));
        seen.truncate(filter.limit as usize);
        seen
    }

    pub(super) fn find(&self, key: &Key) -> Option<Journal> {
        self.rows().get(key).map(|row| row.journal.clone())
    }

    pub(super) fn forget(&self, before: i64, limit: u32) -> u64 {
        let mut rows = self.rows();
        let is_old = |row: &Row| {
            let has_ended = matches!(row.journal.status, Status::Completed | Status::Compensated);
            has_ended && row.updated_at < before
        };
        let old = rows.iter().filter(|(_, row)| is_old(row));
        let old: Vec<Key> = old.take(limit as usize).map(|it| it.0.clone()).collect();
        rows.retain(|key, _| !old.contains(key));
        old.len() as u64
    }
}
