//! Following the instances of a service: a list at one revision, then its changes from the next.
//!
//! A watch that breaks is resumed behind the last revision that was seen, so nothing is missed
//! and nothing is listed twice. What cannot be resumed is listed anew: when etcd has forgotten the
//! changes since (compaction), and when its revision is behind ours (a store that was replaced).
//! Nothing is ever published because of an error: until there is an answer, the last instances
//! stay.

use std::collections::BTreeMap;
use std::time::Duration;

use tokio::time::Instant;
use tonic::Status;

use super::client::{Client, Watch};
use super::entry::{self, Entry};
use super::error::Error;
use super::proto::etcdserverpb::WatchResponse;
use super::proto::mvccpb::event::EventType;
use super::proto::mvccpb::{Event, KeyValue};
use crate::config::Etcd;
use crate::registry::backoff::Backoff;
use crate::registry::resolve::resolve;
use crate::registry::watch::{Instances, Publisher};

const MIN_BACKOFF: Duration = Duration::from_millis(200);
const MAX_BACKOFF: Duration = Duration::from_secs(10);

/// A watch that lasted as long was a good one: the next failure is a first one.
const STABLE: Duration = Duration::from_secs(1);

/// How often the instances are listed anew although nothing is wrong. A store that was replaced by
/// one with a higher revision cannot be told from one that has merely changed.
const LIST_INTERVAL: Duration = Duration::from_secs(10 * 60);

/// Follows the instances of `service`.
pub(crate) fn watch(service: String, config: &Etcd) -> Instances {
    let client = Client::new(config);
    let (first, behind) = entry::keys(&config.prefix, &service);
    Instances::follow(&service.clone(), move |publisher| {
        follow(client, service, (first, behind), publisher)
    })
}

/// What is known of the keys of a service.
#[derive(Debug)]
struct View {
    prefix: Vec<u8>,
    entries: BTreeMap<Vec<u8>, Entry>,
    /// All changes up to this revision are known.
    revision: i64,
    /// When it was listed.
    since: Instant,
}

/// Why a watch has ended.
#[derive(Debug)]
enum End {
    /// The view is of no more use.
    Stale(&'static str),
    /// The view is old.
    Due,
    /// It can be resumed.
    Failed(Error),
}

/// Never returns.
async fn follow(client: Client, service: String, keys: (Vec<u8>, Vec<u8>), publisher: Publisher) {
    let mut known: Option<View> = None;
    let mut backoff = Backoff::new(MIN_BACKOFF, MAX_BACKOFF);
    let mut failing = false;
    loop {
        let end = match open(&client, &keys, &mut known, &publisher).await {
            Ok((view, watch)) => {
                if failing {
                    tracing::info!(service, registry = %client, "the registry answers again");
                }
                failing = false;
                let begin = Instant::now();
                let end = changes(&client, view, watch, &publisher).await;
                if begin.elapsed() >= STABLE {
                    backoff.reset();
                }
                end
            }
            Err(end) => end,
        };
        match end {
            End::Due => {
                known = None;
                continue;
            }
            End::Stale(reason) => {
                tracing::info!(service, reason, "listing the instances anew");
                known = None;
            }
            End::Failed(error) => {
                if !failing {
                    tracing::warn!(service, %error, registry = %client, "the registry cannot be reached, the last instances stay");
                }
                failing = true;
            }
        }
        tokio::time::sleep(backoff.next()).await;
    }
}

/// Lists what is not known, and opens a watch behind it.
async fn open<'v>(
    client: &Client,
    keys: &(Vec<u8>, Vec<u8>),
    known: &'v mut Option<View>,
    publisher: &Publisher,
) -> Result<(&'v mut View, Watch), End> {
    let (first, behind) = keys;
    let view = match known {
        Some(view) => view,
        None => {
            let answer = client.range(first, behind).await.map_err(End::Failed)?;
            let revision = answer.header.unwrap_or_default().revision;
            let view = known.insert(View::new(first.clone(), revision, answer.kvs));
            view.publish(publisher).await;
            view
        }
    };
    let watch = client.watch(first, behind, view.revision + 1).await;
    let watch = watch.map_err(End::Failed)?;
    let revision = watch.first.header.map_or(0, |header| header.revision);
    if let Some(end) = refusal(client, &watch.first) {
        return Err(end);
    }
    if revision < view.revision {
        return Err(End::Stale("the store has lost what it had"));
    }
    Ok((view, watch))
}

/// Why etcd ends a watch, if it does.
fn refusal(client: &Client, response: &WatchResponse) -> Option<End> {
    if response.compact_revision > 0 {
        return Some(End::Stale("the changes since the last one are compacted"));
    }
    response.canceled.then(|| {
        let reason = response.cancel_reason.as_str();
        End::Failed(client.ended(Status::failed_precondition(reason)))
    })
}

