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
use crate::config;
use crate::middleware::call;
use crate::middleware::observe::{Observed, ObservedBody, Observer};
use crate::middleware::refuse::{Refusable, RefusableBody};
use crate::server::Methods;

/// Wraps a server so that calls are refused when there are too many already.
#[derive(Debug, Clone)]
pub(crate) struct InFlightLimitLayer {
    limit: Option<Arc<Limit>>,
}

#[derive(Debug)]
pub(super) struct Limit {
    in_flight: AtomicU32,
    /// `u32::MAX` is none.
    max: u32,
    shedder: Option<Shedder>,
    methods: Arc<Methods>,
}

impl InFlightLimitLayer {
    pub(crate) fn new(config: &config::Limits, methods: Arc<Methods>) -> Self {
        let shedder = config.shed.enabled.then(|| Shedder::new(&config.shed));
        Self::with(config.max_in_flight, shedder, methods)
    }

    /// A `max` of 0 is none.
    pub(super) fn with(max: u32, shedder: Option<Shedder>, methods: Arc<Methods>) -> Self {
        let any = max > 0 || shedder.is_some();
        let limit = Limit {
            in_flight: AtomicU32::new(0),
            max: if max == 0 { u32::MAX } else { max },
            shedder,
            methods,
        };
        Self {
            limit: any.then(|| Arc::new(limit)),
        }
    }
}

/// Takes a place among the calls in flight.
///
/// # Errors
/// The refusal.
fn enter(limit: &Arc<Limit>, path: &str) -> Result<Permit, Status> {
    let before = limit.in_flight.fetch_add(1, Relaxed);
    // From here on, the place is given back whatever happens.
    let mut permit = Permit {
        limit: Arc::clone(limit),
        measured: None,
    };
    if before >= limit.max {
        return Err(refusal::busy(Reason::in_flight));
    }
    // How long a stream lasts says nothing about how fast the service is.
    if let Some(shedder) = &limit.shedder
        && !limit.methods.streams_responses(path)
    {
        let now = Instant::now();
        if shedder.is_overloaded(before, now) {
            return Err(refusal::busy(Reason::overload));
        }
        permit.measured = Some(now);
    }
    Ok(permit)
}

/// A place among the calls in flight, kept until the response has ended.
#[derive(Debug)]
pub(crate) struct Permit {
    limit: Arc<Limit>,
    /// When the call began, if it is one that shedding looks at.
    measured: Option<Instant>,
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
            && let (Some(begin), Some(shedder)) = (self.measured, &self.limit.shedder)
        {
            shedder.record(begin, Instant::now());
        }
    }
}

impl<S> Layer<S> for InFlightLimitLayer {
    type Service = InFlightLimit<S>;

    fn layer(&self, inner: S) -> InFlightLimit<S> {
        InFlightLimit {
            inner,
            limit: self.limit.clone(),
        }
    }
}

#[derive(Debug, Clone)]
pub(crate) struct InFlightLimit<S> {
    inner: S,
    limit: Option<Arc<Limit>>,
}

impl<S, Q, B> Service<Request<Q>> for InFlightLimit<S>
where
    S: Service<Request<Q>, Response = Response<B>, Error = Infallible>,
{
    type Response = Response<RefusableBody<ObservedBody<B, Permit>>>;
    type Error = Infallible;
    type Future = Refusable<Observed<S::Future, Permit>>;

    fn poll_ready(&mut self, cx: &mut Context<'_>) -> Poll<Result<(), Infallible>> {
        self.inner.poll_ready(cx)
    }

    fn call(&mut self, request: Request<Q>) -> Self::Future {
        let path = request.uri().path();
        let permit = match &self.limit {
            Some(limit) if !call::is_infrastructure(path) => match enter(limit, path) {
                Ok(permit) => Some(permit),
                Err(refusal) => return Refusable::refused(refusal),
            },
            _ => None,
        };
        Refusable::call(Observed::new(self.inner.call(request), permit))
    }
}
