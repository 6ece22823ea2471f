//! A panic in a handler, or in the stream it returned, ends that call with `INTERNAL` and nothing
//! else. The panic itself is logged, with its place, by the hook that `telemetry` sets.
//!
//! A binary built with `panic = "abort"` ends all the same.

mod body;
mod future;

use std::convert::Infallible;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::task::{Context, Poll};

use http::{Request, Response};
use tonic::Status;
use tower::{Layer, Service};

use body::CatchBody;
use future::CatchFuture;

/// Wraps a server so that panics do not end the connection with all its other calls.
#[derive(Debug, Clone, Copy)]
pub(crate) struct CatchPanicLayer {
    pub(crate) enabled: bool,
}

impl<S> Layer<S> for CatchPanicLayer {
    type Service = CatchPanic<S>;

    fn layer(&self, inner: S) -> CatchPanic<S> {
        CatchPanic {
            inner,
            enabled: self.enabled,
        }
    }
}

#[derive(Debug, Clone)]
pub(crate) struct CatchPanic<S> {
    inner: S,
    enabled: bool,
}

impl<S, Q, B> Service<Request<Q>> for CatchPanic<S>
where
    S: Service<Request<Q>, Response = Response<B>, Error = Infallible>,
{
    type Response = Response<CatchBody<B>>;
    type Error = Infallible;
    type Future = CatchFuture<S::Future>;

    fn poll_ready(&mut self, cx: &mut Context<'_>) -> Poll<Result<(), Infallible>> {
        self.inner.poll_ready(cx)
    }

    fn call(&mut self, request: Request<Q>) -> Self::Future {
        // What panicked is dropped and not looked at again, so it cannot be seen half-changed.
        let future = match self.enabled {
            true => catch_unwind(AssertUnwindSafe(|| self.inner.call(request))).ok(),
            false => Some(self.inner.call(request)),
        };
        CatchFuture::new(future, self.enabled)
    }
}

/// What the caller gets to know: that it happened, and nothing of how.
fn status() -> Status {
    Status::internal("the handler panicked")
}

#[cfg(test)]
mod tests;