/// Takes changes as they come, in batches as etcd sends them, until the watch ends.
async fn changes(client: &Client, view: &mut View, mut watch: Watch, publisher: &Publisher) -> End {
    let due = view.since + LIST_INTERVAL;
    loop {
        let response = match tokio::time::timeout_at(due, watch.responses.message()).await {
            Err(_) => return End::Due,
            Ok(Ok(Some(response))) => response,
            Ok(Ok(None)) => {
                let status = Status::unavailable("the watch ended");
                return End::Failed(client.ended(status));
            }
            Ok(Err(status)) => return End::Failed(client.ended(status)),
        };
        if let Some(end) = refusal(client, &response) {
            return end;
        }
        if view.apply(response) {
            view.publish(publisher).await;
        }
    }
}

impl View {
    fn new(prefix: Vec<u8>, revision: i64, kvs: Vec<KeyValue>) -> Self {
        let mut view = Self {
            prefix,
            entries: BTreeMap::new(),
            revision,
            since: Instant::now(),
        };
        for kv in kvs {
            view.put(kv);
        }
        view
    }

    /// Whether there was anything to apply.
    fn apply(&mut self, response: WatchResponse) -> bool {
        // Without events, it tells how far the watch is.
        let told = response.header.map_or(0, |header| header.revision);
        let last = response.events.last().and_then(|event| event.kv.as_ref());
        let revision = last.map_or(told, |kv| kv.mod_revision);
        let changed = !response.events.is_empty();
        for event in response.events {
            self.apply_event(event);
        }
        self.revision = self.revision.max(revision);
        changed
    }

    fn apply_event(&mut self, event: Event) {
        let kind = event.r#type();
        let Some(kv) = event.kv else { return };
        match kind {
            EventType::Put => self.put(kv),
            EventType::Delete => {
                self.entries.remove(&kv.key);
            }
        }
    }

    /// A value that cannot be read changes nothing: its instance writes it again.
    fn put(&mut self, kv: KeyValue) {
        let name = kv.key.strip_prefix(self.prefix.as_slice());
        if name.is_none_or(|name| name.contains(&b'/')) {
            return;
        }
        match serde_json::from_slice(&kv.value) {
            Ok(entry) => {
                self.entries.insert(kv.key, entry);
            }
            Err(error) => {
                let key = String::from_utf8_lossy(&kv.key);
                tracing::warn!(%key, %error, "a key that is not an instance is passed over");
            }
        }
    }

    async fn publish(&self, publisher: &Publisher) {
        let entries = self.entries.values().cloned();
        let parts = entries.map(|entry| (entry.address, entry.port, entry.meta));
        if let Some(instances) = resolve(parts).await {
            publisher.publish(instances);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::registry::etcd::proto::etcdserverpb::ResponseHeader;

    const PREFIX: &[u8] = b"/service/users/";

    fn put(name: &str, value: &str, mod_revision: i64) -> Event {
        event(EventType::Put, name, value, mod_revision)
    }

    fn delete(name: &str, mod_revision: i64) -> Event {
        event(EventType::Delete, name, "", mod_revision)
    }

    fn event(kind: EventType, name: &str, value: &str, mod_revision: i64) -> Event {
        Event {
            r#type: kind.into(),
            kv: Some(KeyValue {
                key: [PREFIX, name.as_bytes()].concat(),
                value: value.as_bytes().to_vec(),
                mod_revision,
                ..KeyValue::default()
            }),
        }
    }

    fn response(revision: i64, events: Vec<Event>) -> WatchResponse {
        WatchResponse {
            header: Some(ResponseHeader {
                revision,
                ..ResponseHeader::default()
            }),
            events,
            ..WatchResponse::default()
        }
    }

    fn at(port: u16) -> String {
        format!(r#"{{"address":"10.0.0.1","port":{port}}}"#)
    }

    fn ports(view: &View) -> Vec<u16> {
        view.entries.values().map(|entry| entry.port).collect()
    }

    #[test]
    fn a_batch_of_changes_is_applied_in_its_order() {
        let listed = [put("a", &at(1), 3), put("b", &at(2), 5)];
        let listed = listed.into_iter().filter_map(|event| event.kv).collect();
        let mut view = View::new(PREFIX.to_vec(), 7, listed);
        assert_eq!((ports(&view), view.revision), (vec![1, 2], 7));

        let events = vec![
            delete("a", 8),
            put("c", &at(3), 9),
            put("b", &at(4), 9),
            put("a", &at(5), 10),
            delete("a", 11),
        ];
        // The header is of when it was sent, the watch is as far as its last event.
        assert!(view.apply(response(15, events)));
        assert_eq!((ports(&view), view.revision), (vec![4, 3], 11));
    }

    #[test]
    fn progress_without_changes_moves_the_revision_alone() {
        let mut view = View::new(PREFIX.to_vec(), 7, Vec::new());
        assert!(!view.apply(response(20, Vec::new())));
        assert_eq!(view.revision, 20);
        assert!(!view.apply(response(3, Vec::new())));
        assert_eq!(view.revision, 20);
    }

    #[test]
    fn what_is_not_an_instance_changes_nothing() {
        let mut view = View::new(PREFIX.to_vec(), 1, Vec::new());
        let events = vec![
            put("a", &at(1), 2),
            put("a", "not JSON", 3),
            put("b", "{}", 4),
            put("deeper/c", &at(2), 5),
        ];
        assert!(view.apply(response(5, events)));
        assert_eq!((ports(&view), view.revision), (vec![1], 5));
    }
}
