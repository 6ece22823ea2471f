//! What of the fetched messages is done with: Kafka is told one offset for each partition, before which
//! all is done.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::{Mutex, MutexGuard, PoisonError};

use tokio::sync::Notify;

/// The partitions that a member has, since it was told so.
#[derive(Default)]
pub(super) struct Offsets {
    partitions: Mutex<BTreeMap<i32, Partition>>,
    /// That a message is done with.
    pub(super) settled: Notify,
    /// That a message has to be delivered again.
    pub(super) released: Notify,
}

#[derive(Default)]
struct Partition {
    /// Fetched and not done with.
    open: BTreeSet<i64>,
    /// What comes after the last one fetched.
    next: i64,
    committed: i64,
}

impl Partition {
    fn done(&self) -> i64 {
        self.open.first().copied().unwrap_or(self.next)
    }
}

impl Offsets {
    fn partitions(&self) -> MutexGuard<'_, BTreeMap<i32, Partition>> {
        self.partitions
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
    }

    /// A partition is read from `offset` on.
    pub(super) fn begin(&self, partition: i32, offset: i64) {
        let begun = Partition {
            open: BTreeSet::new(),
            next: offset,
            committed: offset,
        };
        self.partitions().insert(partition, begun);
    }

    pub(super) fn fetched(&self, partition: i32, offset: i64) {
        let mut partitions = self.partitions();
        let partition = partitions.entry(partition).or_default();
        partition.open.insert(offset);
        partition.next = offset + 1;
    }

    pub(super) fn settle(&self, partition: i32, offset: i64) {
        if let Some(partition) = self.partitions().get_mut(&partition) {
            partition.open.remove(&offset);
        }
        self.settled.notify_waiters();
    }

    /// How many messages of a partition are not done with.
    pub(super) fn open(&self, partition: i32) -> usize {
        self.partitions()
            .get(&partition)
            .map_or(0, |it| it.open.len())
    }

    /// Whether all is done that was fetched.
    pub(super) fn is_done(&self) -> bool {
        self.partitions().values().all(|it| it.open.is_empty())
    }

    /// What can be committed, and was not.
    pub(super) fn to_commit(&self) -> Vec<(i32, i64)> {
        let partitions = self.partitions();
        let changed = partitions.iter().filter(|(_, it)| it.done() > it.committed);
        changed
            .map(|(partition, it)| (*partition, it.done()))
            .collect()
    }

    pub(super) fn committed(&self, offsets: &[(i32, i64)]) {
        let mut partitions = self.partitions();
        for (partition, offset) in offsets {
            if let Some(partition) = partitions.get_mut(partition) {
                partition.committed = *offset;
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_offset_before_which_all_is_done_is_committed() {
        let offsets = Offsets::default();
        offsets.begin(0, 10);
        (10..13).for_each(|offset| offsets.fetched(0, offset));
        offsets.settle(0, 11);
        assert_eq!(offsets.to_commit(), []);
        offsets.settle(0, 10);
        assert_eq!(offsets.to_commit(), [(0, 12)]);
        offsets.committed(&[(0, 12)]);
        assert_eq!(offsets.to_commit(), []);
        assert_eq!((offsets.open(0), offsets.is_done()), (1, false));
        offsets.settle(0, 12);
        assert_eq!(
            (offsets.to_commit(), offsets.is_done()),
            (vec![(0, 13)], true)
        );
    }
}
