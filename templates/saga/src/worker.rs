//! What takes sagas up and works on them.

use std::sync::Arc;
use std::time::Duration;

use chassis::background::Stop;
use tokio::task::JoinSet;
use tokio::time::Instant;

use crate::definition::Definition;
use crate::sagas::{Shared, now};
use crate::store::Claim;
use crate::{Error, run};

/// How often sagas that have ended are looked through.
const FORGET_INTERVAL: Duration = Duration::from_secs(10 * 60);

/// How many of them are forgotten in one statement, which holds their rows, and in SQLite all who write.
const FORGET_AT_ONCE: u32 = 500;

/// Works until it is told to stop. Sagas that it has then finish the steps that go on, and are there
/// for other processes.
pub(crate) async fn work(shared: Arc<Shared>, stop: Stop) -> Result<(), Error> {
    let mut running = JoinSet::new();
    let mut forget_at = Instant::now();
    while !stop.is_requested() {
        if let Err(error) = take_up(&shared, &mut running, &stop).await {
            // What it has goes on, and what it has not is there when the store is.
            tracing::warn!(error = ?error, "no sagas can be taken up");
        }
        if forget_at <= Instant::now() {
            forget_at = Instant::now() + FORGET_INTERVAL;
            forget(&shared, &stop).await;
        }
        tokio::select! {
            () = stop.requested() => {}
            () = shared.started.notified() => {}
            () = tokio::time::sleep(shared.settings.poll_interval.get()) => {}
            Some(_) = running.join_next() => {}
        }
    }
    while running.join_next().await.is_some() {}
    Ok(())
}

/// Takes as many sagas up as there is room for, of all kinds alike.
async fn take_up(
    shared: &Arc<Shared>,
    running: &mut JoinSet<()>,
    stop: &Stop,
) -> Result<(), Error> {
    let mut may_be_more = true;
    while may_be_more {
        while running.try_join_next().is_some() {}
        may_be_more = false;
        let definitions = shared.definitions();
        for (at, definition) in definitions.iter().enumerate() {
            let room = room(shared, running);
            // Each kind gets its share of what is left, or one of them would have it all.
            let share = room.div_ceil(definitions.len() - at);
            if share == 0 || stop.is_requested() {
                return Ok(());
            }
            let count = take_up_some(shared, definition, share, running, stop).await?;
            may_be_more |= count == share;
        }
    }
    Ok(())
}

/// How many more sagas this process works on.
fn room(shared: &Shared, running: &JoinSet<()>) -> usize {
    let max = shared.settings.max_running.max(1) as usize;
    max.saturating_sub(running.len())
}

/// Takes up to `limit` sagas of a kind up; how many.
async fn take_up_some(
    shared: &Arc<Shared>,
    definition: &Arc<Definition>,
    limit: usize,
    running: &mut JoinSet<()>,
    stop: &Stop,
) -> Result<usize, Error> {
    let (now, asked) = (now(), Instant::now());
    let claim = Claim {
        owner: &shared.owner,
        now,
        lease_until: run::lease_until(&shared.settings, now),
    };
    let limit = u32::try_from(limit).unwrap_or(u32::MAX);
    let claimed = shared.store.claim(definition.name, claim, limit).await?;
    let count = claimed.len();
    for claimed in claimed {
        let (shared, definition) = (Arc::clone(shared), Arc::clone(definition));
        let work = run::run(shared, definition, claimed, asked, stop.clone());
        running.spawn(Box::pin(work));
    }
    Ok(count)
}

async fn forget(shared: &Shared, stop: &Stop) {
    let retention = shared.settings.retention.get().as_micros();
    let before = now().saturating_sub(i64::try_from(retention).unwrap_or(i64::MAX));
    let mut forgotten = 0;
    while !stop.is_requested() {
        match shared.store.forget(before, FORGET_AT_ONCE).await {
            Ok(count) => {
                forgotten += count;
                if count < u64::from(FORGET_AT_ONCE) {
                    break;
                }
            }
            Err(error) => {
                tracing::warn!(error = ?error, "sagas that have ended are kept");
                break;
            }
        }
    }
    if forgotten > 0 {
        tracing::info!(count = forgotten, "sagas that have ended were forgotten");
    }
}
