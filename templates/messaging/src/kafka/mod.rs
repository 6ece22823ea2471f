//! Kafka.
//!
//! A topic is a topic, with a partition for each of its parts. A group is a consumer group by Kafka's own
//! protocol: its coordinator knows the members, one of them divides the partitions among all, and what
//! was handled is committed to it, as the first offset of each partition that is not done.

mod coordinator;
mod offsets;
mod reader;
mod source;
mod wire;

use std::collections::{BTreeMap, BTreeSet};
use std::sync::atomic::{AtomicU32, Ordering};
use std::sync::{Arc, PoisonError};
use std::time::Duration;

use rskafka::BackoffConfig;
use rskafka::client::error::{Error as ClientError, ProtocolError};
use rskafka::client::partition::{Compression, PartitionClient, UnknownTopicHandling};
use rskafka::client::{Client, ClientBuilder};
use tokio::sync::{Mutex, OnceCell};

use crate::backend::{Backend, Boxed, Route, Source, Topic};
use crate::{Error, Message};

/// The port of a broker whose URL has none.
const PORT: u16 = 9092;

/// A broker that does not answer within this time is asked again.
const REQUEST_TIMEOUT: Duration = Duration::from_secs(5);

/// As many replicas as the brokers make of themselves.
const DEFAULT_REPLICATION: i16 = -1;

pub(crate) struct Kafka(Arc<Cluster>);

/// The brokers, and what is known of them.
pub(super) struct Cluster {
    addresses: Vec<String>,
    client: OnceCell<Client>,
    /// The topics that are known to be there.
    topics: std::sync::Mutex<BTreeSet<Arc<str>>>,
    partitions: Mutex<Partitions>,
    /// The next partition for messages without a key.
    next: AtomicU32,
}

/// The clients of partitions, by topic and number.
type Partitions = BTreeMap<(Arc<str>, i32), Arc<PartitionClient>>;

impl Kafka {
    pub(crate) fn new(url: &str) -> Result<Self, Error> {
        let hosts = url.strip_prefix("kafka://").unwrap_or_default();
        let hosts = hosts.trim_end_matches('/');
        if hosts.is_empty() || hosts.contains(['/', '@', '?']) {
            let form = "`kafka://host:port,host:port`, without a user";
            return Err(Error::Url(form.to_owned()));
        }
        let address = |host: &str| match host.contains(':') {
            true => host.to_owned(),
            false => format!("{host}:{PORT}"),
        };
        let addresses = hosts.split(',').map(address).collect();
        Ok(Self(Arc::new(Cluster::new(addresses))))
    }
}

impl Cluster {
    /// With connections of its own, which are made when they are needed.
    fn new(addresses: Vec<String>) -> Self {
        Self {
            addresses,
            client: OnceCell::new(),
            topics: std::sync::Mutex::default(),
            partitions: Mutex::default(),
            next: AtomicU32::new(0),
        }
    }

    async fn client(&self) -> Result<&Client, Error> {
        let connect = self.client.get_or_try_init(|| async {
            let client = ClientBuilder::new(self.addresses.clone()).backoff_config(BackoffConfig {
                init_backoff: Duration::from_millis(50),
                max_backoff: Duration::from_secs(1),
                base: 2.0,
                deadline: Some(REQUEST_TIMEOUT),
            });
            client.build().await.map_err(unreachable)
        });
        in_time(connect).await
    }

    /// Makes a topic, if it is not there.
    async fn declare(&self, topic: &Topic) -> Result<(), Error> {
        let is_known = {
            let topics = self.topics.lock().unwrap_or_else(PoisonError::into_inner);
            topics.contains(&topic.name)
        };
        if is_known {
            return Ok(());
        }
        let controller = self.client().await?.controller_client();
        let controller = controller.map_err(unreachable)?;
        let milliseconds = REQUEST_TIMEOUT.as_millis() as i32;
        let create = controller.create_topic(
            &*topic.name,
            partitions(topic),
            DEFAULT_REPLICATION,
            milliseconds,
        );
        let created = in_time(async { Ok(create.await) }).await?;
        match created {
            Ok(()) => {}
            Err(ClientError::ServerError {
                protocol_error: ProtocolError::TopicAlreadyExists,
                ..
            }) => {}
            Err(error) => return Err(unreachable(error)),
        }
        let mut topics = self.topics.lock().unwrap_or_else(PoisonError::into_inner);
        topics.insert(Arc::clone(&topic.name));
        Ok(())
    }

