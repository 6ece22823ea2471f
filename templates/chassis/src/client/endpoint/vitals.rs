//! What the calls of an endpoint leave behind: they keep it, and not the connection, until they
//! end, which may be long after the endpoint has gone.

use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicU32, Ordering};
use std::time::Duration;

use http::uri::Authority;
use tokio::time::Instant;
use tonic::Code;

use super::load::{Load, Weighing};
use super::pulse::Questions;
use crate::client::breaker::{self, Breakers, Permit, is_failure};
use crate::middleware::observe::Observer;

/// What is known about an endpoint by its calls.
#[derive(Debug)]
pub(in crate::client) struct Vitals {
    authority: Authority,
    questions: Arc<Questions>,
    breakers: Option<Arc<Breakers>>,
    /// `None` when the policy does not look at it.
    load: Option<(Arc<Load>, Weighing)>,
    /// `None` when nobody looks for outliers.
    tally: Option<Arc<Tally>>,
}

/// How many calls ended since somebody looked.
#[derive(Debug, Default)]
struct Tally {
    successes: AtomicU32,
    failures: AtomicU32,
}

/// What is to be known about an endpoint.
#[derive(Debug, Clone, Default)]
pub(in crate::client) struct Watched {
    pub(in crate::client) breaker: Option<breaker::Settings>,
    pub(in crate::client) load: Option<Weighing>,
    pub(in crate::client) tally: bool,
}

impl Watched {
    /// Whether calls are timed from their beginning.
    pub(in crate::client) fn is_timed(&self) -> bool {
        let breaker = self.breaker.as_ref();
        self.load.is_some() || breaker.is_some_and(breaker::Settings::measures)
    }
}

impl Vitals {
    pub(super) fn new(address: SocketAddr, authority: Authority, watched: &Watched) -> Self {
        let nothing = Self {
            authority,
            questions: Arc::default(),
            breakers: None,
            load: None,
            tally: None,
        };
        nothing.renewed(address, watched)
    }

    /// The same endpoint, watched in another way from now on. What is known stays known, and calls
    /// that began before add to it.
    pub(super) fn renewed(&self, address: SocketAddr, watched: &Watched) -> Self {
        let breakers = |settings| match &self.breakers {
            Some(breakers) => breakers.renewed(settings, address),
            None => Arc::new(Breakers::new(settings, address)),
        };
        let load = |weighing| match &self.load {
            Some((load, _)) => (Arc::clone(load), weighing),
            None => (Arc::new(Load::new(&weighing)), weighing),
        };
        Self {
            authority: self.authority.clone(),
            questions: Arc::clone(&self.questions),
            breakers: watched.breaker.as_ref().map(breakers),
            load: watched.load.map(load),
            tally: watched
                .tally
                .then(|| self.tally.clone().unwrap_or_default()),
        }
    }

    /// Which calls wait for an answer.
    pub(super) fn questions(&self) -> &Arc<Questions> {
        &self.questions
    }

    /// The load; `None` when it is not measured.
    pub(in crate::client) fn load(&self) -> Option<&Load> {
        self.load.as_ref().map(|(load, _)| &**load)
    }

    /// How many calls succeeded and failed since this was asked last.
    pub(in crate::client) fn take_tally(&self) -> (u32, u32) {
        let take = |counter: &AtomicU32| counter.swap(0, Ordering::Relaxed);
        let tally = self.tally.as_ref();
        tally.map_or((0, 0), |it| (take(&it.successes), take(&it.failures)))
    }

    /// Whether a breaker refuses calls of the method with this path.
    pub(super) fn is_open(&self, path: &str) -> bool {
        self.breakers.as_ref().is_some_and(|it| it.is_open(path))
    }

    /// A call that begins now, unless a breaker is open. The time is asked for by
    /// [`Watched::is_timed`].
    pub(super) fn begin(self: &Arc<Self>, path: &str, began: Option<Instant>) -> Option<Call> {
        let permit = match &self.breakers {
            Some(breakers) => Some(breakers.acquire(path)?),
            None => None,
        };
        if let Some((load, _)) = &self.load {
            load.begin();
        }
        Some(Call {
            vitals: Arc::clone(self),
            permit,
            began,
            took: None,
            is_asked: false,
        })
    }
}

/// A call in flight. What it has to tell, it tells when it ends.
#[derive(Debug)]
pub(in crate::client) struct Call {
    vitals: Arc<Vitals>,
    permit: Option<Permit>,
    /// `None` when it is not timed.
    began: Option<Instant>,
    /// How long it took until its response began.
    took: Option<Duration>,
    /// Whether it was sent, and its response has not begun.
    is_asked: bool,
}

impl Call {
    /// Whom it is addressed to.
    pub(super) fn authority(&self) -> &Authority {
        &self.vitals.authority
    }

    /// It is about to be sent.
    pub(super) fn ask(&mut self) {
        self.is_asked = true;
        self.vitals.questions.ask();
    }

    fn settle(&mut self) {
        if std::mem::take(&mut self.is_asked) {
            self.vitals.questions.settle();
        }
    }

    /// The response has begun.
    pub(super) fn responded(&mut self) {
        self.settle();
        let Some(began) = self.began else { return };
        let now = Instant::now();
        let took = now.saturating_duration_since(began);
        self.took = Some(took);
        if let Some((load, weighing)) = &self.vitals.load {
            load.responded(weighing, took, now);
        }
    }
}

/// Whether a call that ended with `code` is to keep others away: a server that sheds its load with
/// `RESOURCE_EXHAUSTED` works well, but would look like the fastest.
fn is_repelling(code: Code) -> bool {
    is_failure(code) || code == Code::ResourceExhausted
}

impl Observer for Call {
    fn finish(mut self, code: Code) {
        if let Some(tally) = &self.vitals.tally
            && code != Code::Cancelled
        {
            match is_failure(code) {
                true => tally.failures.fetch_add(1, Ordering::Relaxed),
                false => tally.successes.fetch_add(1, Ordering::Relaxed),
            };
        }
        if self.permit.is_none() && self.began.is_none() {
            return;
        }
        let now = Instant::now();
        let elapsed = self.began.map(|began| now.saturating_duration_since(began));
        let took = self.took.or(elapsed);
        if let (Some(breakers), Some(permit)) = (&self.vitals.breakers, self.permit.take()) {
            breakers.finish(permit, code, took, now);
        }
        if let (Some((load, weighing)), Some(took)) = (&self.vitals.load, took) {
            load.ended(weighing, now);
            if is_repelling(code) {
                load.failed(weighing, took, now);
            } else if self.took.is_none() {
                load.given_up(weighing, took, now);
            }
        }
    }
}

impl Drop for Call {
    fn drop(&mut self) {
        self.settle();
        if let (Some(breakers), Some(permit)) = (&self.vitals.breakers, self.permit.take()) {
            breakers.release(permit);
        }
        if let Some((load, _)) = &self.vitals.load {
            load.end();
        }
    }
}

#[cfg(test)]
mod tests;
