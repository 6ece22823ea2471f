//! The messages of a group: a request for each part, made again when it was answered, has run out, or
//! was lost with its connection.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use async_nats::jetstream::consumer::pull;
use async_nats::jetstream::message::Acker;
use async_nats::jetstream::{AckKind, Context, consumer::Consumer};
use chassis::backoff::Backoff;
use futures_util::StreamExt;
use futures_util::future::join_all;
use tokio::sync::{Notify, mpsc, oneshot, watch};
use tokio::task::JoinHandle;

use super::{ACK_WAIT, unreachable, wire};
use crate::Error;
use crate::backend::{Boxed, Incoming, Receipt, Route, Source};

/// How long a request waits for messages.
const REQUEST: Duration = Duration::from_secs(20);

/// The pauses while the server does not answer.
const MIN_PAUSE: Duration = Duration::from_millis(100);
const MAX_PAUSE: Duration = Duration::from_secs(2);

/// The longest wait for a message to be given back at the end.
const RELEASE_TIMEOUT: Duration = Duration::from_secs(2);

pub(super) struct Member {
    fetched: mpsc::UnboundedReceiver<Incoming>,
    /// Dropped to end the task.
    end: Option<oneshot::Sender<()>>,
    task: JoinHandle<()>,
}

impl Member {
    pub(super) fn start(
        context: Context,
        connected: watch::Receiver<u64>,
        route: Route,
        prefetch: usize,
    ) -> Self {
        // No more are asked for than there is room for, so no more are in it.
        let (sender, fetched) = mpsc::unbounded_channel();
        let (end, ended) = oneshot::channel();
        let fetching = Fetching {
            context,
            connected,
            route,
            sender,
            held: Arc::default(),
        };
        Self {
            fetched,
            end: Some(end),
            task: tokio::spawn(fetching.run(prefetch, ended)),
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

struct Fetching {
    context: Context,
    connected: watch::Receiver<u64>,
    route: Route,
    sender: mpsc::UnboundedSender<Incoming>,
    held: Arc<Held>,
}

impl Fetching {
    /// Ends when the member does, even if it is dropped: then too what is held goes back.
    async fn run(self, prefetch: usize, ended: oneshot::Receiver<()>) {
        let parts = super::partitions(&self.route.topic).map(|partition| {
            // The server gives no second message of a part with keys before the first is done.
            let limit = if partition.is_some() { 1 } else { prefetch };
            self.fetch(partition, limit)
        });
        tokio::select! {
            _ = ended => {}
            _ = join_all(parts) => {}
            () = self.held.extend() => {}
        }
        self.held.release().await;
    }

    async fn fetch(&self, partition: Option<u16>, limit: usize) {
        let mut backoff = Backoff::new(MIN_PAUSE, MAX_PAUSE);
        let part = Part {
            number: partition.map_or(usize::MAX, usize::from),
            held: Arc::clone(&self.held),
            settled: Arc::default(),
        };
        let mut consumer = None;
        loop {
            match self
                .fetch_once(&mut consumer, partition, &part, limit)
                .await
            {
                Ok(()) => backoff.reset(),
                Err(error) => {
                    // It may be gone.
                    consumer = None;
                    let pause = backoff.delay();
                    let topic = &*self.route.topic.name;
                    tracing::warn!(topic, partition, %error, ?pause, "no messages, asking again");
                    tokio::time::sleep(pause).await;
                }
            }
        }
    }

    /// Asks for as many messages as there is room for, and hands over what comes.
    async fn fetch_once(
        &self,
        consumer: &mut Option<Consumer<pull::Config>>,
        partition: Option<u16>,
        part: &Part,
        limit: usize,
    ) -> Result<(), Error> {
        let settled = part.settled.notified();
        let room = limit.saturating_sub(self.held.count(part.number));
        if room == 0 {
            settled.await;
            return Ok(());
        }
        let mut connected = self.connected.clone();
        connected.mark_unchanged();
        let consumer = match consumer {
            Some(consumer) => consumer,
            None => consumer.insert(super::consumer(&self.context, &self.route, partition).await?),
        };
        let batch = consumer.batch().max_messages(room).expires(REQUEST);
        let mut batch = batch.messages().await.map_err(unreachable)?;
        loop {
            let next = tokio::select! {
                next = batch.next() => next,
                // The server that knew of the request may be gone.
                _ = connected.changed() => return Ok(()),
            };
            let Some(message) = next else { return Ok(()) };
            let delivered = message.map_err(unreachable)?;
            let (message, redeliveries) = wire::message(&delivered);
            let (_, acker) = delivered.split();
            let receipt = part.hold(acker);
            // It fails when the member has ended, and then this ends too.
            let _ = self.sender.send(Incoming {
                message,
                redeliveries,
                receipt: Box::new(receipt),
            });
        }
    }
}

/// What a member has and has not settled, in the order in which it came: by part and number.
#[derive(Default)]
struct Held {
    messages: Mutex<BTreeMap<(usize, u64), Arc<Acker>>>,
    next: std::sync::atomic::AtomicU64,
}

impl Held {
    fn messages(&self) -> MutexGuard<'_, BTreeMap<(usize, u64), Arc<Acker>>> {
        self.messages.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn count(&self, part: usize) -> usize {
        self.messages().range((part, 0)..=(part, u64::MAX)).count()
    }

    fn ackers(&self) -> Vec<Arc<Acker>> {
        self.messages().values().cloned().collect()
    }

    /// Tells the server again and again that what is held is being handled.
    async fn extend(&self) {
        loop {
            tokio::time::sleep(ACK_WAIT / 3).await;
            for acker in self.ackers() {
                if let Err(error) = acker.ack_with(AckKind::Progress).await {
                    tracing::warn!(%error, "messages may be delivered again that are being handled");
                }
            }
        }
    }

    /// Gives back what is held. What cannot be, the server delivers again after `ACK_WAIT`.
    async fn release(&self) {
        for acker in self.ackers() {
            let release = acker.double_ack_with(AckKind::Nak(None));
            if !matches!(
                tokio::time::timeout(RELEASE_TIMEOUT, release).await,
                Ok(Ok(()))
            ) {
                return;
            }
        }
    }
}

/// One part of the topic.
#[derive(Clone)]
struct Part {
    number: usize,
    held: Arc<Held>,
    /// That there is room again.
    settled: Arc<Notify>,
}

impl Part {
    fn hold(&self, acker: Acker) -> Ticket {
        let number = self
            .held
            .next
            .fetch_add(1, std::sync::atomic::Ordering::Relaxed);
        let place = (self.number, number);
        let acker = Arc::new(acker);
        self.held.messages().insert(place, Arc::clone(&acker));
        Ticket {
            part: self.clone(),
            place,
            acker,
        }
    }
}

struct Ticket {
    part: Part,
    place: (usize, u64),
    acker: Arc<Acker>,
}

impl Ticket {
    async fn settle(self, kind: AckKind) -> Result<(), Error> {
        self.part.held.messages().remove(&self.place);
        // Until the server has it, a crash brings the message again; the handler may go on.
        let settled = self.acker.double_ack_with(kind).await;
        self.part.settled.notify_one();
        settled.map_err(unreachable)
    }
}

impl Receipt for Ticket {
    fn acknowledge(self: Box<Self>) -> Boxed<'static, Result<(), Error>> {
        Box::pin(self.settle(AckKind::Ack))
    }

    fn release(self: Box<Self>) -> Boxed<'static, Result<(), Error>> {
        Box::pin(self.settle(AckKind::Nak(None)))
    }
}
