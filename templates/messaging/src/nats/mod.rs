//! NATS, with its persistence JetStream.
//!
//! A topic is a stream with a subject for each of its parts, kept on disk. A group has a durable
//! consumer for the messages without keys, and one for each part; of a part, one message is on its way
//! at a time, which keeps the order of keys whichever member gets it. The ids of messages are those by
//! which JetStream knows one that is sent again.

mod source;
mod wire;

use std::collections::BTreeSet;
use std::path::Path;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use async_nats::jetstream::consumer::{AckPolicy, pull};
use async_nats::jetstream::context::PublishErrorKind;
use async_nats::jetstream::stream::{self, RetentionPolicy};
use async_nats::jetstream::{self, Context};
use async_nats::{Client, ConnectOptions, Event};
use tokio::sync::watch;

use crate::backend::{Backend, Boxed, Route, Source, Topic};
use crate::{Error, Message};

/// A server that does not answer within this time is asked again.
const REQUEST_TIMEOUT: Duration = Duration::from_secs(5);

/// How often the server is asked whether it is there.
const PING_INTERVAL: Duration = Duration::from_secs(5);

/// How long messages are kept, for groups that come later.
const MAX_AGE: Duration = Duration::from_secs(7 * 86_400);

/// After this time a message that nobody says anything about is delivered again.
pub(super) const ACK_WAIT: Duration = Duration::from_secs(10);

/// The subject of messages without a key.
const ANY: &str = "any";

pub(crate) struct Nats {
    client: Client,
    context: Context,
    /// Changes with each connection.
    connected: watch::Receiver<u64>,
    /// The streams that are known to be there.
    streams: Mutex<BTreeSet<Arc<str>>>,
}

impl Nats {
    /// The connection is made when there is a server, and again when it is lost.
    pub(crate) async fn new(url: &str, authorities: Option<&Path>) -> Result<Self, Error> {
        let (connections, connected) = watch::channel(0);
        let connections = Arc::new(connections);
        let mut options = ConnectOptions::new();
        if let Some(path) = authorities {
            options = options.add_root_certificates(path.to_owned());
        }
        let options = options
            .retry_on_initial_connect()
            .ping_interval(PING_INTERVAL)
            .request_timeout(Some(REQUEST_TIMEOUT))
            .event_callback(move |event| {
                let connections = Arc::clone(&connections);
                async move {
                    match event {
                        Event::Connected => connections.send_modify(|count| *count += 1),
                        event => tracing::warn!(%event, "NATS"),
                    }
                }
            });
        let client = options.connect(url).await;
        let client = client.map_err(|error| Error::Url(error.to_string()))?;
        let mut context = jetstream::new(client.clone());
        context.set_timeout(REQUEST_TIMEOUT);
        Ok(Self {
            client,
            context,
            connected,
            streams: Mutex::default(),
        })
    }

    /// Makes the stream of a topic, if it is not there.
    async fn declare_stream(&self, topic: &Topic) -> Result<(), Error> {
        let is_known = {
            let streams = self.streams.lock().unwrap_or_else(PoisonError::into_inner);
            streams.contains(&topic.name)
        };
        if !is_known {
            let stream = self.context.get_or_create_stream(config(topic));
            stream.await.map_err(unreachable)?;
            let mut streams = self.streams.lock().unwrap_or_else(PoisonError::into_inner);
            streams.insert(Arc::clone(&topic.name));
        }
        Ok(())
    }
}