    /// The client of a partition.
    pub(super) async fn partition(
        &self,
        topic: &Topic,
        partition: i32,
    ) -> Result<Arc<PartitionClient>, Error> {
        let place = (Arc::clone(&topic.name), partition);
        let mut partitions = self.partitions.lock().await;
        if let Some(client) = partitions.get(&place) {
            return Ok(Arc::clone(client));
        }
        // A topic that was just made is not known to all brokers yet.
        let retry = UnknownTopicHandling::Retry;
        let client = self
            .client()
            .await?
            .partition_client(&*topic.name, partition, retry);
        let client = in_time(async { client.await.map_err(unreachable) }).await?;
        let client = Arc::new(client);
        partitions.insert(place, Arc::clone(&client));
        Ok(client)
    }
}

impl Backend for Kafka {
    fn system(&self) -> &'static str {
        "kafka"
    }

    fn publish<'a>(
        &'a self,
        topic: &'a Topic,
        message: &'a Message,
    ) -> Boxed<'a, Result<(), Error>> {
        Box::pin(async move {
            let Self(cluster) = self;
            cluster.declare(topic).await?;
            let partition = match topic.partition(message.key()) {
                Some(partition) => i32::from(partition),
                None => {
                    let next = cluster.next.fetch_add(1, Ordering::Relaxed);
                    (next % partitions(topic) as u32) as i32
                }
            };
            let client = cluster.partition(topic, partition).await?;
            // It asks for the confirmation of all replicas that are in sync.
            let records = vec![wire::record(message)];
            let produced = client.produce(records, Compression::NoCompression).await;
            match produced {
                Ok(_) => Ok(()),
                Err(ClientError::ServerError {
                    protocol_error: ProtocolError::MessageTooLarge,
                    ..
                }) => Err(Error::Refused("the message is too large".to_owned())),
                Err(error) => Err(unreachable(error)),
            }
        })
    }

    fn declare<'a>(&'a self, route: &'a Route) -> Boxed<'a, Result<(), Error>> {
        Box::pin(self.0.declare(&route.topic))
    }

    fn subscribe<'a>(
        &'a self,
        route: &'a Route,
        prefetch: usize,
    ) -> Boxed<'a, Result<Box<dyn Source>, Error>> {
        Box::pin(async move {
            let addresses = self.0.addresses.clone();
            let member = source::Member::start(addresses, route.clone(), prefetch);
            let source: Box<dyn Source> = Box::new(member);
            Ok(source)
        })
    }

    fn ping(&self) -> Boxed<'_, Result<(), Error>> {
        Box::pin(async move {
            let client = self.0.client().await?;
            in_time(async { client.list_topics().await.map(drop).map_err(unreachable) }).await
        })
    }
}

/// A topic of dead letters knows no parts, and has one partition.
pub(super) fn partitions(topic: &Topic) -> i32 {
    i32::from(topic.partitions.max(1))
}

/// Waits for what a broker that is well does soon.
pub(super) async fn in_time<T>(future: impl Future<Output = Result<T, Error>>) -> Result<T, Error> {
    match tokio::time::timeout(REQUEST_TIMEOUT, future).await {
        Ok(result) => result,
        Err(_) => Err(Error::Unreachable(format!(
            "no answer within {REQUEST_TIMEOUT:?}"
        ))),
    }
}

pub(super) fn unreachable(error: impl std::fmt::Display) -> Error {
    Error::Unreachable(error.to_string())
}
