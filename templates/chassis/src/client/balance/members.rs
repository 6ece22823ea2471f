//! Which endpoints there are, and which of them get calls: as the registry says, and as outliers
//! are ejected. One task decides it all, so nothing here is locked.

use std::hash::RandomState;
use std::net::SocketAddr;
use std::sync::Arc;

use tokio::time::{Instant, Interval, MissedTickBehavior};

use super::policy::{Candidates, order};
use super::pool::{Endpoints, Shared};
use super::subset::subset;
use crate::client::endpoint::{Endpoint, Settings};
use crate::client::outlier::{self, Change, Record};
use crate::client::random;
use crate::config;
use crate::registry::{Instance, Instances};

/// The key of the metadata with the weight of an instance.
const WEIGHT: &str = "weight";

/// The endpoints with what is decided about them.
pub(super) struct Members {
    shared: Arc<Shared>,
    settings: Settings,
    subset_size: usize,
    /// By which this channel chooses its subset.
    seed: RandomState,
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
    pub(super) fn new(shared: Arc<Shared>, settings: Settings, config: &config::Client) -> Self {
        let outliers = config.outlier.enabled.then(|| Outliers {
            config: config.outlier.clone(),
            metrics: outlier::Metrics::of(&shared.target),
            panicking: false,
        });
        Self {
            shared,
            settings,
            subset_size: config.balance.subset_size,
            seed: RandomState::new(),
            outliers,
            members: Vec::new(),
        }
    }

    /// Makes endpoints for new instances, and lets go of those that are gone: calls in flight end
    /// on their connections, new ones go elsewhere. Never returns.
    pub(super) async fn follow(mut self, mut instances: Instances) {
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
                now = tick(&mut sweeps) => self.sweep(now),
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
            return;
        }
        let mut old = std::mem::take(&mut self.members);
        let chosen = subset(instances, self.subset_size, &self.seed);
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
        if !self.shared.policy.is_weighted() {
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
        let mut endpoints = Endpoints::default();
        for member in &self.members {
            let endpoint = Arc::clone(&member.endpoint);
            if is_ejected(member) && !panicking {
                endpoints.ejected.push(endpoint);
            } else if member.weight > 0 || is_weightless {
                endpoints.candidates.endpoints.push(endpoint);
                weights.push(member.weight);
            }
        }
        endpoints.candidates = Candidates {
            turns: order(&weights),
            ..endpoints.candidates
        };
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