impl Backend for Nats {
    fn system(&self) -> &'static str {
        "nats"
    }

    fn publish<'a>(
        &'a self,
        topic: &'a Topic,
        message: &'a Message,
    ) -> Boxed<'a, Result<(), Error>> {
        Box::pin(async move {
            self.declare_stream(topic).await?;
            let subject = subject(topic, topic.partition(message.key()));
            let headers = wire::headers(message)?;
            let payload = message.payload.clone();
            let sent = self.context.publish_with_headers(subject, headers, payload);
            let confirmed = async { sent.await?.await };
            match confirmed.await {
                Ok(_) => Ok(()),
                Err(error) if error.kind() == PublishErrorKind::MaxPayloadExceeded => {
                    Err(Error::Refused(error.to_string()))
                }
                Err(error) => {
                    // It may have been deleted since.
                    let streams = self.streams.lock();
                    streams.unwrap_or_else(PoisonError::into_inner).clear();
                    Err(unreachable(error))
                }
            }
        })
    }

    fn declare<'a>(&'a self, route: &'a Route) -> Boxed<'a, Result<(), Error>> {
        Box::pin(async move {
            self.declare_stream(&route.topic).await?;
            for partition in partitions(&route.topic) {
                consumer(&self.context, route, partition).await?;
            }
            Ok(())
        })
    }

    fn subscribe<'a>(
        &'a self,
        route: &'a Route,
        prefetch: usize,
    ) -> Boxed<'a, Result<Box<dyn Source>, Error>> {
        Box::pin(async move {
            let (context, connected) = (self.context.clone(), self.connected.clone());
            let member = source::Member::start(context, connected, route.clone(), prefetch);
            let source: Box<dyn Source> = Box::new(member);
            Ok(source)
        })
    }

    fn ping(&self) -> Boxed<'_, Result<(), Error>> {
        Box::pin(async move {
            if self.client.connection_state() != async_nats::connection::State::Connected {
                return Err(Error::Unreachable("no connection".to_owned()));
            }
            let answer = tokio::time::timeout(REQUEST_TIMEOUT, self.context.query_account());
            match answer.await {
                Ok(answer) => answer.map(drop).map_err(unreachable),
                Err(error) => Err(unreachable(error)),
            }
        })
    }
}

/// Names within a topic's name are separated by dots, which those of streams may not have.
fn stream_name(topic: &Topic) -> String {
    topic.name.replace('.', "+")
}

fn subject(topic: &Topic, partition: Option<u16>) -> String {
    match partition {
        None => format!("{}.{ANY}", topic.name),
        Some(partition) => format!("{}.{partition}", topic.name),
    }
}

/// The parts of a topic: that without keys, and the others.
fn partitions(topic: &Topic) -> impl Iterator<Item = Option<u16>> + use<> {
    std::iter::once(None).chain((0..topic.partitions).map(Some))
}

fn config(topic: &Topic) -> stream::Config {
    // Dead letters have one group alone, and wait for it as long as it takes.
    let is_dead = topic.name.contains('.');
    stream::Config {
        name: stream_name(topic),
        subjects: vec![format!("{}.*", topic.name)],
        retention: match is_dead {
            true => RetentionPolicy::WorkQueue,
            false => RetentionPolicy::Limits,
        },
        max_age: if is_dead { Duration::ZERO } else { MAX_AGE },
        ..stream::Config::default()
    }
}

/// A group's consumer of a part, made if it is not there.
pub(super) async fn consumer(
    context: &Context,
    route: &Route,
    partition: Option<u16>,
) -> Result<jetstream::consumer::Consumer<pull::Config>, Error> {
    let name = match partition {
        None => route.group.to_string(),
        Some(partition) => format!("{}+{partition}", route.group),
    };
    let config = pull::Config {
        durable_name: Some(name.clone()),
        ack_policy: AckPolicy::Explicit,
        ack_wait: ACK_WAIT,
        filter_subject: subject(&route.topic, partition),
        max_ack_pending: if partition.is_some() { 1 } else { -1 },
        ..pull::Config::default()
    };
    let stream = context.get_stream_no_info(stream_name(&route.topic)).await;
    let consumer = stream.map_err(unreachable)?;
    let consumer = consumer.get_or_create_consumer(&name, config).await;
    consumer.map_err(unreachable)
}

pub(super) fn unreachable(error: impl std::fmt::Display) -> Error {
    Error::Unreachable(error.to_string())
}
