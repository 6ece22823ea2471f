//! The limit on calls at a time.

use std::convert::Infallible;
use std::sync::Arc;
use std::sync::atomic::{AtomicU32, Ordering::Relaxed};
use std::task::{Context, Poll};

use http::{Request, Response};
use tokio::time::Instant;
use tonic::{Code, Status};
use tower::{Layer, Service};

use super::refusal::{self, Reason};
use super::shed::Shedder;
use crate::config::{self, Follow, Section};
use crate::middleware::call;
use crate::middleware::observe::{Observed, ObservedBody, Observer};
use crate::middleware::refuse::Refusable;
use crate::server::Methods;

/// Wraps a server so that calls are refused when there are too many already.
#[derive(Debug, Clone)]
pub(crate) struct InFlightLimitLayer {
    limit: Arc<Limit>,
}

#[derive(Debug)]
pub(super) struct Limit {
    /// Calls that began while there was a limit.
    in_flight: AtomicU32,
    rules: Follow<Option<Rules>>,
    methods: Arc<Methods>,
}

#[derive(Debug)]
struct Rules {
    /// `u32::MAX` is none.
    max: u32,
    shedder: Option<Arc<Shedder>>,
}

impl Rules {
    /// `None` when there are none.
    fn of(config: &config::Limits) -> Option<Self> {
        let (max, shed) = (config.max_in_flight, &config.shed);
        (max > 0 || shed.enabled).then(|| Self {
            max: if max == 0 { u32::MAX } else { max },
            shedder: shed.enabled.then(|| Arc::new(Shedder::new(shed))),
        })
    }
}

impl InFlightLimitLayer {
    pub(crate) fn new(config: &config::Limits, methods: Arc<Methods>) -> Self {
        let again = |config: &config::Config| Rules::of(&config.server.limits);
        let rules = Follow::new(&[Section::Limits], Rules::of(config), again);
        Self {
            limit: Arc::new(Limit {
                in_flight: AtomicU32::new(0),
                rules,
                methods,
            }),
        }
    }
}

/// Takes a place among the calls in flight.
///
/// # Errors
/// The refusal.
fn enter(limit: &Arc<Limit>, rules: &Rules, path: &str) -> Result<Permit, Status> {
    let before = limit.in_flight.fetch_add(1, Relaxed);
    // From here on, the place is given back whatever happens.
    let mut permit = Permit {
        limit: Arc::clone(limit),
        measured: None,
    };
    if before >= rules.max {
        return Err(refusal::busy(Reason::in_flight));
    }
    // How long a stream lasts says nothing about how fast the service is.
    if let Some(shedder) = &rules.shedder
        && !limit.methods.streams_responses(path)
    {
        let now = Instant::now();
        if shedder.is_overloaded(before, now) {
            return Err(refusal::busy(Reason::overload));
        }
        permit.measured = Some((now, Arc::clone(shedder)));
    }
    Ok(permit)
}

/// A place among the calls in flight, kept until the response has ended.
#[derive(Debug)]
pub(crate) struct Permit {
    limit: Arc<Limit>,
    /// When the call began, and who wants to know how long it takes, if somebody does.
    measured: Option<(Instant, Arc<Shedder>)>,
}

impl Drop for Permit {
    fn drop(&mut self) {
        self.limit.in_flight.fetch_sub(1, Relaxed);
    }
}

impl Observer for Permit {
    fn finish(self, code: Code) {
        // A call that was given up says nothing about what could have been done.
        if code != Code::Cancelled
            && let Some((begin, shedder)) = &self.measured
        {
            shedder.record(*begin, Instant::now());
        }
    }
}

impl<S> Layer<S> for InFlightLimitLayer {
    type Service = InFlightLimit<S>;

    fn layer(&self, inner: S) -> InFlightLimit<S> {
        InFlightLimit {
            inner,
            limit: Arc::clone(&self.limit),
        }
    }
}

#[derive(Debug, Clone)]
pub(crate) struct InFlightLimit<S> {
    inner: S,
    limit: Arc<Limit>,
}

impl<S, Q, B> Service<Request<Q>> for InFlightLimit<S>
where
    S: Service<Request<Q>, Response = Response<B>, Error = Infallible>,
    B: Default,
{
    type Response = Response<ObservedBody<B, Permit>>;
    type Error = Infallible;
    type Future = Refusable<Observed<S::Future, Permit>>;

    fn poll_ready(&mut self, cx: &mut Context<'_>) -> Poll<Result<(), Infallible>> {
        self.inner.poll_ready(cx)
    }

    fn call(&mut self, request: Request<Q>) -> Self::Future {
        let path = request.uri().path();
        let permit = match &**self.limit.rules.load() {
            Some(rules) if !call::is_infrastructure(path) => {
                match enter(&self.limit, rules, path) {
                    Ok(permit) => Some(permit),
                    Err(refusal) => return Refusable::refused(refusal),
                }
            }
            _ => None,
        };
        Refusable::call(Observed::new(self.inner.call(request), permit))
    }
}
