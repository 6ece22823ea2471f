//! A member: it claims messages, extends its claims, and gives back what is left.

use std::sync::Arc;
use std::time::Duration;

use chassis::backoff::Backoff;
use storage::Database;
use tokio::sync::{Notify, mpsc, oneshot};
use tokio::task::JoinHandle;

use super::claim::{self, CLAIM, Claims, Ticket};
use crate::backend::{Boxed, Incoming, Route, Source};

/// How often a member looks for messages of other processes.
const POLL: Duration = Duration::from_millis(100);

/// The pauses while the database does not answer.
const MIN_PAUSE: Duration = Duration::from_millis(100);
const MAX_PAUSE: Duration = Duration::from_secs(2);

pub(super) struct Member {
    claimed: mpsc::UnboundedReceiver<Incoming>,
    /// Dropped to end the task.
    end: Option<oneshot::Sender<()>>,
    task: JoinHandle<()>,
}

impl Member {
    pub(super) fn start(
        database: &Database,
        changed: Arc<Notify>,
        route: Route,
        prefetch: usize,
    ) -> Self {
        // No more than `prefetch` are claimed, so no more are in it.
        let (sender, claimed) = mpsc::unbounded_channel();
        let (end, ended) = oneshot::channel();
        let claiming = Claiming {
            database: database.clone(),
            changed,
            claims: Arc::default(),
            route,
            prefetch,
            sender,
        };
        Self {
            claimed,
            end: Some(end),
            task: tokio::spawn(claiming.run(ended)),
        }
    }
}

impl Source for Member {
    fn next(&mut self) -> Boxed<'_, Incoming> {
        Box::pin(async {
            match self.claimed.recv().await {
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

struct Claiming {
    database: Database,
    changed: Arc<Notify>,
    claims: Arc<Claims>,
    route: Route,
    prefetch: usize,
    sender: mpsc::UnboundedSender<Incoming>,
}

impl Claiming {
    /// Ends when the member does, even if it is dropped: then too the rest is given back.
    async fn run(self, ended: oneshot::Receiver<()>) {
        tokio::select! {
            _ = ended => {}
            () = self.claim() => {}
            () = self.extend() => {}
        }
        if let Err(error) = self.claims.release(&self.database).await {
            tracing::debug!(%error, "messages could not be given back, they are when their claims are over");
        }
    }

    async fn claim(&self) {
        let mut backoff = Backoff::new(MIN_PAUSE, MAX_PAUSE);
        loop {
            let changed = self.changed.notified();
            tokio::pin!(changed);
            // From here on no change of this process is missed.
            changed.as_mut().enable();
            let room = self.prefetch.saturating_sub(self.claims.count());
            if room == 0 {
                self.claims.settled.notified().await;
                continue;
            }
            match self.claim_up_to(room).await {
                Ok(0) => {
                    backoff.reset();
                    let _ = tokio::time::timeout(POLL, changed).await;
                }
                Ok(_) => backoff.reset(),
                Err(error) => {
                    let pause = backoff.delay();
                    let topic = &*self.route.topic.name;
                    tracing::warn!(topic, %error, ?pause, "no messages, asking again");
                    tokio::time::sleep(pause).await;
                }
            }
        }
    }

    /// Claims messages and hands them over; how many.
    async fn claim_up_to(&self, limit: usize) -> Result<usize, storage::Error> {
        let name = Claims::name();
        let claimed = claim::claim(&self.database, &self.route, limit, &name).await?;
        let count = claimed.len();
        if count > 0 {
            self.claims.add(&name, count);
        }
        for claimed in claimed {
            let ticket = Ticket {
                database: self.database.clone(),
                changed: Arc::clone(&self.changed),
                claims: Arc::clone(&self.claims),
                claim: Arc::clone(&name),
                sequence: claimed.sequence,
            };
            // It fails when the member has ended, and then this ends too.
            let _ = self.sender.send(Incoming {
                message: claimed.message,
                redeliveries: claimed.deliveries.saturating_sub(1),
                receipt: Box::new(ticket),
            });
        }
        Ok(count)
    }

    async fn extend(&self) {
        loop {
            tokio::time::sleep(CLAIM / 3).await;
            if let Err(error) = self.claims.extend(&self.database).await {
                tracing::warn!(%error, "claims could not be extended: messages may be delivered again");
            }
        }
    }
}
