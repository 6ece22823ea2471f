//! The keys as they are now, fetched from time to time and when a token names one that is not
//! known.

use std::sync::Arc;
use std::time::Duration;

use arc_swap::ArcSwap;
use tokio::sync::Mutex;
use tokio::task::AbortHandle;
use tokio::time::Instant;

use super::cache::Cache;
use super::fetch::{self, Source};
use super::keys::Keys;
use crate::task;

/// Keys, and the tokens that they have verified: when keys go, so do those.
#[derive(Debug)]
pub(super) struct Current {
    pub(super) keys: Arc<Keys>,
    pub(super) cache: Cache,
}

/// Where the keys are kept.
#[derive(Debug)]
pub(super) struct Store {
    current: ArcSwap<Current>,
    cached_tokens: u32,
    origin: Option<Origin>,
}

/// Where they come from.
#[derive(Debug)]
struct Origin {
    source: Arc<Source>,
    min_refresh: Duration,
    last: Mutex<Last>,
}

#[derive(Debug, Clone, Default)]
struct Last {
    /// When somebody has last looked.
    attempt: Option<Instant>,
    text: Vec<u8>,
}

impl Store {
    /// Keys that never change.
    pub(super) fn fixed(keys: Keys, cached_tokens: u32) -> Self {
        Self::holding(Arc::new(keys), None, cached_tokens)
    }

    /// Keys from `source`: none before the first refresh.
    pub(super) fn fetched(source: Source, min_refresh: Duration, cached_tokens: u32) -> Self {
        let origin = Origin {
            source: Arc::new(source),
            min_refresh,
            last: Mutex::default(),
        };
        Self::holding(Arc::default(), Some(origin), cached_tokens)
    }

    fn holding(keys: Arc<Keys>, origin: Option<Origin>, cached_tokens: u32) -> Self {
        let cache = Cache::new(cached_tokens);
        Self {
            current: ArcSwap::from_pointee(Current { keys, cache }),
            cached_tokens,
            origin,
        }
    }

    /// The same keys, and none of the tokens: what was good before may not be any more.
    pub(super) async fn renewed(&self, min_refresh: Duration, cached_tokens: u32) -> Self {
        let (origin, _last) = match &self.origin {
            Some(origin) => {
                // As long as it is held, the keys stay those that it tells of.
                let last = origin.last.lock().await;
                let renewed = Origin {
                    source: Arc::clone(&origin.source),
                    min_refresh,
                    last: Mutex::new(last.clone()),
                };
                (Some(renewed), Some(last))
            }
            None => (None, None),
        };
        let keys = Arc::clone(&self.current().keys);
        Self::holding(keys, origin, cached_tokens)
    }

    /// That keys which are in a file can be used.
    ///
    /// # Errors
    /// What is wrong with the file, to be shown.
    pub(super) fn check_file(&self) -> Result<(), String> {
        let source = self.origin.as_ref().map(|it| &*it.source);
        let Some(source @ Source::File(path)) = source else {
            return Ok(());
        };
        let keys = fetch::read(path).and_then(|text| Keys::parse(&text));
        keys.map(drop)
            .map_err(|problem| format!("{source} {problem}"))
    }

    pub(super) fn current(&self) -> arc_swap::Guard<Arc<Current>> {
        self.current.load()
    }

    /// Whether looking for more keys may help.
    pub(super) fn can_refresh(&self) -> bool {
        self.origin.is_some()
    }

    /// Looks for keys unless somebody has just done that; who comes meanwhile waits for them.
    pub(super) async fn refresh_for_unknown_key(&self) {
        let Some(origin) = &self.origin else { return };
        let mut last = origin.last.lock().await;
        let recent = |at: Instant| at.elapsed() < origin.min_refresh;
        if !last.attempt.is_some_and(recent) {
            report(self.refresh(origin, &mut last).await);
        }
    }

    /// Looks for keys.
    ///
    /// # Errors
    /// What went wrong, to be shown. The keys stay as they are.
    pub(super) async fn refresh_now(&self) -> Result<(), String> {
        let Some(origin) = &self.origin else {
            return Ok(());
        };
        let mut last = origin.last.lock().await;
        self.refresh(origin, &mut last).await
    }

    async fn refresh(&self, origin: &Origin, last: &mut Last) -> Result<(), String> {
        last.attempt = Some(Instant::now());
        let problem = |problem: String| format!("{} {problem}", origin.source);
        let text = origin.source.fetch().await.map_err(problem)?;
        if last.text == text {
            return Ok(());
        }
        let keys = Keys::parse(&text).map_err(problem)?;
        last.text = text.to_vec();
        self.current.store(Arc::new(Current {
            keys: Arc::new(keys),
            cache: Cache::new(self.cached_tokens),
        }));
        tracing::info!(from = %origin.source, "keys of tokens loaded");
        Ok(())
    }
}

/// Looks for keys `every` so often, until it is aborted.
pub(super) fn keep_fresh(store: Arc<Store>, every: Duration) -> AbortHandle {
    task::spawn(async move {
        loop {
            tokio::time::sleep(every).await;
            report(store.refresh_now().await);
        }
    })
    .abort_handle()
}

pub(super) fn report(refreshed: Result<(), String>) {
    if let Err(problem) = refreshed {
        tracing::error!(problem, "failed to load the keys of tokens");
    }
}
