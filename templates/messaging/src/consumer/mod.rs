//! What happens with the messages of a group in this process, whichever broker they come from.

mod attempts;
mod lanes;
mod run;

use std::sync::Arc;

use tokio::sync::watch;
use tokio::task::JoinHandle;

use crate::backend::{Boxed, Route, Source};
use crate::metrics::Group;
use crate::{Broker, Delivery, Failure, Retry, Subscription};

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
    /// It takes as long as the handlers do. To be dropped, it ends at once.
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
