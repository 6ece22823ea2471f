//! What is logged, changed while the process runs.

use std::sync::{Arc, Mutex, OnceLock, PoisonError};
use std::time::Duration;

use arc_swap::ArcSwap;
use tokio::task::AbortHandle;
use tokio::time::Instant;
use tracing::Metadata;
use tracing_subscriber::filter::LevelFilter;

use crate::config::Directives;

/// The directives in force. Clones share them.
#[derive(Debug, Clone)]
pub(crate) struct Levels {
    shared: Arc<Shared>,
}

#[derive(Debug)]
struct Shared {
    configured: ArcSwap<Directives>,
    current: ArcSwap<Directives>,
    /// When the configured ones come back, and what brings them.
    until: Mutex<Option<(Instant, AbortHandle)>>,
}

/// What is in force, and for how long.
#[derive(Debug, PartialEq)]
pub(crate) struct State {
    pub(crate) current: Directives,
    pub(crate) configured: Directives,
    /// What is left until the configured ones come back; `None` when they do not.
    pub(crate) left: Option<Duration>,
}

static INSTALLED: OnceLock<Levels> = OnceLock::new();

/// Makes `levels` those of the process.
pub(in crate::telemetry) fn install(levels: Levels) {
    // A process has one log, which is there until it ends.
    let _ = INSTALLED.set(levels);
}

/// Those of the process, if they can be changed.
pub(crate) fn installed() -> Option<&'static Levels> {
    INSTALLED.get()
}

impl Levels {
    pub(crate) fn new(configured: Directives) -> Self {
        Self {
            shared: Arc::new(Shared {
                current: ArcSwap::from_pointee(configured.clone()),
                configured: ArcSwap::from_pointee(configured),
                until: Mutex::default(),
            }),
        }
    }

    pub(super) fn wants(&self, metadata: &Metadata<'_>) -> bool {
        let current = self.shared.current.load();
        let targets = current.targets();
        targets.would_enable(metadata.target(), metadata.level())
    }

    /// The most that any target logs.
    pub(super) fn most(&self) -> LevelFilter {
        let current = self.shared.current.load();
        let targets = current.targets();
        let levels = targets.iter().map(|(_, level)| level);
        let most = levels.chain(targets.default_level()).max();
        most.unwrap_or(LevelFilter::OFF)
    }

    pub(crate) fn state(&self) -> State {
        let until = self.until();
        State {
            current: Directives::clone(&self.shared.current.load()),
            configured: Directives::clone(&self.shared.configured.load()),
            left: until
                .as_ref()
                .map(|(at, _)| at.saturating_duration_since(Instant::now())),
        }
    }

    /// Logs by `directives` from now on, or for as long as `limit` says. It must be called inside the
    /// tokio runtime.
    pub(crate) fn set(&self, directives: Directives, limit: Option<Duration>) {
        // Said before it may be silenced.
        let before = self.shared.current.load_full();
        tracing::info!(%before, now = %directives, ?limit, "the log level is changed");
        let mut until = self.until();
        if let Some((_, timer)) = until.take() {
            timer.abort();
        }
        self.apply(directives);
        *until = limit.and_then(|limit| {
            let at = Instant::now().checked_add(limit)?;
            let levels = self.clone();
            let timer = tokio::spawn(async move {
                tokio::time::sleep_until(at).await;
                *levels.until() = None;
                let configured = Directives::clone(&levels.shared.configured.load());
                levels.apply(configured);
                tracing::info!("the log level is as configured again");
            });
            Some((at, timer.abort_handle()))
        });
    }

    /// Logs by `directives`, which the configuration now has: at once, or when what was asked for
    /// for a while is over.
    pub(crate) fn configure(&self, directives: Directives) {
        let until = self.until();
        self.shared.configured.store(Arc::new(directives.clone()));
        if until.is_none() {
            self.apply(directives);
        }
    }

    fn apply(&self, directives: Directives) {
        self.shared.current.store(Arc::new(directives));
        // What each place that logs remembers of whether it is wanted.
        tracing::callsite::rebuild_interest_cache();
    }

    fn until(&self) -> std::sync::MutexGuard<'_, Option<(Instant, AbortHandle)>> {
        let until = self.shared.until.lock();
        until.unwrap_or_else(PoisonError::into_inner)
    }
}
