//! A broker within the process, for tests. Nothing of it outlives the process.

use std::collections::{BTreeMap, VecDeque};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use tokio::sync::Notify;

use crate::backend::{Backend, Boxed, Incoming, Receipt, Route, Source, Topic};
use crate::{Error, Message};

/// The queues, by topic and by group.
#[derive(Default)]
pub(crate) struct Memory {
    topics: Mutex<BTreeMap<Arc<str>, Groups>>,
}

type Groups = BTreeMap<Arc<str>, Arc<Queue>>;

/// The messages of a group.
#[derive(Default)]
struct Queue {
    state: Mutex<State>,
    changed: Notify,
}

#[derive(Default)]
struct State {
    waiting: VecDeque<Entry>,
    /// The keys of messages that are being handled: whoever comes next in one has to wait.
    busy: Vec<String>,
    published: u64,
}

struct Entry {
    /// Its place in the order.
    number: u64,
    message: Message,
}

/// A panic elsewhere leaves no half-done change here.
fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

impl Backend for Memory {
    fn system(&self) -> &'static str {
        "memory"
    }

    fn publish<'a>(
        &'a self,
        topic: &'a Topic,
        message: &'a Message,
    ) -> Boxed<'a, Result<(), Error>> {
        let topics = lock(&self.topics);
        let groups = topics.get(&topic.name).filter(|groups| !groups.is_empty());
        let result = match groups {
            Some(groups) => {
                groups
                    .values()
                    .for_each(|queue| queue.push(message.clone()));
                Ok(())
            }
            None => Err(Error::NoGroup {
                topic: topic.name.to_string(),
            }),
        };
        Box::pin(std::future::ready(result))
    }

    fn declare<'a>(&'a self, route: &'a Route) -> Boxed<'a, Result<(), Error>> {
        self.queue(route);
        Box::pin(std::future::ready(Ok(())))
    }

    fn subscribe<'a>(
        &'a self,
        route: &'a Route,
        _prefetch: usize,
    ) -> Boxed<'a, Result<Box<dyn Source>, Error>> {
        let source: Box<dyn Source> = Box::new(Member(self.queue(route)));
        Box::pin(std::future::ready(Ok(source)))
    }

    fn ping(&self) -> Boxed<'_, Result<(), Error>> {
        Box::pin(std::future::ready(Ok(())))
    }
}

impl Memory {
    fn queue(&self, route: &Route) -> Arc<Queue> {
        let mut topics = lock(&self.topics);
        let groups = topics.entry(Arc::clone(&route.topic.name)).or_default();
        Arc::clone(groups.entry(Arc::clone(&route.group)).or_default())
    }
}

impl Queue {
    fn push(&self, message: Message) {
        let mut state = lock(&self.state);
        state.published += 1;
        let number = state.published;
        state.waiting.push_back(Entry { number, message });
        drop(state);
        self.changed.notify_waiters();
    }

    /// The first message whose key is free.
    fn pop(&self) -> Option<Entry> {
        let mut state = lock(&self.state);
        let is_free = |it: &Entry| match it.message.key() {
            Some(key) => !state.busy.iter().any(|busy| busy == key),
            None => true,
        };
        let place = state.waiting.iter().position(is_free)?;
        let entry = state.waiting.remove(place)?;
        state.busy.extend(entry.message.key.clone());
        Some(entry)
    }

    /// Frees the key of a message that was handled, or puts it back in its place.
    fn settle(&self, entry: Entry, is_handled: bool) {
        let mut state = lock(&self.state);
        if let Some(key) = entry.message.key() {
            state.busy.retain(|busy| busy != key);
        }
        if !is_handled {
            let place = state.waiting.partition_point(|it| it.number < entry.number);
            state.waiting.insert(place, entry);
        }
        drop(state);
        self.changed.notify_waiters();
    }
}

struct Member(Arc<Queue>);

impl Source for Member {
    fn next(&mut self) -> Boxed<'_, Incoming> {
        Box::pin(async {
            loop {
                let changed = self.0.changed.notified();
                tokio::pin!(changed);
                // From here on no change is missed.
                changed.as_mut().enable();
                if let Some(entry) = self.0.pop() {
                    return Incoming {
                        message: entry.message.clone(),
                        redeliveries: 0,
                        receipt: Box::new(Ticket {
                            queue: Arc::clone(&self.0),
                            entry: Some(entry),
                        }),
                    };
                }
                changed.await;
            }
        })
    }

    fn close(self: Box<Self>) -> Boxed<'static, ()> {
        Box::pin(std::future::ready(()))
    }
}

struct Ticket {
    queue: Arc<Queue>,
    entry: Option<Entry>,
}

impl Ticket {
    fn settle(&mut self, is_handled: bool) {
        if let Some(entry) = self.entry.take() {
            self.queue.settle(entry, is_handled);
        }
    }
}

impl Receipt for Ticket {
    fn acknowledge(mut self: Box<Self>) -> Boxed<'static, Result<(), Error>> {
        self.settle(true);
        Box::pin(std::future::ready(Ok(())))
    }

    fn release(mut self: Box<Self>) -> Boxed<'static, Result<(), Error>> {
        self.settle(false);
        Box::pin(std::future::ready(Ok(())))
    }
}

impl Drop for Ticket {
    /// The member ended before it was done.
    fn drop(&mut self) {
        self.settle(false);
    }
}
