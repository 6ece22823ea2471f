//! Settings of the chassis that are in force as soon as they change.
//!
//! What a layer makes of its settings stands in a [`Follow`], which the layer looks into with each
//! call. It is made anew when one of the settings has changed, of what was there before where that
//! has learned something: breakers, outliers, the budget of retries. What cannot be made of a change
//! refuses it as a whole. The others need a restart:
//!
//! - what others were told, or hold: addresses, certificates' files, the registry and its metadata;
//! - what the stack is built of: `[server.layers]`, `[client.layers]`, `[tracing]`.

use std::any::Any;
use std::fmt;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError, Weak};

use arc_swap::{ArcSwap, Guard};
use tokio::sync::Notify;

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
    ConnectTimeout,
    KeepAliveInterval,
    KeepAliveTimeout,
    MinBackoff,
    MaxBackoff,
    MaxResponseSize,
    Balance,
    Breaker,
    Outlier,
    Retry,
    /// A build without it has nothing to follow.
    #[cfg(feature = "auth")]
    Auth,
}

impl Section {
    const ALL: &[Self] = &[
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
        Self::ConnectTimeout,
        Self::KeepAliveInterval,
        Self::KeepAliveTimeout,
        Self::MinBackoff,
        Self::MaxBackoff,
        Self::MaxResponseSize,
        Self::Balance,
        Self::Breaker,
        Self::Outlier,
        Self::Retry,
        #[cfg(feature = "auth")]
        Self::Auth,
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
            Self::ConnectTimeout => "client.connect_timeout",
            Self::KeepAliveInterval => "client.keep_alive_interval",
            Self::KeepAliveTimeout => "client.keep_alive_timeout",
            Self::MinBackoff => "client.min_backoff",
            Self::MaxBackoff => "client.max_backoff",
            Self::MaxResponseSize => "client.max_response_size",
            Self::Balance => "client.balance",
            Self::Breaker => "client.breaker",
            Self::Outlier => "client.outlier",
            Self::Retry => "client.retry",
            #[cfg(feature = "auth")]
            Self::Auth => "server.auth",
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
pub(crate) struct Follow<T>(Arc<Followed<T>>);

struct Followed<T> {
    value: ArcSwap<T>,
    /// Told of each change.
    news: Notify,
}

impl<T: Send + Sync + 'static> Follow<T> {
    /// `first` until one of `sections` changes, then what `make` makes of the configuration.
    pub(crate) fn new(
        sections: &'static [Section],
        first: T,
        make: impl Fn(&Config) -> T + Send + 'static,
    ) -> Self {
        Self::renewing(sections, first, move |_, config| Ok(make(config)))
    }

    /// As [`Follow::new`], where `make` also knows what is there before, and says what is wrong with
    /// a change that cannot come into force. It must not follow anything itself.
    pub(crate) fn renewing(
        sections: &'static [Section],
        first: T,
        make: impl Fn(&T, &Config) -> Result<T, String> + Send + 'static,
    ) -> Self {
        PROCESS.follow(sections, first, make)
    }
}

impl<T> Follow<T> {
    pub(crate) fn load(&self) -> Guard<Arc<T>> {
        self.0.value.load()
    }

    /// Waits for a change that was not waited for. It is for one task, and may be dropped and
    /// called again.
    pub(crate) async fn changed(&self) {
        self.0.news.notified().await;
    }

    fn holding(value: T) -> Self {
        Self(Arc::new(Followed {
            value: ArcSwap::from_pointee(value),
            news: Notify::new(),
        }))
    }

    /// What never changes.
    #[cfg(test)]
    pub(crate) fn fixed(value: T) -> Self {
        Self::holding(value)
    }

    /// Changes it as the configuration would.
    #[cfg(test)]
    pub(crate) fn set(&self, value: T) {
        self.0.set(value);
    }
}

impl<T> Followed<T> {
    fn set(&self, value: T) {
        self.value.store(Arc::new(value));
        self.news.notify_one();
    }
}

impl<T> Clone for Follow<T> {
    fn clone(&self) -> Self {
        Self(Arc::clone(&self.0))
    }
}

impl<T: fmt::Debug> fmt::Debug for Follow<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("Follow").field(&*self.load()).finish()
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
    /// The number of the next one.
    next: u64,
    /// The last configuration that came into force, and the sections that it and those before it
    /// have changed: what begins to follow now was handed the configuration of the start.
    latest: Option<(Box<Config>, Vec<Section>)>,
}

