//! What a group wants of a topic.

use std::time::Duration;

use crate::backend::Route;
use crate::{Error, name};

/// How many messages a member handles at once, unless it says otherwise.
const DEFAULT_PREFETCH: usize = 16;

/// A group's interest in a topic. The group exists from its first subscription on, for ever, and gets
/// what is published from then on, whether its members are there or not. On NATS and Kafka, which keep
/// what is published, it begins with what they have kept from before.
#[derive(Debug, Clone)]
pub struct Subscription {
    topic: String,
    group: String,
    is_dead: bool,
    pub(crate) prefetch: usize,
    pub(crate) retry: Retry,
}

impl Subscription {
    /// The messages of `topic`, for `group`: by convention the name of the service, or of the
    /// purpose where a service has several.
    #[must_use]
    pub fn new(topic: impl Into<String>, group: impl Into<String>) -> Self {
        Self {
            topic: topic.into(),
            group: group.into(),
            is_dead: false,
            prefetch: DEFAULT_PREFETCH,
            retry: Retry::default(),
        }
    }

    /// The messages of `topic` that `group` could not handle, with the reason in their
    /// [`headers`](crate::headers). They are tried for as long as it takes: there is no other place
    /// to put them.
    #[must_use]
    pub fn dead_letters(topic: impl Into<String>, group: impl Into<String>) -> Self {
        Self {
            is_dead: true,
            retry: Retry {
                attempts: u32::MAX,
                ..Retry::default()
            },
            ..Self::new(topic, group)
        }
    }

    /// The topic.
    #[must_use]
    pub fn topic(&self) -> &str {
        &self.topic
    }

    /// The group.
    #[must_use]
    pub fn group(&self) -> &str {
        &self.group
    }

    /// How many messages a member holds and handles at once, at least 1. Default: 16. What waits for
    /// another message of its key counts too.
    #[must_use]
    pub fn prefetch(mut self, messages: usize) -> Self {
        self.prefetch = messages.max(1);
        self
    }

    /// What happens with a message that fails.
    #[must_use]
    pub fn retry(mut self, retry: Retry) -> Self {
        self.retry = retry;
        self
    }

    /// Where its messages are; `full` makes the broker's name of a topic's.
    pub(crate) fn route(
        &self,
        full: impl FnOnce(&str) -> String,
        partitions: u16,
    ) -> Result<Route, Error> {
        name::check(&self.topic)?;
        name::check(&self.group)?;
        let route = Route::new(&full(&self.topic), &self.group, partitions);
        Ok(match self.is_dead {
            true => route.dead(),
            false => route,
        })
    }
}

/// How often, and when, a message that failed is tried again. While it waits, other messages of its
/// key wait too, and all others do not.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Retry {
    /// The attempts, the first included, at least 1. Default: 5.
    pub attempts: u32,
    /// The pause before the second attempt; each further one is twice as long. Up to half of a pause is
    /// left out at random, so that what failed together does not come back together. Default: 200 ms.
    pub initial_backoff: Duration,
    /// The longest pause. Default: 10 s. A message should be done with within half an hour, all
    /// attempts and pauses together, since RabbitMQ then takes its receiver for dead
    /// (`consumer_timeout`).
    pub max_backoff: Duration,
}

impl Default for Retry {
    fn default() -> Self {
        Self {
            attempts: 5,
            initial_backoff: Duration::from_millis(200),
            max_backoff: Duration::from_secs(10),
        }
    }
}
