//! The messages of a group, over a connection of its own that is made again when it is lost.

use std::sync::Arc;
use std::time::Duration;

use chassis::backoff::Backoff;
use futures_util::StreamExt;
use futures_util::stream::{SelectAll, select_all};
use lapin::options::{BasicAckOptions, BasicConsumeOptions, BasicNackOptions, BasicQosOptions};
use lapin::types::{AMQPValue, FieldTable};
use lapin::{Channel, Connection, Consumer};
use tokio::sync::{mpsc, oneshot, watch};
use tokio::task::JoinHandle;

use super::link::{self, Server, unreachable};
use super::{topology, wire};
use crate::Error;
use crate::backend::{Boxed, Incoming, Receipt, Route, Source};

/// The pauses between attempts to connect.
const MIN_PAUSE: Duration = Duration::from_millis(100);
const MAX_PAUSE: Duration = Duration::from_secs(5);

pub(super) struct Member {
    fetched: mpsc::Receiver<Incoming>,
    /// Dropped to end the task.
    end: Option<oneshot::Sender<()>>,
    task: JoinHandle<()>,
}

impl Member {
    pub(super) fn start(server: Arc<Server>, route: Route, prefetch: usize) -> Self {
        // What is not taken stays with the client library, as much of it as the broker sends.
        let (fetch, fetched) = mpsc::channel(1);
        let (end, ended) = oneshot::channel();
        let task = tokio::spawn(async move {
            let fetching = Fetching {
                server,
                route,
                prefetch: u16::try_from(prefetch).unwrap_or(u16::MAX),
                fetch,
            };
            fetching.run(ended).await;
        });
        Self {
            fetched,
            end: Some(end),
            task,
        }
    }
}

impl Source for Member {
    fn next(&mut self) -> Boxed<'_, Incoming> {
        Box::pin(async {
            match self.fetched.recv().await {
                Some(incoming) => incoming,
                // The task ends with the member alone.
                None => std::future::pending().await,
            }
        })
    }

    fn close(mut self: Box<Self>) -> Boxed<'static, ()> {
        Box::pin(async move {
            drop(self.end.take());
            let _ = (&mut self.task).await;
        })
    }
}

impl Drop for Member {
    fn drop(&mut self) {
        self.task.abort();
    }
}

/// What it takes to fetch, over one connection after the other.
struct Fetching {
    server: Arc<Server>,
    route: Route,
    prefetch: u16,
    fetch: mpsc::Sender<Incoming>,
}

/// A connection that fetches. It ends when it is dropped.
struct Fetcher {
    connection: Connection,
    _channel: Channel,
    queues: SelectAll<Consumer>,
    /// Dropped with the connection, which receipts of it notice.
    alive: watch::Sender<()>,
}

impl Fetcher {
    /// With the connection, what was fetched and not handed over goes back.
    async fn close(self) {
        let close = self.connection.close(link::OK, "OK".into());
        let _ = link::in_time(async { close.await.map_err(unreachable) }).await;
    }
}

impl Fetching {
    async fn run(&self, mut ended: oneshot::Receiver<()>) {
        let mut backoff = Backoff::new(MIN_PAUSE, MAX_PAUSE);
        let topic = &*self.route.topic.name;
        let group = &*self.route.group;
        loop {
            let reason = tokio::select! {
                _ = &mut ended => return,
                fetcher = self.open() => match fetcher {
                    Ok(fetcher) => {
                        backoff.reset();
                        tracing::debug!(topic, group, "subscribed");
                        match self.forward(fetcher, &mut ended).await {
                            Some(reason) => reason,
                            None => return,
                        }
                    }
                    Err(error) => error.to_string(),
                }
            };
            let pause = backoff.delay();
            tracing::warn!(
                topic,
                group,
                reason,
                ?pause,
                "no messages, connecting again"
            );
            tokio::select! {
                _ = &mut ended => return,
                () = tokio::time::sleep(pause) => {}
            }
        }
    }

