//! The watches of one stream. They keep nothing but how far they have told: events are taken from
//! the history when there is room for them, so that a reader that is slow costs no memory. One that
//! is slower than compaction is told so, as by etcd.

use std::collections::{BTreeMap, VecDeque};
use std::ops::Bound;

use prost::Message;

use super::super::proto::etcdserverpb::watch_create_request::FilterType;
use super::super::proto::etcdserverpb::{WatchCreateRequest, WatchResponse};
use super::super::proto::mvccpb::event::EventType;
use super::super::proto::mvccpb::{Event, KeyValue};
use super::Store;
use super::history::{Change, History};
use super::interval::Interval;
use super::revision_of;

/// The id in a response that is about no watch, or about all.
const NO_WATCH: i64 = -1;
/// About how many bytes of events are told at once: etcd's limit of a request, with its allowance.
const LARGEST_RESPONSE: usize = (1536 + 512) << 10;
/// The most revisions that are told at once.
const MOST_REVISIONS: usize = 1000;

#[derive(Debug)]
struct Watch {
    interval: Interval,
    filters: Vec<FilterType>,
    previous: bool,
    fragments: bool,
    /// Whether it is told of progress.
    progress: bool,
    /// Whether something was told since the last look at progress.
    is_told: bool,
    /// The first revision that is not told yet.
    next: i64,
}

/// The watches of one stream.
#[derive(Debug, Default)]
pub struct Watches {
    watches: BTreeMap<i64, Watch>,
    next_id: i64,
    /// What is to be told before anything else.
    ready: VecDeque<WatchResponse>,
    /// Whether the client waits to be told that it knows all.
    progress_requested: bool,
    /// Who was told of something last: the next turn is that of another.
    last_told: i64,
}

impl Watches {
    /// Begins a watch, or says why not.
    pub fn create(&mut self, request: WatchCreateRequest, store: &Store) {
        let revision = store.revision();
        let mut response = WatchResponse {
            header: revision_of(revision),
            watch_id: NO_WATCH,
            created: true,
            ..WatchResponse::default()
        };
        match self.add(request, revision) {
            Ok(id) => response.watch_id = id,
            Err(reason) => {
                response.canceled = true;
                reason.clone_into(&mut response.cancel_reason);
            }
        }
        self.ready.push_back(response);
    }

    fn add(&mut self, request: WatchCreateRequest, revision: i64) -> Result<i64, &'static str> {
        let filters = request.filters().collect();
        let key = match request.key.as_slice() {
            [] => &[0],
            key => key,
        };
        let interval = Interval::new(key, &request.range_end);
        if interval.is_empty() {
            return Err("mvcc: watcher range is empty");
        }
        let id = match request.watch_id {
            0 => {
                while self.watches.contains_key(&self.next_id) {
                    self.next_id += 1;
                }
                self.next_id += 1;
                self.next_id - 1
            }
            taken if self.watches.contains_key(&taken) => {
                return Err("mvcc: duplicate watch ID provided on the WatchStream");
            }
            id => id,
        };
        let watch = Watch {
            interval,
            filters,
            previous: request.prev_kv,
            fragments: request.fragment,
            progress: request.progress_notify,
            is_told: false,
            next: match request.start_revision {
                0 => revision + 1,
                start => start,
            },
        };
        self.watches.insert(id, watch);
        Ok(id)
    }

    /// Ends a watch, if it is there.
    pub fn cancel(&mut self, id: i64, store: &Store) {
        if self.watches.remove(&id).is_some() {
            self.ready.push_back(WatchResponse {
                header: revision_of(store.revision()),
                watch_id: id,
                canceled: true,
                ..WatchResponse::default()
            });
        }
    }

    /// The client wants to know when it knows all.
    pub fn request_progress(&mut self) {
        self.progress_requested = true;
    }

    /// The time for progress has come: those who were told nothing since the last time and want to
    /// know are told the revision.
    pub fn notify_progress(&mut self, store: &Store) {
        let revision = store.revision();
        for (id, watch) in &mut self.watches {
            if watch.progress && !watch.is_told && watch.next > revision {
                self.ready.push_back(WatchResponse {
                    header: revision_of(revision),
                    watch_id: *id,
                    ..WatchResponse::default()
                });
            }
            watch.is_told = false;
        }
    }

    /// What the client is to be told next, if there is anything.
    pub fn next(&mut self, store: &Store) -> Option<WatchResponse> {
        if let Some(response) = self.ready.pop_front() {
            return Some(response);
        }
        let history = &store.history;
        // All have their turn: first those after the one that was told last.
        let after = (Bound::Excluded(self.last_told), Bound::Unbounded);
        let mut turns: Vec<i64> = self.watches.range(after).map(|(id, _)| *id).collect();
        turns.extend(self.watches.range(..=self.last_told).map(|(id, _)| *id));
        for id in turns {
            let Some(watch) = self.watches.get_mut(&id) else {
                continue;
            };
            if watch.next < history.compacted() {
                self.watches.remove(&id);
                return Some(WatchResponse {
                    header: revision_of(0),
                    watch_id: id,
                    canceled: true,
                    compact_revision: history.compacted(),
                    ..WatchResponse::default()
                });
            }
            if let Some((events, revision)) = watch.take(history) {
                watch.is_told = true;
                self.last_told = id;
                let response = WatchResponse {
                    header: revision_of(revision),
                    watch_id: id,
                    events,
                    ..WatchResponse::default()
                };
                match watch.fragments {
                    true => self.ready.extend(fragments(response)),
                    false => return Some(response),
                }
                return self.ready.pop_front();
            }
        }
        if std::mem::take(&mut self.progress_requested) {
            return Some(WatchResponse {
                header: revision_of(store.revision()),
                watch_id: NO_WATCH,
                ..WatchResponse::default()
            });
        }
        None
    }
}

