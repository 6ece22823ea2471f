//! Health that follows the dependencies: while one that is required does not answer, the gRPC
//! health service says NOT_SERVING, so that registries and clients look elsewhere.

use std::time::Duration;

use tokio::task::AbortHandle;

use crate::health::Health;
use crate::readiness::{Phase, Readiness};
use crate::task;

/// How often the dependencies are asked.
const INTERVAL: Duration = Duration::from_secs(5);

/// Follows the dependencies until the returned guard is dropped.
pub(super) fn watch(readiness: Readiness, health: Health) -> Watch {
    Watch(task::spawn(follow(readiness, health)).abort_handle())
}

#[derive(Debug)]
pub(super) struct Watch(AbortHandle);

impl Drop for Watch {
    fn drop(&mut self) {
        self.0.abort();
    }
}

/// Ends with the phase of serving; without required dependencies there is nothing to follow.
async fn follow(readiness: Readiness, health: Health) {
    if !readiness.has_required() {
        return;
    }
    let mut was_ready = true;
    loop {
        let report = readiness.report().await;
        if report.phase == Phase::Draining {
            return;
        }
        match (was_ready, report.ready) {
            (true, false) => {
                tracing::warn!(missing = report.missing(), "not ready");
                health.not_serving().await;
            }
            (false, true) => {
                tracing::info!("ready again");
                health.serving().await;
            }
            _ => {}
        }
        was_ready = report.ready;
        tokio::time::sleep(INTERVAL).await;
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;
    use std::sync::atomic::{AtomicBool, Ordering};

    use super::*;
    use crate::readiness::Check;

    #[tokio::test(start_paused = true)]
    async fn health_follows_a_required_dependency() {
        let up = Arc::new(AtomicBool::new(false));
        let database = Arc::clone(&up);
        let check = Check::required("database", move || {
            let up = database.load(Ordering::Relaxed);
            async move { up.then_some(()).ok_or("connection refused") }
        });
        let readiness = Readiness::new(vec![check]);
        readiness.enter(Phase::Serving);
        let health = Health::new(std::iter::empty()).await;
        health.serving().await;
        let _watch = watch(readiness, health.clone());

        tokio::time::sleep(INTERVAL / 2).await;
        assert!(!health.is_serving().await);
        up.store(true, Ordering::Relaxed);
        tokio::time::sleep(INTERVAL).await;
        assert!(health.is_serving().await);
    }
}
