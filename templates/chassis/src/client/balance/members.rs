//! Which endpoints there are, and which of them get calls: as the registry says, and as outliers
//! are ejected. One task decides it all, so nothing here is locked.
//!
//! When the settings change, endpoints keep their connections, and what is known about them.

use std::hash::RandomState;
use std::net::SocketAddr;
use std::sync::Arc;

use tokio::time::{Instant, Interval, MissedTickBehavior};

use super::policy::{Candidates, Policy, order};
use super::pool::{Endpoints, Shared};
use super::subset::subset;
use crate::client::endpoint::{Endpoint, Settings, Watched};
use crate::client::outlier::{self, Change, Record};
use crate::client::{breaker, random};
use crate::config::{self, Follow};
use crate::registry::{Instance, Instances};

/// The key of the metadata with the weight of an instance.
const WEIGHT: &str = "weight";

/// The endpoints with what is decided about them.
pub(super) struct Members {
    shared: Arc<Shared>,
    settings: Settings,
    config: Follow<config::Client>,
    /// `[client.balance]` as it is in force.
    balance: config::Balance,
    policy: Arc<Policy>,
    /// By which this channel chooses its subset.
    seed: RandomState,
    /// What loads are measured from.
    origin: Instant,
    outliers: Option<Outliers>,
    members: Vec<Member>,
}

struct Outliers {
    config: config::Outlier,
    metrics: outlier::Metrics,
    panicking: bool,
}

struct Member {
    endpoint: Arc<Endpoint>,
    weight: u16,
    record: Record,
}

impl Members {
    pub(super) fn new(
        shared: Arc<Shared>,
        settings: Settings,
        config: Follow<config::Client>,
    ) -> Self {
        let origin = Instant::now();
        let balance = config.load().balance.clone();
        let mut members = Self {
            shared,
            settings,
            config,
            policy: Arc::new(Policy::new(&balance, origin)),
            balance,
            seed: RandomState::new(),
            origin,
            outliers: None,
            members: Vec::new(),
        };
        members.configure();
        members
    }

    /// Makes endpoints for new instances, and lets go of those that are gone: calls in flight end
    /// on their connections, new ones go elsewhere. Never returns.
    pub(super) async fn follow(mut self, mut instances: Instances) {
        let config = self.config.clone();
        let mut sweeps = self.outliers.as_ref().and_then(Outliers::sweeps);
        if let Some(current) = instances.current() {
            self.update(&current);
        }
        loop {
            tokio::select! {
                () = instances.changed() => {
                    if let Some(current) = instances.current() {
                        self.update(&current);
                    }
                }
                () = config.changed() => {
                    let every = |it: &Self| it.outliers.as_ref().map(|it| it.config.interval);
                    let before = every(&self);
                    self.configure();
                    if every(&self) != before {
                        sweeps = self.outliers.as_ref().and_then(Outliers::sweeps);
                    }
                    match instances.current() {
                        Some(current) => self.update(&current),
                        None => self.publish(),
                    }
                }
                now = tick(&mut sweeps) => self.sweep(now),
            }
        }
    }

    /// Puts the settings as they are now in force. What comes of it is not published yet.
    fn configure(&mut self) {
        let config = self.config.load();
        if config.balance != self.balance {
            self.policy = Arc::new(Policy::new(&config.balance, self.origin));
            self.balance = config.balance.clone();
        }
        let target = &self.shared.target;
        let breaker = &config.breaker;
        self.settings.watched = Watched {
            breaker: breaker
                .enabled
                .then(|| breaker::Settings::new(target, breaker)),
            load: self.policy.weighing(),
            tally: config.outlier.enabled,
        };
        let before = self.outliers.take();
        self.outliers = config.outlier.enabled.then(|| match before {
            Some(before) => Outliers {
                config: config.outlier.clone(),
                ..before
            },
            None => Outliers {
                config: config.outlier.clone(),
                metrics: outlier::Metrics::of(target),
                panicking: false,
            },
        });
        for member in &mut self.members {
            member.endpoint = Arc::new(member.endpoint.renewed(&self.settings.watched));
            if self.outliers.is_none() {
                member.record = Record::default();
            }
        }
    }

