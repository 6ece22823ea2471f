//! What is known of the instances of a service, as etcd tells it.

use std::collections::BTreeMap;

use tokio::time::Instant;

use super::entry::Entry;
use super::proto::etcdserverpb::WatchResponse;
use super::proto::mvccpb::event::EventType;
use super::proto::mvccpb::{Event, KeyValue};
use crate::registry::resolve::resolve;
use crate::registry::watch::Publisher;

/// What is known of the keys of a service.
#[derive(Debug)]
pub(super) struct View {
    prefix: Vec<u8>,
    entries: BTreeMap<Vec<u8>, Entry>,
    /// All changes up to this revision are known.
    pub(super) revision: i64,
    /// When it was listed.
    pub(super) since: Instant,
}

impl View {
    pub(super) fn new(prefix: Vec<u8>, revision: i64, kvs: Vec<KeyValue>) -> Self {
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
    pub(super) fn apply(&mut self, response: WatchResponse) -> bool {
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

    pub(super) async fn publish(&self, publisher: &Publisher) {
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
