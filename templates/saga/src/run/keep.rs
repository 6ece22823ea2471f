//! What is written while a saga is worked on.

use std::time::Duration;

use chassis::backoff::Backoff;
use tokio::time::Instant;

use super::{Halt, Worker};
use crate::sagas::now;
use crate::{Error, Settings};

/// The pauses between attempts to write.
const MIN_PAUSE: Duration = Duration::from_millis(20);
const MAX_PAUSE: Duration = Duration::from_secs(2);

/// Until when a process has a saga that says so now: microseconds since 1970.
pub(crate) fn lease_until(settings: &Settings, now: i64) -> i64 {
    now.saturating_add(microseconds(settings.lease.get()))
}

pub(super) fn microseconds(duration: Duration) -> i64 {
    i64::try_from(duration.as_micros()).unwrap_or(i64::MAX)
}

impl Worker {
    /// Keeps what has happened, and the saga.
    pub(super) async fn save_and_keep(&mut self) -> Result<(), Halt> {
        let due_at = lease_until(&self.shared.settings, now());
        self.save(due_at).await
    }

    /// Keeps what has happened; the saga is for others from `due_at` on.
    pub(super) async fn save(&mut self, due_at: i64) -> Result<(), Halt> {
        self.insist(Write::Journal, due_at).await?;
        self.is_dirty = false;
        Ok(())
    }

    /// Keeps the saga.
    pub(super) async fn renew(&mut self) -> Result<(), Halt> {
        let due_at = lease_until(&self.shared.settings, now());
        self.insist(Write::Lease, due_at).await
    }

    /// Writes, again and again as long as this process has the saga.
    async fn insist(&mut self, what: Write, due_at: i64) -> Result<(), Halt> {
        let mut backoff = Backoff::new(MIN_PAUSE, MAX_PAUSE);
        let lease_ends = Instant::now() + self.shared.settings.lease.get();
        loop {
            let write = self.write(what, due_at);
            match tokio::time::timeout_at(self.lease_ends, write).await {
                Ok(Ok(true)) => {
                    self.lease_ends = lease_ends;
                    return Ok(());
                }
                Ok(Ok(false)) | Err(_) => return Err(Halt::Lost),
                Ok(Err(error)) => tracing::warn!(error = ?error, "a saga cannot be written"),
            }
            let next = Instant::now() + backoff.delay();
            tokio::time::sleep_until(next.min(self.lease_ends)).await;
        }
    }

    async fn write(&self, what: Write, due_at: i64) -> Result<bool, Error> {
        let store = &self.shared.store;
        match what {
            Write::Journal => store.save(&self.claimed, due_at, now()).await,
            Write::Lease => store.renew(&self.claimed, due_at).await,
        }
    }
}

/// What is written of a saga that this process has.
#[derive(Clone, Copy)]
enum Write {
    /// What has happened, and until when this process has it.
    Journal,
    /// Until when this process has it.
    Lease,
}
