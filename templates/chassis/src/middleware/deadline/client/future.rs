//! The future of a call that is made under a deadline.

use std::future::Future;
use std::pin::Pin;
use std::task::{Context, Poll};
use std::time::Duration;

use http::Response;
use pin_project_lite::pin_project;
use tokio::time::Instant;
use tonic::{Code, Status};

use super::body::{Sent, WaitBody};
use crate::middleware::deadline::exceeded;
use crate::middleware::deadline::timer::Timer;
use crate::middleware::observe::dropping_as;

/// How long a call is waited for.
#[derive(Debug)]
pub(super) enum Limit {
    /// Until then, for everything.
    Deadline(Instant),
    /// For the head of the response, so long after the request was sent.
    Response { timeout: Duration, sent: Sent },
}

pin_project! {
    /// Waits for the head of a response for as long as the limit says.
    #[derive(Debug)]
    pub(crate) struct WaitFuture<F> {
        // `None` once it has been given up.
        #[pin]
        inner: Option<F>,
        timer: Timer,
        limit: Option<Limit>,
        refusal: Option<Status>,
    }
}

impl<F> WaitFuture<F> {
    pub(super) fn new(inner: F, limit: Option<Limit>) -> Self {
        let until = limit.as_ref().and_then(|limit| match limit {
            Limit::Deadline(deadline) => Some(*deadline),
            Limit::Response { timeout, .. } => Instant::now().checked_add(*timeout),
        });
        Self {
            inner: Some(inner),
            timer: Timer::new(until),
            limit,
            refusal: None,
        }
    }

    /// A call that ends before it begins.
    pub(super) fn refused(status: Status) -> Self {
        Self {
            inner: None,
            timer: Timer::new(None),
            limit: None,
            refusal: Some(status),
        }
    }
}

impl<F, B> Future for WaitFuture<F>
where
    F: Future<Output = Result<Response<B>, Status>>,
{
    type Output = Result<Response<WaitBody<B>>, Status>;

    fn poll(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Self::Output> {
        let mut this = self.project();
        if let Some(inner) = this.inner.as_mut().as_pin_mut()
            && let Poll::Ready(result) = inner.poll(cx)
        {
            let deadline = match this.limit {
                Some(Limit::Deadline(deadline)) => Some(*deadline),
                _ => None,
            };
            let wrap = |body| WaitBody::new(body, deadline);
            return Poll::Ready(result.map(|response| response.map(wrap)));
        }
        if let Some(status) = this.refusal.take() {
            return Poll::Ready(Err(status));
        }
        let Some(limit) = this.limit else {
            return Poll::Pending;
        };
        while this.timer.poll(cx).is_ready() {
            let status = match limit {
                Limit::Deadline(_) => exceeded(),
                Limit::Response { timeout, sent } => {
                    // While the request is being sent, the time has not begun to run.
                    let now = Instant::now();
                    let end = sent.at().unwrap_or(now) + *timeout;
                    if now < end {
                        this.timer.reset(end);
                        continue;
                    }
                    Status::deadline_exceeded(format!("no response within {timeout:?}"))
                }
            };
            dropping_as(Code::DeadlineExceeded, || this.inner.set(None));
            return Poll::Ready(Err(status));
        }
        Poll::Pending
    }
}
