//! The keys with all that they were since the last compaction, and the changes in their order.

use std::collections::{BTreeMap, VecDeque};
use std::sync::Arc;

use super::super::proto::mvccpb::KeyValue;
use super::interval::Interval;
use super::refusal::Refusal;

/// What an entry takes besides its key and value, about; in bytes.
const OVERHEAD: usize = 256;
/// A store without changes is at this revision.
const FIRST_REVISION: i64 = 1;
/// The revision up to which a store has forgotten what it was, before it has forgotten anything.
const NOTHING_COMPACTED: i64 = -1;

/// What a key is from a revision on.
#[derive(Clone, Debug)]
struct Version {
    revision: i64,
    /// None where it was deleted.
    value: Option<Arc<KeyValue>>,
}

/// What happened to a key.
#[derive(Clone, Debug)]
pub struct Change {
    pub key: Vec<u8>,
    /// What it is now; none when it was deleted.
    pub value: Option<Arc<KeyValue>>,
}

/// How much history is kept at most: more is compacted away.
#[derive(Clone, Copy, Debug)]
pub struct Limits {
    /// Revisions before the current one.
    pub revisions: usize,
    /// Bytes of values that are no longer current.
    pub superseded_bytes: usize,
    /// Bytes of current keys and values; more are refused.
    pub live_bytes: usize,
}

/// A store of keys at all its revisions.
#[derive(Debug)]
pub struct History {
    keys: BTreeMap<Vec<u8>, Vec<Version>>,
    /// What happened at each revision from `compacted` on, or from the first.
    log: VecDeque<Vec<Change>>,
    /// The revision of the first entry of `log`.
    log_start: i64,
    revision: i64,
    compacted: i64,
    /// What happens at the revision that is being made.
    pending: Vec<Change>,
    limits: Limits,
    /// All that is kept, and what of it is current, in bytes.
    total_bytes: usize,
    live_bytes: usize,
}

fn size(version: &Version, key: &[u8]) -> usize {
    let value = version.value.as_ref();
    OVERHEAD + 2 * key.len() + value.map_or(0, |it| it.key.len() + it.value.len())
}

/// What `versions` were at a revision.
fn at(versions: &[Version], revision: i64) -> Option<&Arc<KeyValue>> {
    let after = versions.partition_point(|version| version.revision <= revision);
    versions[..after].last()?.value.as_ref()
}

impl History {
    pub fn new(limits: Limits) -> Self {
        Self {
            keys: BTreeMap::new(),
            log: VecDeque::new(),
            log_start: FIRST_REVISION + 1,
            revision: FIRST_REVISION,
            compacted: NOTHING_COMPACTED,
            pending: Vec::new(),
            limits,
            total_bytes: 0,
            live_bytes: 0,
        }
    }

    /// The last revision; within a transaction that wrote, the one that it makes.
    pub fn revision(&self) -> i64 {
        self.revision + i64::from(!self.pending.is_empty())
    }

    /// Below this revision nothing is known any more.
    pub fn compacted(&self) -> i64 {
        self.compacted
    }

    /// What is kept, and what of it is current, in bytes.
    pub fn bytes(&self) -> (usize, usize) {
        (self.total_bytes, self.live_bytes)
    }

    /// Whether there is room for this many bytes more.
    pub fn has_room(&self, bytes: usize) -> bool {
        self.live_bytes + bytes + OVERHEAD <= self.limits.live_bytes
    }

    /// The revision that is meant by the one of a request: 0 or less is now.
    ///
    /// # Errors
    /// When it is in the future or forgotten.
    pub fn resolve(&self, revision: i64) -> Result<i64, Refusal> {
        match revision {
            ..=0 => Ok(self.revision()),
            revision => self.check(revision).map(|()| revision),
        }
    }

    /// # Errors
    /// When a revision is in the future or forgotten; 0, which is now, never is.
    pub fn check(&self, revision: i64) -> Result<(), Refusal> {
        match revision {
            0 => Ok(()),
            revision if revision > self.revision() => Err(Refusal::FutureRevision),
            revision if revision < self.compacted => Err(Refusal::Compacted),
            _ => Ok(()),
        }
    }

    /// The keys that there were at a revision, in their order.
    pub fn range(
        &self,
        interval: &Interval,
        revision: i64,
    ) -> impl Iterator<Item = &Arc<KeyValue>> {
        let keys = interval
            .bounds()
            .map(|bounds| self.keys.range::<[u8], _>(bounds));
        keys.into_iter()
            .flatten()
            .filter_map(move |(_, versions)| at(versions, revision))
    }