    fn update(&mut self, instances: &[Instance]) {
        if instances.is_empty() && !self.members.is_empty() {
            // A registry that has lost its data says this too. If the instances are gone indeed,
            // calls fail all the same.
            tracing::warn!(
                target = self.shared.target,
                "no instance is left, keeping the last ones"
            );
            return self.publish();
        }
        let mut old = std::mem::take(&mut self.members);
        let chosen = subset(instances, self.balance.subset_size, &self.seed);
        for instance in chosen {
            let address = instance.address;
            let known = old.iter().position(|it| it.endpoint.address() == address);
            let (endpoint, record) = match known.map(|index| old.swap_remove(index)) {
                Some(member) => (member.endpoint, member.record),
                None => self.connect(address),
            };
            self.members.push(Member {
                endpoint,
                weight: self.weight(instance),
                record,
            });
        }
        self.publish();
    }

    fn connect(&self, address: SocketAddr) -> (Arc<Endpoint>, Record) {
        let endpoint = Endpoint::new(address, self.settings.clone());
        (Arc::new(endpoint), Record::default())
    }

    fn weight(&self, instance: &Instance) -> u16 {
        if !self.policy.is_weighted() {
            return 1;
        }
        let Some(text) = instance.meta.get(WEIGHT) else {
            return 1;
        };
        text.parse().unwrap_or_else(|_| {
            let (service, endpoint) = (&self.shared.target, instance.address);
            tracing::warn!(service, %endpoint, weight = text, "not a weight from 0 to 65535, taken as 1");
            1
        })
    }

    /// Looks for outliers.
    fn sweep(&mut self, now: Instant) {
        let Some(outliers) = &self.outliers else {
            return;
        };
        let hosts = self.members.iter_mut().map(|member| {
            let tally = member.endpoint.take_tally();
            (&mut member.record, tally)
        });
        let percent = || random::below(100, random::random() as u32) as u8;
        let changes = outlier::sweep(&outliers.config, hosts, now, percent);
        for &(index, change) in &changes {
            let (service, endpoint) = (&self.shared.target, self.members[index].endpoint.address());
            match change {
                Change::Ejected {
                    cause,
                    for_at_least,
                } => {
                    outliers.metrics.count(cause);
                    tracing::warn!(service, %endpoint, ?cause, ?for_at_least, "ejected as an outlier");
                }
                Change::Returned => tracing::info!(service, %endpoint, "no longer ejected"),
            }
        }
        if !changes.is_empty() {
            self.publish();
        }
    }

    /// Tells the calls which endpoints there are.
    fn publish(&mut self) {
        let is_ejected = |member: &Member| member.record.is_ejected();
        let ejected = self.members.iter().filter(|it| is_ejected(it)).count();
        let panicking = match &mut self.outliers {
            Some(outliers) => outliers.update(ejected, self.members.len(), &self.shared.target),
            None => false,
        };
        let is_weightless = self.members.iter().all(|member| member.weight == 0);
        let mut weights = Vec::new();
        let mut endpoints = Endpoints {
            policy: Arc::clone(&self.policy),
            is_timed: self.settings.watched.is_timed(),
            candidates: Candidates::default(),
            ejected: Vec::new(),
        };
        for member in &self.members {
            let endpoint = Arc::clone(&member.endpoint);
            if is_ejected(member) && !panicking {
                endpoints.ejected.push(endpoint);
            } else if member.weight > 0 || is_weightless {
                endpoints.candidates.endpoints.push(endpoint);
                weights.push(member.weight);
            }
        }
        endpoints.candidates.turns = order(&weights);
        self.shared.publish(endpoints);
    }
}

impl Outliers {
    /// When to look for outliers; `None` is never.
    fn sweeps(&self) -> Option<Interval> {
        let every = self.config.interval.non_zero()?;
        let mut interval = tokio::time::interval_at(Instant::now() + every, every);
        interval.set_missed_tick_behavior(MissedTickBehavior::Delay);
        Some(interval)
    }

    /// Whether all are to get calls, now that `ejected` of `total` are ejected.
    fn update(&mut self, ejected: usize, total: usize, service: &str) -> bool {
        self.metrics.set_ejected(ejected);
        let panicking = outlier::is_panicking(&self.config, ejected, total);
        if panicking && !self.panicking {
            tracing::warn!(service, ejected, total, "too many are ejected, calling all");
        }
        self.panicking = panicking;
        panicking
    }
}

/// The next time to look for outliers; never, when nobody does.
async fn tick(sweeps: &mut Option<Interval>) -> Instant {
    match sweeps {
        Some(interval) => interval.tick().await,
        None => std::future::pending().await,
    }
}
