//! The connections to the brokers, and what is known of topics.
//!
//! The client library waits for an answer for as long as a connection seems to be there, and one whose
//! broker stands still, or behind which the network is gone, seems so for ever. So each request has its
//! time here, and what has not answered is forgotten: the next request makes it anew.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::atomic::{AtomicU32, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use futures_util::future::select_ok;
use rskafka::BackoffConfig;
use rskafka::client::Client;
use rskafka::client::error::{Error as ClientError, ProtocolError};
use rskafka::client::partition::{Compression, PartitionClient, UnknownTopicHandling};
use rskafka::record::Record;
use tokio::sync::OnceCell;
use tokio::time::Instant;

use super::access::Access;
use super::coordinator::Coordinator;
use super::{REQUEST_TIMEOUT, in_time, partitions, unreachable};
use crate::Error;
use crate::backend::Topic;

/// As many replicas as the brokers make of themselves.
const DEFAULT_REPLICATION: i16 = -1;

/// A connection that has not answered for so long is forgotten with a request that nobody waits for any
/// more: the time that one gives up may be shorter than that of a request.
const SILENCE: Duration = Duration::from_secs(1);

/// The brokers, and what is known of them.
pub(super) struct Cluster {
    addresses: Vec<String>,
    access: Access,
    known: Mutex<Known>,
    /// The next partition for messages without a key.
    next: AtomicU32,
}

#[derive(Default)]
struct Known {
    /// For what is not about a partition.
    client: Shared<Client>,
    /// The clients of partitions, by topic and number. Each has a connection of its own.
    partitions: BTreeMap<Place, Shared<PartitionClient>>,
    /// The topics that are known to be there.
    topics: BTreeSet<Arc<str>>,
}

type Place = (Arc<str>, i32);

/// A client that the first who needs it makes. None but those who need the same one wait for it.
type Shared<T> = Arc<Slot<T>>;

struct Slot<T> {
    client: OnceCell<Arc<T>>,
    /// When the first request was sent of those since the last answer.
    silent_since: Mutex<Option<Instant>>,
}

impl<T> Default for Slot<T> {
    fn default() -> Self {
        Self {
            client: OnceCell::new(),
            silent_since: Mutex::default(),
        }
    }
}

impl<T> Slot<T> {
    fn silent_since(&self) -> MutexGuard<'_, Option<Instant>> {
        let since = self.silent_since.lock();
        since.unwrap_or_else(PoisonError::into_inner)
    }

    /// Waits for the answer to a request, in time. `forget` is called when there is none, also if this
    /// is dropped before.
    async fn ask<A>(
        &self,
        request: impl Future<Output = Result<A, Error>>,
        forget: impl Fn(),
    ) -> Result<A, Error> {
        self.silent_since().get_or_insert_with(Instant::now);
        let mut asked = Asked {
            slot: self,
            forget,
            is_over: false,
        };
        let answer = in_time(request).await;
        asked.is_over = true;
        match answer {
            Err(Error::Unreachable(_)) => (asked.forget)(),
            _ => *self.silent_since() = None,
        }
        answer
    }
}

/// A request without an answer yet.
struct Asked<'a, T, F: Fn()> {
    slot: &'a Slot<T>,
    forget: F,
    is_over: bool,
}

impl<T, F: Fn()> Drop for Asked<'_, T, F> {
    fn drop(&mut self) {
        let silent_since = *self.slot.silent_since();
        let is_silent = silent_since.is_some_and(|since| since.elapsed() >= SILENCE);
        if !self.is_over && is_silent {
            (self.forget)();
        }
    }
}

impl Cluster {
    /// With connections of its own, which are made when they are needed.
    pub(super) fn new(addresses: Vec<String>, access: Access) -> Self {
        Self {
            addresses,
            access,
            known: Mutex::default(),
            next: AtomicU32::new(0),
        }
    }

    /// The same brokers, over other connections.
    pub(super) fn apart(&self) -> Self {
        Self::new(self.addresses.clone(), self.access.clone())
    }

    pub(super) async fn coordinator(&self, group: &str) -> Result<Coordinator, Error> {
        Coordinator::find(&self.addresses, &self.access, group).await
    }

    fn known(&self) -> MutexGuard<'_, Known> {
        self.known.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// The next request connects again. One that is not connected yet stays, for those who wait for it.
    fn forget(&self, slot: &Shared<Client>) {
        let mut known = self.known();
        if Arc::ptr_eq(&known.client, slot) && slot.client.initialized() {
            known.client = Shared::default();
        }
    }

    /// A topic may have been deleted: it is made anew if so.
    pub(super) fn forget_topic(&self, topic: &Topic) {
        let mut known = self.known();
        known.topics.remove(&topic.name);
        known.partitions.retain(|(name, _), _| *name != topic.name);
    }