struct Follower {
    number: u64,
    sections: &'static [Section],
    /// Gone when nobody looks any more.
    value: Weak<dyn Any + Send + Sync>,
    prepare: Prepare,
}

type Prepare = Box<dyn Fn(&Config) -> Result<Prepared, String> + Send>;

/// Puts in force what was made of a change.
type Prepared = Box<dyn FnOnce() + Send>;

/// A change of which everything could be made that has to be.
#[derive(Default)]
pub(super) struct Ready {
    prepared: Vec<Prepared>,
    /// The number of the first follower that came later.
    since: u64,
}

/// Why a change cannot come into force.
#[derive(Debug, PartialEq)]
pub(super) struct Refusal {
    /// One of those that have changed.
    pub(super) key: String,
    pub(super) reason: String,
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
            next: 0,
            latest: None,
        }))
    }

    pub(super) fn follow<T: Send + Sync + 'static>(
        &self,
        sections: &'static [Section],
        first: T,
        make: impl Fn(&T, &Config) -> Result<T, String> + Send + 'static,
    ) -> Follow<T> {
        let mut state = self.lock();
        let late = state.latest.as_ref().filter(|(_, changed)| {
            let has_changed = |section| changed.contains(section);
            sections.iter().any(has_changed)
        });
        let first = match late.map(|(config, _)| make(&first, config)) {
            None => first,
            Some(Ok(latest)) => latest,
            Some(Err(reason)) => {
                tracing::error!(reason, "what was changed meanwhile cannot be used");
                first
            }
        };
        let follow = Follow::holding(first);
        let weak = Arc::downgrade(&follow.0);
        state.followers.retain(Follower::is_there);
        let number = state.next;
        state.next += 1;
        state.followers.push(Follower {
            number,
            sections,
            value: weak.clone(),
            prepare: Box::new(move |config| {
                let Some(followed) = weak.upgrade() else {
                    return Ok(Box::new(|| ()));
                };
                let value = make(&followed.value.load(), config)?;
                Ok(Box::new(move || followed.set(value)))
            }),
        });
        follow
    }

    /// Makes all that has to be made of `config`, in which the settings `changed` have changed.
    ///
    /// # Errors
    /// When some of it cannot be made.
    pub(super) fn prepare(&self, changed: &[String], config: &Config) -> Result<Ready, Refusal> {
        let state = self.lock();
        let mut prepared = Vec::new();
        for follower in &state.followers {
            if let Some(key) = follower.is_about(changed) {
                let made = (follower.prepare)(config);
                let key = key.clone();
                prepared.push(made.map_err(|reason| Refusal { key, reason })?);
            }
        }
        Ok(Ready {
            prepared,
            since: state.next,
        })
    }

    /// Puts `config` in force, of which `ready` was made.
    pub(super) fn apply(&self, ready: Ready, changed: &[String], config: &Config) {
        let Ready { prepared, since } = ready;
        prepared.into_iter().for_each(|prepared| prepared());
        let has_changed = |section: &&Section| changed.iter().any(|key| section.has(key));
        let mut state = self.lock();
        let mut sections = state.latest.take().map_or(Vec::new(), |(_, before)| before);
        for section in Section::ALL.iter().filter(has_changed) {
            if !sections.contains(section) {
                sections.push(*section);
            }
        }
        state.latest = Some((Box::new(config.clone()), sections));
        // Who began to follow since all was made was handed what was in force then.
        for follower in state.followers.iter().filter(|it| it.number >= since) {
            if follower.is_about(changed).is_some() {
                match (follower.prepare)(config) {
                    Ok(prepared) => prepared(),
                    Err(reason) => {
                        tracing::error!(reason, "what was changed meanwhile cannot be used");
                    }
                }
            }
        }
    }

    fn lock(&self) -> MutexGuard<'_, State> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Follower {
    fn is_there(&self) -> bool {
        self.value.strong_count() > 0
    }

    /// The first of these keys that it follows.
    fn is_about<'k>(&self, changed: &'k [String]) -> Option<&'k String> {
        let is_its = |key: &&String| self.sections.iter().any(|it| it.has(key));
        changed.iter().find(is_its)
    }
}

#[cfg(test)]
mod tests;
