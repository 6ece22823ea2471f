//! Settings of the chassis that are in force as soon as they change.
//!
//! What a layer makes of its settings stands in a [`Follow`], which the layer looks into with each
//! call. It is made anew when one of the settings has changed. The others need a restart:
//!
//! - what others were told, or hold: addresses, certificates' files, the registry and its metadata;
//! - what the stack is built of: `[server.layers]`, `[client.layers]`, `[server.auth]`, `[tracing]`;
//! - what has learned something that a change would forget, just when it is needed: breakers,
//!   outliers, the budget of retries, the balancer (`[client.breaker]`, `[client.outlier]`,
//!   `[client.retry]`, `[client.balance]`), and the connections of clients.

use std::any::Any;
use std::fmt;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError, Weak};

use arc_swap::{ArcSwap, Guard};

use super::Config;

/// The settings that can be followed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Section {
    MaxRequestSize,
    DrainTimeout,
    BackgroundTimeout,
    PropagationDelay,
    Deadline,
    Limits,
    Connections,
    Http2,
    MaxInFlight,
    ResponseTimeout,
    ReadyTimeout,
    MaxResponseSize,
}

impl Section {
    const ALL: [Self; 12] = [
        Self::MaxRequestSize,
        Self::DrainTimeout,
        Self::BackgroundTimeout,
        Self::PropagationDelay,
        Self::Deadline,
        Self::Limits,
        Self::Connections,
        Self::Http2,
        Self::MaxInFlight,
        Self::ResponseTimeout,
        Self::ReadyTimeout,
        Self::MaxResponseSize,
    ];

    /// As in the configuration.
    fn key(self) -> &'static str {
        match self {
            Self::MaxRequestSize => "server.max_request_size",
            Self::DrainTimeout => "server.drain_timeout",
            Self::BackgroundTimeout => "server.background_timeout",
            Self::PropagationDelay => "server.propagation_delay",
            Self::Deadline => "server.deadline",
            Self::Limits => "server.limits",
            Self::Connections => "server.connections",
            Self::Http2 => "server.http2",
            Self::MaxInFlight => "client.max_in_flight",
            Self::ResponseTimeout => "client.response_timeout",
            Self::ReadyTimeout => "client.ready_timeout",
            Self::MaxResponseSize => "client.max_response_size",
        }
    }

    /// Whether `key` is that of this section, or below it.
    fn has(self, key: &str) -> bool {
        super::center::is_within(key, self.key())
    }
}

/// Whether a change of `key` is in force at once.
pub(super) fn is_followed(key: &str) -> bool {
    Section::ALL.iter().any(|section| section.has(key))
}

/// What is made of some settings, as they are now. Clones share it.
pub(crate) struct Follow<T>(Arc<ArcSwap<T>>);

impl<T: Send + Sync + 'static> Follow<T> {
    /// `first` until one of `sections` changes, then what `make` makes of the configuration.
    pub(crate) fn new(
        sections: &'static [Section],
        first: T,
        make: impl Fn(&Config) -> T + Send + 'static,
    ) -> Self {
        PROCESS.follow(sections, first, make)
    }

    pub(crate) fn load(&self) -> Guard<Arc<T>> {
        self.0.load()
    }

    #[cfg(test)]
    pub(crate) fn fixed(value: T) -> Self {
        Self(Arc::new(ArcSwap::from_pointee(value)))
    }
}

impl<T> Clone for Follow<T> {
    fn clone(&self) -> Self {
        Self(Arc::clone(&self.0))
    }
}

impl<T: fmt::Debug> fmt::Debug for Follow<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("Follow").field(&*self.0.load()).finish()
    }
}

/// All that is followed in this process, which has one configuration.
pub(super) static PROCESS: Followers = Followers::new();

/// Who wants to know of changes.
#[derive(Debug)]
pub(super) struct Followers(Mutex<State>);

#[derive(Debug)]
struct State {
    followers: Vec<Follower>,
    /// The last configuration that came into force, and the sections that it and those before it
    /// have changed: what begins to follow now was handed the configuration of the start.
    latest: Option<(Box<Config>, Vec<Section>)>,
}

