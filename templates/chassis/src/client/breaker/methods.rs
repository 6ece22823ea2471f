//! The breakers of an endpoint: one, or one for each method.

use std::collections::HashMap;
use std::net::SocketAddr;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use arc_swap::ArcSwap;
use tokio::time::Instant;
use tonic::Code;

use super::state::Rules;
use super::{Breaker, Service, Settings};

/// How many methods of an endpoint have a breaker of their own. Names of methods come from
/// generated clients, but a proxy passes on what others made up.
pub(super) const MAX_METHODS: usize = 64;

/// The breakers in front of an endpoint.
#[derive(Debug)]
pub(in crate::client) struct Breakers {
    /// For every method without a breaker of its own.
    shared: Arc<Breaker>,
    per_method: Option<PerMethod>,
}

/// A call that a breaker has let through. It must be given back to its [`Breakers`]: it holds none
/// of what it needs itself, which makes a pick cheaper.
#[derive(Debug)]
#[must_use = "a half-open breaker would wait for it"]
pub(in crate::client) struct Permit {
    /// The breaker of the method; `None` is the shared one.
    own: Option<Arc<Breaker>>,
    generation: u64,
}

/// Breakers by the path of the method.
#[derive(Debug)]
struct PerMethod {
    service: Service,
    address: SocketAddr,
    known: ArcSwap<HashMap<Box<str>, Arc<Breaker>>>,
    /// Those of breakers to come. Held while `known` is changed.
    rules: Mutex<Rules>,
}

impl Breakers {
    pub(in crate::client) fn new(settings: &Settings, address: SocketAddr) -> Self {
        let Settings { service, rules, .. } = settings;
        let per_method = || PerMethod {
            service: service.clone(),
            address,
            known: ArcSwap::default(),
            rules: Mutex::new(rules.clone()),
        };
        Self {
            shared: Breaker::new(service.clone(), rules.clone(), address, None),
            per_method: settings.per_method.then(per_method),
        }
    }

    /// These, going by `settings` from now on, with all that they know; new ones when there are to
    /// be others.
    pub(in crate::client) fn renewed(
        self: &Arc<Self>,
        settings: &Settings,
        address: SocketAddr,
    ) -> Arc<Self> {
        if self.per_method.is_some() != settings.per_method {
            return Arc::new(Self::new(settings, address));
        }
        let now = Instant::now();
        self.shared.change(&settings.rules, now);
        if let Some(per_method) = &self.per_method {
            let mut rules = per_method.lock();
            *rules = settings.rules.clone();
            for breaker in per_method.known.load().values() {
                breaker.change(&rules, now);
            }
        }
        Arc::clone(self)
    }

    /// Lets a call of the method with this path through, or not.
    pub(in crate::client) fn acquire(&self, path: &str) -> Option<Permit> {
        let own = self.per_method.as_ref().and_then(|it| it.breaker(path));
        let generation = own.as_ref().unwrap_or(&self.shared).acquire()?;
        Some(Permit { own, generation })
    }

    /// A call ended with `code`; its response began, or it ended without one, after `took`, where
    /// that was measured.
    pub(in crate::client) fn finish(
        &self,
        permit: Permit,
        code: Code,
        took: Option<Duration>,
        now: Instant,
    ) {
        let breaker = permit.own.as_ref().unwrap_or(&self.shared);
        breaker.record(permit.generation, code, took, now);
    }

    /// A call says nothing, and gives its place back.
    pub(in crate::client) fn release(&self, permit: Permit) {
        self.finish(permit, Code::Cancelled, None, Instant::now());
    }

    /// Whether calls of the method with this path are refused now.
    pub(in crate::client) fn is_open(&self, path: &str) -> bool {
        let known = self.per_method.as_ref().map(|it| it.known.load());
        match known.as_ref().and_then(|known| known.get(path)) {
            Some(breaker) => breaker.is_open(),
            None => self.shared.is_open(),
        }
    }
}

impl PerMethod {
    /// The breaker of the method with this path; `None` when it is one too many.
    fn breaker(&self, path: &str) -> Option<Arc<Breaker>> {
        let known = self.known.load();
        match known.get(path) {
            Some(breaker) => Some(Arc::clone(breaker)),
            None if known.len() >= MAX_METHODS => None,
            None => self.add(path),
        }
    }

    fn add(&self, path: &str) -> Option<Arc<Breaker>> {
        let rules = self.lock();
        let known = self.known.load();
        if let Some(breaker) = known.get(path) {
            return Some(Arc::clone(breaker));
        }
        if known.len() >= MAX_METHODS {
            return None;
        }
        let service = self.service.clone();
        let breaker = Breaker::new(service, rules.clone(), self.address, Some(path));
        let mut more = HashMap::clone(&known);
        more.insert(path.into(), Arc::clone(&breaker));
        self.known.store(Arc::new(more));
        Some(breaker)
    }
    fn lock(&self) -> MutexGuard<'_, Rules> {
        self.rules.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
