//! The future of a call that may be made several times, one attempt after the other.

use std::future::Future;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll, ready};
use std::time::Duration;

use http::{Request, Response};
use pin_project_lite::pin_project;
use tokio::time::{Sleep, sleep};
use tonic::{Code, Status};
use tower::Service;

use super::body::AttemptBody;
use super::call::Call;
use super::policy::RetryPolicy;
use crate::middleware::observe::dropping_as;

type Hedged<B> = Pin<Box<dyn Future<Output = Result<Response<B>, Status>> + Send>>;

pin_project! {
    /// The future of a call that may be made several times.
    #[must_use = "a call is only made when it is awaited"]
    pub(in crate::client) struct RetryFuture<S, B>
    where
        S: Service<Request<AttemptBody>>,
    {
        #[pin]
        state: State<S::Future, B>,
        // In a place of its own: the future is moved through every layer above.
        retried: Option<Box<Retried<S>>>,
    }
}

pin_project! {
    #[project = StateProjection]
    enum State<F, B> {
        Attempt { #[pin] future: F },
        Pause { sleep: Pin<Box<Sleep>> },
        Hedged { future: Hedged<B> },
    }
}

/// A call whose attempts may be followed by others.
struct Retried<S> {
    call: Call<S>,
    policy: Arc<RetryPolicy>,
    /// The end of an attempt that hangs.
    patience: Option<Pin<Box<Sleep>>>,
}

impl<S> Retried<S> {
    /// Begins to wait for an attempt.
    fn be_patient(&mut self) {
        self.patience = match self.policy.attempt_timeout {
            // How long it takes to send a stream is up to its sender.
            Some(timeout) if self.call.is_whole() => Some(Box::pin(sleep(timeout))),
            _ => None,
        };
    }

    /// Whether the attempt has been waited for long enough, and there may be another.
    fn poll_hangs(&mut self, cx: &mut Context<'_>) -> bool {
        let Some(patience) = &mut self.patience else {
            return false;
        };
        if patience.as_mut().poll(cx).is_pending() {
            return false;
        }
        self.patience = None;
        self.call.give_up(&self.policy)
    }
}

impl<S, B> RetryFuture<S, B>
where
    S: Service<Request<AttemptBody>>,
{
    /// A call that is made once.
    pub(super) fn once(future: S::Future) -> Self {
        Self {
            state: State::Attempt { future },
            retried: None,
        }
    }

    /// A call whose attempts are all made by `future`.
    pub(super) fn hedged(
        future: impl Future<Output = Result<Response<B>, Status>> + Send + 'static,
    ) -> Self {
        let future = Box::pin(future);
        Self {
            state: State::Hedged { future },
            retried: None,
        }
    }

    /// A call whose first attempt is `future`.
    pub(super) fn retried(future: S::Future, call: Call<S>, policy: Arc<RetryPolicy>) -> Self {
        let mut retried = Retried {
            call,
            policy,
            patience: None,
        };
        retried.be_patient();
        Self {
            state: State::Attempt { future },
            retried: Some(Box::new(retried)),
        }
    }
}

impl<S, B> Future for RetryFuture<S, B>
where
    S: Service<Request<AttemptBody>, Response = Response<B>, Error = Status>,
{
    type Output = Result<Response<B>, Status>;

    fn poll(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Self::Output> {
        let mut this = self.project();
        loop {
            match this.state.as_mut().project() {
                StateProjection::Hedged { future } => return future.as_mut().poll(cx),
                StateProjection::Attempt { future } => {
                    let Poll::Ready(result) = future.poll(cx) else {
                        let hangs = |retried: &mut Box<Retried<S>>| retried.poll_hangs(cx);
                        if !this.retried.as_mut().is_some_and(hangs) {
                            return Poll::Pending;
                        }
                        let at_once = State::pause(Duration::ZERO);
                        dropping_as(Code::DeadlineExceeded, || this.state.set(at_once));
                        continue;
                    };
                    let pause = |it: &mut Box<Retried<S>>| it.call.pause_after(&result, &it.policy);
                    match this.retried.as_mut().and_then(pause) {
                        Some(pause) => this.state.set(State::pause(pause)),
                        None => {
                            return Poll::Ready(match this.retried.take() {
                                Some(retried) => retried.call.end(result),
                                None => result,
                            });
                        }
                    }
                }
                StateProjection::Pause { sleep } => {
                    ready!(sleep.as_mut().poll(cx));
                    let Some(retried) = this.retried else {
                        return Poll::Pending;
                    };
                    ready!(retried.call.inner.poll_ready(cx))?;
                    let request = retried.call.again()?;
                    let future = retried.call.inner.call(request);
                    retried.be_patient();
                    this.state.set(State::Attempt { future });
                }
            }
        }
    }
}

impl<F, B> State<F, B> {
    fn pause(pause: Duration) -> Self {
        Self::Pause {
            sleep: Box::pin(sleep(pause)),
        }
    }
}
