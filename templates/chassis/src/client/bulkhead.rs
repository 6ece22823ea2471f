//! A bulkhead: a limit on the calls in flight to one service, so that when it hangs, not all that
//! this one has is spent on waiting for it (Nygard, "Release It!", 2007). A call beyond the limit
//! fails at once.

use std::future::Future;
use std::pin::Pin;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, LazyLock};
use std::task::{Context, Poll, ready};

use http::{Request, Response};
use pin_project_lite::pin_project;
use prometheus_client::encoding::EncodeLabelSet;
use prometheus_client::metrics::counter::Counter;
use prometheus_client::metrics::family::Family;
use prometheus_client::metrics::gauge::Gauge;
use tonic::{Code, Status};
use tower::{Layer, Service};

use super::target::Target;
use crate::config::{Config, Follow, Section};
use crate::metrics;
use crate::middleware::observe::{Observed, ObservedBody, Observer};

#[derive(Debug, Clone, PartialEq, Eq, Hash, EncodeLabelSet)]
struct Labels {
    target: String,
}

struct Families {
    in_flight: Family<Labels, Gauge>,
    rejected: Family<Labels, Counter>,
}

static FAMILIES: LazyLock<Families> = LazyLock::new(|| Families {
    in_flight: metrics::registered(
        "client_bulkhead_in_flight",
        "Calls in flight on channels with a limit on them",
    ),
    rejected: metrics::registered(
        "client_bulkhead_rejected",
        "Calls that failed because too many were in flight",
    ),
});

/// Wraps a client so that no more than so many calls are in flight.
#[derive(Debug, Clone)]
pub(super) struct BulkheadLayer(Follow<Option<Arc<Limit>>>);

#[derive(Debug)]
struct Limit {
    target: String,
    max: usize,
    /// Calls that began while there was a limit, whichever it was.
    in_flight: Arc<AtomicUsize>,
    gauge: Gauge,
    rejected: Counter,
}

impl BulkheadLayer {
    /// No limit when `max_in_flight` is 0.
    pub(super) fn new(target: &Target, max_in_flight: usize) -> Self {
        let target = target.to_string();
        let in_flight = Arc::new(AtomicUsize::new(0));
        let limit = move |max: usize| {
            let labels = Labels {
                target: target.clone(),
            };
            let limit = || Limit {
                target: target.clone(),
                max,
                in_flight: Arc::clone(&in_flight),
                gauge: FAMILIES.in_flight.get_or_create(&labels).clone(),
                rejected: FAMILIES.rejected.get_or_create(&labels).clone(),
            };
            (max > 0).then(|| Arc::new(limit()))
        };
        let first = limit(max_in_flight);
        let again = move |config: &Config| limit(config.client.max_in_flight);
        Self(Follow::new(&[Section::MaxInFlight], first, again))
    }
}

impl<S> Layer<S> for BulkheadLayer {
    type Service = Bulkhead<S>;

    fn layer(&self, inner: S) -> Bulkhead<S> {
        Bulkhead {
            inner,
            limit: self.0.clone(),
        }
    }
}

/// A client with a limit on its calls in flight.
#[derive(Debug, Clone)]
pub(super) struct Bulkhead<S> {
    inner: S,
    limit: Follow<Option<Arc<Limit>>>,
}

impl Limit {
    fn acquire(self: &Arc<Self>) -> Result<Place, Status> {
        if self.in_flight.fetch_add(1, Ordering::Relaxed) < self.max {
            self.gauge.inc();
            return Ok(Place(Arc::clone(self)));
        }
        self.in_flight.fetch_sub(1, Ordering::Relaxed);
        self.rejected.inc();
        let Self { target, max, .. } = &**self;
        Err(Status::resource_exhausted(format!(
            "{max} calls to {target} are in flight, the most that there may be \
             (client.max_in_flight)"
        )))
    }
}

/// A place for a call, until it is dropped.
#[derive(Debug)]
pub(super) struct Place(Arc<Limit>);

impl Observer for Place {
    fn finish(self, _: Code) {}
}

impl Drop for Place {
    fn drop(&mut self) {
        self.0.in_flight.fetch_sub(1, Ordering::Relaxed);
        self.0.gauge.dec();
    }
}

impl<S, Q, B> Service<Request<Q>> for Bulkhead<S>
where
    S: Service<Request<Q>, Response = Response<B>, Error = Status>,
{
    type Response = Response<ObservedBody<B, Place>>;
    type Error = Status;
    type Future = BulkheadFuture<S::Future>;

    fn poll_ready(&mut self, cx: &mut Context<'_>) -> Poll<Result<(), Status>> {
        self.inner.poll_ready(cx)
    }

    fn call(&mut self, request: Request<Q>) -> Self::Future {
        let place = (**self.limit.load()).as_ref().map(Limit::acquire);
        match place.transpose() {
            Ok(place) => BulkheadFuture::Sent {
                inner: Observed::new(self.inner.call(request), place),
            },
            Err(status) => BulkheadFuture::Rejected {
                status: Some(status),
            },
        }
    }
}

pin_project! {
    /// A call that has a place, or has none.
    #[project = Projected]
    #[derive(Debug)]
    pub(super) enum BulkheadFuture<F> {
        Sent {
            #[pin]
            inner: Observed<F, Place>,
        },
        Rejected {
            status: Option<Status>,
        },
    }
}

impl<F, B> Future for BulkheadFuture<F>
where
    F: Future<Output = Result<Response<B>, Status>>,
{
    type Output = Result<Response<ObservedBody<B, Place>>, Status>;

    fn poll(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Self::Output> {
        match self.project() {
            Projected::Sent { inner } => Poll::Ready(ready!(inner.poll(cx))),
            Projected::Rejected { status } => {
                let status = status.take().expect("it is not polled again");
                Poll::Ready(Err(status))
            }
        }
    }
}