impl Watch {
    /// The next events with the revision up to which they tell all.
    fn take(&mut self, history: &History) -> Option<(Vec<Event>, i64)> {
        let mut events = Vec::new();
        let (mut bytes, mut revisions) = (0, 0);
        for (revision, changes) in history.changes(self.next) {
            self.next = self.next.max(revision) + 1;
            let before = events.len();
            let wanted = changes.iter().filter(|change| self.wants(change));
            events.extend(wanted.map(|change| event(history, change, revision, self.previous)));
            bytes += events[before..]
                .iter()
                .map(Message::encoded_len)
                .sum::<usize>();
            revisions += usize::from(events.len() > before);
            if bytes >= LARGEST_RESPONSE / 2 || revisions >= MOST_REVISIONS {
                break;
            }
        }
        (!events.is_empty()).then_some((events, self.next - 1))
    }

    fn wants(&self, change: &Change) -> bool {
        let filter = match change.value {
            Some(_) => FilterType::Noput,
            None => FilterType::Nodelete,
        };
        self.interval.contains(&change.key) && !self.filters.contains(&filter)
    }
}

fn event(history: &History, change: &Change, revision: i64, previous: bool) -> Event {
    let is_new = matches!(&change.value, Some(kv) if kv.create_revision == kv.mod_revision);
    let before = match previous && !is_new {
        true => history.before(&change.key, revision),
        false => None,
    };
    let deleted = || KeyValue {
        key: change.key.clone(),
        mod_revision: revision,
        ..KeyValue::default()
    };
    let kind = match change.value {
        Some(_) => EventType::Put,
        None => EventType::Delete,
    };
    Event {
        r#type: kind.into(),
        kv: Some(
            change
                .value
                .as_ref()
                .map_or_else(deleted, |kv| (**kv).clone()),
        ),
        prev_kv: before.map(|kv| (**kv).clone()),
    }
}

/// A response in parts that are not too large, where it has several events.
fn fragments(mut response: WatchResponse) -> Vec<WatchResponse> {
    let mut parts = Vec::new();
    let mut size = 0;
    let mut part = Vec::new();
    for event in std::mem::take(&mut response.events) {
        let length = event.encoded_len();
        if !part.is_empty() && size + length >= LARGEST_RESPONSE {
            parts.push(std::mem::take(&mut part));
            size = 0;
        }
        size += length;
        part.push(event);
    }
    parts.push(part);
    let last = parts.len() - 1;
    let parts = parts.into_iter().enumerate();
    let parts = parts.map(|(number, events)| WatchResponse {
        events,
        fragment: number < last,
        ..response.clone()
    });
    parts.collect()
}
