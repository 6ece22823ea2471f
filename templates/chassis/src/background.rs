//! Work beside the calls: consumers of queues, relays, sweepers.
//!
//! It is handed to [`Services::background`](crate::Services::background), begins when the service
//! listens, and is told to stop after the calls in flight are done, since they may leave it
//! something to do, and before the last traces are sent. All of it together has
//! `server.background_timeout` to end; what has not is cut.
//!
//! Work that fails or panics is logged, counted (`background_failures_total`) and begins again,
//! after a pause that grows from 100 ms to 30 s while it keeps failing. The service goes on
//! meanwhile: whether it is ready is for [`depends_on`](crate::Services::depends_on) to say. Work
//! that returns `Ok` is done and does not begin again.

use std::error::Error as StdError;
use std::fmt;
use std::sync::{Arc, LazyLock};
use std::time::Duration;

use prometheus_client::encoding::EncodeLabelSet;
use prometheus_client::metrics::counter::Counter;
use prometheus_client::metrics::family::Family;
use tokio::sync::watch;
use tokio::task::JoinSet;
use tokio::time::Instant;

use crate::backoff::Backoff;
use crate::metrics;
use crate::task::{self, Boxed};

/// The pauses between attempts of work that fails.
const MIN_PAUSE: Duration = Duration::from_millis(100);
const MAX_PAUSE: Duration = Duration::from_secs(30);

/// Work that went well for so long fails for the first time.
const STEADY: Duration = Duration::from_secs(60);

type BoxError = Box<dyn StdError + Send + Sync>;

/// Tells work that it is to stop. Clones are told together.
#[derive(Debug, Clone)]
pub struct Stop(watch::Receiver<bool>);

impl Stop {
    /// Resolves when the work is to stop: it finishes what it has begun and returns.
    pub async fn requested(&self) {
        // Whoever could tell is gone, which is as good as being told.
        let _ = self.0.clone().wait_for(|stop| *stop).await;
    }

    /// Whether the work is to stop.
    #[must_use]
    pub fn is_requested(&self) -> bool {
        *self.0.borrow() || self.0.has_changed().is_err()
    }
}

/// The other end of [`Stop`], for work that is run without a service, as in tests. Dropping it
/// stops the work.
#[derive(Debug)]
pub struct Stopper(watch::Sender<bool>);

impl Stopper {
    /// Nobody is told yet.
    #[must_use]
    #[expect(
        clippy::new_without_default,
        reason = "there is one for each piece of work"
    )]
    pub fn new() -> Self {
        Self(watch::Sender::new(false))
    }

    /// What the work is handed.
    #[must_use]
    pub fn handle(&self) -> Stop {
        Stop(self.0.subscribe())
    }

    /// Tells the work to stop.
    pub fn stop(&self) {
        self.0.send_replace(true);
    }
}

/// Work that has not begun.
pub(crate) struct Work {
    name: &'static str,
    run: Box<dyn Fn(Stop) -> Boxed<Result<(), BoxError>> + Send + Sync>,
}

impl Work {
    pub(crate) fn new<W, F, E>(name: &'static str, work: W) -> Self
    where
        W: Fn(Stop) -> F + Send + Sync + 'static,
        F: Future<Output = Result<(), E>> + Send + 'static,
        E: Into<BoxError>,
    {
        Self {
            name,
            run: Box::new(move |stop| {
                let work = work(stop);
                task::boxed(async move { work.await.map_err(Into::into) })
            }),
        }
    }
}

impl fmt::Debug for Work {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("Work").field(&self.name).finish()
    }
}

/// Work that goes on. It is cut when this is dropped.
#[derive(Debug)]
pub(crate) struct Background {
    stopper: Stopper,
    names: Vec<&'static str>,
    tasks: JoinSet<&'static str>,
}

impl Background {
    pub(crate) fn start(works: Vec<Work>) -> Self {
        let stopper = Stopper::new();
        let mut tasks = JoinSet::new();
        let names = works.iter().map(|work| work.name).collect();
        for work in works {
            tasks.spawn(task::boxed(supervise(work, stopper.handle())));
        }
        Self {
            stopper,
            names,
            tasks,
        }
    }

    /// Tells all of it to stop, and waits at most for `limit`.
    pub(crate) async fn stop(mut self, limit: Duration) {
        if self.tasks.is_empty() {
            return;
        }
        tracing::info!(?limit, "finishing background work");
        self.stopper.stop();
        let deadline = Instant::now() + limit;
        while let Ok(Some(ended)) = tokio::time::timeout_at(deadline, self.tasks.join_next()).await
        {
            if let Ok(ended) = ended
                && let Some(at) = self.names.iter().position(|name| *name == ended)
            {
                self.names.swap_remove(at);
            }
        }
        if !self.tasks.is_empty() {
            let work = self.names.join(", ");
            tracing::warn!(
                work,
                ?limit,
                "background work is cut (server.background_timeout)"
            );
        }
    }
}

/// Runs `work` until it is done or told to stop, however often it fails; its name in the end.
async fn supervise(work: Work, stop: Stop) -> &'static str {
    let (name, work) = (work.name, Arc::new(work));
    let mut backoff = Backoff::new(MIN_PAUSE, MAX_PAUSE);
    loop {
        let began = Instant::now();
        let error = match attempt(&work, &stop).await {
            Ok(()) => return name,
            Err(error) => error,
        };
        FAILURES.get_or_create(&WorkLabels { work: name }).inc();
        if stop.is_requested() {
            tracing::warn!(work = name, %error, "background work failed at its end");
            return name;
        }
        if began.elapsed() >= STEADY {
            backoff.reset();
        }
        let pause = backoff.delay();
        tracing::error!(work = name, %error, ?pause, "background work failed, it begins again");
        tokio::select! {
            () = tokio::time::sleep(pause) => {}
            () = stop.requested() => return name,
        }
    }
}

/// One run of `work`, in a task of its own: it may panic. The task ends with this future.
async fn attempt(work: &Arc<Work>, stop: &Stop) -> Result<(), BoxError> {
    let (work, stop) = (Arc::clone(work), stop.clone());
    let mut task = JoinSet::new();
    task.spawn(task::boxed(async move { (work.run)(stop).await }));
    match task.join_next().await {
        Some(Ok(outcome)) => outcome,
        // The panic itself has been logged where it happened.
        Some(Err(_)) => Err("it panicked".into()),
        None => Ok(()),
    }
}

#[derive(Debug, Clone, PartialEq, Eq, Hash, EncodeLabelSet)]
struct WorkLabels {
    work: &'static str,
}

static FAILURES: LazyLock<Family<WorkLabels, Counter>> = LazyLock::new(|| {
    let help = "Failures of work beside the calls, which began again";
    metrics::registered("background_failures", help)
});

#[cfg(test)]
mod tests;
