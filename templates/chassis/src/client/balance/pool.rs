//! The endpoints of a service, as its instances come and go.

use std::fmt::Write;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use arc_swap::ArcSwap;
use tokio::sync::Notify;
use tokio::task::AbortHandle;
use tonic::Status;

use crate::client::breaker;
use crate::client::endpoint::{Endpoint, Picked, Refusal, Settings};
use crate::client::target::Target;
use crate::config;
use crate::registry::{Instance, Instances};

/// The endpoints of one service, followed by a task that ends with this.
#[derive(Debug)]
pub(super) struct Pool {
    shared: Arc<Shared>,
    task: AbortHandle,
}

#[derive(Debug)]
struct Shared {
    target: String,
    endpoints: ArcSwap<Vec<Arc<Endpoint>>>,
    next: AtomicUsize,
    /// Told whenever an endpoint may have become ready.
    news: Arc<Notify>,
    settings: Settings,
}

/// Why no endpoint was picked.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Unpicked {
    /// None is connected: one may be soon.
    NotReady,
    /// Those that are connected have open breakers: that will not change soon.
    Open,
}

impl Pool {
    pub(super) fn new(target: &Target, instances: Instances, config: &config::Client) -> Self {
        let news = Arc::new(Notify::new());
        let breaker = config.breaker.enabled;
        let shared = Arc::new(Shared {
            target: target.to_string(),
            endpoints: ArcSwap::default(),
            next: AtomicUsize::new(0),
            news: Arc::clone(&news),
            settings: Settings {
                authority: target.authority(),
                connect_timeout: config.connect_timeout.get(),
                keep_alive_interval: config.keep_alive_interval.non_zero(),
                keep_alive_timeout: config.keep_alive_timeout.get(),
                breaker: breaker.then(|| breaker::Settings::new(target, &config.breaker)),
                news,
            },
        });
        let task = tokio::spawn(follow(Arc::clone(&shared), instances)).abort_handle();
        Self { shared, task }
    }

    /// The next endpoint that is connected and whose breaker lets a call through.
    pub(super) fn pick(&self) -> Result<Picked, Unpicked> {
        let shared = &self.shared;
        let endpoints = shared.endpoints.load();
        let start = shared.next.fetch_add(1, Ordering::Relaxed);
        let mut reason = Unpicked::NotReady;
        for offset in 0..endpoints.len() {
            let endpoint = &endpoints[start.wrapping_add(offset) % endpoints.len()];
            match endpoint.pick() {
                Ok(picked) => return Ok(picked),
                Err(Refusal::BreakerOpen) => reason = Unpicked::Open,
                Err(Refusal::NotConnected) => {}
            }
        }
        Err(reason)
    }

    /// Waits until an endpoint can be picked, or until it is clear that none can.
    pub(super) async fn ready(&self) -> Result<Picked, Unpicked> {
        loop {
            let mut news = std::pin::pin!(self.shared.news.notified());
            // News that come between the look and the wait must not be missed.
            news.as_mut().enable();
            match self.pick() {
                Err(Unpicked::NotReady) => news.await,
                decided => return decided,
            }
        }
    }

    /// Why a call cannot be sent.
    pub(super) fn unavailable(&self) -> Status {
        let endpoints = self.shared.endpoints.load();
        let mut text = format!("no instance of {} is ready", self.shared.target);
        if endpoints.is_empty() {
            text.push_str(": none is known");
        }
        for (index, endpoint) in endpoints.iter().enumerate() {
            let separator = if index == 0 { ':' } else { ';' };
            // Writing to a string does not fail.
            let _ = write!(text, "{separator} {endpoint}");
        }
        Status::unavailable(text)
    }
}

impl Drop for Pool {
    fn drop(&mut self) {
        self.task.abort();
    }
}

/// Makes endpoints for new instances, and lets go of those that are gone: calls in flight end on
/// their connections, new ones go elsewhere.
async fn follow(shared: Arc<Shared>, mut instances: Instances) {
    loop {
        if let Some(current) = instances.current() {
            shared.update(&current);
        }
        instances.changed().await;
    }
}

impl Shared {
    fn update(&self, instances: &[Instance]) {
        let old = self.endpoints.load();
        if instances.is_empty() && !old.is_empty() {
            // A registry that has lost its data says this too. If the instances are gone indeed,
            // calls fail all the same.
            tracing::warn!(
                target = self.target,
                "no instance is left, keeping the last ones"
            );
            return;
        }
        let endpoints = instances.iter().map(|instance| {
            let known = old.iter().find(|it| it.address() == instance.address);
            match known {
                Some(endpoint) => Arc::clone(endpoint),
                None => Arc::new(Endpoint::new(instance.address, self.settings.clone())),
            }
        });
        self.endpoints.store(Arc::new(endpoints.collect()));
        self.news.notify_waiters();
    }
}
