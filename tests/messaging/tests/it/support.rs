//! What the tests of all brokers share.

use std::sync::atomic::{AtomicU32, Ordering};
use std::time::Duration;

use messaging::{Broker, Consumer, Delivery, Failure, Retry, Subscription};
use tokio::sync::Mutex;
use tokio::sync::mpsc::{UnboundedReceiver, UnboundedSender, unbounded_channel};

/// When a test that waits for a broker is taken for one that failed.
pub const PATIENCE: Duration = Duration::from_secs(120);

/// Tests that hurt a broker of their own come one after the other: side by side, they and their brokers
/// would all be slow.
pub static ONE_AT_A_TIME: Mutex<()> = Mutex::const_new(());

/// Retries that are soon done.
pub fn soon(attempts: u32) -> Retry {
    Retry {
        attempts,
        initial_backoff: Duration::from_millis(5),
        max_backoff: Duration::from_millis(20),
    }
}

/// A name that no other test of this process uses.
pub fn unique(name: &str) -> String {
    static COUNT: AtomicU32 = AtomicU32::new(0);
    let count = COUNT.fetch_add(1, Ordering::Relaxed);
    format!("{name}-{}-{count}", std::process::id())
}

/// What happened, in the order in which it did.
pub struct Events<T>(UnboundedReceiver<T>);

impl<T: std::fmt::Debug> Events<T> {
    pub fn new() -> (UnboundedSender<T>, Self) {
        let (sender, receiver) = unbounded_channel();
        (sender, Self(receiver))
    }

    /// The next event, which must come.
    pub async fn next(&mut self) -> T {
        let next = tokio::time::timeout(PATIENCE, self.0.recv()).await;
        next.expect("an event in time").expect("an open channel")
    }

    /// The next so many events.
    pub async fn take(&mut self, count: usize) -> Vec<T> {
        let mut events = Vec::with_capacity(count);
        while events.len() < count {
            events.push(self.next().await);
        }
        events
    }

    /// Events that are there already.
    pub fn rest(&mut self) -> Vec<T> {
        std::iter::from_fn(|| self.0.try_recv().ok()).collect()
    }
}

/// The payload as text.
pub fn text(delivery: &Delivery) -> String {
    String::from_utf8_lossy(delivery.payload()).into_owned()
}

/// A member that tells what it gets, and is content with it.
pub async fn listen(broker: &Broker, subscription: Subscription) -> (Consumer, Events<String>) {
    let (heard, events) = Events::new();
    let consumer = broker.consume(subscription, move |delivery| {
        let heard = heard.clone();
        async move {
            heard.send(text(&delivery))?;
            Ok::<(), Failure>(())
        }
    });
    (consumer.await.expect("a consumer"), events)
}
