//! The loop of a member: it fetches, hands out, and ends.

use std::sync::Arc;

use tokio::task::JoinSet;

use super::lanes::Lanes;
use super::{CLOSE_TIMEOUT, Work, attempts, told};
use crate::backend::{Incoming, Source};
use crate::metrics;

/// A message that this member holds, and is counted as such.
pub(super) struct Held {
    pub(super) incoming: Incoming,
    _count: metrics::Held,
}

/// What became of a message.
pub(super) struct Done {
    pub(super) key: Option<String>,
    /// It comes again, and what came after it must not overtake it.
    pub(super) is_released: bool,
}

/// Handles at most `prefetch` messages at a time until the work is to stop, then finishes those.
pub(super) async fn run(work: Arc<Work>, mut source: Box<dyn Source>, prefetch: usize) {
    let mut lanes = Lanes::default();
    let mut handled: JoinSet<Done> = JoinSet::new();
    let mut count = 0;
    let start = |handled: &mut JoinSet<Done>, held: Held| {
        let work = Arc::clone(&work);
        handled.spawn(async move { attempts::handle(&work, held).await });
    };
    loop {
        tokio::select! {
            biased;
            () = work.stopping() => break,
            Some(Ok(done)) = handled.join_next() => {
                count -= 1;
                let Some(key) = done.key else { continue };
                if done.is_released {
                    for held in lanes.give_up(&key) {
                        count -= 1;
                        release(held).await;
                    }
                } else if let Some(next) = lanes.leave(&key) {
                    start(&mut handled, next);
                }
            }
            incoming = source.next(), if count < prefetch => {
                count += 1;
                let held = Held { incoming, _count: work.metrics.hold() };
                if let Some(held) = lanes.enter(held) {
                    start(&mut handled, held);
                }
            }
        }
    }
    while handled.join_next().await.is_some() {}
    // One by one they would come back at once, and out of order.
    drop(lanes);
    if tokio::time::timeout(CLOSE_TIMEOUT, source.close())
        .await
        .is_err()
    {
        tracing::warn!("the broker does not answer, what is not acknowledged comes again");
    }
}

/// Gives a message back that was not tried. If that fails, the broker notices by itself.
async fn release(held: Held) {
    if let Err(error) = told(held.incoming.receipt.release()).await {
        tracing::debug!(%error, "a message could not be given back");
    }
}

#[cfg(test)]
mod tests {
    use std::future::pending;
    use std::time::Duration;

    use tokio::sync::mpsc;

    use crate::backend::{Boxed, Incoming, Receipt, Route, Source};
    use crate::consumer::{Consumer, TELL_TIMEOUT};
    use crate::{Broker, Error, Message, Settings, Subscription};

    /// A broker that sends messages and never takes what became of them.
    struct Deaf(u32);

    impl Source for Deaf {
        fn next(&mut self) -> Boxed<'_, Incoming> {
            Box::pin(async {
                self.0 += 1;
                Incoming {
                    message: Message::new(self.0.to_string()).with_key("one"),
                    redeliveries: 0,
                    receipt: Box::new(Lost),
                }
            })
        }

        fn close(self: Box<Self>) -> Boxed<'static, ()> {
            Box::pin(pending())
        }
    }

    struct Lost;

    impl Receipt for Lost {
        fn acknowledge(self: Box<Self>) -> Boxed<'static, Result<(), Error>> {
            Box::pin(pending())
        }

        fn release(self: Box<Self>) -> Boxed<'static, Result<(), Error>> {
            Box::pin(pending())
        }
    }

    #[tokio::test(start_paused = true)]
    async fn an_answer_that_never_comes_keeps_neither_its_key_nor_the_end() {
        let settings = Settings {
            url: chassis::config::Secret::new("memory:".to_owned()),
            ..Settings::default()
        };
        let broker = Broker::connect(&settings).await.expect("a broker");
        let (handled, mut numbers) = mpsc::unbounded_channel();
        let consumer = Consumer::start(
            broker,
            Route::new("orders", "mails", 1),
            Subscription::new("orders", "mails").prefetch(2),
            Box::new(move |delivery| {
                let _ = handled.send(delivery.payload().clone());
                Box::pin(async { Ok(()) })
            }),
            Box::new(Deaf(0)),
        );
        for number in ["1", "2", "3"] {
            let next = tokio::time::timeout(2 * TELL_TIMEOUT, numbers.recv()).await;
            assert_eq!(next.expect("in time").expect("a message"), number);
        }
        let stop = tokio::time::timeout(Duration::from_secs(60), consumer.stop());
        stop.await.expect("an end");
    }
}
