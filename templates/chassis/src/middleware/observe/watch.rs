//! One layer for all who only look on.
//!
//! Each layer around a call has a future and a body of its own, which cost as much as what most of
//! those do who only want to know what a call was and how it ended. So they share one: it begins
//! with all of them, reads the clock, finds the outcome once, and tells it to all of them.

use std::task::{Context, Poll};
use std::time::Duration;

use http::{Request, Response};
use tokio::time::Instant;
use tonic::Code;
use tower::{Layer, Service};

use super::{HasCode, Observed, ObservedBody, Observer};

/// What looks on at calls.
pub(crate) trait Watch {
    type Watcher: Watcher;

    /// A call begins; `None` when nothing is to be known of it.
    fn begin<Q>(&self, request: &Request<Q>) -> Option<Self::Watcher>;
}

/// What wants to know how a call ended, and how long it took.
pub(crate) trait Watcher {
    /// Called once.
    fn end(self, code: Code, took: Duration);
}

impl<A: Watch, B: Watch> Watch for (A, B) {
    type Watcher = (Option<A::Watcher>, Option<B::Watcher>);

    fn begin<Q>(&self, request: &Request<Q>) -> Option<Self::Watcher> {
        let watchers = (self.0.begin(request), self.1.begin(request));
        (watchers.0.is_some() || watchers.1.is_some()).then_some(watchers)
    }
}

impl<A: Watcher, B: Watcher> Watcher for (Option<A>, Option<B>) {
    fn end(self, code: Code, took: Duration) {
        if let Some(watcher) = self.0 {
            watcher.end(code, took);
        }
        if let Some(watcher) = self.1 {
            watcher.end(code, took);
        }
    }
}

/// Wraps a server or a client in what looks on.
#[derive(Debug, Clone)]
pub(crate) struct WatchLayer<W>(pub(crate) W);

impl<S, W: Clone> Layer<S> for WatchLayer<W> {
    type Service = Watched<S, W>;

    fn layer(&self, inner: S) -> Watched<S, W> {
        Watched {
            inner,
            watch: self.0.clone(),
        }
    }
}

#[derive(Debug, Clone)]
pub(crate) struct Watched<S, W> {
    inner: S,
    watch: W,
}

impl<S, W, Q, B> Service<Request<Q>> for Watched<S, W>
where
    S: Service<Request<Q>, Response = Response<B>>,
    S::Error: HasCode,
    W: Watch,
{
    type Response = Response<ObservedBody<B, Timed<W::Watcher>>>;
    type Error = S::Error;
    type Future = Observed<S::Future, Timed<W::Watcher>>;

    fn poll_ready(&mut self, cx: &mut Context<'_>) -> Poll<Result<(), S::Error>> {
        self.inner.poll_ready(cx)
    }

    fn call(&mut self, request: Request<Q>) -> Self::Future {
        let watcher = self.watch.begin(&request);
        let timed = watcher.map(|watcher| Timed {
            watcher,
            began: Instant::now(),
        });
        Observed::new(self.inner.call(request), timed)
    }
}

/// A watcher of a call that began.
#[derive(Debug)]
pub(crate) struct Timed<W> {
    watcher: W,
    began: Instant,
}

impl<W: Watcher> Observer for Timed<W> {
    fn finish(self, code: Code) {
        self.watcher.end(code, self.began.elapsed());
    }
}
