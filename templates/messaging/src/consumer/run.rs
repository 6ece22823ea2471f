//! The loop of a member: it fetches, hands out, and ends.

use std::sync::Arc;

use tokio::task::JoinSet;

use super::lanes::Lanes;
use super::{Work, attempts};
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
    source.close().await;
}

/// Gives a message back that was not tried. If that fails, the broker notices by itself.
async fn release(held: Held) {
    if let Err(error) = held.incoming.receipt.release().await {
        tracing::debug!(%error, "a message could not be given back");
    }
}
