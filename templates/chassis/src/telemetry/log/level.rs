//! What is logged, changed while the process runs.

use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, OnceLock, PoisonError};
use std::time::Duration;

use arc_swap::ArcSwap;
use tokio::task::AbortHandle;
use tokio::time::Instant;
use tracing::{Level, Metadata};
use tracing_subscriber::filter::LevelFilter;

use super::calls;
use crate::config::Directives;
use crate::task;

/// The directives in force. Clones share them.
#[derive(Debug, Clone)]
pub(crate) struct Levels {
    shared: Arc<Shared>,
}

#[derive(Debug)]
struct Shared {
    configured: ArcSwap<Directives>,
    current: ArcSwap<Directives>,
    /// How many of [`BY_SEVERITY`] are logged of calls.
    calls: AtomicUsize,
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

/// All levels, the most severe first.
const BY_SEVERITY: [Level; 5] = [
    Level::ERROR,
    Level::WARN,
    Level::INFO,
    Level::DEBUG,
    Level::TRACE,
];

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
                calls: AtomicUsize::new(of_calls(&configured)),
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

    /// Whether lines of calls are wanted at `level`. Asked for each call, so it is found out when the
    /// directives change.
    pub(super) fn wants_call(&self, level: Level) -> bool {
        let wanted = &BY_SEVERITY[..self.shared.calls.load(Ordering::Relaxed)];
        wanted.contains(&level)
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
            let timer = task::spawn(async move {
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
        self.shared
            .calls
            .store(of_calls(&directives), Ordering::Relaxed);
        self.shared.current.store(Arc::new(directives));
        // What each place that logs remembers of whether it is wanted.
        tracing::callsite::rebuild_interest_cache();
    }

    fn until(&self) -> std::sync::MutexGuard<'_, Option<(Instant, AbortHandle)>> {
        let until = self.shared.until.lock();
        until.unwrap_or_else(PoisonError::into_inner)
    }
}

/// How many of [`BY_SEVERITY`] `directives` want of calls.
fn of_calls(directives: &Directives) -> usize {
    let targets = directives.targets();
    let wants = |level: &&Level| targets.would_enable(calls::TARGET, level);
    BY_SEVERITY.iter().take_while(wants).count()
}
