//! What happens with the messages of a group in this process, whichever broker they come from.

mod attempts;
mod lanes;
mod run;

use std::sync::Arc;
use std::time::Duration;

use tokio::sync::watch;
use tokio::task::JoinHandle;

use crate::backend::{Boxed, Route, Source};
use crate::metrics::Group;
use crate::{Broker, Delivery, Error, Failure, Retry, Subscription};

/// A broker that has not taken what became of a message within this time is taken to be lost: the
/// message comes again. Without a limit, one answer that never comes would keep its place, and its key,
/// for ever.
const TELL_TIMEOUT: Duration = Duration::from_secs(10);

/// The same for the end of a member.
const CLOSE_TIMEOUT: Duration = Duration::from_secs(10);

/// What is called for each message.
pub(crate) type Handler =
    Box<dyn Fn(Delivery) -> Boxed<'static, Result<(), Failure>> + Send + Sync>;

/// A member of a group, made by [`Broker::consume`]. One that is dropped ends at once: what it was
/// handling is cut, and delivered again.
#[derive(Debug)]
#[must_use = "a consumer that is dropped ends"]
pub struct Consumer {
    stop: watch::Sender<bool>,
    task: JoinHandle<()>,
}

impl Consumer {
    pub(crate) fn start(
        broker: Broker,
        route: Route,
        subscription: Subscription,
        handler: Handler,
        source: Box<dyn Source>,
    ) -> Self {
        let (stop, stopping) = watch::channel(false);
        let work = Arc::new(Work {
            metrics: Group::new(broker.system(), &route.topic.name, &route.group),
            broker,
            route,
            retry: subscription.retry,
            handler,
            stopping,
        });
        let task = tokio::spawn(run::run(work, source, subscription.prefetch));
        Self { stop, task }
    }

    /// Takes no more messages, and returns when those that are being handled are done. Those that
    /// wait for another attempt are given back: they are tried by another member, or later.
    ///
    /// It takes as long as the handlers do, and some seconds more where the broker does not answer. To be
    /// dropped, it ends at once.
    pub async fn stop(mut self) {
        self.stop.send_replace(true);
        // It fails when the task panicked, and then it has ended as well.
        let _ = (&mut self.task).await;
    }
}

impl Drop for Consumer {
    fn drop(&mut self) {
        self.task.abort();
    }
}

/// Waits until the broker has been told what became of a message.
async fn told(tell: Boxed<'static, Result<(), Error>>) -> Result<(), Error> {
    match tokio::time::timeout(TELL_TIMEOUT, tell).await {
        Ok(outcome) => outcome,
        Err(_) => Err(Error::Unreachable(format!(
            "no answer within {TELL_TIMEOUT:?}"
        ))),
    }
}

/// What is the same for all messages of a member.
struct Work {
    broker: Broker,
    route: Route,
    retry: Retry,
    handler: Handler,
    metrics: Group,
    stopping: watch::Receiver<bool>,
}

impl Work {
    /// Resolves when the member is to stop.
    async fn stopping(&self) {
        let mut stopping = self.stopping.clone();
        // It fails when the consumer was dropped, which ends all of this as well.
        let _ = stopping.wait_for(|is_stopping| *is_stopping).await;
    }
}
