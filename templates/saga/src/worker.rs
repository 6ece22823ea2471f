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
            forget(&shared).await;
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

/// Takes as many sagas up as there is room for.
async fn take_up(
    shared: &Arc<Shared>,
    running: &mut JoinSet<()>,
    stop: &Stop,
) -> Result<(), Error> {
    while running.try_join_next().is_some() {}
    for definition in shared.definitions() {
        let count = u32::try_from(running.len()).unwrap_or(u32::MAX);
        let room = shared.settings.max_running.max(1).saturating_sub(count);
        if room == 0 {
            return Ok(());
        }
        let (now, asked) = (now(), Instant::now());
        let claim = Claim {
            owner: &shared.owner,
            now,
            lease_until: run::lease_until(&shared.settings, now),
        };
        for claimed in shared.store.claim(definition.name, claim, room).await? {
            let (shared, stop) = (Arc::clone(shared), stop.clone());
            let definition: Arc<Definition> = Arc::clone(&definition);
            running.spawn(Box::pin(run::run(shared, definition, claimed, asked, stop)));
        }
    }
    Ok(())
}

async fn forget(shared: &Shared) {
    let retention = shared.settings.retention.get().as_micros();
    let before = now().saturating_sub(i64::try_from(retention).unwrap_or(i64::MAX));
    match shared.store.forget(before).await {
        Ok(0) => {}
        Ok(count) => tracing::info!(count, "sagas that have ended were forgotten"),
        Err(error) => tracing::warn!(error = ?error, "sagas that have ended are kept"),
    }
}