    fn forget_partition(&self, place: &Place, slot: &Shared<PartitionClient>) {
        let mut known = self.known();
        let is_known = known.partitions.get(place);
        if is_known.is_some_and(|it| Arc::ptr_eq(it, slot) && it.client.initialized()) {
            known.partitions.remove(place);
        }
        known.topics.remove(&place.0);
    }

    /// Sends a request that is not about a partition.
    async fn ask<A>(
        &self,
        request: impl AsyncFnOnce(&Client) -> Result<A, Error>,
    ) -> Result<A, Error> {
        let slot = Arc::clone(&self.known().client);
        let request = async { request(&*self.connected(&slot).await?).await };
        slot.ask(request, || self.forget(&slot)).await
    }

    async fn connected(&self, slot: &Shared<Client>) -> Result<Arc<Client>, Error> {
        let connect = slot.client.get_or_try_init(|| async {
            // The first that answers: others may stand still.
            let clients = self.addresses.iter().map(|it| Box::pin(self.connect(it)));
            Ok(Arc::new(select_ok(clients).await?.0))
        });
        connect.await.cloned()
    }

    /// Makes a topic, if it is not there.
    pub(super) async fn declare(&self, topic: &Topic) -> Result<(), Error> {
        if self.known().topics.contains(&topic.name) {
            return Ok(());
        }
        let created = self.ask(async |client: &Client| {
            let controller = client.controller_client().map_err(unreachable)?;
            let milliseconds = REQUEST_TIMEOUT.as_millis() as i32;
            let create = controller.create_topic(
                &*topic.name,
                partitions(topic),
                DEFAULT_REPLICATION,
                milliseconds,
            );
            match create.await {
                Ok(()) => Ok(()),
                Err(ClientError::ServerError {
                    protocol_error: ProtocolError::TopicAlreadyExists,
                    ..
                }) => Ok(()),
                Err(error) => Err(unreachable(error)),
            }
        });
        created.await?;
        self.known().topics.insert(Arc::clone(&topic.name));
        Ok(())
    }

    /// Appends a message to a partition of its topic, to one after the other if it has no key.
    pub(super) async fn append(
        &self,
        topic: &Topic,
        partition: Option<u16>,
        record: Record,
    ) -> Result<(), Error> {
        self.declare(topic).await?;
        let partition = partition.map(i32::from).unwrap_or_else(|| {
            let next = self.next.fetch_add(1, Ordering::Relaxed);
            (next % partitions(topic) as u32) as i32
        });
        let place = (Arc::clone(&topic.name), partition);
        let (slot, client) = {
            let mut known = self.known();
            let slot = known.partitions.entry(place.clone()).or_default();
            (Arc::clone(slot), Arc::clone(&known.client))
        };
        let produce = async {
            let partition = self.located(&slot, &client, &place).await?;
            // It asks for the confirmation of all replicas that are in sync.
            let produced = partition.produce(vec![record], Compression::NoCompression);
            match produced.await {
                Ok(_) => Ok(()),
                Err(ClientError::ServerError {
                    protocol_error: ProtocolError::MessageTooLarge,
                    ..
                }) => Err(Error::Refused("the message is too large".to_owned())),
                Err(error) => Err(unreachable(error)),
            }
        };
        let forget = || {
            self.forget_partition(&place, &slot);
            // The leader is asked for over this one.
            self.forget(&client);
        };
        slot.ask(produce, forget).await
    }

    async fn located(
        &self,
        slot: &Shared<PartitionClient>,
        client: &Shared<Client>,
        (topic, partition): &Place,
    ) -> Result<Arc<PartitionClient>, Error> {
        let locate = slot.client.get_or_try_init(|| async {
            let client = self.connected(client).await?;
            // A topic that was just made is not known to all brokers yet.
            let retry = UnknownTopicHandling::Retry;
            let located = client.partition_client(&**topic, *partition, retry);
            located.await.map(Arc::new).map_err(unreachable)
        });
        locate.await.cloned()
    }

    /// The client of a partition, to read from.
    pub(super) async fn partition(
        &self,
        topic: &Topic,
        partition: i32,
    ) -> Result<Arc<PartitionClient>, Error> {
        let client = Arc::clone(&self.known().client);
        let place = (Arc::clone(&topic.name), partition);
        in_time(self.located(&Shared::default(), &client, &place)).await
    }

    /// Connects to a broker, which tells of the others.
    async fn connect(&self, address: &str) -> Result<Client, Error> {
        let client = self.access.client(address).backoff_config(BackoffConfig {
            init_backoff: Duration::from_millis(50),
            max_backoff: Duration::from_secs(1),
            base: 2.0,
            deadline: Some(REQUEST_TIMEOUT),
        });
        client.build().await.map_err(unreachable)
    }

    pub(super) async fn ping(&self) -> Result<(), Error> {
        let topics = async |client: &Client| client.list_topics().await.map_err(unreachable);
        self.ask(topics).await.map(drop)
    }
}
