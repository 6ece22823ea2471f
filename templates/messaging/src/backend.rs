//! What a broker must be able to do. All else is the same for all: attempts, order by key, dead
//! letters, time-outs, spans and metrics.

use std::pin::Pin;
use std::sync::Arc;

use crate::{Error, Message};

/// A future of a trait's method.
pub(crate) type Boxed<'a, T> = Pin<Box<dyn Future<Output = T> + Send + 'a>>;

/// A broker, with its connection.
pub(crate) trait Backend: Send + Sync {
    /// Its name among OpenTelemetry's values of `messaging.system`.
    fn system(&self) -> &'static str;

    /// Sends a message and waits until the broker has it safely. It is one attempt: what fails with
    /// [`Error::Unreachable`] is tried again by the caller, who may also drop the future.
    fn publish<'a>(
        &'a self,
        topic: &'a Topic,
        message: &'a Message,
    ) -> Boxed<'a, Result<(), Error>>;

    /// Makes a group, if it is not there, so that it gets what is published from now on.
    fn declare<'a>(&'a self, route: &'a Route) -> Boxed<'a, Result<(), Error>>;

    /// Begins to fetch the messages of a group that has been declared, at most about `prefetch` at a
    /// time for each part of the topic.
    fn subscribe<'a>(
        &'a self,
        route: &'a Route,
        prefetch: usize,
    ) -> Boxed<'a, Result<Box<dyn Source>, Error>>;

    /// Asks the broker whether it is there.
    fn ping(&self) -> Boxed<'_, Result<(), Error>>;
}

/// The messages of a group that this member gets.
pub(crate) trait Source: Send {
    /// The next one. Lost connections are made again meanwhile. It may be dropped without a loss.
    fn next(&mut self) -> Boxed<'_, Incoming>;

    /// Ends it: what was fetched and not acknowledged goes back, in its order. It is called when no
    /// receipt is left.
    fn close(self: Box<Self>) -> Boxed<'static, ()>;
}

/// A message that was fetched.
pub(crate) struct Incoming {
    pub(crate) message: Message,
    /// How often it was delivered before, as far as the broker knows.
    pub(crate) redeliveries: u32,
    pub(crate) receipt: Box<dyn Receipt>,
}

/// By which a broker learns what became of a message. If it is dropped, the message goes back when its
/// source ends.
pub(crate) trait Receipt: Send + Sync {
    /// It is done with.
    fn acknowledge(self: Box<Self>) -> Boxed<'static, Result<(), Error>>;

    /// It is to be delivered again, while its source goes on.
    fn release(self: Box<Self>) -> Boxed<'static, Result<(), Error>>;
}

/// Where messages are published.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Topic {
    /// With the prefix of the settings. A name within it is without dots, so those are there to
    /// separate.
    pub(crate) name: Arc<str>,
    /// Into how many parts it is divided by key; 0 if it knows no keys.
    pub(crate) partitions: u16,
}

impl Topic {
    pub(crate) fn new(name: &str, partitions: u16) -> Self {
        Self {
            name: name.into(),
            partitions,
        }
    }
}

/// Where a group gets its messages.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Route {
    pub(crate) topic: Topic,
    pub(crate) group: Arc<str>,
}

/// The only group of a topic of dead letters.
const DEAD: &str = "dead";

impl Route {
    pub(crate) fn new(topic: &str, group: &str, partitions: u16) -> Self {
        Self {
            topic: Topic::new(topic, partitions),
            group: group.into(),
        }
    }

    /// Where the group's dead letters are.
    pub(crate) fn dead(&self) -> Self {
        let topic = format!("{}.{}.{DEAD}", self.topic.name, self.group);
        Self::new(&topic, DEAD, 0)
    }

    /// Whether it is one of dead letters, which have no further place to go to.
    pub(crate) fn is_dead(&self) -> bool {
        self.topic.name.contains('.')
    }
}