struct Follower {
    sections: &'static [Section],
    /// Gone when nobody looks any more.
    value: Weak<dyn Any + Send + Sync>,
    apply: Box<dyn Fn(&Config) + Send>,
}

impl fmt::Debug for Follower {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("Follower").field(&self.sections).finish()
    }
}

impl Followers {
    pub(super) const fn new() -> Self {
        Self(Mutex::new(State {
            followers: Vec::new(),
            latest: None,
        }))
    }

    fn follow<T: Send + Sync + 'static>(
        &self,
        sections: &'static [Section],
        first: T,
        make: impl Fn(&Config) -> T + Send + 'static,
    ) -> Follow<T> {
        let mut state = self.lock();
        let late = state.latest.as_ref().filter(|(_, changed)| {
            let has_changed = |section| changed.contains(section);
            sections.iter().any(has_changed)
        });
        let first = late.map_or(first, |(config, _)| make(config));
        let value = Arc::new(ArcSwap::from_pointee(first));
        let weak = Arc::downgrade(&value);
        state.followers.retain(Follower::is_there);
        state.followers.push(Follower {
            sections,
            value: weak.clone(),
            apply: Box::new(move |config| {
                if let Some(value) = weak.upgrade() {
                    value.store(Arc::new(make(config)));
                }
            }),
        });
        Follow(value)
    }

    /// Puts `config` in force, in which the settings `changed` have changed.
    pub(super) fn apply(&self, changed: &[String], config: &Config) {
        let has_changed = |section: &Section| changed.iter().any(|key| section.has(key));
        let mut state = self.lock();
        for follower in &state.followers {
            if follower.sections.iter().any(has_changed) {
                (follower.apply)(config);
            }
        }
        let mut sections = state.latest.take().map_or(Vec::new(), |(_, before)| before);
        let new = Section::ALL.into_iter().filter(has_changed);
        sections.extend(new);
        sections.dedup();
        state.latest = Some((Box::new(config.clone()), sections));
    }

    fn lock(&self) -> MutexGuard<'_, State> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Follower {
    fn is_there(&self) -> bool {
        self.value.strong_count() > 0
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::config::Size;

    const SIZE: &[Section] = &[Section::MaxRequestSize];

    fn config(size: u64) -> Config {
        let mut config = Config::default();
        config.server.max_request_size = Size::from_bytes(size);
        config
    }

    fn follow(followers: &Followers, first: usize) -> Follow<usize> {
        followers.follow(SIZE, first, |config| config.server.max_request_size.bytes())
    }

    fn keys(keys: &[&str]) -> Vec<String> {
        keys.iter().map(|key| (*key).to_owned()).collect()
    }

    #[test]
    fn what_has_changed_is_made_anew_and_nothing_else() {
        let followers = Followers::new();
        let size = follow(&followers, 1);
        followers.apply(&keys(&["server.max_request_sizes", "client"]), &config(2));
        assert_eq!(**size.load(), 1);
        followers.apply(&keys(&["server.max_request_size"]), &config(3));
        assert_eq!(**size.load(), 3);
        assert_eq!(**size.clone().load(), 3);
    }

    #[test]
    fn who_comes_late_begins_with_what_is_in_force() {
        let followers = Followers::new();
        followers.apply(&keys(&["server.port"]), &config(2));
        assert_eq!(**follow(&followers, 1).load(), 1, "as it was told");
        followers.apply(&keys(&["server.max_request_size"]), &config(3));
        followers.apply(&keys(&["server.port"]), &config(4));
        assert_eq!(**follow(&followers, 1).load(), 4);
    }

    #[test]
    fn nobody_is_kept_who_is_gone() {
        let followers = Followers::new();
        let stays = follow(&followers, 1);
        (0..10).for_each(|_| drop(follow(&followers, 1)));
        let _new = follow(&followers, 1);
        assert_eq!(followers.lock().followers.len(), 2);
        drop(stays);
    }

    #[test]
    fn a_section_has_the_keys_below_it() {
        assert!(is_followed("server.limits.rate.burst"));
        assert!(is_followed("server.drain_timeout"));
        assert!(!is_followed("server.port"));
        assert!(!is_followed("server.limitsx"));
    }
}