    /// What a key is now.
    pub fn current(&self, key: &[u8]) -> Option<&Arc<KeyValue>> {
        at(self.keys.get(key)?, i64::MAX)
    }

    /// What a key was before a revision, where that is still known.
    pub fn before(&self, key: &[u8], revision: i64) -> Option<&Arc<KeyValue>> {
        let before = revision - 1;
        (before >= self.compacted).then_some(())?;
        at(self.keys.get(key)?, before)
    }

    /// What happened from a revision on that is not forgotten, by revisions.
    pub fn changes(&self, from: i64) -> impl Iterator<Item = (i64, &[Change])> {
        let skipped = usize::try_from(from - self.log_start).unwrap_or(0);
        let numbered = (self.log_start..).zip(&self.log);
        let changes = numbered.skip(skipped);
        changes.map(|(revision, changes)| (revision, changes.as_slice()))
    }

    /// Writes a key at the revision that is being made.
    pub fn put(&mut self, key: Vec<u8>, value: Vec<u8>, lease: i64) {
        let revision = self.revision + 1;
        let current = self.current(&key);
        let made = KeyValue {
            create_revision: current.map_or(revision, |it| it.create_revision),
            version: current.map_or(0, |it| it.version) + 1,
            mod_revision: revision,
            key: key.clone(),
            value,
            lease,
        };
        self.change(key, Some(Arc::new(made)));
    }

    /// Deletes a key, if it is there, at the revision that is being made.
    pub fn delete(&mut self, key: &[u8]) {
        if self.current(key).is_some() {
            self.change(key.to_vec(), None);
        }
    }

    fn change(&mut self, key: Vec<u8>, value: Option<Arc<KeyValue>>) {
        let version = Version {
            revision: self.revision + 1,
            value: value.clone(),
        };
        let added = size(&version, &key);
        let versions = self.keys.entry(key.clone()).or_default();
        if let Some(last) = versions.last().filter(|last| last.value.is_some()) {
            self.live_bytes -= size(last, &key);
        }
        if value.is_some() {
            self.live_bytes += added;
        }
        self.total_bytes += added;
        versions.push(version);
        self.pending.push(Change { key, value });
    }

    /// Ends a transaction: what it wrote is a revision. What becomes too old is forgotten.
    pub fn commit(&mut self) {
        if self.pending.is_empty() {
            return;
        }
        self.log.push_back(std::mem::take(&mut self.pending));
        self.revision += 1;
        let is_too_much = |history: &Self| {
            history.log.len() > history.limits.revisions
                || history.total_bytes - history.live_bytes > history.limits.superseded_bytes
        };
        while is_too_much(self) && self.compacted < self.revision {
            // Half of it, so that it is not done again at the next revision.
            let middle = i64::midpoint(self.log_start, self.revision);
            self.forget(middle.max(self.compacted + 1));
        }
    }

    /// Forgets what keys were before a revision.
    ///
    /// # Errors
    /// When it was done before, or the revision is in the future.
    pub fn compact(&mut self, revision: i64) -> Result<(), Refusal> {
        if revision <= self.compacted {
            return Err(Refusal::Compacted);
        }
        if revision > self.revision {
            return Err(Refusal::FutureRevision);
        }
        self.forget(revision);
        Ok(())
    }

    fn forget(&mut self, revision: i64) {
        let mut freed = 0;
        self.keys.retain(|key, versions| {
            let known = versions.partition_point(|version| version.revision <= revision);
            let is_deleted = |last: &Version| last.value.is_none();
            // What it was at that revision stays; that it was deleted need not be remembered.
            let gone = match versions[..known].last() {
                Some(last) if is_deleted(last) => known,
                _ => known.saturating_sub(1),
            };
            let removed = versions.drain(..gone);
            freed += removed.map(|version| size(&version, key)).sum::<usize>();
            versions.shrink_to_fit();
            !versions.is_empty()
        });
        self.total_bytes -= freed;
        self.compacted = revision;
        while self.log_start < revision && self.log.pop_front().is_some() {
            self.log_start += 1;
        }
        // As in etcd, of the compacted revision itself only what was written is still known.
        if self.log_start == revision
            && let Some(first) = self.log.front_mut()
        {
            let keys = &self.keys;
            first.retain(|change| {
                let oldest = keys.get(&change.key).and_then(|versions| versions.first());
                change.value.is_some() && oldest.is_some_and(|it| it.revision == revision)
            });
        }
    }
}
