//! The endpoints of a service, and the search for one that takes a call.

use std::fmt::Write;
use std::sync::Arc;

use arc_swap::ArcSwap;
use tokio::sync::Notify;
use tokio::task::AbortHandle;
use tokio::time::Instant;
use tonic::Status;

use super::members::Members;
use super::metrics::Metrics;
use super::policy::{Candidates, Policy};
use crate::client::endpoint::{self, Dialing, Endpoint, Picked, Refusal, Settings, Watched};
use crate::client::random;
use crate::client::target::Target;
use crate::client::tried::{Addresses, Tried};
use crate::config::{self, Follow, Section};
use crate::registry::Instances;
use crate::task;
use crate::tls::ClientTls;

/// The endpoints of one service, followed by a task that ends with this.
#[derive(Debug)]
pub(super) struct Pool {
    shared: Arc<Shared>,
    task: AbortHandle,
}

#[derive(Debug)]
pub(super) struct Shared {
    pub(super) target: String,
    endpoints: ArcSwap<Endpoints>,
    /// Told whenever an endpoint may have become ready.
    news: Arc<Notify>,
    metrics: Metrics,
}

/// The endpoints, and how one is chosen, as it is now.
#[derive(Debug)]
pub(super) struct Endpoints {
    pub(super) policy: Arc<Policy>,
    /// Whether a pick has to know the time.
    pub(super) is_timed: bool,
    pub(super) candidates: Candidates,
    /// Outliers, which get calls only when no candidate can take one.
    pub(super) ejected: Vec<Arc<Endpoint>>,
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
    pub(super) fn new(
        target: &Target,
        instances: Instances,
        config: &config::Client,
        tls: Option<ClientTls>,
    ) -> Self {
        let name = target.to_string();
        let news = Arc::new(Notify::new());
        let settings = Settings {
            authority: target.authority(),
            tls,
            dialing: Dialing::follow(config),
            watched: Watched::default(),
            metrics: endpoint::Metrics::of(&name),
            news: Arc::clone(&news),
        };
        let policy = Policy::new(&config.balance, Instant::now());
        let shared = Arc::new(Shared {
            endpoints: ArcSwap::from_pointee(Endpoints::none(policy)),
            news,
            metrics: Metrics::of(&name),
            target: name,
        });
        let config = Follow::new(
            &[Section::Balance, Section::Breaker, Section::Outlier],
            config.clone(),
            |config| config.client.clone(),
        );
        let members = Members::new(Arc::clone(&shared), settings, config);
        let task = task::spawn(members.follow(instances)).abort_handle();
        Self { shared, task }
    }

    /// An endpoint that is connected and whose breaker lets a call of the method with this path
    /// through; one that was `tried`, or is silent, only when no other candidate is. It takes no lock that other
    /// calls take unless a breaker is not closed.
    pub(super) fn pick(&self, path: &str, tried: Option<&Tried>) -> Result<Picked, Unpicked> {
        let endpoints = self.shared.endpoints.load();
        let now = endpoints.is_timed.then(Instant::now);
        let picked = match tried.map(Tried::lock) {
            Some(mut tried) => {
                let picked = endpoints.pick(path, now, Some(&*tried));
                if let Ok(picked) = &picked {
                    tried.add(picked.address());
                }
                picked
            }
            None => endpoints.pick(path, now, None),
        };
        self.shared.metrics.count(&picked);
        picked
    }

    /// Waits until an endpoint can be picked, or until it is clear that none can.
    pub(super) async fn ready(
        &self,
        path: &str,
        tried: Option<&Tried>,
    ) -> Result<Picked, Unpicked> {
        loop {
            let mut news = std::pin::pin!(self.shared.news.notified());
            // News that come between the look and the wait must not be missed.
            news.as_mut().enable();
            match self.pick(path, tried) {
                Err(Unpicked::NotReady) => news.await,
                decided => return decided,
            }
        }
    }

    /// Why a call of the method with this path cannot be sent.
    pub(super) fn unavailable(&self, path: &str) -> Status {
        let endpoints = self.shared.endpoints.load();
        let mut text = format!("no instance of {} is ready", self.shared.target);
        let mut separator = ':';
        for endpoint in endpoints.all() {
            let address = endpoint.address();
            let problem = endpoint.problem(path);
            let problem = problem.as_deref().unwrap_or("connected");
            // Writing to a string does not fail.
            let _ = write!(text, "{separator} {address}: {problem}");
            separator = ';';
        }
        if separator == ':' {
            text.push_str(": none is known");
        }
        Status::unavailable(text)
    }
}

impl Drop for Pool {
    fn drop(&mut self) {
        self.task.abort();
    }
}

impl Shared {
    /// From now on, calls go to these.
    pub(super) fn publish(&self, endpoints: Endpoints) {
        self.endpoints.store(Arc::new(endpoints));
        self.news.notify_waiters();
    }
}

impl Endpoints {
    /// None so far.
    fn none(policy: Policy) -> Self {
        Self {
            policy: Arc::new(policy),
            is_timed: false,
            candidates: Candidates::default(),
            ejected: Vec::new(),
        }
    }

    pub(super) fn all(&self) -> impl Iterator<Item = &Arc<Endpoint>> {
        self.candidates.endpoints.iter().chain(&self.ejected)
    }

    /// The endpoint that the policy chooses, or chooses next when that one cannot take the call, was
    /// tried or is silent; any that can, when it seems to choose only from those that cannot.
    fn pick(
        &self,
        path: &str,
        now: Option<Instant>,
        tried: Option<&Addresses>,
    ) -> Result<Picked, Unpicked> {
        let endpoints = &self.candidates.endpoints;
        let tried = tried.filter(|it| !it.is_empty());
        let is_tried =
            |endpoint: &Endpoint| tried.is_some_and(|it| it.contains(endpoint.address()));
        let is_avoided = |endpoint: &Endpoint| endpoint.is_silent() || is_tried(endpoint);
        let mut reason = Unpicked::NotReady;
        let mut attempt = |endpoint: &Endpoint| match endpoint.pick(path, now) {
            Ok(picked) => Some(picked),
            Err(Refusal::NotConnected) => None,
            Err(Refusal::BreakerOpen) => {
                reason = Unpicked::Open;
                None
            }
        };
        // Asking the policy again, and not for the next in line, spreads the calls of one that is
        // away over all others, and not on its neighbour.
        for _ in 0..endpoints.len() {
            let choice = self.policy.choose(&self.candidates, now);
            for index in std::iter::once(choice.first).chain(choice.second) {
                let endpoint = &endpoints[index];
                if !is_avoided(endpoint)
                    && let Some(picked) = attempt(endpoint)
                {
                    return Ok(picked);
                }
            }
        }
        let begin = random::below(endpoints.len(), random::random() as u32);
        let (later, first) = endpoints.split_at(begin);
        let candidates = || first.iter().chain(later);
        let better = candidates().filter(|it| !is_avoided(it));
        let worse = candidates().filter(|it| is_avoided(it));
        // Of the ejected, those that this call has not been to.
        let is_new = |it: &&Arc<Endpoint>| !is_tried(it);
        let ejected = self.ejected.iter().filter(is_new);
        let last = self.ejected.iter().filter(|it| !is_new(it));
        for endpoint in better.chain(worse).chain(ejected).chain(last) {
            if let Some(picked) = attempt(endpoint) {
                return Ok(picked);
            }
        }
        Err(reason)
    }
}
