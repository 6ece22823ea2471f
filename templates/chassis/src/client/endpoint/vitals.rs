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
    breakers: Option<Breakers>,
    /// `None` when the policy does not look at it.
    load: Option<(Load, Weighing)>,
    /// `None` when nobody looks for outliers.
    tally: Option<Tally>,
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
        let breaker = watched.breaker.as_ref();
        Self {
            authority,
            questions: Arc::default(),
            breakers: breaker.map(|settings| Breakers::new(settings, address)),
            load: watched
                .load
                .map(|weighing| (Load::new(&weighing), weighing)),
            tally: watched.tally.then(Tally::default),
        }
    }

    /// Which calls wait for an answer.
    pub(super) fn questions(&self) -> &Arc<Questions> {
        &self.questions
    }

    /// The load; `None` when it is not measured.
    pub(in crate::client) fn load(&self) -> Option<&Load> {
        self.load.as_ref().map(|(load, _)| load)
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
mod tests {
    use super::*;
    use crate::client::target::Target;
    use crate::config;

    const PATH: &str = "/a.A/B";

    /// An endpoint of which everything is to be known.
    fn vitals() -> Arc<Vitals> {
        let target = Target::Dns("a:1".to_owned());
        let watched = Watched {
            breaker: Some(breaker::Settings::new(&target, &config::Breaker::default())),
            load: Some(Weighing::new(&config::Balance::default(), Instant::now())),
            tally: true,
        };
        let authority = Authority::from_static("a:1");
        Arc::new(Vitals::new(([10, 0, 0, 1], 1).into(), authority, &watched))
    }

    fn begin(vitals: &Arc<Vitals>) -> Call {
        let call = vitals.begin(PATH, Some(Instant::now()));
        call.expect("no breaker is open")
    }

    /// In milliseconds, to the nearest.
    fn cost(vitals: &Vitals) -> u64 {
        let (load, weighing) = vitals.load.as_ref().expect("it is watched");
        let now = weighing.tick(Instant::now());
        (load.cost(weighing, now) / 1e6).round() as u64
    }

    async fn pass(millis: u64) {
        tokio::time::advance(Duration::from_millis(millis)).await;
    }

    #[tokio::test(start_paused = true)]
    async fn latency_is_the_time_to_the_head_of_the_response() {
        let vitals = vitals();
        let mut call = begin(&vitals);
        pass(20).await;
        call.responded();
        pass(10).await;
        assert_eq!(cost(&vitals), 40, "it is still in flight");
        call.finish(Code::Ok);
        assert_eq!(cost(&vitals), 20);
        assert_eq!(vitals.take_tally(), (1, 0));
        assert_eq!(vitals.take_tally(), (0, 0), "it was taken");
    }

    #[tokio::test(start_paused = true)]
    async fn a_server_that_sheds_load_is_well_but_kept_away_from() {
        let vitals = vitals();
        for _ in 0..10 {
            let mut call = begin(&vitals);
            call.responded();
            call.finish(Code::ResourceExhausted);
        }
        assert_eq!(cost(&vitals), 5_000);
        assert!(!vitals.is_open(PATH));
        assert_eq!(vitals.take_tally(), (10, 0));
    }

    #[tokio::test(start_paused = true)]
    async fn a_call_that_was_given_up_says_how_long_it_was_waited_for() {
        let vitals = vitals();
        let call = begin(&vitals);
        pass(300).await;
        call.finish(Code::Cancelled);
        assert_eq!(cost(&vitals), 300);
        assert_eq!(vitals.take_tally(), (0, 0));
    }

    #[tokio::test(start_paused = true)]
    async fn a_call_that_was_not_sent_says_nothing() {
        let vitals = vitals();
        drop(begin(&vitals));
        assert_eq!(cost(&vitals), 0);
        assert_eq!(vitals.take_tally(), (0, 0));
    }

    #[tokio::test(start_paused = true)]
    async fn failures_open_the_breaker_and_count() {
        let vitals = vitals();
        for _ in 0..3 {
            begin(&vitals).finish(Code::Unavailable);
        }
        assert!(vitals.is_open(PATH));
        assert!(vitals.begin(PATH, Some(Instant::now())).is_none());
        assert_eq!(vitals.take_tally(), (0, 3));
        assert_eq!(cost(&vitals), 5_000, "nothing is in flight");
    }
}