    /// Connects, and asks for the messages of all parts, in time: a broker that dies meanwhile may leave
    /// a request without an answer.
    async fn open(&self) -> Result<Fetcher, Error> {
        link::in_time(self.subscribe()).await
    }

    async fn subscribe(&self) -> Result<Fetcher, Error> {
        let connection = link::connect(&self.server).await?;
        topology::declare(&connection, &self.route).await?;
        let channel = connection.create_channel().await.map_err(unreachable)?;
        let qos = channel.basic_qos(self.prefetch, BasicQosOptions::default());
        qos.await.map_err(unreachable)?;
        let mut queues = Vec::new();
        for partition in topology::partitions(&self.route.topic) {
            let consumer = channel.basic_consume(
                topology::queue(&self.route, partition).into(),
                "".into(),
                BasicConsumeOptions::default(),
                arguments(partition),
            );
            queues.push(consumer.await.map_err(unreachable)?);
        }
        Ok(Fetcher {
            connection,
            _channel: channel,
            queues: select_all(queues),
            alive: watch::Sender::new(()),
        })
    }

    /// Hands over what comes, until the connection is lost; says why. `None` when the member ends.
    async fn forward(
        &self,
        mut fetcher: Fetcher,
        ended: &mut oneshot::Receiver<()>,
    ) -> Option<String> {
        loop {
            let delivery = tokio::select! {
                biased;
                _ = &mut *ended => {
                    fetcher.close().await;
                    return None;
                }
                delivery = fetcher.queues.next() => delivery,
            };
            let mut delivery = match delivery {
                Some(Ok(delivery)) => delivery,
                Some(Err(error)) => return Some(error.to_string()),
                None => return Some("the broker ended the subscription".to_owned()),
            };
            let (message, redeliveries) = wire::message(&mut delivery);
            let incoming = Incoming {
                message,
                redeliveries,
                receipt: Box::new(Tag {
                    acker: delivery.acker,
                    alive: fetcher.alive.subscribe(),
                }),
            };
            tokio::select! {
                _ = &mut *ended => {
                    fetcher.close().await;
                    return None;
                }
                sent = self.fetch.send(incoming) => if sent.is_err() {
                    return None;
                }
            }
        }
    }
}

/// The highest preference for a part; they begin at 0.
const MAX_PRIORITY: f64 = 1000.0;

/// How much this member wants to be the one that handles a part. Each member has its own preferences,
/// so that parts are spread over them (RabbitMQ 4; before, the first to come has all).
fn arguments(partition: Option<u16>) -> FieldTable {
    let mut arguments = FieldTable::default();
    if partition.is_some() {
        let priority = (chassis::backoff::random() * MAX_PRIORITY) as i32;
        arguments.insert("x-priority".into(), AMQPValue::LongInt(priority));
    }
    arguments
}

/// The broker's number for a delivery. It is of no use on another connection than its own.
struct Tag {
    acker: lapin::Acker,
    alive: watch::Receiver<()>,
}

impl Tag {
    /// Waits for what is told to the broker, which lapin may do for ever on a connection that is lost
    /// at that moment.
    async fn tell(
        mut alive: watch::Receiver<()>,
        answer: impl Future<Output = lapin::Result<bool>>,
    ) -> Result<(), Error> {
        tokio::select! {
            answer = answer => match answer.map_err(unreachable)? {
                true => Ok(()),
                false => Err(lost()),
            },
            _ = alive.changed() => Err(lost()),
        }
    }
}

fn lost() -> Error {
    Error::Unreachable("the connection was lost".to_owned())
}

impl Receipt for Tag {
    fn acknowledge(self: Box<Self>) -> Boxed<'static, Result<(), Error>> {
        Box::pin(async move {
            let options = BasicAckOptions::default();
            Self::tell(self.alive, self.acker.ack(options)).await
        })
    }

    fn release(self: Box<Self>) -> Boxed<'static, Result<(), Error>> {
        Box::pin(async move {
            let options = BasicNackOptions {
                multiple: false,
                requeue: true,
            };
            Self::tell(self.alive, self.acker.nack(options)).await
        })
    }
}
